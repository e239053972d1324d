//! What a file entry must mean beyond its shape.

use super::{at::At, endpoint::outside_source};
use crate::{Csv, File, FileFormat, JsonFile, Variable, fault::Collector};

pub(super) fn check(file: &File, at: At<'_>, faults: &mut Collector<'_>) {
    let path = at.get("path");
    for variable in file.path.variables() {
        match variable {
            Variable::Env(_) | Variable::Secret { .. } => outside_source(path, faults),
            Variable::RunDate => {}
            Variable::IncrementalStart | Variable::IncrementalEnd => {
                faults.add(&path.span(), "`{incremental.…}` exists in an `endpoint` only; files are read whole");
            }
        }
    }
    if file.path.parts.is_empty() {
        faults.add(&path.span(), "`path` is empty");
    } else if file.format_or_guess().is_none() && at.kept("format") {
        let help = "write `format: {csv: {}}`, `format: {ndjson: {}}` or `format: {json: {}}`";
        faults.add_help(&path.span(), "the name does not say how the file is written", help);
    }
    let at = at.get("format");
    match &file.format {
        Some(FileFormat::Csv(csv)) => self::csv(csv, at.get("csv"), faults),
        Some(FileFormat::Json(JsonFile { data_selector: Some(path) })) if path.parent().is_some() => {
            faults.add(
                &at.get("json").get("data_selector").span(),
                "`$parent` may stand in the `from` of a field only",
            );
        }
        _ => {}
    }
}

fn csv(csv: &Csv, at: At<'_>, faults: &mut Collector<'_>) {
    let marks = [
        ("delimiter", Some(csv.delimiter)),
        ("quote", Some(csv.quote)),
        ("comment", csv.comment),
    ];
    for (place, (key, mark)) in marks.iter().enumerate() {
        let Some(mark) = mark else { continue };
        if !mark.is_ascii() || matches!(mark, '\n' | '\r' | '\0') {
            faults.add(
                &at.get(key).span(),
                format!("`{key}` must be one ASCII character that does not end a line"),
            );
        }
        if let Some((other, _)) = marks.iter().take(place).find(|(_, other)| *other == Some(*mark)) {
            let written = if at.has(key) { key } else { other };
            faults.add(&at.get(written).span(), format!("`{other}` and `{key}` are the same character"));
        }
    }
    if !csv.header && csv.columns.is_empty() && at.kept("columns") {
        let help = "name them in their order: `columns: [id, name]`";
        faults.add_help(&at.get("header").span(), "without a header the columns need names", help);
    }
    for (place, column) in csv.columns.iter().enumerate() {
        if csv.columns.iter().take(place).any(|before| before == column) {
            faults.add(&at.get("columns").item(place).span(), format!("two columns are called `{column}`"));
        }
    }
}
