//! Loops that do nothing but send.

use super::{command, objects::Batch};
use crate::stage;
use anyhow::{Context, Result, ensure};
use bson::spec::BinarySubtype;
use bson::{Binary, Document, RawDocument, RawDocumentBuf, rawdoc};
use cli::local::Home;
use futures_core::Stream;
use lake::ObjectReader;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use std::future::poll_fn;
use std::pin::Pin;

const COLLECTION: &str = "stations";
/// Statements of a command, as `load` sends them.
const STATEMENTS_MAX: usize = 1_000;
const RECEIPTS: &str = "tidemill.receipts";

/// The commands that `load` sends: what is there, the receipt, the writes, the receipt's answer.
pub async fn same_commands(home: &Home, uri: &str) -> Result<u64> {
    let database = connect(uri).await?;
    let mut written = 0;
    for key in stage::keys(home, "clean/").await? {
        let mut reader = ObjectReader::open(home.store.as_ref(), &key).await?;
        let mut batch = Batch::default();
        let mut ordinal = 0;
        while batch.fill(&mut reader).await? {
            let receipt = format!("{key}:{ordinal:010}");
            written += send(&database, &receipt, &batch.documents()?).await?;
            ordinal += 1;
        }
        let settled = rawdoc! {
            "delete": RECEIPTS,
            "deletes": [{ "q": { "_id": { "$gte": format!("{key}:"), "$lt": format!("{key};") } }, "limit": 0 }],
            "writeConcern": { "w": "majority" },
        };
        database.run_raw_command(settled).await?;
    }
    Ok(written)
}

async fn send(database: &Database, receipt: &str, documents: &[&RawDocument]) -> Result<u64> {
    let mut found = 0;
    for some in documents.chunks(STATEMENTS_MAX) {
        found += count(database, command::find(COLLECTION, some)?).await?;
    }
    ensure!(
        found == 0 || found == documents.len(),
        "the stub has {found} of a batch's documents"
    );
    let planned = rawdoc! {
        "findAndModify": RECEIPTS,
        "query": { "_id": receipt },
        "update": {
            "$setOnInsert": { "plan": binary(documents.len()), "prints": binary(documents.len() * 8) },
            "$inc": { "revision": 1_i64, "attempts": 1_i64 },
        },
        "upsert": true,
        "writeConcern": { "w": "majority" },
    };
    database.run_raw_command(planned).await?;
    if found > 0 {
        let others = rawdoc! { "find": RECEIPTS, "filter": { "_id": { "$ne": receipt } }, "readConcern": { "level": "majority" } };
        count(database, others).await?;
    }
    let mut written = 0;
    for some in documents.chunks(STATEMENTS_MAX) {
        let write = match found {
            0 => command::insert(COLLECTION, some)?,
            _ => command::update(COLLECTION, some)?,
        };
        written += n(&database.run_raw_command(write).await?)?;
    }
    let answered = rawdoc! {
        "findAndModify": RECEIPTS,
        "query": { "_id": receipt, "outcome": { "$exists": false } },
        "update": { "$set": { "outcome": { "written": written } }, "$unset": { "plan": "", "prints": "" } },
        "fields": { "_id": 1 },
        "writeConcern": { "w": "majority" },
    };
    database.run_raw_command(answered).await?;
    Ok(u64::try_from(written)?)
}

/// Walks over what a command finds.
async fn count(database: &Database, command: RawDocumentBuf) -> Result<usize> {
    let mut found = 0;
    let mut cursor = database.run_raw_cursor_command(command).batch().await?;
    while let Some(batch) = poll_fn(|context| Pin::new(&mut cursor).poll_next(context)).await.transpose()? {
        for document in batch.doc_slices()? {
            document?;
            found += 1;
        }
    }
    Ok(found)
}

fn binary(length: usize) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![1; length],
    }
}

/// Upserts, and nothing else.
pub async fn upserts(home: &Home, uri: &str) -> Result<u64> {
    let database = connect(uri).await?;
    let mut written = 0;
    for key in stage::keys(home, "clean/").await? {
        let mut reader = ObjectReader::open(home.store.as_ref(), &key).await?;
        let mut batch = Batch::default();
        while batch.fill(&mut reader).await? {
            for some in batch.documents()?.chunks(STATEMENTS_MAX) {
                let command: RawDocumentBuf = command::upsert(COLLECTION, some)?;
                written += u64::try_from(n(&database.run_raw_command(command).await?)?)?;
            }
        }
    }
    Ok(written)
}

/// Only what is before the sending.
pub async fn read(home: &Home) -> Result<u64> {
    let mut documents = 0;
    for key in stage::keys(home, "clean/").await? {
        let mut reader = ObjectReader::open(home.store.as_ref(), &key).await?;
        let mut batch = Batch::default();
        while batch.fill(&mut reader).await? {
            documents += batch.documents()?.len() as u64;
        }
    }
    Ok(documents)
}

async fn connect(uri: &str) -> Result<Database> {
    let mut options = ClientOptions::parse(uri).await?;
    options.max_pool_size = Some(4);
    let client = Client::with_options(options)?;
    client.default_database().context("the URI names no database")
}

fn n(reply: &Document) -> Result<i32> {
    ensure!(!reply.contains_key("writeErrors"), "the stub refused something");
    reply.get_i32("n").context("a reply without `n`")
}
