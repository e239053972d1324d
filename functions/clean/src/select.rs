//! Walks to the records of a JSON document: what `data_selector` looks at.

use crate::fault::{Problem, Reason};
use crate::walk::Stop;
use lake::json::{Kind, Scanner};
use pipeline::Step;

/// Takes the records of a document in their order.
pub(crate) trait Records<'a> {
    /// A record is next; it must be passed over.
    fn record(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Stop>;
    /// The selector can't be followed in `value`: one record, to be rejected.
    fn broken(&mut self, value: &'a str, problem: Problem) -> Result<(), Stop>;
}

/// Walks `steps` from the next value of `scanner`, which reads `text`. A path that ends at a list without `[*]` means its items too.
pub(crate) fn walk<'a>(steps: &[Step], scanner: &mut Scanner<'a>, text: &'a str, records: &mut impl Records<'a>) -> Result<(), Stop> {
    let kind = scanner.peek()?;
    let Some((step, rest)) = steps.split_first() else {
        return if kind == Kind::List {
            each(&[], scanner, text, records)
        } else {
            records.record(scanner)
        };
    };
    match (step, kind) {
        (Step::Key(key), Kind::Object) => member(key, rest, scanner, text, records),
        (Step::Index(index), Kind::List) => item(*index, rest, scanner, text, records),
        (Step::Each, Kind::List) => each(rest, scanner, text, records),
        // `"items": null` is how some say that there are none.
        (Step::Each, Kind::Null) => Ok(scanner.skip_value().map(|_| ())?),
        (Step::Each, Kind::Object) => {
            let value = scanner.skip_value()?.text;
            let message = "the `data_selector` expects a list here, found an object: objects keyed by ids can't be walked yet; without `[*]` the object as a whole is one record";
            records.broken(value, Problem::new(Reason::SelectorMissing, message))
        }
        (step, _) => {
            let value = scanner.skip_value()?.text;
            records.broken(value, missing(step))
        }
    }
}

fn member<'a>(key: &str, rest: &[Step], scanner: &mut Scanner<'a>, text: &'a str, records: &mut impl Records<'a>) -> Result<(), Stop> {
    let start = scanner.offset();
    let (mut first, mut found) = (true, false);
    scanner.begin_object()?;
    while let Some(name) = scanner.next_key(&mut first)? {
        if !name.is(key) {
            scanner.skip_value()?;
        } else if std::mem::replace(&mut found, true) {
            let value = scanner.skip_value()?.text;
            let message = format!("`{key}` of the `data_selector` stands twice: the records of the first were taken");
            records.broken(value, Problem::new(Reason::DuplicateKey, message))?;
        } else if rest.is_empty() && scanner.peek()? == Kind::Null {
            scanner.skip_value()?;
        } else {
            walk(rest, scanner, text, records)?;
        }
    }
    if found {
        return Ok(());
    }
    records.broken(
        text.get(start..scanner.offset()).unwrap_or_default(),
        missing(&Step::Key(key.to_owned())),
    )
}

fn item<'a>(index: usize, rest: &[Step], scanner: &mut Scanner<'a>, text: &'a str, records: &mut impl Records<'a>) -> Result<(), Stop> {
    let start = scanner.offset();
    let (mut first, mut at) = (true, 0);
    scanner.begin_list()?;
    while scanner.next_item(&mut first)? {
        if at == index {
            walk(rest, scanner, text, records)?;
        } else {
            scanner.skip_value()?;
        }
        at += 1;
    }
    if at > index {
        return Ok(());
    }
    records.broken(text.get(start..scanner.offset()).unwrap_or_default(), missing(&Step::Index(index)))
}

fn each<'a>(rest: &[Step], scanner: &mut Scanner<'a>, text: &'a str, records: &mut impl Records<'a>) -> Result<(), Stop> {
    let mut first = true;
    scanner.begin_list()?;
    while scanner.next_item(&mut first)? {
        if rest.is_empty() {
            records.record(scanner)?;
        } else {
            walk(rest, scanner, text, records)?;
        }
    }
    Ok(())
}

fn missing(step: &Step) -> Problem {
    let what = match step {
        Step::Key(key) => format!("an object with the key `{key}`"),
        Step::Index(index) => format!("a list with an item at {index}"),
        Step::Each => "a list".to_owned(),
    };
    Problem::new(Reason::SelectorMissing, format!("the `data_selector` expects {what} here"))
}
