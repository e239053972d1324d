//! One run of a pipeline, one backup and one restore at a time in a home: a lock that the system gives back when its process ends, however it ends.

use ledger::Holder;
use pipeline::Name;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, Write},
    path::Path,
    thread,
    time::Duration,
};

/// The folder in the home.
const FOLDER: &str = "locks";

/// Bytes of a holder's name that are read: far more than any has.
const NAME_BYTES_MAX: u64 = 1024;

const TRIES_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// What Linux says of a network's file system that has no service for locks.
const ENOLCK: i32 = 37;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What came of a try.
#[derive(Debug)]
pub enum Tried {
    Taken(Lock),
    /// Somebody else has it: who, in words.
    Held(String),
}

/// What else there is one of at a time in a home. No pipeline's name begins with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Backup,
    Drill,
    Restore,
}

impl Work {
    fn file(self) -> &'static str {
        match self {
            Work::Backup => ".backup",
            Work::Drill => ".drill",
            Work::Restore => ".restore",
        }
    }
}

/// Tries to take the lock of a pipeline's runs.
pub fn try_take(home: &Path, pipeline: &Name, holder: &Holder) -> io::Result<Tried> {
    try_take_file(home, pipeline.as_str(), holder)
}

/// Tries to take the lock of other work.
pub fn try_take_work(home: &Path, work: Work, holder: &Holder) -> io::Result<Tried> {
    try_take_file(home, work.file(), holder)
}

fn try_take_file(home: &Path, name: &str, holder: &Holder) -> io::Result<Tried> {
    let folder = home.join(FOLDER);
    fs::create_dir_all(&folder)?;
    // Never taken away: who locked a file that is gone would lock out nobody.
    let path = folder.join(name);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            // Who only looks ([`held`]) has it for an instant.
            Err(TryLockError::WouldBlock) if tries < TRIES_MAX => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Ok(Tried::Held(named(&mut file))),
            // Where there are no locks, leases are all there is.
            Err(TryLockError::Error(error)) if has_no_locks(&error) => break,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(holder.name.as_bytes())?;
    Ok(Tried::Taken(Lock { _file: file }))
}

fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported || (cfg!(target_os = "linux") && error.raw_os_error() == Some(ENOLCK))
}

/// Who holds the lock now, if anybody does; nothing is made or changed.
pub fn held(home: &Path, pipeline: &Name) -> Option<String> {
    let mut file = File::open(home.join(FOLDER).join(pipeline.as_str())).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(named(&mut file)),
        _ => None,
    }
}

/// Who wrote his name into the file. That can't be read while he does, nor where the system keeps a locked file to its holder.
fn named(file: &mut File) -> String {
    let mut name = String::new();
    match file.take(NAME_BYTES_MAX).read_to_string(&mut name) {
        Ok(_) if !name.is_empty() => name,
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn holder(name: &str) -> Holder {
        Holder {
            name: name.to_owned(),
            process: None,
            process_start: None,
        }
    }

    #[test]
    fn one_pipeline_has_one_holder_until_it_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let (orders, returns) = (Name::new("orders").unwrap(), Name::new("returns").unwrap());
        let take = |pipeline: &Name, name: &str| try_take(home.path(), pipeline, &holder(name)).unwrap();
        assert_eq!(held(home.path(), &orders), None);
        let Tried::Taken(first) = take(&orders, "the first of a long name") else {
            panic!("it is free")
        };
        assert!(matches!(take(&orders, "the second"), Tried::Held(by) if by == "the first of a long name"));
        assert_eq!(held(home.path(), &orders).as_deref(), Some("the first of a long name"));
        assert!(matches!(take(&returns, "the second"), Tried::Taken(_)));
        let backup = try_take_work(home.path(), Work::Backup, &holder("the second"));
        assert!(matches!(backup.unwrap(), Tried::Taken(_)));
        drop(first);
        assert_eq!(held(home.path(), &orders), None);
        let Tried::Taken(_third) = take(&orders, "third") else {
            panic!("it is free again")
        };
        assert_eq!(held(home.path(), &orders).as_deref(), Some("third"));
    }
}
