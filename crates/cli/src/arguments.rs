//! What can be typed: the commands, their options, and the help that explains them.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Moves data from where it is to where you want it: fetched, checked, loaded.
///
/// A pipeline is one YAML file: where the data is, what a record must look like, where it goes. A run fetches it into `raw/`, cleans it into
/// `clean/` (what breaks its contract goes to `rejected/`), and loads it into a collection of documents.
#[derive(Debug, Parser)]
#[command(
    name = "tidemill",
    version,
    max_term_width = 100,
    after_help = "To see it work, from a clone of the repository:\n  tidemill run earthquakes --recorded\n  tidemill documents earthquakes --limit 3",
    after_long_help = "To see it work, from a clone of the repository:\n  tidemill run earthquakes --recorded\n  tidemill documents earthquakes --limit 3\n\n\
        PIPELINE is a file, or the name of one in `pipelines/`.\n\n\
        Environment variables (those that are not set are looked for in a file `.env` in the working folder):\n  \
        TIDEMILL_HOME          where the lake, the ledger and the documents are kept\n  \
        TIDEMILL_MONGODB_URI   MongoDB, to load the documents there: mongodb://USER:PASSWORD@HOST/DATABASE\n  \
        TIDEMILL_STACK         the stack in the cloud that commands speak to, in place of a home\n  \
        TIDEMILL_SECRET_NAME   the value of `${secret:name}` in a pipeline file\n\n\
        Exit codes: 0 all is well; 1 work failed, or more records were rejected or refused than the pipeline's `reject_limit` allows; \
        2 wrong use, or a pipeline file with faults; 3 somebody else is at it; 130 stopped by Ctrl-C."
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Where the lake, the ledger and the documents are kept [default: $TIDEMILL_HOME, else .tidemill]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Speak to this stack in the cloud, with your own AWS credentials, rather than to a home [default: $TIDEMILL_STACK]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "home")]
    pub stack: Option<String>,
    /// Print JSON for programs, not tables for people; an error is a last line {"error": …, "next": …} too
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check pipeline files, and say all that is wrong with them
    #[command(
        after_help = "Every fault is shown with its line, the excerpt and what was probably meant.\nNothing is fetched and nothing is written."
    )]
    Check(Check),
    /// Print the JSON Schema of a pipeline file, for editors
    #[command(
        after_help = "To have an editor with a YAML language server complete and check:\n  tidemill schema > pipelines/schema.json\nand as the first line of a pipeline file:\n  # yaml-language-server: $schema=schema.json"
    )]
    Schema,
    /// Fetch one page and show what would become of it; nothing is kept
    #[command(
        after_help = "Examples:\n  tidemill try earthquakes --recorded --limit 2\n  tidemill try pipelines/mine.yaml --resource orders"
    )]
    Try(Try),
    /// Fetch what is new, clean it, load it
    #[command(
        after_help = "A run that was killed is picked up by the next: type the same command again. Two runs of one pipeline do not get in each other's way: the second says who is at it, and skips.\n\nExamples:\n  tidemill run earthquakes --recorded\n  tidemill run flights --resource airlines --json"
    )]
    Run(Run),
    /// List the runs, the newest first
    #[command(
        after_help = "A run's state is `extracting`, `extracted`, `failed` or `skipped`; once it is extracted, `waiting` while objects of it are to be cleaned or loaded yet, or `over limit` when more was rejected or refused than `reject_limit` allows; of one that replaces its collection, once it is extracted: `loading`, `visible` (what readers see), `superseded` (a newer run's documents are seen) or `not shown` (empty, or too many rejects: what was there before stays).\n\nOf a row, `in` is out + rejected + dropped + duplicates, and `out`, once nothing is waiting, is inserted + updated + unchanged + stale + superseded + refused; columns that no run has anything in are left out."
    )]
    Runs(Runs),
    /// Show the records that broke their contract or that the store refused, and why
    #[command(
        after_help = "Only what was rejected or refused under the newest definition is shown: a pipeline file put right and replayed starts clean.\n\nExamples:\n  tidemill rejects flights --by reason\n  tidemill rejects flights --json | head -1"
    )]
    Rejects(Rejects),
    /// Print the documents of a collection, a line of Extended JSON each
    #[command(
        after_help = "Examples:\n  tidemill documents earthquakes --limit 3\n  tidemill documents earthquakes | grep '\"kind\":\"explosion\"' | wc -l"
    )]
    Documents(Documents),
    /// Trace a document: the raw line it came from, and what each rule did to its values
    #[command(
        after_help = "KEY is the document's `_id`: text, a number, or JSON for a key of several fields.\n\nExamples:\n  tidemill explain earthquakes ci37868143\n  tidemill explain flights UA --resource airlines\n  tidemill explain flights '{\"origin\": \"EWR\", \"observed_at\": {\"$date\": \"2013-01-01T06:00:00Z\"}}' --resource weather"
    )]
    Explain(Explain),
    /// Clean and load again from `raw/` under the pipeline file as it is now; the source is not asked
    #[command(
        after_help = "Examples:\n  tidemill replay earthquakes\n  tidemill replay earthquakes --since 2026-11-01\n  tidemill replay earthquakes --since 2026-11-24T02:00:00Z   (after a restore)"
    )]
    Replay(Replay),
    /// Make a stack in the cloud run the pipelines of these files: definitions, schedules, collections
    #[command(
        after_help = "What will be done is printed first, then done: `+` is created, `~` changed, `-` deleted. Typed again, there is nothing to change; killed in the middle, it is finished by typing it again. Only what changed is touched, and a schedule that was changed by hand is put right.\n\nWithout FILES, the folder `pipelines/` says all that the stack is to run: a pipeline that is applied and has no file there any more is taken away. It loses its schedules and keeps its data. With FILES, only these are looked at.\n\nOne apply at a time: exit code 3 when somebody else is at it.\n\nExamples:\n  tidemill apply --stack dev --plan\n  tidemill apply --stack dev\n  tidemill apply earthquakes --stack prod --json"
    )]
    Apply(Apply),
    /// List the incidents of a stack that are open: what failed, stopped or stayed silent
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "`watch` opens an incident for each cause (dead letters, a failed, missed, late or skipped run, an object that is stuck, too many rejects) and lets it recover when that is over.\n\nExamples:\n  tidemill incidents --stack dev\n  tidemill incidents show 01M869X26REPS9TQZ60A3DBEYN --stack dev\n  tidemill incidents --all --json --stack dev"
    )]
    Incidents(Incidents),
    /// Send the dead letters of an incident back to the queue that gave them up
    #[command(
        after_help = "First put right what made them fail. Each message is sent before it is deleted, so none is lost: killed in between, one comes twice, and that does no harm. Messages of other incidents stay where they are. Those that somebody looks at just now, `watch` for one, are hidden: they are waited for, half a minute at most.\n\nExample:\n  tidemill redrive 01M869X26REPS9TQZ60A3DBEYN --stack dev"
    )]
    Redrive(Redrive),
    /// Back the whole database of documents up; list, verify, export and try out the backups
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "A backup is an archive as `mongodump --archive --gzip` writes it, in parts, and a manifest with the count and the hash of every collection. The manifest is written last: what was interrupted is no backup, and the same command goes on with it. It goes into the vault: the folder `vault/` of the home, which belongs onto another disk now and then; or the stack's bucket, where it is locked.\n\nWhat loaders write meanwhile may or may not be in it: after a restore, `tidemill replay` brings it from `raw/`.\n\nExamples:\n  tidemill backup\n  tidemill backup list\n  tidemill backup verify\n  tidemill backup drill --stack prod"
    )]
    Backup(Backup),
    /// Put a backup back: into the database it is of, or into another
    #[command(
        after_help = "First it says what it will do; then every byte of the backup is verified; only then is anything written. Into a database of the same name, or over collections that are there, it asks (or needs --yes), and drops these first: what only they hold is lost. Interrupted, the database says that it is not whole (`tidemill doctor`), and the same command goes on from there.\n\nIn the end it names the commands that bring what was loaded since the backup, from `raw/`. With --stack it runs on this machine, which must reach the database.\n\nThe database is gone:\n  tidemill restore --stack prod\n  tidemill replay PIPELINE --since TIME --stack prod   (as the restore says it)\nOne collection, as it was yesterday, beside the database:\n  tidemill restore --at 2026-11-24 --only orders --into shop_yesterday --stack prod\nA laptop's documents into a MongoDB:\n  tidemill backup\n  TIDEMILL_MONGODB_URI=mongodb://… tidemill restore"
    )]
    Restore(Restore),
    /// Tell what documents go to, as whom, what is allowed there, and whether collections are as declared
    #[command(
        after_help = "Nothing is changed. The exit code is 1 when something is wrong, and what to do about it is said. With --stack: whether each part of the stack can be reached with your credentials, and what waits in its queues.\n\nExamples:\n  tidemill doctor\n  tidemill doctor earthquakes --json\n  TIDEMILL_MONGODB_URI=mongodb://localhost/test tidemill doctor"
    )]
    Doctor(Doctor),
    /// Write a commented pipeline file to start from: pipelines/NAME.yaml
    Init(Init),
}

#[derive(Debug, Args)]
pub struct Check {
    /// The files, or names of pipelines in `pipelines/`
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<String>,
}

/// Where a run fetches from, if not from where the pipeline file says.
#[derive(Clone, Debug, Default, Args)]
pub struct Source {
    /// Only this resource of the pipeline
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// In place of the pipeline's `base_url` (or the `root` of its files)
    #[arg(long, value_name = "URL", conflicts_with = "recorded")]
    pub base_url: Option<String>,
    /// Fetch from the recording that ships with the pipeline, served on this machine as the real system serves it
    #[arg(long)]
    pub recorded: bool,
}

#[derive(Debug, Args)]
pub struct Try {
    /// A pipeline file, or the name of one in `pipelines/`
    pub pipeline: String,
    /// How many documents and rejects to show of each resource
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub limit: usize,
    #[command(flatten)]
    pub source: Source,
}

#[derive(Debug, Args)]
pub struct Run {
    /// A pipeline file, or the name of one in `pipelines/`
    pub pipeline: String,
    #[command(flatten)]
    pub source: Source,
    /// With --stack: ask for the run, and do not wait for its end
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Apply {
    /// Pipeline files, or names of pipelines in `pipelines/` [default: all there, and these only]
    #[arg(value_name = "FILES")]
    pub files: Vec<String>,
    /// Only print what would be done
    #[arg(long)]
    pub plan: bool,
    /// With --plan: exit code 0 when there is nothing to change, 2 when there is, 1 for all that is wrong
    #[arg(long, requires = "plan")]
    pub detailed_exitcode: bool,
    /// Leave the collections to `load`, which makes them as it goes: for a database that can't be reached from here
    #[arg(long)]
    pub skip_collections: bool,
    /// Take all pipelines away where `pipelines/` holds no file
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Runs {
    /// Only the runs of this pipeline: a file, a name in `pipelines/`, or the name of a pipeline whose file is gone
    pub pipeline: Option<String>,
    /// How many runs to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

#[derive(Debug, Args)]
pub struct Rejects {
    /// A pipeline file, or the name of one in `pipelines/`
    pub pipeline: String,
    /// Only this resource of the pipeline
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// Count them rather than list them
    #[arg(long, value_name = "WHAT")]
    pub by: Option<By>,
}

/// What rejects are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The reason and the field
    Reason,
}

#[derive(Debug, Args)]
pub struct Documents {
    /// The collection's name, as in the pipeline file
    pub collection: String,
    /// At most so many; without it, all
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// A pipeline file, or the name of one in `pipelines/`
    pub pipeline: String,
    /// The document's `_id`
    #[arg(allow_hyphen_values = true)]
    pub key: String,
    /// Only this resource of the pipeline
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
}

#[derive(Debug, Args)]
pub struct Replay {
    /// A pipeline file, or the name of one in `pipelines/`
    pub pipeline: String,
    /// Only what was fetched by runs that were at work at this time or later: a day (UTC), or a moment such as 2026-11-24T02:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<jiff::Timestamp>,
    /// Only this resource of the pipeline
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
}

#[derive(Debug, Args)]
pub struct Incidents {
    #[command(subcommand)]
    pub what: Option<IncidentsWhat>,
    /// Those that have recovered, too
    #[arg(long)]
    pub all: bool,
    /// How many to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

#[derive(Debug, Subcommand)]
pub enum IncidentsWhat {
    /// What happened when, what it concerns, and the command to type next
    Show {
        /// The incident's id
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct Redrive {
    /// The incident's id, as `tidemill incidents` lists it
    pub id: String,
    /// Also messages that nobody can make sense of
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Only the collections of these pipelines: files, or names in `pipelines/` [default: all there]
    #[arg(value_name = "PIPELINES")]
    pub pipelines: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The new pipeline's name: lower-case letters, digits, `_` and `-`
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Backup {
    #[command(subcommand)]
    pub what: Option<BackupWhat>,
    /// Also when there is not one document in the database: without it, that is taken for a mistake
    #[arg(long)]
    pub allow_empty: bool,
    /// Leave this collection out; can be typed several times
    #[arg(long, value_name = "COLLECTION")]
    pub leave_out: Vec<String>,
    /// With --stack: ask for the backup, and do not wait for its end
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub enum BackupWhat {
    /// List the backups in the vault, the newest first
    #[command(
        after_help = "`whole`: the manifest is as it was written, and all parts are there; what is in them, `tidemill backup verify` reads. `kept until`: no backup goes before that. On a stack its objects are locked until then: nobody can delete or overwrite them. The class says how long that is: the first backup of a year is `yearly`, the first of a month `monthly`, the first of a week `weekly`, all others `daily`."
    )]
    List,
    /// Read a backup to its last byte, and say whether all of it is as it was written; nothing is changed
    #[command(
        after_help = "Checked are the size and the SHA-256 of every object, the gzip and archive formats, and each collection's count, hash and checksum. The exit code is 1 when something is damaged. Whether the database could be made from it is what `tidemill backup drill` tries out."
    )]
    Verify {
        /// The backup's id, as `tidemill backup list` shows it [default: the newest]
        id: Option<String>,
    },
    /// Write a backup as one file, which `mongorestore` reads
    #[command(
        after_help = "The file is what `mongodump --archive --gzip` would have written. MongoDB's own tools, without Tidemill, bring it back:\n  mongorestore --archive=FILE --gzip\n\nExamples:\n  tidemill backup export 01M9FZ7Q2VN1CE61S4KWQ0G5AX shop.archive.gz\n  tidemill backup export 01M9FZ7Q2VN1CE61S4KWQ0G5AX - | mongorestore --archive --gzip --dryRun -v"
    )]
    Export {
        /// The backup's id, as `tidemill backup list` shows it
        id: String,
        /// A new file; `-` is the standard output
        file: PathBuf,
    },
    /// Restore the newest backup into a scratch database beside the real one, compare counts and hashes, drop the scratch
    #[command(
        after_help = "The result is kept in the ledger. The exit code is 1 when the copy differs from what was backed up. On a stack, its function does this: once a week by itself, and when this command asks for it."
    )]
    Drill {
        /// With --stack: ask for the drill, and do not wait for its end
        #[arg(long)]
        no_wait: bool,
    },
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The backup's id, as `tidemill backup list` shows it [default: the newest]
    pub id: Option<String>,
    /// The newest backup that had ended by then: a day (its first moment, UTC), or a moment such as 2026-11-24T02:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "id")]
    pub at: Option<jiff::Timestamp>,
    /// Into this database of the same server (of a home: another file), and not into the one that documents are loaded into
    #[arg(long, value_name = "NAME")]
    pub into: Option<String>,
    /// Only this collection or view; can be typed several times
    #[arg(long, value_name = "COLLECTION")]
    pub only: Vec<String>,
    /// Verify the backup to its last byte and say what would be done; nothing is written
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask: drop what stands in the way, and restore
    #[arg(long)]
    pub yes: bool,
    /// Begin anew where another restore was interrupted
    #[arg(long)]
    pub start_over: bool,
}

/// A moment as it is typed, or the first of a day.
fn moment(text: &str) -> Result<jiff::Timestamp, &'static str> {
    const EXPECTED: &str = "expected a day such as 2026-11-01, or a moment such as 2026-11-01T06:30:00Z";
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    // Not what has a time of day and says no zone.
    format!("{text}T00:00:00Z").parse().map_err(|_| EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_time_is_a_day_or_a_moment() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(moment(text).ok().map(|at| at.to_string()).as_deref(), expected, "{text}");
        check("2026-11-24", Some("2026-11-24T00:00:00Z"));
        check("2026-11-24T02:30:00Z", Some("2026-11-24T02:30:00Z"));
        check("2026-11-24T02:30:00+01:00", Some("2026-11-24T01:30:00Z"));
        for wrong in ["2026-11-24T02:30:00", "2026-11-24 02:30", "yesterday", "2026-13-01", ""] {
            check(wrong, None);
        }
    }
}
