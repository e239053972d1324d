//! A lake, a ledger and a store of documents in a folder of their own, and clean objects to load.

use bson::{Bson, Document, doc, spec::BinarySubtype};
use documents::{Documents as _, SqliteDocuments};
use lake::{
    CleanKey, CleanMetadata, Definitions, DirectoryStore, Metadata, ObjectReader, ObjectWriter, Part, RawKey, RawMetadata, RunId, Store,
    ZSTD_LEVEL,
};
use ledger::{CleanTally, Clock, Fact, FactKey, Interrupted, LoadTally, Observer, Place, Rank, Run, SqliteLedger, Stage, Step};
use load::{Error, Input, Outcome, Services};
use pipeline::{Checked, Name};
use std::sync::{Arc, Mutex};

/// When everything here was fetched.
const AT_MS: i64 = 1_700_000_000_000;

pub struct Desk {
    pub services: Services,
    pub documents: Arc<SqliteDocuments>,
    pub definition: Arc<Checked>,
    folder: tempfile::TempDir,
}

/// How `load` is called; each call is told of in `steps`.
pub struct Watch {
    pub steps: Mutex<Vec<Step>>,
    /// After so many steps, the work is stopped as a kill would.
    pub stop_after: usize,
}

impl Observer for Watch {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        let mut steps = self.steps.lock().unwrap();
        steps.push(step.clone());
        if steps.len() > self.stop_after { Err(Interrupted) } else { Ok(()) }
    }
}

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        AT_MS
    }
}

impl Desk {
    /// `load`: the load section of the pipeline file; `head`: more of its top.
    pub async fn new(head: &str, load: &str) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "pipeline: p\n{head}\nsource: {{files: {{}}}}\nresources:\n  - name: r\n    file: {{path: a.csv}}\n    record: {{primary_key: [id], fields: {{id: {{type: long}}, v: {{type: string}}}}}}\n    load: {load}\n"
        );
        let definition = pipeline::check("p.yaml", &text).map_err(|faults| faults.to_string()).unwrap();
        let definition = Arc::new(definition);
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::open(folder.path().join("lake")).unwrap());
        let definitions = Arc::new(Definitions::new(store.clone()));
        definitions.publish(definition.clone(), &text).await.unwrap();
        let documents = Arc::new(SqliteDocuments::open(&folder.path().join("documents.db")).unwrap());
        Desk {
            services: Services {
                store,
                ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).unwrap()),
                documents: documents.clone(),
                definitions,
            },
            documents,
            definition,
            folder,
        }
    }

    /// The file of an object.
    pub fn file(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join("lake").join(key)
    }

    /// The key of a part of the run with this number.
    pub fn clean(&self, run: u64, part: Part) -> CleanKey {
        CleanKey {
            raw: RawKey {
                pipeline: name("p"),
                resource: name("r"),
                run: run_id(run),
                part,
            },
            definition: self.definition.hash.short().to_owned(),
        }
    }

    pub fn fact_key(&self, clean: &CleanKey, stage: Stage) -> FactKey {
        FactKey {
            raw: clean.raw.clone(),
            definition: self.definition.hash.to_string(),
            stage,
        }
    }

    fn metadata(&self, parts: Option<u32>) -> Metadata {
        let metadata = CleanMetadata {
            definition: self.definition.hash.to_string(),
            generation: 1,
            parts,
        };
        metadata.to_metadata()
    }

    /// Puts a clean object of these documents, and what `clean` says of it; `rejected` records more came in.
    pub async fn put(&self, run: u64, part: u32, documents: &[Document], rejected: u64) -> CleanKey {
        let clean = self.put_object(run, part, documents).await;
        self.cleaned(&clean, documents.len() as u64, rejected).await;
        clean
    }

    /// The object alone: `clean` has not recorded it yet.
    pub async fn put_object(&self, run: u64, part: u32, documents: &[Document]) -> CleanKey {
        let clean = self.clean(run, Part::Number(part));
        let mut bytes = Vec::new();
        for document in documents {
            bytes.extend(document.to_vec().unwrap());
        }
        self.put_bytes(&clean, self.metadata(None), &bytes).await;
        clean
    }

    pub async fn put_bytes(&self, clean: &CleanKey, metadata: Metadata, bytes: &[u8]) {
        let store = self.services.store.as_ref();
        let mut writer = ObjectWriter::create(store, &clean.clean(), &metadata, ZSTD_LEVEL).await.unwrap();
        writer.write(bytes).await.unwrap();
        writer.finish().await.unwrap();
    }

    pub async fn cleaned(&self, clean: &CleanKey, out: u64, rejected: u64) {
        let tally = CleanTally {
            records_in: out + rejected,
            out,
            rejected,
            ..CleanTally::default()
        };
        let key = self.fact_key(clean, Stage::Clean);
        self.services.ledger.record_fact(&key, &Fact::Clean(tally), AT_MS).await.unwrap();
    }

    /// Puts a run's marker, as `extract` and `clean` do.
    pub async fn put_marker(&self, run: u64, parts: u32) -> CleanKey {
        let clean = self.clean(run, Part::End);
        let metadata = RawMetadata {
            definition: self.definition.hash.to_string(),
            generation: 1,
            captures: 0,
            bytes: 0,
            at_ms: AT_MS,
            state: None,
            parts: Some(parts),
        };
        let raw = clean.raw.key();
        let put = self.services.store.put_new(&raw, &metadata.to_metadata(), Default::default()).await;
        put.unwrap();
        self.put_bytes(&clean, self.metadata(Some(parts)), b"").await;
        clean
    }

    pub async fn load(&self, clean: &CleanKey) -> Result<Outcome, Error> {
        self.load_watched(clean, &Arc::new(watch(usize::MAX))).await
    }

    pub async fn load_watched(&self, clean: &CleanKey, watch: &Arc<Watch>) -> Result<Outcome, Error> {
        let run = Run {
            clock: Arc::new(Still),
            observer: watch.clone(),
            deadline_ms: None,
        };
        load::handle(
            &Input {
                clean: clean.clone(),
                again_in_order: false,
            },
            &run,
            &self.services,
        )
        .await
    }

    /// Loads an object again, as a replay does that goes through all of a run.
    pub async fn load_again(&self, clean: &CleanKey) -> Outcome {
        let run = Run {
            clock: Arc::new(Still),
            observer: Arc::new(watch(usize::MAX)),
            deadline_ms: None,
        };
        let input = Input {
            clean: clean.clone(),
            again_in_order: true,
        };
        load::handle(&input, &run, &self.services).await.unwrap()
    }

    /// From here on documents go to another store, with nothing in it.
    pub fn use_other_documents(&mut self) {
        self.documents = Arc::new(SqliteDocuments::open(&self.folder.path().join("other.db")).unwrap());
        self.services.documents = self.documents.clone();
    }

    /// The `id` of each document that readers see.
    pub async fn seen(&self) -> Vec<i64> {
        let documents = self.documents.scan(&name("c"), None, 100_000).await.unwrap();
        documents.iter().map(|document| document.get_i64("id").unwrap()).collect()
    }

    /// The load fact of an object.
    pub async fn loaded(&self, clean: &CleanKey) -> Option<LoadTally> {
        match self.services.ledger.fact(&self.fact_key(clean, Stage::Load)).await.unwrap()? {
            Fact::Load(tally) => Some(tally),
            Fact::Clean(_) => panic!("a clean fact under a load key"),
        }
    }

    /// The lines of the refused object; `None` when there is no such object.
    pub async fn refused(&self, clean: &CleanKey) -> Option<Vec<serde_json::Value>> {
        self.services.store.head(&clean.refused()).await.unwrap()?;
        let mut reader = ObjectReader::open(self.services.store.as_ref(), &clean.refused()).await.unwrap();
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().await.unwrap() {
            lines.push(serde_json::from_slice(line).unwrap());
        }
        Some(lines)
    }
}

pub fn watch(stop_after: usize) -> Watch {
    Watch {
        steps: Mutex::default(),
        stop_after,
    }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn run_id(run: u64) -> RunId {
    RunId::new(AT_MS as u64 + run, 0)
}

/// A clean document of a run, as `clean` makes it.
pub fn document(run: u64, id: i64, v: &str) -> Document {
    let place = Place {
        run: run_id(run),
        part: 1,
        line: 7,
        item: id as u32,
    };
    let rank = Rank::new(AT_MS + run as i64, 1, AT_MS + run as i64, place);
    let hash: Vec<u8> = v.bytes().chain([0; 16]).take(16).collect();
    let binary = |bytes: Vec<u8>| {
        Bson::Binary(bson::Binary {
            subtype: BinarySubtype::Generic,
            bytes,
        })
    };
    doc! {
        "_id": id, "id": id, "v": v,
        "_tidemill": {
            "run": run_id(run).to_string(),
            "at": bson::DateTime::from_millis(AT_MS),
            "version": AT_MS + run as i64,
            "rank": binary(rank.0.to_vec()),
            "hash": binary(hash),
        },
    }
}

/// Documents with these ids.
pub fn documents(run: u64, ids: impl IntoIterator<Item = i64>) -> Vec<Document> {
    ids.into_iter().map(|id| document(run, id, "v")).collect()
}
