//! `tidemill doctor --stack`: what this speaks to, as whom, what of it can be reached, and what waits there. Nothing is changed.

use super::{Ended, HomeAt};
use crate::{
    Context, Status,
    cloud::checkup,
    output::{
        json,
        plain::plain,
        tables::{Column, table},
    },
};
use serde_json::json;

const COLUMNS: [Column; 2] = [Column::Text("part"), Column::Text("state")];

pub(super) async fn run(stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let stack = at.stack(stack).await?;
    at.remember_database(stack.database.clone());
    let parts = checkup::look(&stack, &|words| at.command(words)).await;
    let wrong = parts.iter().filter(|part| part.wrong.is_some()).count();
    if as_json {
        let names = &stack.names;
        let object = json!({
            "well": wrong == 0,
            "stack": names.stack,
            "account": names.account,
            "region": names.region,
            "version": env!("CARGO_PKG_VERSION"),
            "parts": parts,
        });
        json::line(&mut context.out, &object)?;
    } else {
        writeln!(context.out, "stack {}, tidemill {}\n", stack.names.stack, env!("CARGO_PKG_VERSION"))?;
        let rows = parts.iter().map(|part| vec![part.part.clone(), part.state.clone()]);
        writeln!(context.out, "{}", table(&COLUMNS, rows))?;
        for part in &parts {
            if let Some(note) = &part.note {
                writeln!(context.out, "note: {}: {}", part.part, plain(note))?;
            }
            let Some(what) = &part.wrong else { continue };
            writeln!(context.out, "wrong: {}: {}", part.part, plain(what))?;
            if let Some(next) = &part.next {
                writeln!(context.out, "next: {}", plain(next))?;
            }
        }
        if wrong == 0 {
            writeln!(context.out, "nothing is wrong")?;
        }
    }
    Ok(if wrong == 0 { Status::Well } else { Status::Failed })
}
