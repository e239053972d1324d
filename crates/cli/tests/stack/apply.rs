//! `apply`: once, twice, edited, taken away, by two at once, killed anywhere.

use crate::desk::{Desk, ORDERS};
use ledger::{Holder, LeaseOutcome, LeaseRequest, Ledger as _, ResourceId, applied};
use pipeline::Name;
use serde_json::json;

const NOTHING: &str = "nothing to change\n";

#[test]
fn twice_is_once() {
    let desk = Desk::new();
    desk.pipeline("orders", "cron(0 6 * * ? *)");
    desk.pipeline("returns", "rate(5 minutes)");
    let plan = desk.type_in(&["apply", "--skip-collections", "--plan"]);
    assert_eq!((plan.code, desk.schedules().len()), (0, 0), "{plan:?}");
    let first = desk.apply();
    insta::assert_snapshot!(first.masked(&desk), @r"
    stack STACK (account 000000000000, us-east-1)

      + definition  orders  0fdbe408, new in this stack
      + definition  returns  0e4b2ef3, new in this stack
      + schedule  orders.orders  cron(0 6 * * ? *) in UTC
      + schedule  returns.returns  rate(5 minutes) in UTC

    Plan: 4 to create, 0 to change, 0 to delete

    Applied: 4 created, 0 changed, 0 deleted
    --- err, exit 0
    orders: published 0fdbe408 as generation 1
    returns: published 0e4b2ef3 as generation 1
    created the schedule orders.orders
    created the schedule returns.returns
    ");
    let found = desk.schedule("orders.orders");
    assert_eq!(found["ScheduleExpression"], "cron(0 6 * * ? *)");
    let message: serde_json::Value = serde_json::from_str(found["Target"]["Input"].as_str().unwrap()).unwrap();
    let expected =
        json!({"pipeline": "orders", "resource": "orders", "scheduled_at": "<aws.scheduler.scheduled-time>", "requested_by": "schedule"});
    assert_eq!(message, expected);
    let second = desk.apply();
    assert!(
        second.code == 0 && second.out.contains(NOTHING) && second.err.is_empty(),
        "{second:?}"
    );
    let detailed = desk.type_in(&["apply", "--skip-collections", "--plan", "--detailed-exitcode", "--json"]);
    assert_eq!((detailed.code, &detailed.json()[0]["changes"]), (0, &json!([])));
}

#[test]
fn an_edited_pipeline_is_one_definition_and_its_schedule() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    desk.pipeline("returns", "rate(5 minutes)");
    assert_eq!(desk.apply().code, 0);
    let before = desk.schedule("returns.returns");
    desk.pipeline("orders", "rate(2 hours)");
    let plan = desk.type_in(&["apply", "--skip-collections", "--plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 2, "{plan:?}");
    insta::assert_snapshot!(desk.apply().masked(&desk), @r"
    stack STACK (account 000000000000, us-east-1)

      ~ definition  orders  aa7f88f5, the file was edited
      ~ schedule  orders.orders
      expression: rate(1 hour) -> rate(2 hours)

    Plan: 0 to create, 2 to change, 0 to delete

    Applied: 0 created, 2 changed, 0 deleted
    --- err, exit 0
    orders: published aa7f88f5 as generation 2
    changed the schedule orders.orders
    ");
    assert_eq!(desk.schedule("orders.orders")["ScheduleExpression"], "rate(2 hours)");
    assert_eq!(
        desk.schedule("returns.returns")["LastModificationDate"],
        before["LastModificationDate"]
    );
    // Put back to the text before: a definition of its own, a generation higher.
    desk.pipeline("orders", "rate(1 hour)");
    let back = desk.apply();
    assert!(back.err.contains("as generation 3"), "{back:?}");
    assert!(desk.apply().out.contains(NOTHING));
}

#[tokio::test]
async fn a_pipeline_taken_away_loses_its_schedule_and_keeps_its_data() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    desk.pipeline("returns", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    desk.remove("pipelines/returns.yaml");
    // Named, only these files are looked at.
    let named = desk.type_in(&["apply", "orders", "--skip-collections"]);
    assert!(named.out.contains(NOTHING), "{named:?}");
    insta::assert_snapshot!(desk.apply().masked(&desk), @r"
    stack STACK (account 000000000000, us-east-1)

      - schedule  returns.returns  rate(1 hour)
      - pipeline  returns  its file is gone; its data stays

    Plan: 0 to create, 0 to change, 2 to delete

    Applied: 0 created, 0 changed, 2 deleted
    --- err, exit 0
    deleted the schedule returns.returns
    took away returns; its data stays
    ");
    assert_eq!(desk.schedules(), ["orders.orders"]);
    assert!(desk.apply().out.contains(NOTHING));
    let ledger = desk.ledger();
    let noted: Vec<(String, bool)> = applied::applied(&ledger)
        .await
        .unwrap()
        .into_iter()
        .map(|one| (one.pipeline.to_string(), one.removed))
        .collect();
    assert_eq!(noted, [("orders".to_owned(), false), ("returns".to_owned(), true)]);
    assert!(ledger.newest_definition(&Name::new("returns").unwrap()).await.unwrap().is_some());
}

#[test]
fn what_was_changed_by_hand_is_put_right_and_what_is_not_ours_is_left() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    let group = desk.names.schedule_group();
    let found = desk.schedule("orders.orders");
    let by_hand = |name: &str, target: &serde_json::Value| {
        json!({
            "GroupName": group, "Name": name, "ScheduleExpression": "rate(9 hours)", "State": "DISABLED",
            "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target,
        })
    };
    desk.aws()
        .call("scheduler", "update_schedule", by_hand("orders.orders", &found["Target"]));
    let mut other = found["Target"].clone();
    other["Input"] = json!("{}");
    desk.aws().call("scheduler", "create_schedule", by_hand("nightly-report", &other));
    let said = desk.apply();
    insta::assert_snapshot!(said.masked(&desk), @r"
    stack STACK (account 000000000000, us-east-1)

      ~ schedule  orders.orders
      description: (none) -> Tidemill: orders/orders, kept by `tidemill apply`
      expression: rate(9 hours) -> rate(1 hour)
      state: disabled -> enabled

    note: the schedule `nightly-report` in the stack's group is not Tidemill's: it is left as it is
    Plan: 0 to create, 1 to change, 0 to delete

    Applied: 0 created, 1 changed, 0 deleted
    --- err, exit 0
    changed the schedule orders.orders
    ");
    assert_eq!(desk.schedule("orders.orders")["State"], "ENABLED");
    assert_eq!(desk.schedule("nightly-report")["State"], "DISABLED");
    let doctor = desk.type_in(&["doctor"]);
    assert!(
        doctor.out.contains("not Tidemill's, and left as they are: `nightly-report`") && !doctor.out.contains("disabled by hand"),
        "{doctor:?}"
    );
    let again = desk.apply();
    assert!(again.out.contains(NOTHING) && again.out.contains("`nightly-report`"), "{again:?}");
}

#[test]
fn all_faults_are_told_and_nothing_is_done() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hours)");
    desk.write(
        "pipelines/returns.yaml",
        &ORDERS
            .replace("pipeline: orders", "pipeline: returns")
            .replace("rate(1 hour)", "daily"),
    );
    desk.write("pipelines/second.yaml", &ORDERS.replace("pipeline: orders", "pipeline: second"));
    desk.write("pipelines/third.yaml", &ORDERS.replace("pipeline: orders", "pipeline: third"));
    let said = desk.apply();
    assert_eq!(said.code, 2, "{said:?}");
    for expected in [
        "`rate(1 hours)` is not a rate",
        "`daily` is not a schedule",
        "both write the collection `orders`",
        "nothing was applied",
    ] {
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
    }
    assert!(desk.schedules().is_empty());
}

#[tokio::test]
async fn missed_runs_are_counted_from_when_the_schedules_were_made() {
    let desk = Desk::new();
    let ledger = desk.ledger();
    desk.pipeline("orders", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    let first = applied::applied(&ledger).await.unwrap().remove(0);
    // Edited, but not in its schedules: what was missed before stays missed.
    desk.write("pipelines/orders.yaml", &ORDERS.replace("min: 0", "min: -10"));
    assert_eq!(desk.apply().code, 0);
    let edited = applied::applied(&ledger).await.unwrap().remove(0);
    assert_eq!((edited.generation, edited.applied_ms), (2, first.applied_ms));
    desk.pipeline("orders", "rate(2 hours)");
    assert_eq!(desk.apply().code, 0);
    let moved = applied::applied(&ledger).await.unwrap().remove(0);
    assert!(moved.applied_ms > first.applied_ms, "{moved:?}");
}

#[test]
fn what_only_a_laptop_can_run_is_told() {
    let desk = Desk::new();
    let local = ORDERS.replace("{root: \"https://files.example.org/\"}", "{}");
    desk.write("pipelines/orders.yaml", &local);
    let said = desk.apply();
    assert!(
        said.code == 2 && said.err.contains("the file `orders.csv` is in a folder of this machine"),
        "{said:?}"
    );
    assert!(desk.schedules().is_empty());
    // What does not run by itself may be there for laptops.
    desk.write("pipelines/orders.yaml", &local.replace("schedule: rate(1 hour)\n", ""));
    let said = desk.apply();
    assert!(
        said.code == 0 && said.err.contains("note: pipelines/orders.yaml can't run in the cloud"),
        "{said:?}"
    );
}

#[test]
fn a_secret_that_is_not_there_is_told_and_asked_for_again() {
    let desk = Desk::new();
    let root = "root: \"https://files.example.org/\"";
    let text = ORDERS.replace(root, &format!("{root}, auth: {{bearer: {{token: \"${{secret:shop#token}}\"}}}}"));
    desk.write("pipelines/orders.yaml", &text);
    let missing = format!("note: orders: there is no secret `{}/shop`", desk.names.stack);
    for _ in 0..2 {
        let said = desk.apply();
        assert!(said.code == 0 && said.out.contains(&missing), "{said:?}");
    }
    let doctor = desk.type_in(&["doctor"]);
    assert!(doctor.out.contains("wrong: secrets: orders: there is no secret"), "{doctor:?}");
    let secret = json!({"Name": format!("{}/shop", desk.names.stack), "SecretString": "{\"token\": \"t0p\"}"});
    desk.aws().call("secretsmanager", "create_secret", secret);
    let said = desk.apply();
    assert!(
        said.out.contains(NOTHING) && !said.out.contains("note:") && !said.out.contains("t0p"),
        "{said:?}"
    );
}

#[test]
fn an_empty_folder_takes_everything_away_only_when_it_is_meant() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    desk.pipeline("returns", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    desk.remove("pipelines/orders.yaml");
    desk.remove("pipelines/returns.yaml");
    let said = desk.apply();
    assert!(
        said.code == 2 && said.err.contains("would take all 2 pipelines away") && said.err.contains("--yes"),
        "{said:?}"
    );
    assert_eq!(desk.schedules(), ["orders.orders", "returns.returns"]);
    let meant = desk.type_in(&["apply", "--skip-collections", "--yes"]);
    assert_eq!((meant.code, desk.schedules().len()), (0, 0), "{meant:?}");
    // Taken away, it can be run by hand; that it is gone is said.
    let run = desk.type_in(&["run", "orders", "--no-wait"]);
    assert!(
        run.code == 0 && run.err.contains("note: orders was taken away from this stack"),
        "{run:?}"
    );
}

#[test]
fn a_database_that_is_not_the_functions_is_told() {
    let mut desk = Desk::new();
    let database = servers::mongodb::shared().fresh_database();
    desk.mongodb = Some(database.uri());
    desk.pipeline("orders", "rate(1 hour)");
    let plan = || desk.type_in(&["apply", "--plan"]);
    let alone = plan();
    assert!(
        alone.code == 0 && alone.out.contains("\nMongoDB at ") && alone.err.is_empty(),
        "{alone:?}"
    );
    let name = desk.names.mongodb_secret();
    let text = |uri: &str| json!({"uri": uri}).to_string();
    let secret = json!({"Name": name, "SecretString": text("mongodb://ann:s3cret@db.example.org/shop")});
    desk.aws().call("secretsmanager", "create_secret", secret);
    let expected = "the stack's functions load into MongoDB at db.example.org:27017, database `shop`";
    let other = plan();
    assert!(other.code == 0 && other.err.contains(expected), "{other:?}");
    let doctor = desk.type_in(&["doctor"]);
    assert!(doctor.code == 0 && doctor.out.contains(expected), "{doctor:?}");
    assert!(doctor.out.contains("(MongoDB at "), "{doctor:?}");
    assert!(!other.err.contains("s3cret") && !doctor.out.contains("s3cret"));
    let same = json!({"SecretId": name, "SecretString": text(&database.uri())});
    desk.aws().call("secretsmanager", "put_secret_value", same);
    let same = plan();
    assert!(same.code == 0 && same.err.is_empty(), "{same:?}");
}

#[test]
fn a_file_that_is_named_twice_is_one() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    let said = desk.type_in(&["apply", "orders", "pipelines/orders.yaml", "--skip-collections"]);
    assert!(said.out.contains("Plan: 2 to create, 0 to change"), "{said:?}");
}

#[tokio::test]
async fn a_collection_of_another_pipeline_is_told_before_anything_is_done() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    assert_eq!(desk.apply().code, 0);
    desk.remove("pipelines/orders.yaml");
    desk.write("pipelines/sales.yaml", &ORDERS.replace("pipeline: orders", "pipeline: sales"));
    let said = desk.apply();
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("is written by `orders/orders`"), "{}", said.err);
    assert_eq!(desk.schedules(), ["orders.orders"]);
}

#[tokio::test]
async fn two_at_once_are_one_after_the_other() {
    let desk = Desk::new();
    desk.pipeline("orders", "rate(1 hour)");
    let ledger = desk.ledger();
    let resource = ResourceId {
        pipeline: Name::new("tidemill").unwrap(),
        resource: Name::new("apply").unwrap(),
    };
    let request = LeaseRequest {
        holder: Holder {
            name: "process 7 on a-colleague, since 2026-11-24 10:00:00 UTC".to_owned(),
            process: Some(7),
            process_start: Some("another boot/1".to_owned()),
        },
        now_ms: jiff::Timestamp::now().as_millisecond(),
        duration_ms: 3_600_000,
    };
    let LeaseOutcome::Taken(lease) = ledger.take_lease(&resource, &request, &|_| false).await.unwrap() else {
        panic!("it is free")
    };
    let said = desk.apply();
    assert_eq!((said.code, desk.schedules().len()), (3, 0), "{said:?}");
    assert!(
        said.err
            .contains("process 7 on a-colleague is applying to this stack, since 2026-11-24 10:00:00 UTC"),
        "{}",
        said.err
    );
    // To look is always allowed.
    assert_eq!(desk.type_in(&["apply", "--skip-collections", "--plan"]).code, 0);
    ledger.release_lease(&lease).await.unwrap();
    assert_eq!(desk.apply().code, 0);
}

#[test]
fn killed_anywhere_it_is_finished_by_typing_it_again() {
    for lines in 0..=4 {
        let desk = Desk::new();
        desk.pipeline("orders", "rate(1 hour)");
        desk.pipeline("returns", "rate(5 minutes)");
        desk.apply_killed_after(lines);
        let again = desk.apply();
        assert_eq!(again.code, 0, "{lines}: {again:?}");
        assert_eq!(desk.schedules(), ["orders.orders", "returns.returns"], "{lines}");
        assert!(desk.apply().out.contains(NOTHING), "{lines}");
    }
}
