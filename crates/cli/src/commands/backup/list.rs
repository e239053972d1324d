//! `tidemill backup list`: what is in the vault, and what did not come to be there.

use super::{Ended, HomeAt, shown};
use crate::{
    Context, Status,
    failure::chain,
    output::{
        json,
        numbers::{bytes, count, duration, iso, moment},
        plain::plain_lines,
        tables::{Column, table},
    },
};
use ::backup::{Error, Listed};
use lake::RunId;
use ledger::{BackupRecord, BackupState};
use serde_json::{Value, json};
use std::io::Write;

const COLUMNS: [Column; 8] = [
    Column::Text("backup"),
    Column::Text("began (UTC)"),
    Column::Number("took"),
    Column::Text("class"),
    Column::Text("kept until (UTC)"),
    Column::Number("documents"),
    Column::Number("size"),
    Column::Text("state"),
];

/// Records of the ledger that are looked at for backups that are not in the vault.
const RECORDS_MAX: usize = 100;

/// A backup, or what was to be one.
enum Row {
    InVault(Listed),
    /// It is under way, or failed.
    Not(BackupRecord),
}

pub(super) async fn run(at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let keep = at.keep(false).await?;
    let listed = ::backup::list(keep.vault.as_ref()).await.map_err(super::failure)?;
    let records = match ledger::backup::backups(keep.ledger.as_ref(), RECORDS_MAX).await {
        Ok(records) => records,
        // The vault is what matters, and it may be all that is left.
        Err(error) => {
            let note = format!(
                "note: the ledger can't be asked, so backups that are under way or failed are not listed: {}\n",
                chain(&error)
            );
            write!(context.err, "{}", plain_lines(&note))?;
            Vec::new()
        }
    };
    let rows = rows(listed, records);
    if as_json {
        for row in &rows {
            json::line(&mut context.out, &row.object())?;
        }
    } else if rows.is_empty() {
        writeln!(context.out, "no backups yet\nnext: {}", at.command("backup"))?;
    } else {
        write!(context.out, "{}", table(&COLUMNS, rows.iter().map(Row::cells)))?;
        for row in &rows {
            if let (state, Some(why)) = row.state() {
                write!(context.out, "{}", plain_lines(&format!("{} {state}: {why}\n", row.id())))?;
            }
        }
        if let Some(Row::InVault(newest)) = rows.iter().find(|row| matches!(row, Row::InVault(one) if one.manifest.is_ok())) {
            writeln!(context.out, "\nnext: {}", at.command(&format!("backup verify {}", newest.id)))?;
        }
    }
    Ok(Status::Well)
}

/// The newest first. One that the ledger calls done and the vault does not have has expired.
fn rows(listed: Vec<Listed>, records: Vec<BackupRecord>) -> Vec<Row> {
    let in_vault = |id: RunId| listed.iter().any(|one| one.id == id);
    let not: Vec<Row> = records
        .into_iter()
        .filter(|record| record.state != BackupState::Done && !in_vault(record.id))
        .map(Row::Not)
        .collect();
    let mut rows: Vec<Row> = listed.into_iter().map(Row::InVault).chain(not).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.id()));
    rows
}

impl Row {
    fn id(&self) -> RunId {
        match self {
            Row::InVault(listed) => listed.id,
            Row::Not(record) => record.id,
        }
    }

    /// What state it is in, and why.
    fn state(&self) -> (&'static str, Option<String>) {
        match self {
            Row::InVault(Listed { manifest: Ok(_), .. }) => ("whole", None),
            Row::InVault(Listed { manifest: Err(error), .. }) => match error {
                Error::NewerFormat { .. } => ("newer", Some(chain(error))),
                _ => ("damaged", Some(chain(error))),
            },
            Row::Not(record) => match &record.state {
                BackupState::Running => ("running", None),
                BackupState::Failed { message, .. } => ("failed", Some(message.clone())),
                BackupState::Done => ("gone", None),
            },
        }
    }

    fn cells(&self) -> Vec<String> {
        let id = self.id().to_string();
        let state = self.state().0.to_owned();
        let none = || "-".to_owned();
        match self {
            Row::InVault(Listed {
                manifest: Ok(manifest), ..
            }) => vec![
                id,
                moment(manifest.began_ms),
                duration(manifest.ended_ms - manifest.began_ms),
                manifest.class.as_str().to_owned(),
                moment(manifest.locked_until_ms),
                count(manifest.documents()),
                bytes(manifest.packed_bytes()),
                state,
            ],
            Row::InVault(listed) => {
                let began_ms = i64::try_from(listed.id.started_ms()).unwrap_or(i64::MAX);
                let class = listed.class.as_str().to_owned();
                vec![id, moment(began_ms), none(), class, none(), none(), none(), state]
            }
            Row::Not(record) => vec![
                id,
                moment(record.began_ms),
                record.ended_ms.map_or_else(none, |ended_ms| duration(ended_ms - record.began_ms)),
                record.class.clone(),
                none(),
                count(record.documents),
                bytes(record.bytes),
                state,
            ],
        }
    }

    fn object(&self) -> Value {
        let (state, why) = self.state();
        let mut object = match self {
            Row::InVault(Listed {
                manifest: Ok(manifest), ..
            }) => shown::object(manifest),
            Row::InVault(listed) => json!({"backup": listed.id.to_string(), "class": listed.class}),
            Row::Not(record) => json!({
                "backup": record.id.to_string(),
                "class": record.class,
                "began": iso(record.began_ms),
                "ended": record.ended_ms.map(iso),
                "documents": record.documents,
                "parts": record.parts,
                "bytes": record.bytes,
            }),
        };
        if let Value::Object(object) = &mut object {
            object.insert("state".to_owned(), json!(state));
            object.insert("error".to_owned(), json!(why));
        }
        object
    }
}
