//! An SQLite file of documents as a whole, as backup and restore see it. It is made when something is put into it.

mod look;
mod make;
mod stream;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bson::{RawBsonRef, RawDocument};
use rusqlite::Connection;

use super::{Failure, connect};
use crate::{Certainty, Database, DocumentStream, DocumentsError, Namespace, PutBack, Server};

/// The documents in an SQLite file. The file is opened by the first call that needs it.
#[derive(Debug)]
pub struct SqliteDatabase {
    file: Arc<File>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

/// What the first of several files is called; the others are `documents-{name}.db`.
const MAIN: &str = "tidemill";
const MAIN_FILE: &str = "documents.db";
const NAME_BYTES_MAX: usize = 63;

impl SqliteDatabase {
    /// A file that is not there is one without documents; its folder must be there when something is put into it.
    ///
    /// # Errors
    /// When there is a file that is not one of documents.
    pub fn open(path: &Path) -> Result<SqliteDatabase, DocumentsError> {
        let database = SqliteDatabase::at(path.to_owned());
        drop(database.file.slot(Missing::Stays)?);
        Ok(database)
    }

    fn at(path: PathBuf) -> SqliteDatabase {
        let connection = Mutex::new(None);
        SqliteDatabase {
            file: Arc::new(File { path, connection }),
        }
    }
}

/// What becomes of a file that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Stays,
    IsMade,
}

impl File {
    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection; none if the file is not there and is not to be made.
    fn slot(&self, missing: Missing) -> Result<MutexGuard<'_, Option<Connection>>, DocumentsError> {
        let mut slot = self.lock();
        if slot.is_none() && (missing == Missing::IsMade || self.path.exists()) {
            *slot = Some(connect(&self.path)?);
        }
        Ok(slot)
    }

    /// Looks at what is there; at nothing, if the file is not.
    fn look<T: Default>(
        &self,
        action: &'static str,
        collection: &str,
        look: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, DocumentsError> {
        self.with(Missing::Stays, look, |failure| failure.named(action, collection))
    }

    /// Puts something into the file.
    fn put<T: Default>(
        &self,
        action: &'static str,
        collection: &str,
        put: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, DocumentsError> {
        self.with(Missing::IsMade, put, |failure| failure.named(action, collection))
    }

    fn with<T: Default>(
        &self,
        missing: Missing,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure>,
        named: impl FnOnce(Failure) -> DocumentsError,
    ) -> Result<T, DocumentsError> {
        match self.slot(missing)?.as_mut() {
            Some(connection) => work(connection).map_err(named),
            None => Ok(T::default()),
        }
    }

    /// Its name among the files beside it.
    fn name(&self) -> String {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.strip_prefix("documents-").unwrap_or(MAIN).to_owned()
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// Deletes the file, and the log beside it before: who is interrupted finds the file again.
    fn delete(&self) -> Result<(), DocumentsError> {
        // Closing carries over the log.
        self.lock().take();
        for path in [self.with_suffix("-wal"), self.with_suffix("-shm"), self.path.clone()] {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != ErrorKind::NotFound => {
                    return Err(DocumentsError::Unavailable {
                        action: "drop the database",
                        collection: "*".to_owned(),
                        source: Box::new(source),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn server(&self) -> Result<Server, DocumentsError> {
        Ok(Server {
            version: "0.0.0".to_owned(),
            database: self.file.name(),
            certainty: Certainty::Local,
        })
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, DocumentsError> {
        self.file
            .look("list the collections", "*", |connection| look::namespaces(connection))
    }

    async fn identity(&self, collection: &str) -> Result<Option<Vec<u8>>, DocumentsError> {
        let identity = |connection: &mut Connection| look::identity(connection, collection);
        self.file.look("look which collection it is", collection, identity)
    }

    async fn read(&self, collection: &str, after: Option<RawBsonRef<'_>>) -> Result<Box<dyn DocumentStream>, DocumentsError> {
        Ok(Box::new(stream::Stream::new(&self.file, collection, after)?))
    }

    fn fits(&self, namespace: &Namespace) -> Result<(), DocumentsError> {
        make::fits(namespace)
    }

    fn fits_documents(&self, collection: &str, documents: &[&RawDocument]) -> Result<(), DocumentsError> {
        make::ready(collection, documents).map(drop)
    }

    async fn create(&self, namespace: &Namespace) -> Result<(), DocumentsError> {
        make::fits(namespace)?;
        let create = |connection: &mut Connection| make::create(connection, &namespace.name);
        self.file.put("create the collection", &namespace.name, create)
    }

    async fn put_back(&self, collection: &str, documents: &[&RawDocument]) -> Result<PutBack, DocumentsError> {
        let ready = make::ready(collection, documents)?;
        let put = |connection: &mut Connection| make::put_back(connection, &ready);
        self.file.put("put documents back", collection, put)
    }

    async fn complete(&self, namespace: &Namespace) -> Result<Vec<String>, DocumentsError> {
        make::fits(namespace)?;
        Ok(make::left_out(namespace))
    }

    async fn drop_namespace(&self, name: &str) -> Result<(), DocumentsError> {
        let drop = |connection: &mut Connection| make::drop_namespace(connection, name);
        self.file.look("drop the collection", name, drop)
    }

    async fn drop_all(&self) -> Result<(), DocumentsError> {
        if self.mark().await?.is_none() && !self.namespaces().await?.is_empty() {
            return Err(DocumentsError::NotAScratch {
                database: self.file.name(),
            });
        }
        self.file.delete()
    }

    async fn mark(&self) -> Result<Option<String>, DocumentsError> {
        self.file
            .look("read the mark of a restore", "*", |connection| look::mark(connection))
    }

    async fn set_mark(&self, text: Option<&str>) -> Result<(), DocumentsError> {
        const ACTION: &str = "set the mark of a restore";
        let set = |connection: &mut Connection| make::set_mark(connection, text);
        match text {
            Some(_) => self.file.put(ACTION, "*", set),
            None => self.file.look(ACTION, "*", set),
        }
    }

    fn sibling(&self, name: &str) -> Result<Arc<dyn Database>, DocumentsError> {
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(may_be) {
            return Err(DocumentsError::NoDatabase {
                name: name.to_owned(),
                problem: "of the embedded store it is a part of a file's name: it must have 1 to 63 letters, digits, `_` or `-`",
            });
        }
        if name == self.file.name() {
            return Ok(Arc::new(SqliteDatabase {
                file: Arc::clone(&self.file),
            }));
        }
        let file = if name == MAIN {
            MAIN_FILE.to_owned()
        } else {
            format!("documents-{name}.db")
        };
        Ok(Arc::new(SqliteDatabase::at(self.file.path.with_file_name(file))))
    }

    async fn close(&self) {
        self.file.lock().take();
    }
}
