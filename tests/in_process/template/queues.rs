//! Queues, rules and schedules: what is not taken comes again, and what can't be taken is kept.

use super::stack::{Resource, Stack, many, template, text_of};
use serde_json::Value;

const RECEIVES_MAX: u64 = 5;

fn number(value: &Value) -> u64 {
    text_of(value).parse().unwrap_or_else(|_| panic!("{value} is not a number"))
}

/// The event sources of all functions: the function, its properties, the event's.
fn sources(stack: &Stack) -> Vec<(String, Value, Value)> {
    let mut sources = Vec::new();
    for (name, function) in stack.functions() {
        for event in function["Events"].as_object().into_iter().flat_map(|events| events.values()) {
            assert_eq!(event["Type"], "SQS", "{name}");
            sources.push((name.clone(), function.clone(), event["Properties"].clone()));
        }
    }
    sources
}

fn source<'a>(stack: &'a Stack, event: &Value) -> &'a Resource {
    stack.by_arn(&event["Queue"])
}

#[test]
fn the_functions_that_objects_and_ticks_start_have_queues() {
    let stack = Stack::with(&[]);
    let found: Vec<(String, String)> = sources(&stack)
        .into_iter()
        .map(|(function, _, event)| (function, source(&stack, &event).id.clone()))
        .collect();
    let expected = [
        ("backup", "BackupQueue"),
        ("clean", "CleanQueue"),
        ("clean", "CleanReplayQueue"),
        ("extract", "ExtractQueue"),
        ("load", "LoadQueue"),
    ];
    assert_eq!(found, expected.map(|(function, queue)| (function.to_owned(), queue.to_owned())));
}

/// Or a message comes again while its function may still be at it. For every time-out that the template allows.
#[test]
fn a_queues_visibility_is_six_times_the_time_out() {
    let template = template();
    let mut tried = 0;
    for function in ["ExtractSeconds", "CleanSeconds", "LoadSeconds", "BackupSeconds"] {
        for seconds in template["Parameters"][function]["AllowedValues"].as_array().unwrap() {
            let stack = Stack::with(&[(function, seconds.as_str().unwrap())]);
            for (name, function, event) in sources(&stack) {
                let queue = source(&stack, &event);
                let visibility = number(&queue.properties["VisibilityTimeout"]);
                assert_eq!(visibility, 6 * number(&function["Timeout"]), "{name}, {}", queue.id);
                tried += 1;
            }
        }
    }
    assert!(tried >= (3 * 6 + 3) * 5, "only {tried} were tried");
}

/// An extract that was killed holds its lease until that ends. A message that came back sooner would be answered `skipped`, and nothing would go on with the
/// run before the next tick.
#[test]
fn a_message_of_extract_comes_back_after_the_lease_of_who_was_killed() {
    let template = template();
    let lease = extract::Settings::default().lease.as_secs();
    let mut tried = 0;
    for seconds in template["Parameters"]["ExtractSeconds"]["AllowedValues"].as_array().unwrap() {
        let stack = Stack::with(&[("ExtractSeconds", seconds.as_str().unwrap())]);
        let visibility = number(&stack.resources["ExtractQueue"].properties["VisibilityTimeout"]);
        assert!(
            visibility > lease,
            "{seconds}: back after {visibility} s, the lease lasts {lease} s"
        );
        tried += 1;
    }
    assert!(tried > 0);
}

/// A backup that was killed counts as at work until it has been silent for long. A message that came back sooner would find it so, and be sent back for nothing.
#[test]
fn a_message_of_backup_comes_back_when_who_was_killed_is_given_up() {
    let template = template();
    let silent = u64::try_from(ledger::backup::SILENT_MS_MAX / 1_000).unwrap();
    for seconds in template["Parameters"]["BackupSeconds"]["AllowedValues"].as_array().unwrap() {
        let stack = Stack::with(&[("BackupSeconds", seconds.as_str().unwrap())]);
        let visibility = number(&stack.resources["BackupQueue"].properties["VisibilityTimeout"]);
        assert!(
            visibility > silent && silent > number(seconds),
            "{seconds}: back after {visibility} s, given up after {silent} s"
        );
    }
}

/// Watch queues an object again only when no message of it can be left: later than five receives of the longest visibility.
#[test]
fn watch_waits_for_the_last_receive() {
    let template = template();
    let allowed = |name: &str| template["Parameters"][name]["AllowedValues"].as_array().unwrap().clone();
    for clean in allowed("CleanSeconds") {
        for load in allowed("LoadSeconds") {
            let stack = Stack::with(&[("CleanSeconds", clean.as_str().unwrap()), ("LoadSeconds", load.as_str().unwrap())]);
            let minutes = &stack.functions()["watch"]["Environment"]["Variables"]["TIDEMILL_REQUEUE_AFTER_MINUTES"];
            let queues = ["CleanQueue", "CleanReplayQueue", "LoadQueue"];
            let longest = queues
                .map(|queue| number(&stack.resources[queue].properties["VisibilityTimeout"]))
                .into_iter()
                .max();
            assert_eq!(60 * number(minutes), RECEIVES_MAX * longest.unwrap(), "{clean} {load}");
        }
    }
}

#[test]
fn a_call_takes_one_message_and_answers_for_it() {
    let stack = Stack::with(&[]);
    for (name, _, event) in sources(&stack) {
        assert_eq!(number(&event["BatchSize"]), 1, "{name}");
        assert!(event.get("MaximumBatchingWindowInSeconds").is_none(), "{name} waits for nothing");
        assert_eq!(many(&event["FunctionResponseTypes"]), ["ReportBatchItemFailures"], "{name}");
    }
}

/// SQS takes 2 to 1,000, as numbers. For every concurrency that the template allows.
#[test]
fn every_queue_has_a_maximum_concurrency() {
    let template = template();
    for parameter in ["ExtractConcurrency", "CleanConcurrency", "ReplayConcurrency", "LoadConcurrency"] {
        for allowed in template["Parameters"][parameter]["AllowedValues"].as_array().unwrap() {
            let stack = Stack::with(&[(parameter, allowed.as_str().unwrap())]);
            let sources = sources(&stack);
            let found: Vec<u64> = sources
                .iter()
                .map(|(_, _, event)| event["ScalingConfig"]["MaximumConcurrency"].as_u64().unwrap())
                .collect();
            assert!(found.iter().all(|concurrency| (2..=1000).contains(concurrency)), "{found:?}");
            assert!(found.contains(&number(allowed)), "{parameter} = {allowed}: {found:?}");
        }
    }
}

#[test]
fn a_queue_that_is_taken_from_has_a_dead_letter_queue_of_its_own_that_keeps_longer() {
    let stack = Stack::with(&[]);
    let mut dead: Vec<&str> = Vec::new();
    for (_, _, event) in sources(&stack) {
        let queue = source(&stack, &event);
        let redrive = &queue.properties["RedrivePolicy"];
        assert_eq!(number(&redrive["maxReceiveCount"]), RECEIVES_MAX, "{}", queue.id);
        let letters = stack.by_arn(&redrive["deadLetterTargetArn"]);
        let kept = |queue: &Resource| number(&queue.properties["MessageRetentionPeriod"]);
        // A message's age goes on counting in its dead-letter queue.
        assert!(
            kept(letters) >= kept(queue) + 7 * 86_400,
            "{}: nothing is left of the time in {}",
            queue.id,
            letters.id
        );
        let taken = number(&queue.properties["VisibilityTimeout"]) * RECEIVES_MAX;
        assert!(
            kept(queue) > taken,
            "{}: it would be forgotten before it is a dead letter",
            queue.id
        );
        dead.push(&letters.id);
    }
    dead.sort_unstable();
    dead.dedup();
    assert_eq!(dead, ["BackupDead", "CleanDead", "CleanReplayDead", "ExtractDead", "LoadDead"]);
}

#[test]
fn what_a_rule_or_a_schedule_cannot_deliver_is_kept() {
    let stack = Stack::with(&[]);
    let mut targets: Vec<(String, Value)> = Vec::new();
    for rule in stack.of_kind("AWS::Events::Rule") {
        targets.extend(
            rule.properties["Targets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|target| (rule.id.clone(), target.clone())),
        );
    }
    targets.extend(
        stack
            .of_kind("AWS::Scheduler::Schedule")
            .map(|schedule| (schedule.id.clone(), schedule.properties["Target"].clone())),
    );
    assert_eq!(targets.len(), 5);
    for (id, target) in targets {
        let letters = stack.by_arn(&target["DeadLetterConfig"]["Arn"]);
        assert!(letters.id.ends_with("Dead"), "{id}: {}", letters.id);
        let retries = &target["RetryPolicy"];
        assert!(number(&retries["MaximumRetryAttempts"]) > 0, "{id}");
        assert!(number(&retries["MaximumEventAgeInSeconds"]) >= 60, "{id}");
    }
}

/// To AWS a function that sends to its own queue looks like an endless loop, and is stopped after 16 turns.
#[test]
fn only_extract_and_backup_may_go_round() {
    let stack = Stack::with(&[]);
    for (name, function) in stack.functions() {
        let expected = ["backup", "extract"].contains(&name.as_str()).then_some("Allow");
        assert_eq!(function["RecursiveLoop"].as_str(), expected, "{name}");
    }
}

/// `apply` makes its group equal to the pipeline files: what else is in it would be deleted.
#[test]
fn the_stacks_own_schedules_are_not_in_the_group_of_apply() {
    let stack = Stack::with(&[]);
    let groups: Vec<&Resource> = stack.of_kind("AWS::Scheduler::ScheduleGroup").collect();
    assert_eq!(groups.len(), 2);
    let found: Vec<(&str, Option<&str>)> = stack
        .of_kind("AWS::Scheduler::Schedule")
        .map(|schedule| (schedule.id.as_str(), schedule.properties["GroupName"].as_str()))
        .collect();
    let expected = [
        ("BackupTick", Some("mill-backup")),
        ("DrillTick", Some("mill-backup")),
        ("WatchSchedule", None),
    ];
    assert_eq!(found, expected);
}

/// Both or none: whoever switches the clock off is not told that nothing was done.
#[test]
fn without_schedules_no_age_is_promised() {
    for (state, promised) in [("ENABLED", ["26", "192"]), ("DISABLED", ["0", "0"])] {
        let stack = Stack::with(&[("BackupSchedules", state)]);
        for id in ["BackupTick", "DrillTick"] {
            assert_eq!(stack.resources[id].properties["State"], state, "{id}");
        }
        let functions = stack.functions();
        let told = &functions["watch"]["Environment"]["Variables"];
        let found = ["TIDEMILL_BACKUP_MAX_AGE_HOURS", "TIDEMILL_DRILL_MAX_AGE_HOURS"].map(|variable| text_of(&told[variable]));
        assert_eq!(found, promised, "{state}");
    }
}
