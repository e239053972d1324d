//! Alarms, the topic and the budget: who is told of what watch would not see.

use super::stack::{Resource, Stack, text_of};
use std::collections::BTreeSet;

/// The metric of every alarm, with the name it is about.
fn watched(stack: &Stack) -> BTreeSet<(String, String)> {
    let alarms = stack.of_kind("AWS::CloudWatch::Alarm").map(|alarm| {
        let dimensions = alarm.properties["Dimensions"].as_array().unwrap();
        assert_eq!(dimensions.len(), 1, "{}", alarm.id);
        (text_of(&alarm.properties["MetricName"]), text_of(&dimensions[0]["Value"]))
    });
    alarms.collect()
}

#[test]
fn there_is_an_alarm_for_every_queue_and_function() {
    let stack = Stack::with(&[]);
    let mut expected = BTreeSet::from([("Invocations".to_owned(), "mill-watch".to_owned())]);
    for queue in stack.of_kind("AWS::SQS::Queue") {
        let metric = match queue.properties.get("RedrivePolicy") {
            Some(_) => "ApproximateAgeOfOldestMessage",
            None => "ApproximateNumberOfMessagesVisible",
        };
        expected.insert((metric.to_owned(), text_of(&queue.properties["QueueName"])));
    }
    for function in stack.of_kind("AWS::Serverless::Function") {
        for metric in ["Errors", "Throttles"] {
            expected.insert((metric.to_owned(), text_of(&function.properties["FunctionName"])));
        }
    }
    assert_eq!(watched(&stack), expected);
}

#[test]
fn every_alarm_is_told_to_the_topic_when_it_comes_and_when_it_goes() {
    let stack = Stack::with(&[]);
    let topic = "arn:aws:sns:eu-central-1:123456789012:mill-incidents";
    for alarm in stack.of_kind("AWS::CloudWatch::Alarm") {
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm.properties[actions][0], topic, "{}", alarm.id);
        }
        // No news is good news, but for watch itself.
        let silence = if alarm.id == "WatchSilentAlarm" {
            "breaching"
        } else {
            "notBreaching"
        };
        assert_eq!(alarm.properties["TreatMissingData"], silence, "{}", alarm.id);
    }
}

/// One dead letter is one too many, and a message may not be forgotten before its alarm.
#[test]
fn alarms_come_in_time() {
    let stack = Stack::with(&[]);
    for alarm in stack.of_kind("AWS::CloudWatch::Alarm") {
        let threshold: u64 = text_of(&alarm.properties["Threshold"]).parse().unwrap();
        match alarm.properties["MetricName"].as_str().unwrap() {
            "ApproximateAgeOfOldestMessage" => assert!(threshold < 7 * 86_400, "{}", alarm.id),
            _ => assert_eq!(threshold, 1, "{}", alarm.id),
        }
    }
}

fn ids(stack: &Stack, kind: &str) -> Vec<String> {
    stack.of_kind(kind).map(|resource: &Resource| resource.id.clone()).collect()
}

#[test]
fn mail_and_budget_are_there_when_asked_for() {
    let nobody = Stack::with(&[]);
    assert_eq!(ids(&nobody, "AWS::SNS::Subscription"), [""; 0]);
    assert_eq!(ids(&nobody, "AWS::Budgets::Budget"), [""; 0]);
    let somebody = Stack::with(&[("AlarmEmail", "ops@example.org"), ("MonthlyBudgetUsd", "20")]);
    assert_eq!(somebody.resources["IncidentsByEmail"].properties["Endpoint"], "ops@example.org");
    let budget = &somebody.resources["Budget"].properties;
    assert_eq!(text_of(&budget["Budget"]["BudgetLimit"]["Amount"]), "20");
    assert_eq!(
        budget["NotificationsWithSubscribers"][0]["Subscribers"][0]["Address"],
        "ops@example.org"
    );
}
