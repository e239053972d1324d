//! What was probably meant: the nearest known word, or the word that other tools use.

/// "`a`, `b` or `c`".
pub(crate) fn one_of(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

pub(crate) fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// What other tools call it, and what it is called here.
const SYNONYMS: &[(&[&str], &str)] = &[
    (&["upsert", "update"], "merge"),
    (&["overwrite", "full_refresh", "truncate"], "replace"),
    (&["insert", "add"], "append"),
    (&["str", "text", "varchar", "keyword"], "string"),
    (&["integer", "int32", "i32"], "int"),
    (&["bigint", "int64", "i64"], "long"),
    (&["float", "number", "real", "float64"], "double"),
    (&["numeric", "decimal128", "money"], "decimal"),
    (&["boolean"], "bool"),
    (&["datetime", "time", "instant"], "timestamp"),
    (&["array", "set"], "list"),
    (&["map", "struct", "document", "mapping"], "object"),
    (&["geojson", "point", "location"], "geo_point"),
    (&["any", "raw", "variant"], "json"),
    (&["epoch", "unix", "unix_seconds", "epoch_s", "timestamp"], "unix_s"),
    (&["unix_millis", "epoch_ms", "epoch_millis", "timestamp_ms"], "unix_ms"),
    (&["iso", "rfc3339", "datetime"], "iso8601"),
    (&["page", "page_increment"], "page_number"),
    (&["offset_increment"], "offset"),
    (&["header_link", "link"], "link_header"),
    (&["json_link", "json_response", "next"], "next_url"),
    (&["none", "single"], "single_page"),
    (&["http_basic"], "basic"),
    (&["jsonl", "json_lines"], "ndjson"),
    (&["optional"], "nullable"),
    (&["enum", "values"], "one_of"),
    (&["minimum"], "min"),
    (&["maximum"], "max"),
    (&["regex"], "pattern"),
    (&["path", "source"], "from"),
    (&["keys", "key"], "primary_key"),
    (&["url"], "base_url"),
    (&["query", "parameters"], "params"),
    (&["where"], "filter"),
    (&["items"], "of"),
];

/// The word that was probably meant: at most a third of its letters wrong, or what other tools call it.
pub(crate) fn nearest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let words: Vec<&str> = words.collect();
    let meant = SYNONYMS
        .iter()
        .filter(|(others, _)| others.contains(&written))
        .find_map(|(_, word)| {
            let meant = words.iter().find(|known| *known == word);
            meant.copied()
        });
    if meant.is_some() {
        return meant;
    }
    let written: String = written
        .chars()
        .take(64)
        .map(|c| if c == '-' || c == ' ' { '_' } else { c.to_ascii_lowercase() })
        .collect();
    let length = written.chars().count();
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&written, &word.to_ascii_lowercase()), word))
        .filter(|(distance, word)| *distance <= (length.max(word.chars().count()) / 3).max(1) && *distance < length)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
