//! `tidemill doctor`: what the command is connected to, as whom, what it may do, and whether everything is as declared. Nothing is changed.

mod checkup;
mod look;
mod shown;

use super::{Ended, HomeAt};
use crate::{Context, Status, arguments::Doctor, output::json};
use checkup::{Checkup, StoreFound, Wrong};
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    well: bool,
    #[serde(flatten)]
    checkup: &'a Checkup,
    wrong: &'a [Wrong],
}

pub(super) async fn run(typed: &Doctor, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let checkup = look::checkup(typed, at, &context.folder).await?;
    let wrong = checkup.wrong(|words| at.command(words));
    if as_json {
        let printed = Printed {
            well: wrong.is_empty(),
            checkup: &checkup,
            wrong: &wrong,
        };
        json::line(&mut context.out, &printed)?;
    } else {
        write!(context.out, "{}", shown::text(&checkup, &wrong))?;
    }
    let wrong_setting = matches!(checkup.documents, StoreFound::Unusable { wrong_setting: true, .. });
    Ok(match wrong.is_empty() {
        true => Status::Well,
        false if wrong_setting => Status::Wrong,
        false => Status::Failed,
    })
}
