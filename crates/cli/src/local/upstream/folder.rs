//! A web server with files: what lies in one folder, by name.

use super::{Reply, UpstreamError};
use hyper::StatusCode;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The files of a folder. Only what was there at the start is served, so no request names a path outside of it.
pub(super) struct Folder {
    files: BTreeMap<String, PathBuf>,
}

impl Folder {
    pub(super) fn read(folder: &Path) -> Result<Folder, UpstreamError> {
        let unreadable = |source| UpstreamError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let (Ok(name), true) = (entry.file_name().into_string(), entry.path().is_file()) {
                files.insert(name, entry.path());
            }
        }
        Ok(Folder { files })
    }

    pub(super) fn answer(&self, path: &str) -> Reply {
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some(file) = self.files.get(name) else {
            return Reply::text(StatusCode::NOT_FOUND, format!("404 Not Found: {name}\n"));
        };
        match fs::read(file) {
            Ok(body) => Reply {
                status: StatusCode::OK,
                content_type: content_type(name),
                body: body.into(),
            },
            Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("500: {error}\n")),
        }
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv") => "text/csv",
        Some("gz") => "application/gzip",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
