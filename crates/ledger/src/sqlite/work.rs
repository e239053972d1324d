//! The statements of the SQLite ledger: each function is one call of the port, inside its transaction. What to store is decided by the pure rules.

use super::{Fault, rows};
use crate::lease::{Decision, Held, StoredLease};
use crate::run::Ending;
use crate::{
    CollectionClaim, Cursor, Extracted, Fact, FactKey, Holder, Lease, LeaseOutcome, LeaseRequest, LedgerError, ResourceId, RunFilter,
    RunRecord, RunState, Stage, Unfinished, cursor, definition, fact, lease, run,
};
use lake::{Part, RawKey, RunId};
use pipeline::Name;
use rusqlite::{Connection, Params, Row, Transaction, params};

pub(super) fn apply_definition(tx: &Transaction<'_>, pipeline: &Name, definition: &str) -> Result<u32, Fault> {
    let newest = newest_definition(tx, pipeline)?;
    let generation = definition::generation(newest.as_ref(), definition);
    if newest.is_none_or(|(_, newest)| newest != generation) {
        tx.prepare_cached("INSERT INTO definitions (pipeline, generation, definition) VALUES (?, ?, ?)")?
            .execute(params![pipeline.as_str(), generation, definition])?;
    }
    Ok(generation)
}

pub(super) fn newest_definition(db: &Connection, pipeline: &Name) -> Result<Option<(String, u32)>, Fault> {
    let sql = "SELECT definition, generation FROM definitions WHERE pipeline = ? ORDER BY generation DESC LIMIT 1";
    one(db, sql, [pipeline.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn claim_collection(tx: &Transaction<'_>, claim: &CollectionClaim) -> Result<CollectionClaim, Fault> {
    if let Some(first) = claimed(tx, &claim.collection)? {
        return Ok(first);
    }
    tx.prepare_cached("INSERT INTO collections (collection, pipeline, resource, key) VALUES (?, ?, ?, ?)")?
        .execute([
            claim.collection.as_str(),
            claim.owner.pipeline.as_str(),
            claim.owner.resource.as_str(),
            &claim.key,
        ])?;
    Ok(claim.clone())
}

pub(super) fn claimed(db: &Connection, collection: &Name) -> Result<Option<CollectionClaim>, Fault> {
    let sql = "SELECT pipeline, resource, key FROM collections WHERE collection = ?";
    one(db, sql, [collection.as_str()], |row| rows::claim(row, collection))
}

pub(super) fn take_lease(
    tx: &Transaction<'_>,
    resource: &ResourceId,
    request: &LeaseRequest,
    holder_is_dead: &(dyn for<'a> Fn(&'a Holder) -> bool + Sync),
) -> Result<LeaseOutcome, Fault> {
    let stored = stored_lease(tx, resource)?;
    let dead = lease::in_the_way(stored.as_ref(), request).is_some_and(holder_is_dead);
    let (token, expires_ms) = match lease::decide(stored.as_ref(), request, dead) {
        Decision::Leave { holder, expires_ms } => return Ok(LeaseOutcome::Held { holder, expires_ms }),
        Decision::Take { token, expires_ms } => (token, expires_ms),
    };
    let sql = "INSERT OR REPLACE INTO leases (pipeline, resource, token, holder, process, process_start, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![
        resource.pipeline.as_str(),
        resource.resource.as_str(),
        rows::integer(token)?,
        request.holder.name,
        request.holder.process,
        request.holder.process_start,
        expires_ms,
    ])?;
    Ok(LeaseOutcome::Taken(Lease {
        resource: resource.clone(),
        token,
        expires_ms,
    }))
}

pub(super) fn renew_lease(tx: &Transaction<'_>, lease: &Lease, expires_ms: i64) -> Result<Lease, Fault> {
    fence(tx, lease, &lease.resource)?;
    tx.prepare_cached("UPDATE leases SET expires_ms = ? WHERE pipeline = ? AND resource = ?")?
        .execute(params![
            expires_ms,
            lease.resource.pipeline.as_str(),
            lease.resource.resource.as_str()
        ])?;
    Ok(Lease {
        expires_ms,
        ..lease.clone()
    })
}

pub(super) fn release_lease(tx: &Transaction<'_>, lease: &Lease) -> Result<(), Fault> {
    let stored = stored_lease(tx, &lease.resource)?;
    if lease::is_ours(stored.as_ref(), lease, &lease.resource) {
        let sql = "UPDATE leases SET holder = NULL, process = NULL, process_start = NULL WHERE pipeline = ? AND resource = ?";
        tx.prepare_cached(sql)?
            .execute([lease.resource.pipeline.as_str(), lease.resource.resource.as_str()])?;
    }
    Ok(())
}

pub(super) fn held(db: &Connection, resource: &ResourceId) -> Result<Option<Held>, Fault> {
    Ok(stored_lease(db, resource)?.and_then(|stored| stored.held))
}

pub(super) fn begin_run(tx: &Transaction<'_>, lease: &Lease, run: &RunRecord) -> Result<RunRecord, Fault> {
    fence(tx, lease, &run.resource)?;
    match self::run(tx, run.id, &run.resource)? {
        Some(stored) if !matches!(stored.state, RunState::Skipped { .. }) => return Ok(stored),
        Some(_) => forget_run(tx, run)?,
        None => {}
    }
    insert_run(tx, run)?;
    Ok(run.clone())
}

/// A run that was recorded as skipped, and begins after all.
fn forget_run(tx: &Transaction<'_>, run: &RunRecord) -> Result<(), Fault> {
    let id = run.id.to_string();
    let ResourceId { pipeline, resource } = &run.resource;
    tx.prepare_cached("DELETE FROM runs WHERE run = ? AND pipeline = ? AND resource = ?")?
        .execute(params![id, pipeline.as_str(), resource.as_str()])?;
    Ok(())
}

/// Records a run unless it is there.
pub(super) fn insert_run(tx: &Transaction<'_>, run: &RunRecord) -> Result<(), Fault> {
    let (state, detail) = rows::state(&run.state);
    let sql = format!(
        "INSERT INTO runs ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        rows::RUN_COLUMNS
    );
    tx.prepare_cached(&sql)?.execute(params![
        run.id.to_string(),
        run.resource.pipeline.as_str(),
        run.resource.resource.as_str(),
        state,
        detail,
        run.definition,
        run.generation,
        run.source,
        run.cursor_before,
        run.parts,
        rows::integer(run.captures)?,
        rows::integer(run.bytes)?,
        run.started_ms,
        run.ended_ms,
    ])?;
    Ok(())
}

pub(super) fn run_to_resume(db: &Connection, resource: &ResourceId) -> Result<Option<RunRecord>, Fault> {
    one(
        db,
        &run_to_resume_sql(),
        [resource.pipeline.as_str(), resource.resource.as_str()],
        rows::run,
    )
}

pub(super) fn run_to_resume_sql() -> String {
    format!(
        "SELECT {} FROM runs WHERE pipeline = ? AND resource = ? AND state = 'extracting' ORDER BY run DESC LIMIT 1",
        rows::RUN_COLUMNS
    )
}

pub(super) fn record_intent(tx: &Transaction<'_>, lease: &Lease, raw: &RawKey, definition: &str, generation: u32) -> Result<(), Fault> {
    let resource = ResourceId {
        pipeline: raw.pipeline.clone(),
        resource: raw.resource.clone(),
    };
    fence(tx, lease, &resource)?;
    let key = raw.key();
    let next = next_stage(tx, key.as_str(), definition)?;
    tx.prepare_cached("INSERT INTO parts (raw, definition, generation, next) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![key.as_str(), definition, generation, next.map(Stage::as_str)])?;
    Ok(())
}

pub(super) fn intents(db: &Connection, run: RunId, resource: &ResourceId) -> Result<Vec<RawKey>, Fault> {
    let (from, to) = keys_of_run(run, resource);
    let sql = "SELECT raw FROM parts WHERE raw >= ? AND raw < ?";
    let mut raws = all(db, sql, [from, to], |row| rows::raw_key(&row.get::<_, String>(0)?))?;
    // As text, part 1,000,000 comes before part 200,000.
    raws.sort_unstable();
    Ok(raws)
}

pub(super) fn end_extraction(tx: &Transaction<'_>, lease: &Lease, extracted: &Extracted) -> Result<(), Fault> {
    fence(tx, lease, &lease.resource)?;
    let run = run(tx, extracted.run, &lease.resource)?;
    if ending(extracted.run, lease, run.as_ref(), true)? == Ending::Already {
        return Ok(());
    }
    let sql = "UPDATE runs SET state = 'extracted', ended_ms = ?, parts = ?, captures = ?, bytes = ? WHERE run = ? AND pipeline = ? AND resource = ?";
    tx.prepare_cached(sql)?.execute(params![
        extracted.ended_ms,
        extracted.parts,
        rows::integer(extracted.captures)?,
        rows::integer(extracted.bytes)?,
        extracted.run.to_string(),
        lease.resource.pipeline.as_str(),
        lease.resource.resource.as_str(),
    ])?;
    if let (Some(new), Some(run)) = (extracted.cursor, run) {
        let stored = cursor(tx, &lease.resource, &run.source)?;
        let value = cursor::advance(stored, new).value;
        tx.prepare_cached("INSERT OR REPLACE INTO cursors (pipeline, resource, source, value) VALUES (?, ?, ?, ?)")?
            .execute(params![
                lease.resource.pipeline.as_str(),
                lease.resource.resource.as_str(),
                run.source,
                value
            ])?;
    }
    Ok(())
}

pub(super) fn fail_extraction(tx: &Transaction<'_>, lease: &Lease, run: RunId, ended_ms: i64, message: &str) -> Result<(), Fault> {
    fence(tx, lease, &lease.resource)?;
    let stored = self::run(tx, run, &lease.resource)?;
    if ending(run, lease, stored.as_ref(), false)? == Ending::Now {
        let sql = "UPDATE runs SET state = 'failed', detail = ?, ended_ms = ? WHERE run = ? AND pipeline = ? AND resource = ?";
        tx.prepare_cached(sql)?.execute(params![
            message,
            ended_ms,
            run.to_string(),
            lease.resource.pipeline.as_str(),
            lease.resource.resource.as_str(),
        ])?;
    }
    Ok(())
}

pub(super) fn run(db: &Connection, run: RunId, resource: &ResourceId) -> Result<Option<RunRecord>, Fault> {
    let sql = format!(
        "SELECT {} FROM runs WHERE run = ? AND pipeline = ? AND resource = ?",
        rows::RUN_COLUMNS
    );
    let key = params![run.to_string(), resource.pipeline.as_str(), resource.resource.as_str()];
    one(db, &sql, key, rows::run)
}

pub(super) fn runs(db: &Connection, filter: &RunFilter) -> Result<Vec<RunRecord>, Fault> {
    let sql = format!(
        "SELECT {} FROM runs WHERE (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR resource = ?2) ORDER BY run DESC, pipeline, resource LIMIT ?3",
        rows::RUN_COLUMNS
    );
    let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let pipeline = filter.pipeline.as_ref().map(Name::as_str);
    let resource = filter.resource.as_ref().map(Name::as_str);
    all(db, &sql, params![pipeline, resource, limit], rows::run)
}

pub(super) fn cursor(db: &Connection, resource: &ResourceId, source: &str) -> Result<Option<Cursor>, Fault> {
    let sql = "SELECT value FROM cursors WHERE pipeline = ? AND resource = ? AND source = ?";
    let key = [resource.pipeline.as_str(), resource.resource.as_str(), source];
    one(db, sql, key, |row| Ok(Cursor { value: row.get(0)? }))
}

pub(super) fn record_fact(tx: &Transaction<'_>, key: &FactKey, fact: &Fact, at_ms: i64) -> Result<Fact, Fault> {
    if let Some(problem) = fact.fault(key) {
        let key = Box::new(key.clone());
        return Err(LedgerError::NotAFact { key, problem }.into());
    }
    if let Some(first) = self::fact(tx, key)? {
        return Ok(first);
    }
    let raw = key.raw.key();
    tx.prepare_cached("INSERT INTO facts (raw, definition, stage, tally, at_ms) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![raw.as_str(), key.definition, key.stage.as_str(), rows::tally(fact)?, at_ms])?;
    let next = next_stage(tx, raw.as_str(), &key.definition)?;
    tx.prepare_cached("UPDATE parts SET next = ? WHERE raw = ? AND definition = ?")?
        .execute(params![next.map(Stage::as_str), raw.as_str(), key.definition])?;
    Ok(*fact)
}

pub(super) fn fact(db: &Connection, key: &FactKey) -> Result<Option<Fact>, Fault> {
    let raw = key.raw.key();
    let sql = "SELECT tally FROM facts WHERE raw = ? AND definition = ? AND stage = ?";
    one(db, sql, [raw.as_str(), key.definition.as_str(), key.stage.as_str()], |row| {
        rows::fact(key.stage, &row.get::<_, String>(0)?, raw.as_str())
    })
}

pub(super) fn facts(db: &Connection, run: RunId, resource: &ResourceId, definition: &str) -> Result<Vec<(FactKey, Fact)>, Fault> {
    let (from, to) = keys_of_run(run, resource);
    let sql = "SELECT raw, stage, tally FROM facts WHERE raw >= ? AND raw < ? AND definition = ?";
    let mut facts = all(db, sql, params![from, to, definition], |row| {
        let raw: String = row.get(0)?;
        let stage = rows::stage(&row.get::<_, String>(1)?, &raw)?;
        let key = FactKey {
            raw: rows::raw_key(&raw)?,
            definition: definition.to_owned(),
            stage,
        };
        Ok((key, rows::fact(stage, &row.get::<_, String>(2)?, &raw)?))
    })?;
    facts.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(facts)
}

pub(super) fn unfinished(db: &Connection, pipeline: &Name) -> Result<Vec<Unfinished>, Fault> {
    let (from, to) = keys_under(&format!("raw/{pipeline}"));
    let mut parts = all(db, UNFINISHED_SQL, [from, to], rows::unfinished)?;
    parts.sort_unstable_by(|a, b| a.raw.cmp(&b.raw));
    Ok(parts)
}

pub(super) const UNFINISHED_SQL: &str =
    "SELECT raw, definition, generation, next FROM parts INDEXED BY parts_unfinished WHERE next IS NOT NULL AND raw >= ? AND raw < ?";

/// Fails unless the lease is still ours: nothing may be written for `resource` without it.
fn fence(tx: &Transaction<'_>, lease: &Lease, resource: &ResourceId) -> Result<(), Fault> {
    let stored = stored_lease(tx, resource)?;
    if lease::is_ours(stored.as_ref(), lease, resource) {
        return Ok(());
    }
    let resource = resource.clone();
    Err(LedgerError::LeaseLost {
        resource,
        token: lease.token,
    }
    .into())
}

fn ending(run: RunId, lease: &Lease, stored: Option<&RunRecord>, well: bool) -> Result<Ending, Fault> {
    run::ending(stored.map(|stored| &stored.state), well).map_err(|problem| {
        let resource = lease.resource.clone();
        LedgerError::CannotEnd { run, resource, problem }.into()
    })
}

fn stored_lease(db: &Connection, resource: &ResourceId) -> Result<Option<StoredLease>, Fault> {
    let sql = "SELECT token, holder, process, process_start, expires_ms FROM leases WHERE pipeline = ? AND resource = ?";
    one(db, sql, [resource.pipeline.as_str(), resource.resource.as_str()], rows::lease)
}

/// What a part waits for under a definition, by its facts.
fn next_stage(db: &Connection, raw: &str, definition: &str) -> Result<Option<Stage>, Fault> {
    let sql = "SELECT stage FROM facts WHERE raw = ? AND definition = ?";
    let done = all(db, sql, [raw, definition], |row| rows::stage(&row.get::<_, String>(0)?, raw))?;
    Ok(fact::next_stage(done.contains(&Stage::Clean), done.contains(&Stage::Load)))
}

/// The first raw key that a run can have, and the first after all of them.
fn keys_of_run(run: RunId, resource: &ResourceId) -> (String, String) {
    let marker = RawKey {
        pipeline: resource.pipeline.clone(),
        resource: resource.resource.clone(),
        run,
        part: Part::End,
    };
    let key = marker.key();
    keys_under(key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// The range of the keys in a folder: `0` is the character after `/`.
fn keys_under(folder: &str) -> (String, String) {
    (format!("{folder}/"), format!("{folder}0"))
}

fn one<T>(db: &Connection, sql: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

fn all<T>(db: &Connection, sql: &str, params: impl Params, mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}
