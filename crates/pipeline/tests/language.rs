//! What a right file means, and that no text whatever brings the checker down.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use pipeline::{
    ByteSize, CursorType, DefinitionHash, FieldType, FileFormat, Incremental, IndexKind, ItemType, Paginator, Part, Path, Pipeline,
    RateLimit, RejectLimit, Scalar, Source, Span, Step, Template, Test, TextLanguage, UnknownFields, Variable, WriteDisposition, check,
    source_hash,
};
use proptest::prelude::*;
use std::time::Duration;

const EARTHQUAKES: &str = include_str!("../../../pipelines/earthquakes.yaml");
const FLIGHTS: &str = include_str!("../../../pipelines/flights.yaml");

fn read(text: &str) -> Pipeline {
    match check("test.yaml", text) {
        Ok(checked) => checked.pipeline,
        Err(faults) => panic!("{faults}"),
    }
}

#[test]
fn earthquakes_means_what_it_says() {
    let pipeline = read(EARTHQUAKES);
    assert_eq!(pipeline.pipeline.as_str(), "earthquakes");
    assert_eq!(pipeline.schedule.as_deref(), Some("rate(5 minutes)"));
    assert_eq!(pipeline.reject_limit, RejectLimit::Count(0));
    let Source::RestApi(api) = &pipeline.source else {
        panic!("{:?}", pipeline.source);
    };
    assert_eq!(
        api.base_url,
        Template::parse("https://earthquake.usgs.gov/fdsnws/event/1/").unwrap()
    );
    let minute = Span(Duration::from_secs(60));
    assert_eq!(api.http.rate_limit, Some(RateLimit { requests: 60, per: minute }));
    assert_eq!(api.http.retries.attempts_max, 6);
    assert_eq!(api.http.reply_size_max, ByteSize(16 << 20));

    let [resource] = pipeline.resources.as_slice() else {
        panic!("{} resources", pipeline.resources.len());
    };
    let endpoint = resource.endpoint.as_ref().unwrap();
    let start = vec![Part::Variable(Variable::IncrementalStart)];
    assert_eq!(endpoint.params["updatedafter"].parts, start);
    assert_eq!(endpoint.params.keys().collect::<Vec<_>>(), ["format", "orderby", "updatedafter"]);
    assert_eq!(
        endpoint.paginator,
        Paginator::Offset {
            limit: 2000,
            offset_param: "offset".into(),
            limit_param: "limit".into(),
            initial_offset: 1,
            total_path: None,
            stop_on_short_page: false,
        }
    );
    let features = vec![Step::Key("features".into()), Step::Each];
    assert_eq!(endpoint.data_selector, Some(Path { steps: features }));
    assert_eq!(
        endpoint.incremental,
        Some(Incremental {
            cursor_path: Path::parse("properties.updated").unwrap(),
            kind: CursorType::UnixMs,
            initial_value: Scalar::Text("2018-01-31T00:00:00Z".into()),
            lag: Some(Span(Duration::from_secs(600))),
            end_value: None,
        })
    );
    let record = &resource.record;
    assert_eq!(record.primary_key, ["id"]);
    assert_eq!(record.version.as_deref(), Some("updated_at"));
    assert_eq!(record.unknown_fields, UnknownFields::Ignore);
    let names: Vec<&str> = record.fields.keys().map(String::as_str).collect();
    let expected = "id magnitude place kind status network depth_km occurred_at updated_at location sources";
    assert_eq!(names, expected.split(' ').collect::<Vec<_>>());
    let magnitude = &record.fields["magnitude"];
    assert_eq!((magnitude.kind, magnitude.nullable), (FieldType::Double, true));
    assert_eq!(
        (&magnitude.min, &magnitude.max),
        (&Some(Scalar::Integer(-5)), &Some(Scalar::Integer(10)))
    );
    assert_eq!(record.fields["depth_km"].from.as_ref().unwrap().steps[2], Step::Index(2));
    let sources = &record.fields["sources"];
    assert_eq!(sources.of.as_deref(), Some(&ItemType::Type(FieldType::String)));
    assert_eq!(sources.split.as_deref(), Some(","));
    let load = &resource.load;
    assert_eq!(load.write_disposition, WriteDisposition::Merge);
    assert_eq!(load.indexes[0].keys["occurred_at"], IndexKind::Descending);
    assert_eq!(load.indexes[1].keys["location"], IndexKind::Sphere);
}

/// Every option of an index, of which `check` has nothing to say; and the content of volatile fields beside kept keys.
#[test]
fn indexes_take_their_options() {
    let text = include_str!("indexes.yaml");
    let pipeline = read(text);
    let indexes = &pipeline.resources[0].load.indexes;
    let names: Vec<String> = indexes.iter().map(pipeline::Index::name).collect();
    assert_eq!(
        names,
        [
            "email_1",
            "by_country",
            "seen_at_1",
            "place_2dsphere",
            "words",
            "lines.sku_1_lines.price_-1",
            "name_1"
        ]
    );
    let unique = &indexes[0];
    assert!(unique.unique && !indexes[1].unique);
    assert_eq!(unique.partial[0].field, "email");
    assert_eq!(unique.partial[0].test, Test::IsNull(false));
    assert_eq!(unique.collation.as_ref().unwrap().strength, Some(2));
    assert_eq!(indexes[2].expire_after, Some(Span(Duration::from_secs(30 * 86_400))));
    assert_eq!(indexes[4].keys["name"], IndexKind::Text);
    assert_eq!(indexes[4].default_language, Some(TextLanguage::German));
    assert_eq!(indexes[4].weights["name"], 5);
    let written = serde_json::to_string_pretty(&pipeline).unwrap();
    assert_eq!(read(&written), pipeline);
}

#[test]
fn flights_reads_five_csv_files() {
    let pipeline = read(FLIGHTS);
    let files: Vec<String> = pipeline
        .resources
        .iter()
        .map(|resource| {
            let file = resource.file.as_ref().unwrap();
            assert!(matches!(file.format_or_guess(), Some(FileFormat::Csv(_))), "{file:?}");
            file.path.to_string()
        })
        .collect();
    assert_eq!(
        files,
        ["flights.csv.gz", "weather.csv.gz", "planes.csv", "airports.csv", "airlines.csv"]
    );
}

#[test]
fn resources_come_behind_those_that_they_wait_for() {
    let resource = |name: &str, after: &str| {
        format!(
            "  - name: {name}\n    after: {after}\n    endpoint: {{path: x}}\n    record: {{primary_key: [id], fields: {{id: {{type: long}}}}}}\n    load: {{collection: {name}}}\n"
        )
    };
    let resources = [("a", "[c, e]"), ("b", "[]"), ("c", "[d]"), ("d", "[]"), ("e", "[b]")].map(|(name, after)| resource(name, after));
    let pipeline = read(&format!(
        "pipeline: p\nsource: {{rest_api: {{base_url: \"https://api.example.org/\"}}}}\nresources:\n{}",
        resources.concat()
    ));
    let names: Vec<&str> = pipeline.in_order().iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names, ["b", "d", "c", "e", "a"]);
}

/// What is written from a pipeline is a file that means the same.
#[test]
fn a_pipeline_survives_being_written_and_read() {
    for text in [EARTHQUAKES, FLIGHTS] {
        let pipeline = read(text);
        let written = serde_json::to_string_pretty(&pipeline).unwrap();
        assert_eq!(read(&written), pipeline);
    }
}

#[test]
fn a_definition_is_named_by_its_bytes() {
    let hash = check("test.yaml", EARTHQUAKES).unwrap().hash;
    assert_eq!(hash, DefinitionHash::of(EARTHQUAKES));
    assert_ne!(hash, DefinitionHash::of(&format!("{EARTHQUAKES}\n")));
    assert_eq!(
        DefinitionHash::of("").as_str(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(DefinitionHash::of("").short(), "e3b0c442");
    assert!(DefinitionHash::try_from(String::from("E3B0")).is_err());
}

#[test]
fn a_cursor_outlives_what_does_not_change_the_records() {
    let hash = |text: &str| {
        let pipeline = read(text);
        source_hash(&pipeline, &pipeline.resources[0])
    };
    let original = hash(EARTHQUAKES);
    let same = [
        ("rate_limit: {requests: 60, per: 1m}", "timeouts: {connect: 1s}"),
        ("# auth:", "auth:"),
        ("lag: 10m", "lag: 1h"),
        ("collection: earthquakes", "collection: quakes"),
        ("type: double, nullable: true, min: -5", "type: double, nullable: true, min: -6"),
        (
            "params: {format: geojson, orderby: time-asc,",
            "params: {orderby: time-asc, format: geojson,",
        ),
    ];
    for (from, to) in same {
        assert!(EARTHQUAKES.contains(from), "{from}");
        assert_eq!(hash(&EARTHQUAKES.replace(from, to)), original, "{from} -> {to}");
    }
    let other = [
        ("fdsnws/event/1/", "fdsnws/event/2/"),
        ("orderby: time-asc", "orderby: time"),
        ("cursor_path: properties.updated", "cursor_path: properties.time"),
        ("initial_value: 2018", "initial_value: 2017"),
        ("{format: geojson,", "{format: geojson, lag: 1, auth: x,"),
    ];
    let mut seen = vec![original];
    for (from, to) in other {
        let changed = hash(&EARTHQUAKES.replace(from, to));
        assert!(!seen.contains(&changed), "{from} -> {to}");
        seen.push(changed);
    }
    let headed = EARTHQUAKES.replace("# auth: {bearer: {token: \"${secret:usgs#token}\"}}", "headers: {auth: x}");
    assert!(!seen.contains(&hash(&headed)), "a header may be called `auth`");
}

#[test]
fn numbers_as_parameters_keep_their_digits() {
    let text = EARTHQUAKES.replace(
        "format: geojson,",
        "format: geojson, v: 1.10, n: 007, yes: true, off: no, limit_: 20,",
    );
    let endpoint = read(&text).resources[0].endpoint.clone().unwrap();
    let sent = |name: &str| endpoint.params[name].to_string();
    assert_eq!(
        [sent("v"), sent("n"), sent("yes"), sent("off"), sent("limit_")],
        ["1.10", "007", "true", "no", "20"]
    );
}

#[test]
fn the_record_around_an_item_is_a_path_of_its_own() {
    let path = Path::parse("$parent.owner.id").unwrap();
    assert_eq!(path.parent(), Some(Path::parse("owner.id").unwrap()));
    assert_eq!(path.to_string(), "$parent.owner.id");
    assert_eq!(Path::parse("$parent").unwrap().parent(), Some(Path::default()));
    assert_eq!(
        Path::parse("$parent[0]").unwrap().parent(),
        Some(Path {
            steps: vec![Step::Index(0)]
        })
    );
    assert_eq!(Path::parse("parent.id").unwrap().parent(), None);
    for wrong in ["$parents", "$parent..x", "[\"$parent\"]", "$[\"$parent\"].x"] {
        assert!(Path::parse(wrong).is_err(), "{wrong}");
    }
}

/// The neighbours of what is refused: `replace` of all, `merge` of what is new, the largest reply.
#[test]
fn what_stands_beside_a_fault_is_right() {
    let text = |source: &str, incremental: &str, disposition: &str| {
        format!(
            "pipeline: p
source: {{rest_api: {{base_url: \"https://api.example.org/\"{source}}}}}
resources:
  - name: r
    endpoint: {{path: x{incremental}}}
    record: {{primary_key: [id], fields: {{id: {{type: long}}}}}}
    load: {{collection: sqlite, write_disposition: {disposition}}}
"
        )
    };
    let incremental = ", params: {since: \"{incremental.start_value}\"}, incremental: {cursor_path: at, type: int, initial_value: 0}";
    for right in [
        text("", "", "replace"),
        text("", incremental, "merge"),
        text(", reply_size_max: 40MB", "", "merge"),
    ] {
        if let Err(faults) = check("p.yaml", &right) {
            panic!("{faults}");
        }
    }
    for wrong in [text("", incremental, "replace"), text(", reply_size_max: 40961KB", "", "merge")] {
        assert_eq!(check("p.yaml", &wrong).unwrap_err().list().len(), 1, "{wrong}");
    }
}

#[test]
fn deep_and_bent_texts_are_refused() {
    let bomb = include_str!("faults/yaml_alias_bomb.yaml");
    let long = format!("pipeline: {}", "x".repeat(2 << 20));
    let brackets = "[".repeat(100_000);
    let braces = "{a: ".repeat(50_000);
    let keys: String = (0..5_000).map(|n| format!("{}k:\n", " ".repeat(n))).collect();
    for text in [
        bomb,
        &long,
        &brackets,
        &braces,
        &keys,
        "\u{feff}",
        "\0",
        "a: *a",
        "&a [*a]",
        "? [a]\n: b",
        "- - - -",
        "%YAML 9.9\n---\na",
    ] {
        let faults = check("test.yaml", text).unwrap_err();
        assert!(!faults.list().is_empty());
        assert!(!faults.render(true).is_empty());
    }
}

/// A file with some of its words replaced: mistakes as people make them, and worse.
fn damaged() -> impl Strategy<Value = String> {
    let shipped = prop_oneof![Just(EARTHQUAKES), Just(FLIGHTS)];
    let piece = prop_oneof![
        any::<String>(),
        proptest::sample::select(vec![
            "",
            " ",
            ":",
            "-",
            "[",
            "]",
            "{",
            "}",
            "\"",
            "*a",
            "&a",
            "null",
            "~",
            "1e999",
            "-0",
            ".nan",
            "99999999999999999999",
            "é",
            "\u{1f30b}",
            "\t",
            "\r\n",
            "{}",
            "[]",
            "string",
            "true",
            "$parent",
            "[*]",
            "${env:A}",
            "{run.date}",
            "#",
            "!x",
            "<<: ",
        ])
        .prop_map(str::to_owned),
    ];
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), 0usize..12, piece), 1..6);
    (shipped, edits).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, length, piece) in edits {
            let start = place.index(chars.len());
            let end = (start + length).min(chars.len());
            chars.splice(start..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}

fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof![
        any::<String>().prop_map(Step::Key),
        "[a-z$.\\[\\]\"*]{0,4}".prop_map(Step::Key),
        any::<usize>().prop_map(Step::Index),
        Just(Step::Each),
    ];
    proptest::collection::vec(step, 0..6).prop_map(|steps| Path { steps })
}

fn template() -> impl Strategy<Value = Template> {
    let name = "[A-Za-z_/-]{1,8}";
    let variable = prop_oneof![
        name.prop_map(Variable::Env),
        (name, proptest::option::of("[a-z#]{0,5}")).prop_map(|(name, field)| Variable::Secret { name, field }),
        Just(Variable::IncrementalStart),
        Just(Variable::IncrementalEnd),
        Just(Variable::RunDate),
    ];
    let part = (any::<String>(), variable);
    // Two texts never stand side by side, and none is empty: a text of its own would be read as one with its neighbour.
    (proptest::collection::vec(part, 0..4), any::<String>()).prop_map(|(pairs, last)| {
        let text = |text: String| (!text.is_empty()).then_some(Part::Text(text));
        let mut parts: Vec<Part> = pairs
            .into_iter()
            // `${run.date}` is a fault, never a dollar and a date.
            .map(|(before, variable)| (before.trim_end_matches('$').to_owned(), variable))
            .flat_map(|(before, variable)| [text(before), Some(Part::Variable(variable))])
            .flatten()
            .collect();
        parts.extend(text(last));
        Template { parts }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_brings_the_checker_down(text in any::<String>()) {
        if let Err(faults) = check("test.yaml", &text) {
            prop_assert!(!faults.list().is_empty());
            prop_assert!(!faults.render(false).is_empty());
        }
    }

    #[test]
    fn no_bytes_bring_the_checker_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(faults) = check("test.yaml", &text) {
            prop_assert!(!faults.render(true).is_empty());
        }
    }

    /// A damaged file is refused with places inside it, or means something that can be written again.
    #[test]
    fn no_damage_brings_the_checker_down(text in damaged()) {
        match check("test.yaml", &text) {
            Ok(checked) => {
                let written = serde_json::to_string(&checked.pipeline).unwrap();
                match check("written.yaml", &written) {
                    Ok(again) => prop_assert_eq!(again.pipeline, checked.pipeline),
                    Err(faults) => prop_assert!(false, "{}", faults),
                }
            }
            Err(faults) => {
                prop_assert!(!faults.list().is_empty());
                let lines = text.lines().count() + 1;
                for fault in faults.list() {
                    prop_assert!(fault.line >= 1 && fault.line <= lines && fault.column >= 1, "{:?}", fault);
                    prop_assert!(text.get(fault.span.clone()).is_some(), "{:?}", fault);
                }
                prop_assert!(!faults.render(false).is_empty());
            }
        }
    }

    #[test]
    fn spans_are_read_as_written(millis in 0u64..=864_000_000_000) {
        let span = Span(Duration::from_millis(millis));
        prop_assert_eq!(Span::parse(&span.to_string()), Ok(span));
    }

    #[test]
    fn sizes_are_read_as_written(bytes in any::<u64>(), shift in 0u32..40) {
        let size = ByteSize(bytes >> shift << (shift / 2));
        prop_assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
    }

    #[test]
    fn reject_limits_are_read_as_written(count in any::<u64>(), share in 0.0f64..=100.0) {
        for limit in [RejectLimit::Count(count), RejectLimit::Percent(share)] {
            prop_assert_eq!(RejectLimit::parse(&String::from(limit)), Ok(limit));
        }
    }

    #[test]
    fn paths_are_read_as_written(path in path()) {
        prop_assert_eq!(Path::parse(&path.to_string()).unwrap(), path);
    }

    #[test]
    fn templates_are_read_as_written(template in template()) {
        prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
    }

    #[test]
    fn no_text_brings_a_syntax_down(text in "\\PC{0,20}") {
        let _ = (Path::parse(&text), Template::parse(&text), Span::parse(&text), ByteSize::parse(&text), RejectLimit::parse(&text));
    }
}
