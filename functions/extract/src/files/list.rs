//! Which files a resource is: one address, one path, or all that a pattern matches, in the order of their names.

use super::Job;
use crate::error::Error;
use crate::http::{Client, Parts};
use crate::raw::RawWriter;
use crate::redact::Redactor;
use crate::request::{self, Sent};
use std::path::{Path, PathBuf};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

/// The files, and what it takes to get them.
pub(super) struct Source {
    pub files: Vec<Listed>,
    /// For addresses.
    pub client: Option<Client>,
    /// What paths start from, as it stands in messages.
    pub root: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// As it stands in captures and messages: relative to the pipeline's folder where it is below it, secrets redacted.
    pub shown: String,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Local(PathBuf),
    Url(Url),
}

impl Listed {
    /// Names the file in a position, whatever the length of its name.
    pub fn id(&self) -> String {
        format!("{:016x}", xxh3_64(self.shown.as_bytes()))
    }
}

pub(super) fn list(job: Job<'_>, writer: &RawWriter<'_>) -> Result<Source, Error> {
    let Job {
        files, file, mut renderer, ..
    } = job;
    let root = match job.root {
        Some(root) => root.to_owned(),
        None => renderer.render(&files.root, "root")?.text,
    };
    let path = renderer.render(&file.path, "file.path")?.text;
    if is_address(&path) || is_address(&root) {
        let (url, home, ours) = addresses(&root, &path)?;
        let auth = files.auth.as_ref().filter(|_| ours);
        let headers = if ours { vec![&files.headers] } else { Vec::new() };
        let sent = Sent::new(&mut renderer, auth, &headers, &[])?;
        let redactor = sent.redactor(renderer);
        let shown = redactor.url(&url);
        let client = Client::new(Parts {
            home,
            limits: files.http.clone(),
            credential: sent.credential,
            headers: sent.headers,
            secret_params: sent.secret_params,
            redactor,
            names: job.names,
            time: writer.time(),
            carried: writer.carried.clone(),
            seed: job.seed,
            accept_encoding: "identity",
        });
        let files = vec![Listed {
            shown,
            place: Place::Url(url),
        }];
        return Ok(Source {
            files,
            client: Some(client),
            root: String::new(),
        });
    }
    if !writer.settings.local_files {
        return Err(Error::Setup {
            place: "root".into(),
            problem: "it is a folder, and a function on AWS has no folder of yours: put the files where they have an address (`https://…`)"
                .into(),
        });
    }
    let redactor = Redactor::new(renderer.into_secrets(), Vec::new());
    let root = job.folder.join(root);
    let root_shown = redactor.text(&root.to_string_lossy());
    let mut found = local(&root, &root_shown, &path, |path| redactor.text(&shown(path, job.folder)))?;
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    Ok(Source {
        files: found,
        client: None,
        root: root_shown,
    })
}

/// The address of the file, the source's own address, and whether credentials go with it: not to a file that stands at another host than `root`.
fn addresses(root: &str, path: &str) -> Result<(Url, Url, bool), Error> {
    if !is_address(path) {
        let root = request::base(root, "root")?;
        let url = request::address(&root, path, &[])?;
        return Ok((url, root, true));
    }
    let url = request::base(path, "file.path")?;
    let ours = !is_address(root) || request::base(root, "root")?.origin() == url.origin();
    Ok((url.clone(), url, ours))
}

fn is_address(text: &str) -> bool {
    let starts = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

fn local(root: &Path, root_shown: &str, path: &str, shown: impl Fn(&Path) -> String) -> Result<Vec<Listed>, Error> {
    let listed = |path: PathBuf| Listed {
        shown: shown(&path),
        place: Place::Local(path),
    };
    let exact = root.join(path);
    if exact.is_file() || !path.contains(['*', '?', '[']) {
        return Ok(vec![listed(exact)]);
    }
    let pattern = if Path::new(path).is_absolute() {
        path.to_owned()
    } else {
        format!("{}/{path}", glob::Pattern::escape(&root.to_string_lossy()))
    };
    let matches = glob::glob(&pattern).map_err(|error| Error::Setup {
        place: "file.path".into(),
        problem: format!("`{path}` is not a pattern: {}", error.msg),
    })?;
    let mut found = Vec::new();
    for path in matches {
        let path = path.map_err(|error| Error::File {
            action: "look into",
            file: shown(error.path()),
            source: error.into(),
        })?;
        if path.is_file() {
            found.push(listed(path));
        }
    }
    if found.is_empty() {
        return Err(Error::NoFile {
            pattern: shown(&exact),
            root: root_shown.to_owned(),
        });
    }
    Ok(found)
}

fn shown(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn patterns() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.txt", "sub/a.csv", "sub/deep/x.csv", "odd[1].csv", "odd1.csv"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let names = |path: &str| {
            let found = local(&folder.path().join("."), "", path, |path| {
                shown(path, folder.path()).trim_start_matches("./").to_owned()
            });
            found.map(|mut all| {
                all.sort_by(|a, b| a.shown.cmp(&b.shown));
                all.into_iter().map(|one| one.shown).collect::<Vec<_>>().join(" ")
            })
        };
        assert_eq!(names("[ab].csv").unwrap(), "a.csv b.csv");
        assert_eq!(names("**/x.csv").unwrap(), "sub/deep/x.csv");
        assert_eq!(names("odd[1].csv").unwrap(), "odd[1].csv");
        assert_eq!(names("sub/../?.csv").unwrap().split(' ').count(), 2);
        // Whether it is there is found out when it is opened.
        assert_eq!(names("missing.csv").unwrap(), "missing.csv");
        assert!(matches!(names("*.json"), Err(Error::NoFile { .. })));
        assert!(matches!(names("a[.csv"), Err(Error::Setup { .. })));
    }

    #[test]
    fn where_credentials_go() {
        let ours = |root, path| addresses(root, path).map(|(url, _, ours)| (url.to_string(), ours)).unwrap();
        assert_eq!(ours("https://h/data", "x.csv"), ("https://h/data/x.csv".into(), true));
        assert_eq!(ours("https://h/data", "https://h/x.csv"), ("https://h/x.csv".into(), true));
        assert_eq!(ours("https://h/data", "https://other/x.csv"), ("https://other/x.csv".into(), false));
        assert_eq!(ours("", "HTTPS://h/x.csv"), ("https://h/x.csv".into(), true));
    }
}
