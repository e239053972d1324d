//! Schedules as EventBridge Scheduler takes them, `rate(5 minutes)` and `cron(0 6 * * ? *)`: read, and reckoned with.
//!
//! Daylight saving as Scheduler has it: a moment that the clock leaves out is skipped, one that it shows twice comes once (here: the first time). A day of
//! a rate is 24 hours.

mod cron;

pub use cron::Cron;

use crate::Pipeline;
use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use std::time::Duration;

/// When a pipeline runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every so often, counted from the moment when the schedule was made.
    Rate(Duration),
    /// At moments of the calendar.
    Cron(Cron),
}

/// A text that is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ScheduleError {
    pub problem: String,
    pub help: Option<String>,
}

impl ScheduleError {
    fn new(problem: impl Into<String>) -> ScheduleError {
        ScheduleError {
            problem: problem.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> ScheduleError {
        self.help = Some(help.into());
        self
    }
}

impl Schedule {
    /// Reads `rate(number unit)` or `cron(minute hour day-of-month month day-of-week year)`.
    ///
    /// # Errors
    /// [`ScheduleError`] for what Scheduler would refuse, and for a `cron` that names no day there is.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inside("rate") {
            return rate_of(rate);
        }
        if let Some(cron) = inside("cron") {
            return Cron::parse(cron).map(Schedule::Cron);
        }
        let problem = ScheduleError::new(format!(
            "`{}` is not a schedule: `rate(5 minutes)` or `cron(0 6 * * ? *)`",
            crate::yaml::shortened(text)
        ));
        Err(match text.split_whitespace().count() {
            5 => problem
                .help("a crontab line becomes `cron(…)` with a sixth part for the year, and `?` for the day of the month or of the week"),
            _ => problem,
        })
    }

    /// The first moment after `after`: of a rate, the one that follows a moment at `after`. `None` when there is none any more.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Schedule::Rate(every) => after.checked_add(*every).ok(),
            Schedule::Cron(cron) => cron.next_after(after, zone),
        }
    }

    /// The last moment that is not after `at`. `None` when there was none, and for a rate: its text does not say when it began.
    pub fn last_at_or_before(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Schedule::Rate(_) => None,
            Schedule::Cron(cron) => cron.last_at_or_before(at, zone),
        }
    }

    /// What lies between two moments at least (by the clock on the wall).
    pub fn gap_min(&self) -> Duration {
        match self {
            Schedule::Rate(every) => *every,
            Schedule::Cron(cron) => cron.gap_min(),
        }
    }
}

impl Pipeline {
    /// The time zone that `schedule` is read in: UTC when none is named.
    pub fn zone(&self) -> TimeZone {
        let named = self
            .time_zone
            .as_deref()
            .and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
        named.unwrap_or(TimeZone::UTC)
    }

    /// When it runs; `None` for a pipeline that runs only when asked.
    pub fn timing(&self) -> Option<Schedule> {
        self.schedule.as_deref().and_then(|text| Schedule::parse(text).ok())
    }
}

fn rate_of(rate: &str) -> Result<Schedule, ScheduleError> {
    let fail = || {
        ScheduleError::new(format!(
            "`rate({rate})` is not a rate: a whole number from 1 on, then `minutes`, `hours` or `days`"
        ))
    };
    let (number, unit) = rate.split_once(' ').ok_or_else(fail)?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(fail)?;
    let one = unit.trim_end_matches('s');
    let seconds: u64 = match one {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return Err(fail()),
    };
    let right = if number == 1 { one.to_owned() } else { format!("{one}s") };
    if unit == right {
        Ok(Schedule::Rate(Duration::from_secs(u64::from(number) * seconds)))
    } else {
        Err(fail().help(format!("write `rate({number} {right})`")))
    }
}
