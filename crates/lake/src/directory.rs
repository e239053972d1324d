//! The store of a laptop: a directory. An object is a file, its metadata the last bytes of the same file.
//!
//! Calls of the file system are made straight from the async functions: each moves at most 1 MB, and handing them to a pool of threads would cost
//! more CPU than it frees. The `fsync`s at an object's end take longer, but come once in some 32 MB.

mod durable;
mod footer;
mod listing;

use crate::{ChunkStream, Key, Metadata, Object, Store, StoreError, Upload, Written};
use async_trait::async_trait;
use bytes::Bytes;
use durable::{Folders, TempFile};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The folder of files being written; `list` does not see it.
const TEMP_FOLDER: &str = ".tmp";
/// Chunks read are this long.
const CHUNK_BYTES: usize = 256 * 1024;

/// Keeps each object in the file `root/key`.
///
/// The directory must be on a file system with hard links, which is what makes "create unless it is there" one step.
#[derive(Debug)]
pub struct DirectoryStore {
    root: PathBuf,
    folders: Folders,
}

impl DirectoryStore {
    /// Opens the store, creating the directory where there is none. Files that a killed process left half written are taken away once
    /// they are a day old.
    pub fn open(root: PathBuf) -> Result<DirectoryStore, StoreError> {
        let temp = root.join(TEMP_FOLDER);
        durable::create_folder(&temp)
            .and_then(|()| durable::remove_stale(&temp))
            .map_err(|source| StoreError::Io {
                action: "open the store's folder for",
                key: TEMP_FOLDER.to_owned(),
                source,
            })?;
        Ok(DirectoryStore {
            folders: Folders::new(root.clone()),
            root,
        })
    }

    /// Where the object `key` is, or would be.
    pub fn path(&self, key: &Key) -> Result<PathBuf, StoreError> {
        if key.as_str().split('/').any(|segment| segment.starts_with('.')) {
            let source = io::Error::new(
                io::ErrorKind::InvalidInput,
                "a folder or file of this store does not start with a dot",
            );
            return Err(failed("find", key, source));
        }
        Ok(self.root.join(key.as_str()))
    }

    /// The object's file, or `None` where there is none.
    fn open_file(&self, key: &Key) -> Result<Option<(File, u64)>, StoreError> {
        let opened = File::open(self.path(key)?).and_then(|file| file.metadata().map(|about| (file, about)));
        match opened {
            Ok((file, about)) if about.is_file() => Ok(Some((file, about.len()))),
            Ok(_) => Ok(None),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(source) => Err(failed("open", key, source)),
        }
    }

    fn temp_file(&self, key: &Key) -> Result<TempFile, StoreError> {
        TempFile::create(&self.root.join(TEMP_FOLDER)).map_err(|source| failed("start writing", key, source))
    }
}

#[async_trait]
impl Store for DirectoryStore {
    async fn get(&self, key: &Key) -> Result<Object, StoreError> {
        let Some((mut file, file_bytes)) = self.open_file(key)? else {
            return Err(StoreError::NotFound { key: key.to_string() });
        };
        let (metadata, size) = footer::read(&mut file, file_bytes, key)?;
        let body = FileChunks {
            key: key.clone(),
            file,
            left: size,
        };
        Ok(Object {
            metadata,
            size,
            body: Box::new(body),
        })
    }

    async fn head(&self, key: &Key) -> Result<Option<Metadata>, StoreError> {
        match self.open_file(key)? {
            Some((mut file, file_bytes)) => footer::read(&mut file, file_bytes, key).map(|(metadata, _)| Some(metadata)),
            None => Ok(None),
        }
    }

    async fn put_new(&self, key: &Key, metadata: &Metadata, body: Bytes) -> Result<Written, StoreError> {
        let path = self.path(key)?;
        let footer = footer::write(key, metadata)?;
        let put = |action: &'static str| move |source| failed(action, key, source);
        if !path.exists() {
            let mut temp = self.temp_file(key)?;
            temp.write_all(&body).and_then(|()| temp.write_all(&footer)).map_err(put("write"))?;
            temp.sync().map_err(put("write"))?;
            self.folders.ensure(folder_of(&path)).map_err(put("make the folder of"))?;
            match temp.link_to(&path) {
                Ok(()) => {
                    self.folders.sync(&path).map_err(put("make durable"))?;
                    return Ok(Written::Created);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed("create", key, source)),
            }
        }
        // Another process may have created it a moment ago and be about to sync: who is told that it is there may rely on it.
        self.folders.ensure(folder_of(&path)).map_err(put("make durable"))?;
        self.folders.sync(&path).map_err(put("make durable"))?;
        Ok(Written::AlreadyThere)
    }

    async fn put_locked(&self, key: &Key, body: Bytes, _until_ms: i64) -> Result<Written, StoreError> {
        self.put_new(key, &Metadata::new(), body).await
    }

    async fn upload(&self, key: &Key, metadata: &Metadata) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(FileUpload {
            path: self.path(key)?,
            footer: footer::write(key, metadata)?,
            temp: self.temp_file(key)?,
            folders: self.folders.clone(),
            key: key.clone(),
        }))
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let path = self.path(key)?;
        match std::fs::remove_file(&path) {
            Ok(()) => self.folders.sync(&path).map_err(|source| failed("delete", key, source)),
            Err(error) if is_not_there(&error) => Ok(()),
            Err(source) => Err(failed("delete", key, source)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        listing::list(&self.root, prefix, after, limit)
    }
}

struct FileChunks {
    key: Key,
    file: File,
    /// How many bytes of the body are still to come; after them is the metadata.
    left: u64,
}

#[async_trait]
impl ChunkStream for FileChunks {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let wanted = self.left.min(CHUNK_BYTES as u64);
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = (&mut self.file).take(wanted).read_to_end(&mut chunk);
        let read = read.map_err(|source| failed("read", &self.key, source))? as u64;
        if read < wanted {
            return Err(StoreError::Damaged {
                key: self.key.to_string(),
                problem: format!("its file became {} bytes shorter while it was read", self.left - read),
            });
        }
        self.left -= read;
        Ok(Some(Bytes::from(chunk)))
    }
}

struct FileUpload {
    key: Key,
    path: PathBuf,
    footer: Vec<u8>,
    temp: TempFile,
    folders: Folders,
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.temp.write_all(&chunk).map_err(|source| failed("write", &self.key, source))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        self.place().map_err(|source| failed("finish writing", &self.key, source))
    }
}

impl FileUpload {
    fn place(&mut self) -> io::Result<()> {
        self.temp.write_all(&self.footer)?;
        self.temp.sync()?;
        self.folders.ensure(folder_of(&self.path))?;
        self.temp.rename_to(&self.path)?;
        self.folders.sync(&self.path)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Also when what should be a folder on the way is a file.
fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failed(action: &'static str, key: &Key, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        key: key.to_string(),
        source,
    }
}
