//! The whole system on this machine: `cargo cloud` deploys the real template to an emulator of AWS, runs the earthquakes through it, says where to look,
//! and stays until its input ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it is there to say it, and it fails by panicking"
)]

#[path = "../emulator/stack.rs"]
#[expect(dead_code, reason = "the ring `emulator` needs more of it")]
mod stack;

use cli::local::Upstream;
use stack::Stack;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::Command;

const STACK: &str = "tidemill-here";

/// The command as it was built with this.
const TIDEMILL: &str = env!("CARGO_BIN_EXE_tidemill-under-test");

/// The address of the real source in the repository's pipeline.
const SOURCE: &str = "https://earthquake.usgs.gov/fdsnws/event/1/";

fn main() {
    println!("Deploying infra/template.yaml as the stack `{STACK}` to an emulator of AWS; it takes about half a minute …\n");
    let stack = Stack::deploy(STACK);
    let upstream = serve_recording(&stack);
    let home = stack.folder().join("home");
    let file = stack.folder().join("pipelines").join("earthquakes.yaml");
    tidemill(&stack, &home, &["apply", &file.to_string_lossy()]);
    tidemill(&stack, &home, &["run", "earthquakes"]);
    let documents = stack.count("earthquakes");
    assert_eq!(documents, 1_707, "documents in the collection `earthquakes`");
    println!("{}", where_to_look(&stack, documents));
    if std::io::stdin().is_terminal() {
        println!("It stays until you press Ctrl-D, and leaves nothing behind.");
    }
    // An input that can't be read has ended, too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(upstream);
}

/// Serves the recorded earthquakes, and puts a copy of the pipeline that reads them there. Without a schedule: what is typed is what runs, and the numbers are
/// those of the drill in docs/operations.md.
fn serve_recording(stack: &Stack) -> Upstream {
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let upstream = stack.wait(Upstream::start("earthquakes", &pipelines)).unwrap();
    let text = std::fs::read_to_string(pipelines.join("earthquakes.yaml")).unwrap();
    assert!(text.contains(SOURCE), "pipelines/earthquakes.yaml reads {SOURCE}");
    let folder = stack.folder().join("pipelines");
    std::fs::create_dir_all(&folder).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("schedule:"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.join("earthquakes.yaml"), text.replace(SOURCE, &upstream.base_url())).unwrap();
    upstream
}

/// Types a command of `tidemill`, and shows what it says.
fn tidemill(stack: &Stack, home: &Path, arguments: &[&str]) {
    println!("$ tidemill {} --stack {STACK}", arguments.join(" "));
    let status = Command::new(TIDEMILL)
        .args(arguments)
        .args(["--stack", STACK])
        .envs(stack.environment())
        .env("TIDEMILL_HOME", home)
        .env("TIDEMILL_MONGODB_URI", stack.database.uri())
        .status()
        .unwrap();
    assert!(status.success(), "tidemill ended with {status}");
    println!();
}

fn where_to_look(stack: &Stack, documents: u64) -> String {
    let mut text = format!(
        "{documents} earthquakes are in MongoDB: {}\n\nIn another terminal:\n\n",
        stack.database.uri()
    );
    text += &format!("  cd {}\n", stack.folder().display());
    for (name, value) in stack.environment() {
        text += &format!("  export {name}={value}\n");
    }
    text += &format!("  export TIDEMILL_MONGODB_URI={}\n", stack.database.uri());
    text += &format!("  alias tidemill={TIDEMILL}\n\n");
    for (typed, what) in [
        ("tidemill runs", "what ran, and what became of it"),
        ("tidemill documents earthquakes --limit 3", "what was loaded"),
        ("tidemill incidents", "what went wrong"),
        ("tidemill doctor", "whether all is as it should be"),
    ] {
        text += &format!("  {:<62}  {what}\n", format!("{typed} --stack {STACK}"));
    }
    text += &format!("\nWhat came over the wire is under raw/ in the bucket {}\n", stack.lake());
    text += &format!("What the functions say is in {}/*.log\n", stack.folder().display());
    text
}
