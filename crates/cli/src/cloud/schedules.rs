//! The stack's schedules in EventBridge Scheduler: read whole, written whole.

use super::{CloudError, Names};
use crate::apply::Schedule;
use aws_config::SdkConfig;
use aws_sdk_scheduler::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_schedule::GetScheduleOutput,
    types::{ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, ScheduleState, Target},
};
use std::{collections::BTreeMap, error::Error};
use tokio::task::JoinSet;

/// Schedules that are read at the same time.
const TOGETHER: usize = 8;

/// What Scheduler takes when nothing is said.
const ATTEMPTS_DEFAULT: i32 = 185;
const AGE_S_DEFAULT: i32 = 86_400;

/// The schedules of one group.
#[derive(Clone)]
pub struct Schedules {
    client: Client,
    group: String,
}

impl Schedules {
    pub fn new(config: &SdkConfig, names: &Names) -> Schedules {
        Schedules {
            client: Client::new(config),
            group: names.schedule_group(),
        }
    }

    /// All schedules of the group, by name.
    ///
    /// # Errors
    /// [`CloudError::Aws`]: the group is not there, or may not be read.
    pub async fn all(&self) -> Result<Vec<Schedule>, CloudError> {
        let mut names = Vec::new();
        let mut pages = self.client.list_schedules().group_name(&self.group).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed("list the schedules of the group", &self.group, &error))?;
            names.extend(page.schedules.into_iter().filter_map(|one| one.name));
        }
        let mut found = BTreeMap::new();
        let mut reading = JoinSet::new();
        let mut names = names.into_iter();
        loop {
            while reading.len() < TOGETHER
                && let Some(name) = names.next()
            {
                let own = self.clone();
                reading.spawn(async move { own.get(&name).await });
            }
            match reading.join_next().await {
                // A panic is one of ours.
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                Some(Ok(read)) => found.extend(read?.map(|schedule| (schedule.name.clone(), schedule))),
                None => return Ok(found.into_values().collect()),
            }
        }
    }

    /// One schedule; `None` when it went meanwhile.
    async fn get(&self, name: &str) -> Result<Option<Schedule>, CloudError> {
        let answer = self.client.get_schedule().group_name(&self.group).name(name).send().await;
        match answer.map_err(|error| self.failed("read the schedule", name, &error)) {
            Ok(found) => Ok(Some(read(name, found))),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// [`CloudError::Aws`]. A schedule of this name that is there already, made by a request whose answer was lost, is changed instead.
    pub async fn create(&self, schedule: &Schedule) -> Result<(), CloudError> {
        let request = self.client.create_schedule().group_name(&self.group).name(&schedule.name);
        let request = request
            .description(&schedule.description)
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone(&schedule.time_zone)
            .state(ScheduleState::Enabled)
            .action_after_completion(ActionAfterCompletion::None)
            .flexible_time_window(self.window(schedule)?)
            .target(self.target(schedule)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConflictException") => self.change(schedule).await,
            Err(error) => Err(self.failed("create the schedule", &schedule.name, &error)),
        }
    }

    /// Makes it exactly this: what is not said falls back to the service's own.
    pub async fn change(&self, schedule: &Schedule) -> Result<(), CloudError> {
        let request = self.client.update_schedule().group_name(&self.group).name(&schedule.name);
        let request = request
            .description(&schedule.description)
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone(&schedule.time_zone)
            .state(ScheduleState::Enabled)
            .action_after_completion(ActionAfterCompletion::None)
            .flexible_time_window(self.window(schedule)?)
            .target(self.target(schedule)?);
        let sent = request.send().await;
        sent.map(drop)
            .map_err(|error| self.failed("change the schedule", &schedule.name, &error))
    }

    /// Well too when it is gone already.
    pub async fn delete(&self, name: &str) -> Result<(), CloudError> {
        let sent = self.client.delete_schedule().group_name(&self.group).name(name).send().await;
        match sent.map_err(|error| self.failed("delete the schedule", name, &error)) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }

    fn window(&self, schedule: &Schedule) -> Result<FlexibleTimeWindow, CloudError> {
        let mode = match schedule.window_minutes {
            Some(_) => FlexibleTimeWindowMode::Flexible,
            None => FlexibleTimeWindowMode::Off,
        };
        let window = FlexibleTimeWindow::builder()
            .mode(mode)
            .set_maximum_window_in_minutes(schedule.window_minutes);
        window.build().map_err(|error| incomplete(schedule, &error))
    }

    fn target(&self, schedule: &Schedule) -> Result<Target, CloudError> {
        let dead_letters = schedule
            .dead_letters
            .clone()
            .map(|arn| DeadLetterConfig::builder().arn(arn).build());
        let retries = RetryPolicy::builder()
            .maximum_retry_attempts(schedule.attempts_max)
            .maximum_event_age_in_seconds(schedule.age_s_max);
        let target = Target::builder()
            .arn(&schedule.target)
            .role_arn(&schedule.role)
            .input(&schedule.input)
            .retry_policy(retries.build())
            .set_dead_letter_config(dead_letters);
        target.build().map_err(|error| incomplete(schedule, &error))
    }

    fn failed<E>(&self, action: &'static str, what: &str, error: &SdkError<E>) -> CloudError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        CloudError::aws(action, what, error)
    }
}

/// All that the service needs is set; only a change of its own shapes could bring this.
fn incomplete(schedule: &Schedule, error: &dyn Error) -> CloudError {
    CloudError::Aws {
        action: "describe the schedule",
        what: schedule.name.clone(),
        code: None,
        said: error.to_string(),
    }
}

fn read(name: &str, found: GetScheduleOutput) -> Schedule {
    let target = found.target.as_ref();
    let retries = target.and_then(|target| target.retry_policy.as_ref());
    Schedule {
        name: name.to_owned(),
        description: found.description.clone().unwrap_or_default(),
        expression: found.schedule_expression.clone().unwrap_or_default(),
        time_zone: found.schedule_expression_timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
        window_minutes: found
            .flexible_time_window
            .as_ref()
            .filter(|window| window.mode == FlexibleTimeWindowMode::Flexible)
            .and_then(|window| window.maximum_window_in_minutes),
        enabled: found.state.as_ref().is_none_or(|state| *state == ScheduleState::Enabled),
        target: target.map(|target| target.arn.clone()).unwrap_or_default(),
        role: target.map(|target| target.role_arn.clone()).unwrap_or_default(),
        input: target.and_then(|target| target.input.clone()).unwrap_or_default(),
        dead_letters: target.and_then(|target| target.dead_letter_config.as_ref()?.arn.clone()),
        attempts_max: retries
            .and_then(|retries| retries.maximum_retry_attempts)
            .unwrap_or(ATTEMPTS_DEFAULT),
        age_s_max: retries
            .and_then(|retries| retries.maximum_event_age_in_seconds)
            .unwrap_or(AGE_S_DEFAULT),
        foreign: foreign(&found),
    }
}

/// What Tidemill never sets.
fn foreign(found: &GetScheduleOutput) -> BTreeMap<String, String> {
    let target = found.target.as_ref();
    let other_target = target.is_some_and(|target| {
        target.ecs_parameters.is_some()
            || target.event_bridge_parameters.is_some()
            || target.kinesis_parameters.is_some()
            || target.sage_maker_pipeline_parameters.is_some()
            || target.sqs_parameters.is_some()
    });
    let after = found
        .action_after_completion
        .as_ref()
        .filter(|after| **after != ActionAfterCompletion::None);
    let fields = [
        ("start date", found.start_date.map(|date| date.to_string())),
        ("end date", found.end_date.map(|date| date.to_string())),
        ("key", found.kms_key_arn.clone()),
        ("after its last run", after.map(|after| after.as_str().to_owned())),
        ("parameters of the target", other_target.then(|| "set".to_owned())),
    ];
    let set = fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
    set.collect()
}
