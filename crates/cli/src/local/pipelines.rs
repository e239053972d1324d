//! Finding a pipeline file by what was typed: a path, or a name in `pipelines/`.

use pipeline::{Checked, Faults};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folder in which a name is looked for.
pub const FOLDER: &str = "pipelines";

/// The largest pipeline file read: far more than any person writes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A pipeline file that was found and has no fault.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file, as it is shown.
    pub name: String,
    /// The folder it lies in, from which its own paths start.
    pub folder: PathBuf,
    pub text: String,
    pub checked: Arc<Checked>,
}

/// Why what was typed is not a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error("there is no pipeline `{typed}`{}", nearest(.meant))]
    Unknown {
        typed: String,
        meant: Option<String>,
        there_is: Vec<String>,
    },
    #[error("could not read {path}")]
    Unreadable { path: String, source: io::Error },
    #[error("{path} is larger than {} MB: it is no pipeline file", FILE_BYTES_MAX >> 20)]
    TooLarge { path: String },
    #[error("{path} is not UTF-8 text: it is no pipeline file")]
    NotText { path: String },
    #[error("{}", faults_line(.0))]
    Faults(Box<Faults>),
}

fn nearest(meant: &Option<String>) -> String {
    meant.as_ref().map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

fn faults_line(faults: &Faults) -> String {
    match faults.list() {
        [only] => format!("{} has a fault", only.file),
        list => format!("{} has {} faults", list.first().map_or("the file", |fault| &fault.file), list.len()),
    }
}

impl PipelineError {
    /// What to do now.
    pub fn next(&self) -> Option<String> {
        match self {
            PipelineError::Unknown { there_is, .. } if there_is.is_empty() => {
                Some("give the path of a pipeline file, or write one in `pipelines/`: tidemill init NAME".to_owned())
            }
            PipelineError::Unknown { there_is, .. } => Some(format!("`{FOLDER}/` holds: {}", there_is.join(", "))),
            _ => None,
        }
    }
}

/// Where the file of `typed` is: itself if it is one, else `pipelines/{typed}.yaml`, looked for from `folder`.
pub fn locate(typed: &str, folder: &Path) -> Result<(String, PathBuf), PipelineError> {
    let itself = folder.join(typed);
    if itself.is_file() {
        return Ok((typed.to_owned(), itself));
    }
    for extension in ["yaml", "yml"] {
        let name = format!("{FOLDER}/{typed}.{extension}");
        let path = folder.join(&name);
        if !typed.contains(['/', '\\']) && path.is_file() {
            return Ok((name, path));
        }
    }
    let there_is = names(folder);
    let stem = Path::new(typed).file_stem().and_then(|stem| stem.to_str()).unwrap_or(typed);
    let nearest = there_is
        .iter()
        .map(|name| (strsim::damerau_levenshtein(name, stem), name))
        .min_by_key(|(distance, _)| *distance);
    let meant = nearest
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name.clone());
    Err(PipelineError::Unknown {
        typed: typed.to_owned(),
        meant,
        there_is,
    })
}

/// Finds, reads and checks.
pub fn find(typed: &str, folder: &Path) -> Result<Found, PipelineError> {
    let (name, path) = locate(typed, folder)?;
    let text = read(&name, &path)?;
    let checked = pipeline::check(&name, &text).map_err(|faults| PipelineError::Faults(Box::new(faults)))?;
    Ok(Found {
        name,
        folder: path.parent().unwrap_or(folder).to_owned(),
        text,
        checked: Arc::new(checked),
    })
}

/// A pipeline file's text.
pub fn read(name: &str, path: &Path) -> Result<String, PipelineError> {
    let unreadable = |source| PipelineError::Unreadable {
        path: name.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(PipelineError::TooLarge { path: name.to_owned() });
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| PipelineError::NotText { path: name.to_owned() })
}

/// All pipeline files of `pipelines/` as paths to type, in order: for whom a file that is passed over is one that is gone.
///
/// # Errors
/// When the folder can't be read to its end, or holds a pipeline file whose name is not UTF-8.
pub fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join(FOLDER))? {
        let path = entry?.path();
        if !is_yaml(&path) {
            continue;
        }
        let name = path.file_name().unwrap_or_default();
        let Some(name) = name.to_str() else {
            let problem = format!("the name of the file `{}` is not UTF-8", name.to_string_lossy());
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        };
        files.push(format!("{FOLDER}/{name}"));
    }
    files.sort_unstable();
    Ok(files)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The names of the pipelines in `pipelines/`, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join(FOLDER)) else {
        return Vec::new();
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let yaml = files.filter(|path| is_yaml(path));
    let mut names: Vec<String> = yaml.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn folder_with(files: &[&std::ffi::OsStr]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        for file in files {
            fs::write(folder.path().join(FOLDER).join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn no_file_is_passed_over() {
        let folder = folder_with(&["b.yml", "a.yaml", "b.yaml", "README.md"].map(std::ffi::OsStr::new));
        assert_eq!(
            files(folder.path()).unwrap(),
            ["pipelines/a.yaml", "pipelines/b.yaml", "pipelines/b.yml"]
        );
        let gone = tempfile::tempdir().unwrap();
        assert_eq!(files(gone.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_whose_name_can_not_be_told_is_no_file_that_is_gone() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder_with(&[std::ffi::OsStr::from_bytes(b"\xff.yaml")]);
        assert!(files(folder.path()).unwrap_err().to_string().contains("is not UTF-8"));
    }
}
