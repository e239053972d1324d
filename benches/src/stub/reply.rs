//! What the stub answers, command by command.

use super::{MESSAGE_BYTES_MAX, Request, Stored};
use anyhow::{Context, Result, bail, ensure};
use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{RawArrayBuf, RawBinaryRef, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use ledger::Rank;

/// A hash has 16 bytes.
const HASH_BYTES: usize = 16;

/// The stub, as a connection sees it.
pub struct Server {
    pub address: String,
    pub stored: Stored,
}

impl Server {
    /// The reply to a command. A command that is not known gets MongoDB's own error.
    pub fn answer(&self, request: &Request<'_>) -> Result<RawDocumentBuf> {
        let (name, subject) = request.body.into_iter().next().context("an empty command")??;
        let name = name.as_str();
        // What Tidemill keeps for itself is there once it was written; users' documents are there as `stored` says.
        let ours = matches!(subject, RawBsonRef::String(collection) if collection.starts_with("tidemill."));
        Ok(match name {
            "hello" | "isMaster" | "ismaster" => self.hello(),
            "buildInfo" | "buildinfo" => {
                rawdoc! { "version": "8.0.0", "versionArray": [8, 0, 0, 0], "maxBsonObjectSize": 16 << 20, "ok": 1.0 }
            }
            "ping" | "endSessions" | "create" | "collMod" | "drop" | "dropIndexes" | "renameCollection" => rawdoc! { "ok": 1.0 },
            "createIndexes" => rawdoc! { "numIndexesBefore": 1, "numIndexesAfter": 2, "ok": 1.0 },
            "listCollections" | "aggregate" => cursor(RawArrayBuf::new()),
            "listIndexes" if self.stored == Stored::Older => {
                let mut indexes = RawArrayBuf::new();
                indexes.push(rawdoc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" });
                cursor(indexes)
            }
            "listIndexes" => failure(26, "NamespaceNotFound", "ns does not exist"),
            "count" => rawdoc! { "n": 0, "ok": 1.0 },
            "connectionStatus" => rawdoc! { "authInfo": { "authenticatedUsers": [], "authenticatedUserRoles": [] }, "ok": 1.0 },
            "find" if ours || self.stored == Stored::Nothing => cursor(RawArrayBuf::new()),
            "find" => cursor(older(request.body)?),
            "findAndModify" | "findandmodify" => find_and_modify(request.body, ours)?,
            "insert" => rawdoc! { "n": number(statements(request, "documents")?.len()), "ok": 1.0 },
            "update" => update(&statements(request, "updates")?, ours || self.stored == Stored::Older)?,
            "delete" if ours => rawdoc! { "n": number(statements(request, "deletes")?.len()), "ok": 1.0 },
            "delete" => rawdoc! { "n": 0, "ok": 1.0 },
            other => failure(59, "CommandNotFound", &format!("no such command: '{other}'")),
        })
    }

    /// A replica set of one.
    fn hello(&self) -> RawDocumentBuf {
        let address = self.address.as_str();
        rawdoc! {
            "helloOk": true,
            "isWritablePrimary": true,
            "ismaster": true,
            "secondary": false,
            "setName": "stub",
            "setVersion": 1,
            "hosts": [address],
            "me": address,
            "primary": address,
            "maxBsonObjectSize": 16 << 20,
            "maxMessageSizeBytes": number(MESSAGE_BYTES_MAX),
            "maxWriteBatchSize": 100_000,
            "localTime": bson::DateTime::now(),
            "logicalSessionTimeoutMinutes": 30,
            "connectionId": 1,
            "minWireVersion": 0,
            "maxWireVersion": 25,
            "readOnly": false,
            "ok": 1.0,
        }
    }
}

/// The statements of a write command: beside the body or in it.
fn statements<'a>(request: &Request<'a>, field: &str) -> Result<Vec<&'a RawDocument>> {
    let mut found = Vec::new();
    if let Some((name, mut rest)) = request.beside {
        if name != field {
            bail!("documents beside the command that are no `{field}` but `{name}`");
        }
        while let Some(length) = rest.first_chunk::<4>() {
            let (document, after) = rest
                .split_at_checked(u32::from_le_bytes(*length) as usize)
                .context("a document cut short")?;
            found.push(RawDocument::from_bytes(document)?);
            rest = after;
        }
    } else {
        for statement in request.body.get_array(field)? {
            found.push(statement?.as_document().context("a statement that is no document")?);
        }
    }
    Ok(found)
}

/// With something there, each statement matches it and changes it. Else upserts make a document each, the others match nothing.
fn update(statements: &[&RawDocument], there: bool) -> Result<RawDocumentBuf> {
    let count = number(statements.len());
    if there {
        return Ok(rawdoc! { "n": count, "nModified": count, "ok": 1.0 });
    }
    let (mut upserted, mut n) = (RawArrayBuf::new(), 0);
    for (index, statement) in statements.iter().enumerate() {
        if statement.get("upsert")?.and_then(|upsert| upsert.as_bool()) == Some(true) {
            let mut made = rawdoc! { "index": number(index) };
            made.append(cstr!("_id"), statement.get_document("q")?.get("_id")?.unwrap_or(RawBsonRef::Null));
            upserted.push(made);
            n += 1;
        }
    }
    let mut reply = rawdoc! { "n": n, "nModified": 0 };
    if n > 0 {
        reply.append(cstr!("upserted"), upserted);
    }
    reply.append(cstr!("ok"), 1.0);
    Ok(reply)
}

/// A document of a lower rank under each key that `find` asks for.
fn older(find: &RawDocument) -> Result<RawArrayBuf> {
    let mut found = RawArrayBuf::new();
    let binary = |bytes| RawBinaryRef {
        subtype: BinarySubtype::Generic,
        bytes,
    };
    let mut tidemill = RawDocumentBuf::new();
    tidemill.append(cstr!("rank"), binary(&[0; Rank::LENGTH]));
    tidemill.append(cstr!("hash"), binary(&[0; HASH_BYTES]));
    let mut push = |id: RawBsonRef<'_>| {
        let mut document = RawDocumentBuf::new();
        document.append(cstr!("_id"), id);
        document.append(cstr!("_tidemill"), tidemill.as_ref());
        found.push(document);
    };
    match find.get_document("filter")?.get("_id")? {
        Some(RawBsonRef::Document(asked)) if asked.get("$in")?.is_some() => {
            for id in asked.get_array("$in")? {
                push(id?);
            }
        }
        Some(id) => push(id),
        None => bail!("the stub finds by `_id` only"),
    }
    Ok(found)
}

/// An upsert makes what it asks for, and finds nothing. Without one, what Tidemill keeps for itself is there (it was made by an upsert), and nothing else.
fn find_and_modify(command: &RawDocument, ours: bool) -> Result<RawDocumentBuf> {
    let is = |field| -> Result<bool> { Ok(command.get(field)?.and_then(|value| value.as_bool()) == Some(true)) };
    ensure!(!is("new")?, "the stub answers with what was before only");
    let id = command.get_document("query")?.get("_id")?.unwrap_or(RawBsonRef::Null);
    let upsert = is("upsert")?;
    let mut done = rawdoc! { "n": i32::from(upsert || ours), "updatedExisting": ours && !upsert };
    let mut reply = RawDocumentBuf::new();
    if upsert {
        done.append(cstr!("upserted"), id);
        reply.append(cstr!("value"), RawBsonRef::Null);
    } else if ours {
        let mut value = RawDocumentBuf::new();
        value.append(cstr!("_id"), id);
        reply.append(cstr!("value"), value);
    } else {
        reply.append(cstr!("value"), RawBsonRef::Null);
    }
    reply.append(cstr!("lastErrorObject"), done);
    reply.append(cstr!("ok"), 1.0);
    Ok(reply)
}

fn cursor(first_batch: RawArrayBuf) -> RawDocumentBuf {
    rawdoc! { "cursor": { "id": 0_i64, "ns": "bench.stub", "firstBatch": first_batch }, "ok": 1.0 }
}

fn failure(code: i32, name: &str, message: &str) -> RawDocumentBuf {
    rawdoc! { "ok": 0.0, "errmsg": message, "code": code, "codeName": name }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
