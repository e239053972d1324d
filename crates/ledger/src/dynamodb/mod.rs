//! The ledger in one DynamoDB table: for the cloud.
//!
//! | pk | sk | what | attributes |
//! |---|---|---|---|
//! | `SCHEMA` | `SCHEMA` | the version of this layout; without it, 1 | `version` |
//! | `D#{pipeline}` | `NEWEST` | the newest definition | `definition`, `generation` |
//! | `D#{pipeline}` | `G#{generation}` | each that was applied | `definition`, `generation` |
//! | `C#{collection}` | `CLAIM` | who writes a collection, and by which key; put once | `pipeline`, `resource`, `key` |
//! | `R#{pipeline}#{resource}` | `LEASE` | who may extract; stays when given back (`holder` gone) | `token`, `holder`: {`name`, `process`, `process_start`}, `expires_ms`, `wish`, `extracting`: the runs that are |
//! | `R#{pipeline}#{resource}` | `CURSOR#{source}` | how far a source was read | `value` |
//! | `R#{pipeline}#{resource}` | `RUN#{run}` | a run | those of [`RunRecord`] |
//! | `P#{pipeline}` | `RUN#{run}#{resource}` | the mark of a run; put once | `gpk`: `RUNS`, `gsk`: `{run}#{pipeline}#{resource}` |
//! | `F#{run}#{pipeline}#{resource}` | `INTENT#{part}` | a raw object that is about to be put; put once | `raw`, `definition`, `generation` |
//! | `F#{run}#{pipeline}#{resource}` | `FACT#{definition}#{part}#{stage}` | what became of a part; put once | `raw`, `stage`, `tally` (JSON), `at_ms` |
//! | `O#{pipeline}` | `{raw}#{definition}` | a part that is owed: put with its intent, deleted with its load fact | `raw`, `definition`, `generation` |
//! | `N#{shelf}` | `NOTE#{key}` | a note | `revision`, `text` |
//!
//! `pk`, `sk`, `gpk` and `gsk` are texts; the index `runs` (`gpk`, `gsk`) needs to hold the keys only. Parts are ten digits or `end`.
//!
//! **Consistency.** All reads are strongly consistent but one: which runs there are when no pipeline is named, which is the index's answer and may lack
//! a run that began moments ago (what is told of each run is read from the table). A list is read page by page and is no snapshot: what is written
//! meanwhile may be in it or not. All else is atomic.
//!
//! **An identity needs** `dynamodb:GetItem`, `BatchGetItem`, `Query` to read, and `PutItem`, `UpdateItem`, `DeleteItem`, `ConditionCheckItem` to write,
//! on the table; `Query` on its index to list all runs.

mod definitions;
mod facts;
mod fault;
mod items;
mod key;
mod leases;
mod notes;
mod query;
mod runs;
mod table;
mod write;

use crate::{
    CollectionClaim, Cursor, Extracted, Fact, FactKey, Held, Holder, Lease, LeaseOutcome, LeaseRequest, Ledger, LedgerError, Note,
    ResourceId, RunFilter, RunRecord, Shelf, Unfinished,
};
use async_trait::async_trait;
use aws_config::SdkConfig;
use fault::Fault;
use lake::{RawKey, RunId};
use pipeline::Name;
use table::Table;

/// A ledger in a table, for many processes at once.
pub struct DynamoLedger {
    table: Table,
}

impl DynamoLedger {
    /// The ledger in `table`, reached as `config` says. Nothing is asked of it before the first call, which also looks whether the table is laid out as
    /// this program knows it ([`LedgerError::Newer`]).
    pub fn new(config: &SdkConfig, table: &str) -> DynamoLedger {
        DynamoLedger {
            table: Table::new(config, table),
        }
    }

    fn told<T>(&self, action: &'static str, answer: Result<T, Fault>) -> Result<T, LedgerError> {
        answer.map_err(|fault| fault.told(action, &self.table.name))
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn apply_definition(&self, pipeline: &Name, definition: &str) -> Result<u32, LedgerError> {
        let answer = definitions::apply(&self.table, pipeline, definition).await;
        self.told("apply a definition", answer)
    }

    async fn newest_definition(&self, pipeline: &Name) -> Result<Option<(String, u32)>, LedgerError> {
        let answer = definitions::newest(&self.table, pipeline).await;
        self.told("read the newest definition", answer)
    }

    async fn claim_collection(&self, claim: &CollectionClaim) -> Result<CollectionClaim, LedgerError> {
        let answer = definitions::claim(&self.table, claim).await;
        self.told("claim a collection", answer)
    }

    async fn claimed(&self, collection: &Name) -> Result<Option<CollectionClaim>, LedgerError> {
        let answer = definitions::claimed(&self.table, collection).await;
        self.told("look up the claim on a collection", answer)
    }

    async fn take_lease(
        &self,
        resource: &ResourceId,
        request: &LeaseRequest,
        holder_is_dead: &(dyn for<'a> Fn(&'a Holder) -> bool + Sync),
    ) -> Result<LeaseOutcome, LedgerError> {
        let answer = leases::take(&self.table, resource, request, holder_is_dead).await;
        self.told("take a lease", answer)
    }

    async fn renew_lease(&self, lease: &Lease, expires_ms: i64) -> Result<Lease, LedgerError> {
        let answer = leases::renew(&self.table, lease, expires_ms).await;
        self.told("renew a lease", answer)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        let answer = leases::release(&self.table, lease).await;
        self.told("give back a lease", answer)
    }

    async fn held(&self, resource: &ResourceId) -> Result<Option<Held>, LedgerError> {
        let answer = leases::held(&self.table, resource).await;
        self.told("look up a lease", answer)
    }

    async fn begin_run(&self, lease: &Lease, run: &RunRecord) -> Result<RunRecord, LedgerError> {
        let answer = runs::begin(&self.table, lease, run).await;
        self.told("begin a run", answer)
    }

    async fn record_skipped(&self, run: &RunRecord) -> Result<(), LedgerError> {
        let answer = runs::record_skipped(&self.table, run).await;
        self.told("record a skipped run", answer)
    }

    async fn run_to_resume(&self, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError> {
        let answer = runs::to_resume(&self.table, resource).await;
        self.told("look for a run to resume", answer)
    }

    async fn record_intent(&self, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), LedgerError> {
        let answer = facts::intend(&self.table, lease, raw, definition, generation).await;
        self.told("record an intent", answer)
    }

    async fn intents(&self, run: RunId, resource: &ResourceId) -> Result<Vec<RawKey>, LedgerError> {
        let answer = facts::intents(&self.table, run, resource).await;
        self.told("list a run's intents", answer)
    }

    async fn end_extraction(&self, lease: &Lease, extracted: &Extracted) -> Result<(), LedgerError> {
        let answer = runs::end(&self.table, lease, extracted).await;
        self.told("end an extraction", answer)
    }

    async fn fail_extraction(&self, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), LedgerError> {
        let answer = runs::fail(&self.table, lease, run, ended_ms, message).await;
        self.told("record a failed extraction", answer)
    }

    async fn run(&self, run: RunId, resource: &ResourceId) -> Result<Option<RunRecord>, LedgerError> {
        let answer = runs::get(&self.table, run, resource).await;
        self.told("read a run", answer)
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
        let answer = runs::list(&self.table, filter).await;
        self.told("list runs", answer)
    }

    async fn cursor(&self, resource: &ResourceId, source: &str) -> Result<Option<Cursor>, LedgerError> {
        let answer = runs::cursor(&self.table, resource, source).await;
        self.told("read a cursor", answer)
    }

    async fn record_fact(&self, key: &FactKey, fact: &Fact, at_ms: i64) -> Result<Fact, LedgerError> {
        let answer = facts::record(&self.table, key, fact, at_ms).await;
        self.told("record a fact", answer)
    }

    async fn fact(&self, key: &FactKey) -> Result<Option<Fact>, LedgerError> {
        let answer = facts::get(&self.table, key).await;
        self.told("read a fact", answer)
    }

    async fn facts(&self, run: RunId, resource: &ResourceId, definition: &str) -> Result<Vec<(FactKey, Fact)>, LedgerError> {
        let answer = facts::list(&self.table, run, resource, definition).await;
        self.told("list a run's facts", answer)
    }

    async fn unfinished(&self, pipeline: &Name) -> Result<Vec<Unfinished>, LedgerError> {
        let answer = facts::unfinished(&self.table, pipeline).await;
        self.told("list unfinished parts", answer)
    }

    async fn note(&self, shelf: Shelf, key: &str) -> Result<Option<Note>, LedgerError> {
        let answer = notes::get(&self.table, shelf, key).await;
        self.told("read a note", answer)
    }

    async fn put_note(&self, shelf: Shelf, key: &str, after: Option<u64>, text: &str) -> Result<bool, LedgerError> {
        let answer = notes::put(&self.table, shelf, key, after, text).await;
        self.told("put a note", answer)
    }

    async fn remove_note(&self, shelf: Shelf, key: &str, revision: u64) -> Result<bool, LedgerError> {
        let answer = notes::remove(&self.table, shelf, key, revision).await;
        self.told("remove a note", answer)
    }

    async fn notes(&self, shelf: Shelf, after: Option<&str>, limit: usize) -> Result<Vec<(String, Note)>, LedgerError> {
        let answer = notes::list(&self.table, shelf, after, limit).await;
        self.told("list notes", answer)
    }
}
