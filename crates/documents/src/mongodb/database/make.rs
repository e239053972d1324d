//! Putting back: collections with their options, documents, then indexes, validators and views. Each may be done again.

use bson::{Bson, Document, RawDocument, doc};

use super::super::MongoDocuments;
use super::super::command::{self, cut};
use super::super::control::majority;
use super::super::declare::is_answer;
use super::super::error::{Fault, FaultKind};
use super::super::reply::{self, Meaning, Reply};
use super::patiently;
use crate::{Namespace, NamespaceKind, PutBack};

/// What is set when the documents are there.
const VALIDATION: [&str; 3] = ["validator", "validationLevel", "validationAction"];

/// Makes a collection; a view comes when all collections are there.
pub(super) async fn create(store: &MongoDocuments, namespace: &Namespace) -> Result<(), Fault> {
    match namespace.kind {
        NamespaceKind::View => return Ok(()),
        NamespaceKind::TimeSeries => return Err(Fault::not_ours(TIME_SERIES.to_owned())),
        NamespaceKind::Collection => {}
    }
    let mut options = without_versions(&namespace.options);
    for option in VALIDATION {
        options.remove(option);
    }
    make(store, &namespace.name, options).await
}

const TIME_SERIES: &str = "it is a time series, which this version of Tidemill neither backs up nor restores";

async fn make(store: &MongoDocuments, name: &str, options: Document) -> Result<(), Fault> {
    let mut command = doc! { "create": name };
    command.extend(options);
    command.insert("writeConcern", majority());
    match store.link.command_again(command).await {
        Err(fault) if fault.kind == FaultKind::NamespaceExists => Ok(()),
        result => result.map(drop),
    }
}

/// The version of a collation is the server's: another has another.
fn without_versions(options: &Document) -> Document {
    let mut options = options.clone();
    if let Ok(collation) = options.get_document_mut("collation") {
        collation.remove("version");
    }
    options
}

pub(super) async fn put_back(store: &MongoDocuments, collection: &str, documents: &[&RawDocument]) -> Result<PutBack, Fault> {
    let mut total = PutBack::default();
    for range in cut(documents.iter().map(|document| document.as_bytes().len() + 16)) {
        let some = documents.get(range).unwrap_or_default();
        let put = patiently(|| insert(store, collection, some)).await?;
        total.inserted += put.inserted;
        total.already_there += put.already_there;
    }
    Ok(total)
}

/// A loader that is at work may have set the collection's validator meanwhile, which older documents need not pass: these are put back all the same.
async fn insert(store: &MongoDocuments, collection: &str, documents: &[&RawDocument]) -> Result<PutBack, Fault> {
    let bytes = documents.iter().map(|document| document.as_bytes());
    let command = command::insert(collection, bytes.clone()).map_err(|problem| Fault::damaged(problem.to_string()))?;
    let reply = read(&store.link.command(command).await?)?;
    if !reply.errors.iter().any(|error| matches!(error.meaning, Meaning::Refused(_))) {
        return put(store, reply, documents.len()).await;
    }
    let command = command::insert_unvalidated(collection, bytes).map_err(|problem| Fault::damaged(problem.to_string()))?;
    let again = read(&store.link.command(command).await.map_err(|fault| Fault {
        text: format!(
            "{}; the validator of the collection does not take all of the backup, and to pass it by needs the role `dbAdmin`: give it to the user, or pause what loads and type the same restore with `--start-over`",
            fault.text
        ),
        ..fault
    })?)?;
    let again = put(store, again, documents.len()).await?;
    Ok(PutBack {
        inserted: reply.found + again.inserted,
        already_there: again.already_there.saturating_sub(reply.found),
    })
}

fn read(reply: &Document) -> Result<Reply, Fault> {
    reply::read(reply).map_err(|problem| Fault::damaged(problem.to_owned()))
}

/// What became of documents that were inserted, each for itself.
async fn put(store: &MongoDocuments, reply: Reply, documents: usize) -> Result<PutBack, Fault> {
    let (mut taken, mut failed) = (0, None);
    for error in reply.errors {
        let (kind, code, words) = match error.meaning {
            Meaning::Taken => {
                taken += 1;
                continue;
            }
            Meaning::Again(code, words) => (FaultKind::Passing, code, words),
            Meaning::Trouble(kind, code, words) => (kind, code, words),
            Meaning::Unclear(code, words) => (FaultKind::Other, code, words),
            Meaning::Refused(words) | Meaning::Occupied(words) => (FaultKind::Other, 0, words),
        };
        // What does not pass is told, whatever else there is.
        if failed.as_ref().is_none_or(|(before, _, _)| *before == FaultKind::Passing) {
            failed = Some((kind, code, words));
        }
    }
    if let Some((kind, code, words)) = failed {
        return Err(store.fault(kind, code, words).await);
    }
    if reply.found + taken != documents as u64 {
        return Err(Fault::damaged("the server does not say what became of each document".to_owned()));
    }
    Ok(PutBack {
        inserted: reply.found,
        already_there: taken,
    })
}

/// Indexes and validator of a collection, or a view. What the server will not do is told, and the rest is done.
pub(super) async fn complete(store: &MongoDocuments, namespace: &Namespace) -> Result<Vec<String>, Fault> {
    match namespace.kind {
        NamespaceKind::Collection => {
            let mut unable = indexes(store, namespace).await?;
            unable.extend(validator(store, namespace).await?);
            Ok(unable)
        }
        NamespaceKind::View => {
            let made = make(store, &namespace.name, without_versions(&namespace.options)).await;
            told(made, || format!("could not make the view `{}`", namespace.name)).map(|unable| unable.into_iter().collect())
        }
        NamespaceKind::TimeSeries => Err(Fault::not_ours(TIME_SERIES.to_owned())),
    }
}

/// All at once, which reads the documents once; if the server won't, one by one.
async fn indexes(store: &MongoDocuments, namespace: &Namespace) -> Result<Vec<String>, Fault> {
    let own = |index: &&Document| index.get_str("name").is_ok_and(|name| name != "_id_") && !index.contains_key("clustered");
    let wanted: Vec<Document> = namespace.indexes.iter().filter(own).map(without_versions).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    match create_indexes(store, &namespace.name, &wanted).await {
        Err(fault) if is_answer(&fault) => {}
        result => return result.map(|()| Vec::new()),
    }
    let mut unable = Vec::new();
    for index in wanted {
        let name = index.get_str("name").unwrap_or_default().to_owned();
        let made = create_indexes(store, &namespace.name, &[index]).await;
        unable.extend(told(made, || format!("could not make the index `{name}` of `{}`", namespace.name))?);
    }
    Ok(unable)
}

async fn create_indexes(store: &MongoDocuments, collection: &str, indexes: &[Document]) -> Result<(), Fault> {
    let indexes: Vec<Bson> = indexes.iter().cloned().map(Bson::Document).collect();
    let command = doc! { "createIndexes": collection, "indexes": indexes, "writeConcern": majority() };
    store
        .link
        .long_command(command)
        .await
        .map(drop)
        .map_err(|fault| still_building(fault, collection))
}

/// A build that was not waited for to its end is none that failed.
fn still_building(mut fault: Fault, collection: &str) -> Fault {
    if matches!(fault.kind, FaultKind::Unreachable | FaultKind::Passing) {
        fault.text = format!(
            "{}; a server that was building indexes of `{collection}` goes on by itself: restore the same again, which waits for them",
            fault.text
        );
    }
    fault
}

async fn validator(store: &MongoDocuments, namespace: &Namespace) -> Result<Option<String>, Fault> {
    let mut command = doc! { "collMod": &namespace.name };
    for option in VALIDATION {
        if let Some(value) = namespace.options.get(option) {
            command.insert(option, value.clone());
        }
    }
    if command.len() == 1 {
        return Ok(None);
    }
    command.insert("writeConcern", majority());
    let set = store.link.command_again(command).await.map(drop);
    told(set, || format!("could not set the validator of `{}`", namespace.name))
}

/// That the server considered it and said no is a sentence; anything else is a failure.
fn told(result: Result<(), Fault>, what: impl FnOnce() -> String) -> Result<Option<String>, Fault> {
    match result {
        Ok(()) => Ok(None),
        Err(fault) if is_answer(&fault) => Ok(Some(format!("{}: the server says: {}", what(), fault.text))),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_takes_longer_than_is_waited_for_says_what_to_do() {
        let slow = still_building(Fault::not_ours("no answer".to_owned()), "orders");
        assert_eq!(slow.text, "no answer");
        let mut fault = Fault::not_ours("no answer".to_owned());
        fault.kind = FaultKind::Passing;
        let slow = still_building(fault, "orders");
        assert!(
            slow.text.starts_with("no answer; ") && slow.text.contains("`orders` goes on"),
            "{}",
            slow.text
        );
        assert!(slow.text.contains("restore the same again"), "{}", slow.text);
    }
}
