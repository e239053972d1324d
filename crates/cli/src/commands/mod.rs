//! The commands, a file each.

#[cfg(feature = "aws")]
mod apply;
mod backup;
#[cfg(feature = "aws")]
mod backup_stack;
mod check;
mod doctor;
#[cfg(feature = "aws")]
mod doctor_stack;
mod document_key;
mod documents;
mod explain;
mod incidents;
mod init;
#[cfg(feature = "aws")]
mod redrive;
mod rejects;
mod replay;
#[cfg(feature = "aws")]
mod replay_stack;
mod restore;
mod run;
#[cfg(feature = "aws")]
mod run_stack;
mod runs;
mod schema;
mod trial;

use crate::{
    Context, Failure, Status,
    arguments::{Arguments, Command, Global, Source},
    local::{
        self, Destination, DestinationError, Found, Home, HomeError, PipelineError, Request, Runner, Upstream, clock::SystemClock, home,
        secrets::Secrets, variables,
    },
    output::{plain::plain_lines, progress::Progress},
    ports::Ports,
};
#[cfg(feature = "aws")]
use crate::{arguments::BackupWhat, cloud::Stack};
use ::documents::{Database, Documents};
use pipeline::Name;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// What a command returns: its exit code, or why it ended early.
type Ended = Result<Status, Failure>;

/// Does what was typed.
pub(crate) async fn dispatch(arguments: Arguments, context: &mut Context) -> Ended {
    let home = HomeAt::new(&arguments.global, context);
    warn(&arguments.command, context)?;
    let ended = command(&arguments, &home, context).await;
    home.close().await;
    ended
}

/// Says which variables mean nothing, though they look as if they should.
fn warn(command: &Command, context: &mut Context) -> io::Result<()> {
    if matches!(command, Command::Check(_) | Command::Schema | Command::Init(_)) {
        return Ok(());
    }
    // One that can't be read is told by whatever needs it.
    let Ok(secrets) = Secrets::new(&context.environment, &context.folder) else {
        return Ok(());
    };
    for strange in variables::misspelt(secrets.names()) {
        write!(context.err, "{}", plain_lines(&format!("note: {strange}\n")))?;
    }
    Ok(())
}

async fn command(arguments: &Arguments, home: &HomeAt, context: &mut Context) -> Ended {
    let as_json = arguments.global.json;
    if arguments.global.stack.is_some() && is_of_files(&arguments.command) {
        let error = anyhow::anyhow!("this command looks at files, and at no stack");
        return Err(Failure::wrong(error).next("leave --stack out"));
    }
    if let Some(stack) = &home.stack
        && let Some(ended) = in_cloud(arguments, stack, home, context).await
    {
        return ended;
    }
    match &arguments.command {
        Command::Check(typed) => check::run(typed, as_json, context),
        Command::Schema => schema::run(context),
        Command::Init(typed) => init::run(typed, as_json, context),
        Command::Try(typed) => trial::run(typed, home, as_json, context).await,
        Command::Run(typed) => run::run(typed, home, as_json, context).await,
        Command::Runs(typed) => runs::run(typed, home, as_json, context).await,
        Command::Rejects(typed) => rejects::run(typed, home, as_json, context).await,
        Command::Documents(typed) => documents::run(typed, home, context).await,
        Command::Explain(typed) => explain::run(typed, home, as_json, context).await,
        Command::Doctor(typed) => doctor::run(typed, home, as_json, context).await,
        Command::Replay(typed) => replay::run(typed, home, as_json, context).await,
        Command::Incidents(typed) => incidents::run(typed, home, as_json, context).await,
        Command::Backup(typed) => backup::run(typed, home, as_json, context).await,
        Command::Restore(typed) => restore::run(typed, home, as_json, context).await,
        Command::Apply(_) => Err(no_stack("apply")),
        Command::Redrive(_) => Err(no_stack("redrive ID")),
    }
}

/// What needs neither a home nor a stack.
fn is_of_files(command: &Command) -> bool {
    matches!(command, Command::Check(_) | Command::Schema | Command::Init(_) | Command::Try(_))
}

/// The commands that are others on a stack than on a home. `None`: it is the same, over what the stack keeps.
#[cfg(feature = "aws")]
async fn in_cloud(arguments: &Arguments, stack: &str, home: &HomeAt, context: &mut Context) -> Option<Ended> {
    let as_json = arguments.global.json;
    Some(match &arguments.command {
        Command::Apply(typed) => apply::run(typed, stack, home, as_json, context).await,
        Command::Run(typed) => run_stack::run(typed, stack, home, as_json, context).await,
        Command::Replay(typed) => replay_stack::run(typed, stack, home, as_json, context).await,
        Command::Redrive(typed) => redrive::run(typed, stack, home, as_json, context).await,
        Command::Backup(typed) => match &typed.what {
            None => backup_stack::take(typed, stack, home, as_json, context).await,
            Some(BackupWhat::Drill { no_wait }) => backup_stack::drill(*no_wait, stack, home, as_json, context).await,
            Some(_) => return None,
        },
        Command::Doctor(_) => doctor_stack::run(stack, home, as_json, context).await,
        _ => return None,
    })
}

#[cfg(not(feature = "aws"))]
async fn in_cloud(arguments: &Arguments, stack: &str, _: &HomeAt, _: &mut Context) -> Option<Ended> {
    match is_of_files(&arguments.command) {
        true => None,
        false => Some(Err(not_built(stack))),
    }
}

/// What there is only in the cloud.
fn no_stack(command: &str) -> Failure {
    let error = anyhow::anyhow!("`tidemill {command}` speaks to a stack in the cloud, and none is named");
    Failure::wrong(error).next(format!("name it: tidemill {command} --stack NAME, or set `TIDEMILL_STACK`"))
}

/// The home that was chosen, not opened yet.
struct HomeAt {
    folder: PathBuf,
    /// As it was typed, for commands that we propose.
    typed: Option<PathBuf>,
    /// What says where the documents go.
    environment: BTreeMap<String, String>,
    working_folder: PathBuf,
    /// The stack in the cloud, where that is spoken to and not a home.
    stack: Option<String>,
    /// The stores of documents that were opened.
    opened: Mutex<Vec<Arc<dyn Documents>>>,
    /// The databases, as backup and restore see them.
    databases: Mutex<Vec<Arc<dyn Database>>>,
}

impl HomeAt {
    fn new(global: &Global, context: &Context) -> HomeAt {
        let typed = global.home.clone();
        // A `.env` that can't be read is told by whatever opens the home.
        let set = |variable| {
            let secrets = Secrets::new(&context.environment, &context.folder).ok()?;
            secrets.variable(variable).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let chosen = typed.clone().or_else(|| set(variables::HOME).map(PathBuf::from));
        // A home that is typed goes before a stack that is set.
        let stack = global.stack.clone().or_else(|| match &typed {
            Some(_) => None,
            None => set(variables::STACK),
        });
        HomeAt {
            folder: context.path(chosen.unwrap_or_else(|| home::DEFAULT.into())),
            typed,
            environment: context.environment.clone(),
            working_folder: context.folder.clone(),
            stack,
            opened: Mutex::default(),
            databases: Mutex::default(),
        }
    }

    /// A command to type next, on the same home or stack.
    fn command(&self, words: &str) -> String {
        match (&self.stack, &self.typed) {
            (Some(stack), _) => format!("tidemill {words} --stack {stack}"),
            (None, Some(home)) => format!("tidemill {words} --home {}", shell_word(&home.to_string_lossy())),
            (None, None) => format!("tidemill {words}"),
        }
    }

    /// What the home or the stack keeps, for commands that only look.
    async fn ports(&self) -> Result<Ports, Failure> {
        match &self.stack {
            None => Ok(self.open()?.ports()),
            #[cfg(feature = "aws")]
            Some(stack) => Ok(self.stack(stack).await?.ports),
            #[cfg(not(feature = "aws"))]
            Some(stack) => Err(not_built(stack)),
        }
    }

    /// The stack of this name, opened.
    #[cfg(feature = "aws")]
    async fn stack(&self, stack: &str) -> Result<Stack, Failure> {
        let stack = Stack::open(stack, &self.destination()?).await?;
        self.remember(stack.ports.documents.clone());
        Ok(stack)
    }

    /// For commands that look at what is there.
    fn open(&self) -> Result<Home, Failure> {
        let home = Home::open_with(&self.folder, &self.destination()?).map_err(no_home)?;
        self.remember(home.documents.clone());
        Ok(home)
    }

    /// For commands that bring something in.
    fn create(&self) -> Result<Home, Failure> {
        let home = Home::create_with(&self.folder, &self.destination()?).map_err(no_home)?;
        self.remember(home.documents.clone());
        Ok(home)
    }

    /// A store to be closed at the end.
    fn remember(&self, documents: Arc<dyn Documents>) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(documents);
    }

    /// A database to be closed at the end.
    fn remember_database(&self, database: Arc<dyn Database>) {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(database);
    }

    /// Closes what was opened: a driver that is still busy when the runtime goes would panic.
    async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        for documents in opened {
            documents.close().await;
        }
        let databases = std::mem::take(&mut *self.databases.lock().unwrap_or_else(PoisonError::into_inner));
        for database in databases {
            database.close().await;
        }
    }

    /// Where documents go.
    fn destination(&self) -> Result<Destination, Failure> {
        Destination::new(&self.environment, &self.working_folder).map_err(no_destination)
    }
}

/// A stack that this program can't speak to.
#[cfg(not(feature = "aws"))]
fn not_built(stack: &str) -> Failure {
    let error = anyhow::anyhow!("the stack `{stack}` can't be spoken to: this tidemill was built without AWS");
    Failure::wrong(error).next(
        "build it in: cargo run --release --features aws -- …, or cargo install --path crates/cli --features aws; the released programs have it",
    )
}

fn no_home(error: HomeError) -> Failure {
    match error {
        HomeError::Nothing(_) => {
            Failure::wrong(error).next("run a pipeline first (tidemill run PIPELINE), or say where its home is with --home DIR")
        }
        HomeError::Destination(error) => no_destination(error),
        other => Failure::from(other),
    }
}

fn no_destination(error: DestinationError) -> Failure {
    let next = error.next();
    let failure = match error.is_wrong_use() {
        true => Failure::wrong(error),
        false => Failure::from(error),
    };
    match next {
        Some(next) => failure.next(next),
        None => failure,
    }
}

/// A text as a word that a shell takes as it is.
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The pipeline that was typed, found and checked. Faults are shown whole, on the side.
fn pipeline(typed: &str, context: &mut Context) -> Result<Found, Failure> {
    local::pipelines::find(typed, &context.folder).map_err(|error| wrong_pipeline(error, context))
}

/// A pipeline that can't be had is wrong use; its faults are shown first.
fn wrong_pipeline(error: PipelineError, context: &mut Context) -> Failure {
    if let PipelineError::Faults(faults) = &error {
        // Who can't be told can't be told.
        let _ = writeln!(context.err, "{}\n", faults.render(context.err_is_terminal));
    }
    let next = error.next();
    let failure = Failure::wrong(error);
    match next {
        Some(next) => failure.next(next),
        None => failure,
    }
}

/// The name of the pipeline that was typed: of its file, or, where the file is gone, one that the ledger knows.
async fn pipeline_name(typed: &str, home: &Ports, context: &mut Context) -> Result<Name, Failure> {
    let error = match local::pipelines::find(typed, &context.folder) {
        Ok(found) => return Ok(found.checked.pipeline.pipeline.clone()),
        Err(error) => error,
    };
    if let (PipelineError::Unknown { .. }, Ok(name)) = (&error, Name::new(typed))
        && home.ledger.newest_definition(&name).await?.is_some()
    {
        return Ok(name);
    }
    Err(wrong_pipeline(error, context))
}

/// What was typed about the source, as a request; and the recorded upstream, which serves until it is dropped.
async fn request(found: &Found, source: &Source, pages_max: Option<u32>) -> Result<(Request, Option<Upstream>), Failure> {
    let resource = source.resource.as_deref().map(Name::new).transpose().map_err(Failure::wrong)?;
    let upstream = match source.recorded {
        true => Some(
            Upstream::start(found.checked.pipeline.pipeline.as_str(), &found.folder)
                .await
                .map_err(Failure::wrong)?,
        ),
        false => None,
    };
    let recorded = upstream.as_ref().map(Upstream::base_url);
    let request = Request {
        checked: found.checked.clone(),
        text: found.text.clone(),
        folder: found.folder.clone(),
        resource,
        base_url: recorded.or_else(|| source.base_url.clone()),
        pages_max,
    };
    Ok((request, upstream))
}

/// A runner on this home, with progress on the side.
fn runner(home: Home, context: &Context) -> Result<Runner, Failure> {
    let secrets = Secrets::new(&context.environment, &context.folder).map_err(Failure::wrong)?;
    Ok(Runner::new(home, Arc::new(SystemClock), Arc::new(progress(context)), secrets))
}

/// Progress on the side.
fn progress(context: &Context) -> Progress {
    if context.err_is_terminal {
        Progress::drawn()
    } else {
        Progress::lines(Box::new(context.err.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposed_command_can_be_pasted() {
        let check = |text: &str, expected: &str| assert_eq!(shell_word(text), expected);
        check("../my/home", "../my/home");
        check("my home", "'my home'");
        check("it's;$x", r"'it'\''s;$x'");
        check("", "''");
    }
}
