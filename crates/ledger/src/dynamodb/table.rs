//! The table: the client, its time-outs and retries, and the few calls that the ledger is made of.
//!
//! The SDK owns the retries of a request: time-outs, broken connections, throttling. All attempts of a transaction carry one token, so that one that
//! was done, and whose answer was lost, is answered as it was and not done again. What other writers cause is tried again here.

use super::fault::Fault;
use super::items::{self, Item, Row};
use super::key::Key;
use super::query::Query;
use super::write::{self, Cancelled, Outcome, Write};
use crate::LedgerError;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder};
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The version of the table's layout that this program works with. A table without its `SCHEMA` item has version 1.
const VERSION: i64 = 1;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// One attempt: DynamoDB answers in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole call, all its attempts and the waits between them.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPTS_MAX: u32 = 8;
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How often a call that others were in the way of is tried again.
const PAUSES_MAX: u32 = 12;
const PAUSE_MIN_MS: u64 = 10;
const PAUSE_MAX_MS: u64 = 1_000;

/// DynamoDB reads at most so many items by their keys at once.
const KEYS_MAX: usize = 100;

/// The index of all runs.
const INDEX: &str = "runs";

/// What a single write is answered with when a transaction is at its item.
const CONFLICT: &str = "TransactionConflictException";

pub(super) struct Table {
    client: Client,
    pub(super) name: String,
    region: String,
    /// Whether the layout was found to be one that we know.
    known: OnceCell<()>,
}

impl Table {
    pub(super) fn new(config: &SdkConfig, name: &str) -> Table {
        let mut timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        if let Some(said) = config.timeout_config() {
            let mut said = said.clone();
            said.take_defaults_from(&timeouts);
            timeouts = said;
        }
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_initial_backoff(WAIT_MIN)
            .with_max_backoff(WAIT_MAX);
        let client = Client::from_conf(
            Builder::from(config)
                .behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
                .timeout_config(timeouts)
                .retry_config(retries)
                .build(),
        );
        Table {
            client,
            name: name.to_owned(),
            region: config.region().map_or_else(|| "?".to_owned(), ToString::to_string),
            known: OnceCell::new(),
        }
    }

    /// The client, once the table is known to be laid out as we know it.
    async fn client(&self) -> Result<&Client, Fault> {
        self.known.get_or_try_init(|| self.look_at_version()).await?;
        Ok(&self.client)
    }

    async fn look_at_version(&self) -> Result<(), Fault> {
        let Some(item) = self.get_by(&self.client, &Key::schema()).await? else {
            return Ok(());
        };
        match Row::of(&item).number("version")? {
            1..=VERSION => Ok(()),
            found if found > VERSION => Err(Fault::Ledger(LedgerError::Newer {
                path: self.name.clone(),
                found,
                known: VERSION,
            })),
            found => Err(Row::of(&item).damaged(format!("its version is {found}"))),
        }
    }

    /// Reads an item as it is now.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Item>, Fault> {
        self.get_by(self.client().await?, key).await
    }

    async fn get_by(&self, client: &Client, key: &Key) -> Result<Option<Item>, Fault> {
        let asked = client.get_item().table_name(&self.name).set_key(Some(items::key_item(key)));
        match asked.consistent_read(true).send().await {
            Ok(answer) => Ok(answer.item.filter(|item| !item.is_empty())),
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// Writes one item. An attempt whose answer was lost is sent again, and may then be refused for what it did itself: the caller must see that by
    /// what is there.
    pub(super) async fn write(&self, write: &Write) -> Result<Outcome, Fault> {
        let client = self.client().await?;
        let mut pauses = Pauses::default();
        loop {
            let refused = match write {
                Write::Put { item, condition } => self.put(client, item, condition.as_ref()).await,
                Write::Change { key, change, condition } => self.change(client, key, change, condition).await,
                Write::Check { .. } | Write::Delete { .. } => return self.transact(std::slice::from_ref(write)).await,
            };
            match refused? {
                Single::Written => return Ok(Outcome::Written),
                Single::Refused(there) => return Ok(Outcome::Refused { write: 0, there }),
                Single::Passing => pauses.wait().await?,
            }
        }
    }

    async fn put(&self, client: &Client, item: &Item, condition: Option<&write::Expression>) -> Result<Single, Fault> {
        let sent = client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .set_condition_expression(condition.map(|condition| condition.text().to_owned()))
            .set_expression_attribute_names(write::names(condition))
            .set_expression_attribute_values(write::values(condition))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Single::Written),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => Ok(Single::Refused(refused.item.clone())),
                _ => self.passing(&error),
            },
        }
    }

    async fn change(&self, client: &Client, key: &Key, change: &write::Expression, condition: &write::Expression) -> Result<Single, Fault> {
        let sent = client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(items::key_item(key)))
            .update_expression(change.text())
            .condition_expression(condition.text())
            .set_expression_attribute_names(write::names([change, condition]))
            .set_expression_attribute_values(write::values([change, condition]))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Single::Written),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(Single::Refused(refused.item.clone())),
                _ => self.passing(&error),
            },
        }
    }

    fn passing<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E>) -> Result<Single, Fault> {
        if error.code() == Some(CONFLICT) {
            return Ok(Single::Passing);
        }
        Err(self.fault(error))
    }

    /// Does all of the writes or none.
    pub(super) async fn transact(&self, writes: &[Write]) -> Result<Outcome, Fault> {
        let client = self.client().await?;
        let items = writes.iter().map(|write| write.in_transaction(&self.name));
        let items: Vec<_> = items.collect::<Result<_, _>>().map_err(unbuilt)?;
        let mut pauses = Pauses::default();
        loop {
            let asked = client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = asked.send().await else {
                return Ok(Outcome::Written);
            };
            match self.cancelled(&error) {
                Cancelled::Refused { write, there } => return Ok(Outcome::Refused { write, there }),
                Cancelled::Passing => pauses.wait().await?,
                Cancelled::Failed(fault) => return Err(fault),
            }
        }
    }

    fn cancelled(&self, error: &SdkError<TransactWriteItemsError>) -> Cancelled {
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(told)) => write::cancelled(told.cancellation_reasons()),
            _ if error.code() == Some(CONFLICT) => Cancelled::Passing,
            _ => Cancelled::Failed(self.fault(error)),
        }
    }

    /// Reads items as they are now, in any number; those that are not there are left out.
    pub(super) async fn get_all(&self, keys: &[Key]) -> Result<HashMap<Key, Item>, Fault> {
        let client = self.client().await?;
        let mut found = HashMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            let mut asked: Vec<Item> = keys.iter().map(items::key_item).collect();
            let mut pauses = Pauses::default();
            while !asked.is_empty() {
                let wanted = KeysAndAttributes::builder().set_keys(Some(asked)).consistent_read(true).build();
                let wanted = wanted.map_err(unbuilt)?;
                let sent = client.batch_get_item().request_items(&self.name, wanted).send().await;
                let answer = sent.map_err(|error| self.fault(&error))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    found.insert(Row::of(&item).key()?, item);
                }
                let left = answer.unprocessed_keys.into_iter().flatten();
                asked = left.flat_map(|(_, left)| left.keys).collect();
                if !asked.is_empty() {
                    pauses.wait().await?;
                }
            }
        }
        Ok(found)
    }

    /// The first so many items of a list.
    pub(super) async fn list(&self, query: Query, limit: Option<usize>) -> Result<Vec<Item>, Fault> {
        let mut pages = self.pages(query);
        let mut items = Vec::new();
        let left = |items: &Vec<Item>| limit.map(|limit| limit.saturating_sub(items.len()));
        while left(&items) != Some(0) {
            match pages.next(left(&items)).await? {
                Some(page) => items.extend(page),
                None => break,
            }
        }
        items.truncate(limit.unwrap_or(usize::MAX));
        Ok(items)
    }

    pub(super) fn pages(&self, query: Query) -> Pages<'_> {
        let start = query.after.as_ref().map(items::key_item);
        Pages {
            table: self,
            query,
            start,
            ended: false,
        }
    }

    fn fault<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E>) -> Fault {
        Fault::of(error, &self.region)
    }
}

/// What became of a single write.
enum Single {
    Written,
    Refused(Option<Item>),
    /// A transaction is at the item.
    Passing,
}

/// A list, page by page: each is at most 1 MB.
pub(super) struct Pages<'a> {
    table: &'a Table,
    query: Query,
    /// After which key the next page begins.
    start: Option<Item>,
    ended: bool,
}

impl Pages<'_> {
    /// The next page, of at most `limit` items; it may be empty though more follow. `None` after the last.
    pub(super) async fn next(&mut self, limit: Option<usize>) -> Result<Option<Vec<Item>>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let (table, query) = (self.table, &self.query);
        let prefix = (!query.in_index && !query.prefix.is_empty()).then(|| items::text(&query.prefix));
        let values = [(":pk", Some(items::text(&query.partition))), (":prefix", prefix)];
        let values = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let sent = table
            .client()
            .await?
            .query()
            .table_name(&table.name)
            .set_index_name(query.in_index.then(|| INDEX.to_owned()))
            .key_condition_expression(query.text())
            .set_expression_attribute_values(Some(values.collect()))
            .scan_index_forward(!query.newest_first)
            .consistent_read(!query.in_index)
            .set_exclusive_start_key(self.start.take())
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
            .send()
            .await;
        let page = sent.map_err(|error| table.fault(&error))?;
        self.start = page.last_evaluated_key.filter(|key| !key.is_empty());
        self.ended = self.start.is_none();
        Ok(Some(page.items.unwrap_or_default()))
    }
}

/// Longer and longer pauses, each of random length so that those who met do not meet again; and an end.
#[derive(Default)]
struct Pauses {
    taken: u32,
}

impl Pauses {
    async fn wait(&mut self) -> Result<(), Fault> {
        if self.taken == PAUSES_MAX {
            let problem = "other writers were at the same items, or too much was asked at once, at every attempt";
            return Err(Fault::Unavailable(problem.into()));
        }
        let longest = PAUSE_MIN_MS.saturating_mul(1 << self.taken).min(PAUSE_MAX_MS);
        self.taken += 1;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=longest))).await;
        Ok(())
    }
}

/// A request that lacks what it must have: only a bug can make one.
fn unbuilt(error: BuildError) -> Fault {
    Fault::Unavailable(error.into())
}
