//! The variables of the function's environment on AWS. Pure.

/// Whom people hear from. A variable's name, and what it is for.
pub const TOPIC: (&str, &str) = ("TIDEMILL_TOPIC_ARN", "the topic that incidents are told on");

/// Where work is queued.
pub const EXTRACT_QUEUE: (&str, &str) = (
    "TIDEMILL_EXTRACT_QUEUE_URL",
    "the queue that starts `extract`: resources that waited for others",
);
pub const CLEAN_QUEUE: (&str, &str) = ("TIDEMILL_CLEAN_QUEUE_URL", "the queue that starts `clean`: what is queued again");
pub const LOAD_QUEUE: (&str, &str) = ("TIDEMILL_LOAD_QUEUE_URL", "the queue that starts `load`: what is queued again");

/// The dead-letter queues, in the order of [`crate::DeadQueue::ALL`].
pub const DEAD_QUEUES: [(&str, &str); 7] = [
    ("TIDEMILL_EXTRACT_DEAD_QUEUE_URL", "what `extract` failed at"),
    ("TIDEMILL_CLEAN_DEAD_QUEUE_URL", "what `clean` failed at"),
    ("TIDEMILL_CLEAN_REPLAY_DEAD_QUEUE_URL", "what `clean` failed at in a replay"),
    ("TIDEMILL_LOAD_DEAD_QUEUE_URL", "what `load` failed at"),
    ("TIDEMILL_BACKUP_DEAD_QUEUE_URL", "what `backup` failed at: backups and drills"),
    ("TIDEMILL_RULES_DEAD_QUEUE_URL", "what the rules could not deliver"),
    ("TIDEMILL_SCHEDULES_DEAD_QUEUE_URL", "what the schedules could not deliver"),
];

/// The variables that only this function needs.
pub const VARIABLES: [(&str, &str); 11] = {
    let [extract, clean, replay, load, backup, rules, schedules] = DEAD_QUEUES;
    [
        TOPIC,
        EXTRACT_QUEUE,
        CLEAN_QUEUE,
        LOAD_QUEUE,
        extract,
        clean,
        replay,
        load,
        backup,
        rules,
        schedules,
    ]
};

/// How long a part is left alone before it is queued again: it follows from the time-outs that the queues are set by.
pub const REQUEUE_AFTER: (&str, &str) = (
    "TIDEMILL_REQUEUE_AFTER_MINUTES",
    "how long an object may reach no end state before it is queued again; 150 unless set: the visibility time-out of the queues times their receives",
);

/// The bounds of [`REQUEUE_AFTER`] and what counts where it is not set.
pub const REQUEUE_AFTER_MINUTES: (u64, u64, u64) = (1, 150, 7 * 24 * 60);

/// The promised ages: how old the newest good backup may be, and how long ago the last good drill.
pub const BACKUP_AGE: (&str, &str) = (
    "TIDEMILL_BACKUP_MAX_AGE_HOURS",
    "how old the last good backup may be, in hours; 26 unless set: a day, and two hours to take one; 0: no age is promised",
);
pub const DRILL_AGE: (&str, &str) = (
    "TIDEMILL_DRILL_MAX_AGE_HOURS",
    "how long ago the last good drill may be, in hours; 192 unless set: a week and a day; 0: no age is promised",
);

/// What counts where [`BACKUP_AGE`] and [`DRILL_AGE`] are not set, and the most that they can be: a year.
pub const BACKUP_AGE_HOURS: u64 = 26;
pub const DRILL_AGE_HOURS: u64 = 192;
pub const AGE_HOURS_MAX: u64 = 366 * 24;

/// The variables that need not be set.
pub const OPTIONAL: [(&str, &str); 3] = [REQUEUE_AFTER, BACKUP_AGE, DRILL_AGE];
