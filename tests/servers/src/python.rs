//! Virtual environments with what is written in Python: each made once under the target folder, and again when its requirements change.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The oldest Python that the requirements run on.
const MINOR_MIN: u32 = 11;

/// What an environment has in it.
pub(crate) struct Environment {
    /// The folder in `tests/servers` with its requirements.
    name: &'static str,
    /// Every package, to the last that another needs, with the hashes of its files.
    requirements: &'static str,
    python: OnceLock<PathBuf>,
}

pub(crate) static SECANTUSDB: Environment = Environment::new("secantusdb", include_str!("../secantusdb/requirements.txt"));
pub(crate) static MINISTACK: Environment = Environment::new("ministack", include_str!("../ministack/requirements.txt"));
/// Apart from the emulator, whose packages it would want in other versions.
pub(crate) static SAM: Environment = Environment::new("sam", include_str!("../sam/requirements.txt"));

impl Environment {
    const fn new(name: &'static str, requirements: &'static str) -> Environment {
        Environment {
            name,
            requirements,
            python: OnceLock::new(),
        }
    }

    /// The Python of the environment.
    pub(crate) fn python(&'static self) -> &'static Path {
        self.python.get_or_init(|| {
            self.ready()
                .unwrap_or_else(|problem| panic!("there is no Python environment for {}: {problem}", self.name))
        })
    }

    /// Makes the environment, or takes the one that is there. Racing test processes wait for each other.
    fn ready(&self) -> Result<PathBuf, String> {
        let folder = target_folder()?.join("test-servers");
        std::fs::create_dir_all(&folder).map_err(|error| format!("could not make {}: {error}", folder.display()))?;
        let digest: String = Sha256::digest(self.requirements)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let environment = folder.join(format!("{}-{digest}", self.name));
        let python = environment.join("bin").join("python");
        // Written last: an environment without it was left half made.
        let whole = environment.join("whole");
        let lock_path = folder.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).map_err(|error| format!("could not open {}: {error}", lock_path.display()))?;
        lock.lock()
            .map_err(|error| format!("could not lock {}: {error}", lock_path.display()))?;
        if whole.exists() && version(&python).is_ok() {
            return Ok(python);
        }
        self.make(&environment, &python)?;
        std::fs::write(&whole, "").map_err(|error| format!("could not write {}: {error}", whole.display()))?;
        Ok(python)
    }

    fn make(&self, environment: &Path, python: &Path) -> Result<(), String> {
        let system = system_python()?;
        let requirements = environment.with_extension("txt");
        std::fs::write(&requirements, self.requirements).map_err(|error| format!("could not write {}: {error}", requirements.display()))?;
        run(Command::new(system).args(["-m", "venv", "--clear"]).arg(environment)).map_err(|problem| {
            format!(
                "could not make {} (is Python's venv module installed?): {problem}",
                environment.display()
            )
        })?;
        let arguments = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
        // The file names all there is to install: what it leaves out would be a package nobody looked at.
        let exactly = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--requirement"];
        run(Command::new(python).args(arguments).args(exactly).arg(&requirements)).map_err(|problem| {
            format!(
                "could not install what tests/servers/{}/requirements.txt names; the Python package registry must be within reach, once: {problem}",
                self.name
            )
        })?;
        Ok(())
    }
}

/// The first Python on the path that is new enough.
fn system_python() -> Result<&'static str, String> {
    let mut found = Vec::new();
    for name in ["python3", "python3.14", "python3.13", "python3.12", "python3.11"] {
        match version(Path::new(name)) {
            Ok((3, minor)) if minor >= MINOR_MIN => return Ok(name),
            Ok((major, minor)) => found.push(format!("{name} is {major}.{minor}")),
            Err(_) => {}
        }
    }
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Err(format!(
        "Python 3.{MINOR_MIN} or newer must be on the PATH as `python3`; found: {found}"
    ))
}

fn version(python: &Path) -> Result<(u32, u32), String> {
    let output = run(Command::new(python).args(["-c", "import sys; print(*sys.version_info[:2])"]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(format!("{} says `{text}` for its version", python.display())),
    }
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Err(format!("{command:?} ended with {}: {}", output.status, said.concat()))
}

/// Cargo's target folder: the one this test's executable was built in.
fn target_folder() -> Result<PathBuf, String> {
    let executable = std::env::current_exe().map_err(|error| format!("this process does not know its executable: {error}"))?;
    // Cargo marks the folder; an executable that was moved elsewhere is asked to say.
    let marked = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    marked
        .map(Path::to_owned)
        .or(named.filter(|folder| folder.is_absolute()))
        .ok_or_else(|| {
            format!(
                "{} is in no target folder of Cargo: set CARGO_TARGET_DIR to one",
                executable.display()
            )
        })
}
