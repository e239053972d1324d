//! Sources that are files: flights, and strings that break things.

use super::{check_counts, home, pipeline, recount, recounted, sum, whole};
use serde_json::Value;

#[test]
fn flights_and_weather() {
    let (home, expected) = (home(), recounted("flights"));
    let told = home.well(&["run", &pipeline("flights"), "--json"]);
    check_counts(&told, &expected);
    let check = |collection: &str, name: &str, value: &dyn Fn(&Value) -> Option<i64>| {
        let documents = home.documents(collection);
        assert_eq!(sum(&documents, value), expected[collection]["sums"][name], "{name} of {collection}");
    };
    let there = |value: &Value| Some(!value.is_null() as i64);
    let scaled = |value: &Value, by: f64| Some((value.as_f64()? * by) as i64);
    check("flights", "distance", &|flight| whole(&flight["distance"]));
    check("flights", "dep_time", &|flight| whole(&flight["dep_time"]));
    check("flights", "arr_delay", &|flight| whole(&flight["arr_delay"]));
    check("flights", "tailnum", &|flight| there(&flight["tailnum"]));
    check("weather", "temp_hundredths", &|weather| scaled(&weather["temp"], 100.0));
    check("weather", "pressure_tenths", &|weather| {
        let decimal: f64 = weather["pressure"]["$numberDecimal"].as_str()?.parse().ok()?;
        Some((decimal * 10.0).round() as i64)
    });
    check("planes", "seats", &|plane| whole(&plane["seats"]));
    check("planes", "year", &|plane| whole(&plane["year"]));
    check("airports", "tz", &|airport| whole(&airport["tz"]));
    check("airports", "longitude_millionths", &|airport| {
        scaled(&airport["location"]["coordinates"][0], 1e6)
    });
    check("airlines", "name", &|airline| there(&airline["name"]));
    let again = home
        .well(&["run", &pipeline("flights"), "--resource", "airlines", "--json"])
        .resources();
    assert_eq!(
        again["airlines"]["load"]["unchanged"], expected["airlines"]["load"]["in"],
        "equal records are one"
    );
}

#[test]
fn naughty_strings_are_stored_as_they_are() {
    let home = home();
    let told = home.well(&["run", &pipeline("naughty"), "--json"]).resources();
    let mut expected: Vec<String> = recount("naughty", &[])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told["strings"]["load"]["inserted"], expected.len());
    let mut stored: Vec<String> = home
        .documents("naughty")
        .iter()
        .map(|document| document["text"].as_str().unwrap().to_owned())
        .collect();
    expected.sort();
    stored.sort();
    assert_eq!(stored, expected);
}
