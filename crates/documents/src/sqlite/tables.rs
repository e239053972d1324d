//! Which tables a collection has: the live one, that its view shows, and the staged versions of a `replace`.

use pipeline::Name;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::Failure;
use crate::{Replaced, Target, Version};

/// "Tide", so that `file` and we know our files.
const APPLICATION: i32 = 0x5469_6465;
/// The layout of the tables.
const LAYOUT: i32 = 2;

/// What readers see of a collection.
#[derive(Debug)]
pub(super) struct Live {
    /// `None` when only `append` and `merge` wrote it.
    pub version: Option<Version>,
    pub table: String,
}

/// Where a batch goes.
#[derive(Debug)]
pub(super) enum Place {
    Table(String),
    /// A newer version is visible already.
    Superseded,
}

/// What a file holds before anything is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Nothing,
    Ours,
    /// Another program's tables, or ours in another layout.
    Another,
}

pub(super) fn holds(connection: &Connection) -> rusqlite::Result<Holds> {
    let marks = "SELECT (SELECT count(*) FROM sqlite_schema), application_id, user_version FROM pragma_application_id, pragma_user_version";
    let (tables, application, layout): (i64, i32, i32) =
        connection.query_row(marks, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(match tables {
        0 => Holds::Nothing,
        _ if (application, layout) == (APPLICATION, LAYOUT) => Holds::Ours,
        _ => Holds::Another,
    })
}

/// Makes the tables of a new file.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    if holds(&transaction)? != Holds::Nothing {
        return Ok(());
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", LAYOUT)?;
    // No name of a collection has a colon, so none of these can be one.
    transaction.execute_batch(
        r#"
        CREATE TABLE "tidemill:collections" (
            name TEXT PRIMARY KEY,
            run BLOB,
            generation INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE "tidemill:receipts" (
            object TEXT NOT NULL,
            ordinal INTEGER NOT NULL,
            inserted INTEGER NOT NULL,
            updated INTEGER NOT NULL,
            unchanged INTEGER NOT NULL,
            stale INTEGER NOT NULL,
            superseded INTEGER NOT NULL,
            refused INTEGER NOT NULL,
            refusals TEXT NOT NULL,
            PRIMARY KEY (object, ordinal)
        ) STRICT, WITHOUT ROWID;
        "#,
    )?;
    transaction.commit()
}

pub(super) fn collections(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare_cached(r#"SELECT name FROM "tidemill:collections" ORDER BY name"#)?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

pub(super) fn live(connection: &Connection, collection: &Name) -> Result<Option<Live>, Failure> {
    let mut statement = connection.prepare_cached(r#"SELECT run, generation FROM "tidemill:collections" WHERE name = ?"#)?;
    let columns = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<[u8; 16]>>(0)?, row.get::<_, Option<u32>>(1)?));
    let Some(found) = statement.query_row([collection.as_str()], columns).optional()? else {
        return Ok(None);
    };
    let version = match found {
        (Some(run), Some(generation)) => Some(Version { run, generation }),
        (None, None) => None,
        _ => return Err(Failure::Damaged("its visible version has a run without a generation".to_owned())),
    };
    let table = table_name(collection, version);
    Ok(Some(Live { version, table }))
}

/// The table that a batch goes to, made if need be. Without a version it is the live one, whatever version that is.
pub(super) fn place(transaction: &Transaction<'_>, target: &Target) -> Result<Place, Failure> {
    let collection = &target.collection;
    let (wished, live) = (target.version, live(transaction, collection)?);
    let table = match (wished, live) {
        (None, Some(live)) => live.table,
        (None, None) => {
            create(transaction, collection, None)?;
            show(transaction, collection, None)?
        }
        (
            Some(wished),
            Some(Live {
                version: Some(visible), ..
            }),
        ) if wished < visible => return Ok(Place::Superseded),
        (Some(_), _) => create(transaction, collection, wished)?,
    };
    Ok(Place::Table(table))
}

/// Makes a version visible and drops the older ones, all or nothing.
pub(super) fn replace(connection: &mut Connection, collection: &Name, version: Version) -> Result<Replaced, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let live = live(&transaction, collection)?;
    let visible = live.as_ref().and_then(|live| live.version);
    match visible.map(|visible| version.cmp(&visible)) {
        Some(std::cmp::Ordering::Less) => return Ok(Replaced::Older),
        Some(std::cmp::Ordering::Equal) => return Ok(Replaced::Visible),
        Some(std::cmp::Ordering::Greater) | None => {}
    }
    let newest = create(&transaction, collection, Some(version))?;
    show(&transaction, collection, Some(version))?;
    // The names of versions are in the order of versions.
    let unversioned = table_name(collection, None);
    for table in tables(&transaction, collection)? {
        if table == unversioned || table < newest {
            transaction.execute_batch(&format!(r#"DROP TABLE "{table}""#))?;
        }
    }
    transaction.commit()?;
    Ok(Replaced::Visible)
}

/// Takes a collection away, with all its versions.
pub(super) fn drop_all_of(transaction: &Transaction<'_>, collection: &Name) -> Result<(), Failure> {
    transaction.execute_batch(&format!(r#"DROP VIEW IF EXISTS "{collection}""#))?;
    let unversioned = table_name(collection, None);
    for table in tables(transaction, collection)? {
        // A collection may be called `tidemill`, and ours are not its.
        if table == unversioned || table.contains('.') {
            transaction.execute_batch(&format!(r#"DROP TABLE "{table}""#))?;
        }
    }
    transaction
        .prepare_cached(r#"DELETE FROM "tidemill:collections" WHERE name = ?"#)?
        .execute([collection.as_str()])?;
    Ok(())
}

/// Makes what readers see of a collection this version, if it is none yet; `false` if it is one.
pub(super) fn adopt(transaction: &Transaction<'_>, collection: &Name, version: Version) -> Result<bool, Failure> {
    match live(transaction, collection)? {
        Some(Live { version: Some(_), .. }) => return Ok(false),
        Some(Live { version: None, table: old }) => {
            // It may be there, if a loader is gathering this very version.
            let new = create(transaction, collection, Some(version))?;
            transaction.execute_batch(&format!(
                r#"
                DROP VIEW IF EXISTS "{collection}";
                INSERT INTO "{new}" SELECT * FROM "{old}" WHERE true ON CONFLICT (key) DO NOTHING;
                DROP TABLE "{old}";
                "#
            ))?;
        }
        None => drop(create(transaction, collection, Some(version))?),
    }
    show(transaction, collection, Some(version))?;
    Ok(true)
}

/// `collection:documents` for `append` and `merge`, `collection:{run}.{generation}` (in hex digits) for a version.
pub(super) fn table_name(collection: &Name, version: Option<Version>) -> String {
    match version {
        Some(Version { run, generation }) => format!("{collection}:{:032x}.{generation:08x}", u128::from_be_bytes(run)),
        None => format!("{collection}:documents"),
    }
}

/// The tables of a collection, in the order of their names.
fn tables(transaction: &Transaction<'_>, collection: &Name) -> Result<Vec<String>, Failure> {
    // A semicolon comes right after a colon.
    let mut statement =
        transaction.prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table' AND name > ? AND name < ? ORDER BY name")?;
    let (from, to) = (format!("{collection}:"), format!("{collection};"));
    let names = statement.query_map([from, to], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Makes a version's table, unless it is there.
pub(super) fn create(transaction: &Transaction<'_>, collection: &Name, version: Option<Version>) -> Result<String, Failure> {
    let table = table_name(collection, version);
    let mut there = transaction.prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")?;
    if !there.exists([&table])? {
        // Rows lie in the order they came, so that a batch fills pages one after the other; only the short keys are kept in order. What a judgement reads
        // stands first, before what may be long. `bson` is NULL when the bytes can be made from the columns before it.
        transaction.execute_batch(&format!(
            r#"
            CREATE TABLE "{table}" (
                key BLOB NOT NULL UNIQUE,
                deleted INTEGER NOT NULL,
                rank BLOB NOT NULL,
                hash BLOB NOT NULL,
                longs BLOB,
                document TEXT NOT NULL,
                bson BLOB
            ) STRICT;
            CREATE INDEX "{table}:deleted" ON "{table}" (deleted) WHERE deleted <> 0;
            "#
        ))?;
    }
    Ok(table)
}

/// Points the collection and its view to a version's table.
pub(super) fn show(transaction: &Transaction<'_>, collection: &Name, version: Option<Version>) -> Result<String, Failure> {
    let table = table_name(collection, version);
    transaction.execute_batch(&format!(
        r#"
        DROP VIEW IF EXISTS "{collection}";
        CREATE VIEW "{collection}" (_id, document) AS
            SELECT json_extract(document, '$._id'), document FROM "{table}" WHERE deleted = 0;
        "#
    ))?;
    transaction
        .prepare_cached(r#"INSERT OR REPLACE INTO "tidemill:collections" (name, run, generation) VALUES (?, ?, ?)"#)?
        .execute(params![
            collection.as_str(),
            version.map(|version| version.run),
            version.map(|version| version.generation)
        ])?;
    Ok(table)
}
