//! `tidemill explain`: where a document comes from, and what each rule did to its values.

use super::{Ended, HomeAt, document_key::document_key};
use crate::{
    Context, Failure, Status,
    arguments::Explain,
    output::{
        json,
        numbers::{iso, moment},
        plain::plain,
        tables::{Column, table},
    },
    ports::Ports,
};
use anyhow::{Context as _, anyhow};
use bson::{RawBsonRef, RawDocument, RawDocumentBuf, spec::BinarySubtype};
use clean::{Explanation, FieldExplanation};
use documents::extended_json;
use lake::{Capture, ObjectReader, Part, RawKey};
use ledger::{Place, Rank};
use pipeline::{Checked, Name, Resource};
use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use std::io::Write;

const COLUMNS: [Column; 4] = [
    Column::Text("field"),
    Column::Text("from"),
    Column::Text("rule"),
    Column::Text("value"),
];

/// Characters of a value in the table.
const WIDTH_MAX: usize = 100;

/// A document and where it comes from.
struct Traced<'a> {
    resource: &'a Resource,
    document: RawDocumentBuf,
    raw: RawKey,
    place: Place,
    at_ms: i64,
    url: String,
    explanation: Explanation,
}

pub(super) async fn run(typed: &Explain, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let home = at.ports().await?;
    let pipeline = super::pipeline_name(&typed.pipeline, &home, context).await?;
    let Some((hash, generation)) = home.ledger.newest_definition(&pipeline).await? else {
        let error = anyhow!("the pipeline `{pipeline}` has not run yet");
        return Err(Failure::wrong(error).next(format!("run it: {}", at.command(&format!("run {}", typed.pipeline)))));
    };
    let definition = home.definitions.get(&pipeline, &hash).await?;
    let found = find(typed, at, &definition, &home).await?;
    for (resource, document) in found {
        let traced = trace(&definition, generation, resource, document, &home).await?;
        if as_json {
            json::line(&mut context.out, &printed(&traced)?)?;
        } else {
            write_text(&traced, &home, &mut context.out)?;
        }
    }
    Ok(Status::Well)
}

/// The documents with this key: of the resource that was named, or of any.
async fn find<'a>(
    typed: &Explain,
    at: &HomeAt,
    definition: &'a Checked,
    home: &Ports,
) -> Result<Vec<(&'a Resource, RawDocumentBuf)>, Failure> {
    let resources = &definition.pipeline.resources;
    let asked = |resource: &&Resource| typed.resource.as_ref().is_none_or(|only| only == resource.name.as_str());
    let chosen: Vec<&Resource> = resources.iter().filter(asked).collect();
    let names = |list: &[&Resource]| {
        list.iter()
            .map(|resource| format!("`{}`", resource.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let (Some(name), []) = (&typed.resource, chosen.as_slice()) {
        let there_is = names(&resources.iter().collect::<Vec<_>>());
        return Err(Failure::wrong(anyhow!("the pipeline has no resource `{name}`; it has {there_is}")));
    }
    let (mut found, mut unfit) = (Vec::new(), Vec::new());
    for resource in &chosen {
        match document_key(&resource.record, &typed.key) {
            Ok(key) => {
                let key = RawDocumentBuf::try_from(&bson::doc! {"_id": key})?;
                let id = key.get("_id")?.unwrap_or(RawBsonRef::Null);
                if let Some(document) = home.documents.get(&resource.load.collection, id, true).await? {
                    found.push((*resource, document));
                }
            }
            Err(error) => unfit.push(format!("{}: {error}", resource.name)),
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if unfit.len() == chosen.len() {
        return Err(Failure::wrong(anyhow!("{}", unfit.join("; "))));
    }
    let error = anyhow!("there is no document with the key `{}` of {}", typed.key, names(&chosen));
    let rejects = at.command(&format!("rejects {}", typed.pipeline));
    Err(Failure::from(error).next(format!("it may have been rejected, or refused by the store: {rejects}")))
}

/// Follows a document to its raw line, and takes that through the contract again.
async fn trace<'a>(
    definition: &Checked,
    generation: u32,
    resource: &'a Resource,
    document: RawDocumentBuf,
    home: &Ports,
) -> Result<Traced<'a>, Failure> {
    let place = place(&document).ok_or_else(|| anyhow!("the document does not say where in raw/ it comes from: it is not one of ours"))?;
    let raw = RawKey {
        pipeline: definition.pipeline.pipeline.clone(),
        resource: resource.name.clone(),
        run: place.run,
        part: Part::Number(place.part),
    };
    let line = line(home, &raw, place.line).await?;
    let capture = Capture::parse(&line).with_context(|| format!("{} is damaged on line {}", raw.key(), place.line))?;
    let (at_ms, url) = (capture.at_ms, capture.url.clone().into_owned());
    let explanation = clean::explain(definition, resource, &raw, generation, place.line, &line, place.item)?;
    Ok(Traced {
        resource,
        document,
        raw,
        place,
        at_ms,
        url,
        explanation,
    })
}

/// The place in `raw/` that the document's rank holds.
fn place(document: &RawDocument) -> Option<Place> {
    let stamp = document.get_document("_tidemill").ok()?;
    let rank = stamp
        .get_binary("rank")
        .ok()
        .filter(|rank| rank.subtype == BinarySubtype::Generic)?;
    Rank::from_slice(rank.bytes)?.place()
}

/// A line of a raw object, counted from 1.
async fn line(home: &Ports, raw: &RawKey, number: u32) -> Result<String, Failure> {
    let key = raw.key();
    let mut reader = ObjectReader::open(home.store.as_ref(), &key).await?;
    for _ in 1..number {
        reader.next_line().await?;
    }
    let line = reader.next_line().await?.ok_or_else(|| anyhow!("{key} has no line {number}"))?;
    let text = std::str::from_utf8(line).with_context(|| format!("{key} is damaged on line {number}"))?;
    Ok(text.to_owned())
}

fn write_text(traced: &Traced<'_>, home: &Ports, out: &mut dyn Write) -> Result<(), Failure> {
    let Traced {
        resource,
        document,
        raw,
        place,
        at_ms,
        url,
        explanation,
    } = traced;
    writeln!(out, "document  {}\n", plain(&extended_json::relaxed(document)?))?;
    writeln!(out, "collection  {}", resource.load.collection)?;
    writeln!(out, "raw object  {}", raw.key())?;
    writeln!(out, "line        {}, record {} of it (counted from 0)", place.line, place.item)?;
    writeln!(out, "fetched     {} UTC from {}", moment(*at_ms), plain(url))?;
    writeln!(out, "to see it   {}\n", home.lake.print_line(&raw.key(), place.line))?;
    writeln!(out, "record    {}\n", plain(&explanation.record))?;
    let rows = explanation.fields.iter().flat_map(rows);
    write!(out, "{}", table(&COLUMNS, rows))?;
    Ok(())
}

/// A field's value as it came, then after each rule.
fn rows(field: &FieldExplanation) -> Vec<Vec<String>> {
    let missing = || "(missing)".to_owned();
    let raw = field.raw.as_deref().map_or_else(missing, short);
    let mut rows = vec![vec![field.name.clone(), field.path.clone(), "as it came".to_owned(), raw]];
    let steps = field.steps.iter().map(|step| (step.rule.to_owned(), short(&step.value)));
    let faults = field.faults.iter().map(|fault| ("fault".to_owned(), short(&fault.message)));
    rows.extend(
        steps
            .chain(faults)
            .map(|(rule, value)| vec![String::new(), String::new(), rule, value]),
    );
    rows
}

fn short(text: &str) -> String {
    let mut line: String = text.chars().take(WIDTH_MAX).collect();
    if text.chars().nth(WIDTH_MAX).is_some() {
        line.push('…');
    }
    line
}

/// What `--json` prints. Documents and values stand in it as they are: no number goes through a conversion.
#[derive(Serialize)]
struct Printed<'a> {
    pipeline: &'a Name,
    resource: &'a Name,
    collection: &'a Name,
    document: Box<RawValue>,
    raw: Value,
    at: String,
    url: &'a str,
    record: Box<RawValue>,
    fields: Vec<PrintedField<'a>>,
}

#[derive(Serialize)]
struct PrintedField<'a> {
    field: &'a str,
    from: &'a str,
    raw: Option<Box<RawValue>>,
    steps: Vec<PrintedStep<'a>>,
}

#[derive(Serialize)]
struct PrintedStep<'a> {
    rule: &'a str,
    value: Box<RawValue>,
}

fn printed<'a>(traced: &'a Traced<'_>) -> Result<Printed<'a>, Failure> {
    let mut fields = Vec::with_capacity(traced.explanation.fields.len());
    for field in &traced.explanation.fields {
        let steps = field.steps.iter().map(|step| {
            Ok(PrintedStep {
                rule: step.rule,
                value: as_json(&step.value)?,
            })
        });
        fields.push(PrintedField {
            field: &field.name,
            from: &field.path,
            raw: field.raw.as_deref().map(as_json).transpose()?,
            steps: steps.collect::<Result<_, serde_json::Error>>()?,
        });
    }
    Ok(Printed {
        pipeline: &traced.raw.pipeline,
        resource: &traced.resource.name,
        collection: &traced.resource.load.collection,
        document: as_json(&extended_json::relaxed(&traced.document)?)?,
        raw: json!({"key": traced.raw.key().to_string(), "line": traced.place.line, "item": traced.place.item}),
        at: iso(traced.at_ms),
        url: &traced.url,
        record: as_json(&traced.explanation.record)?,
        fields,
    })
}

/// A text that is JSON, as it is; another, as a JSON string.
fn as_json(text: &str) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).or_else(|_| to_raw_value(text))
}
