//! The variables of the function's environment on AWS, and how their texts are read. Pure.

/// Where it sends its own continuations. A variable's name, and what it is for.
pub const QUEUE_URL: (&str, &str) = (
    "TIDEMILL_BACKUP_QUEUE_URL",
    "the queue that starts `backup`, to which it sends its own continuations",
);
pub const VAULT_BUCKET: (&str, &str) = ("TIDEMILL_VAULT_BUCKET", "the bucket of the vault");
/// Where the way to the database is kept.
pub const MONGODB_SECRET: (&str, &str) = (
    "TIDEMILL_MONGODB_SECRET",
    "the name of the secret whose field `uri` is MongoDB's connection string (its field `database` counts where the URI names none)",
);

/// The variables that only this function needs.
pub const VARIABLES: [(&str, &str); 3] = [QUEUE_URL, VAULT_BUCKET, MONGODB_SECRET];

/// How firm a lock is: one of [`LOCK_MODES`].
pub const LOCK_MODE: (&str, &str) = (
    "TIDEMILL_VAULT_LOCK_MODE",
    "how firmly a backup is locked: `GOVERNANCE` or `COMPLIANCE`; `GOVERNANCE` unless set",
);
pub const LOCK_MODES: [&str; 2] = ["GOVERNANCE", "COMPLIANCE"];

/// How many days each class is locked, in the order of [`crate::retention::Class::ALL`].
pub const DAYS: [(&str, &str); 4] = [
    ("TIDEMILL_BACKUP_DAILY_DAYS", "how many days a backup is locked; 14 unless set"),
    (
        "TIDEMILL_BACKUP_WEEKLY_DAYS",
        "how many days the first backup of a week is locked; 56 unless set",
    ),
    (
        "TIDEMILL_BACKUP_MONTHLY_DAYS",
        "how many days the first backup of a month is locked; 400 unless set",
    ),
    (
        "TIDEMILL_BACKUP_YEARLY_DAYS",
        "how many days the first backup of a year is locked; 400 unless set",
    ),
];

/// The most days: a century, which is as long as S3 locks an object.
pub const DAYS_MAX: u64 = 36_500;

/// What is not backed up.
pub const LEAVE_OUT: (&str, &str) = (
    "TIDEMILL_BACKUP_LEAVE_OUT",
    "collections that are not backed up, by name, with commas between them; none unless set",
);

/// The variables that need not be set.
pub const OPTIONAL: [(&str, &str); 6] = {
    let [daily, weekly, monthly, yearly] = DAYS;
    [LOCK_MODE, daily, weekly, monthly, yearly, LEAVE_OUT]
};

/// The names in the text of [`LEAVE_OUT`]. A name that has a comma in it can't be told so.
pub fn names(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_commas() {
        assert_eq!(names(""), [""; 0]);
        assert_eq!(names(" , "), [""; 0]);
        assert_eq!(names("sessions"), ["sessions"]);
        assert_eq!(names("sessions, audit.log ,,x y"), ["sessions", "audit.log", "x y"]);
    }

    #[test]
    fn what_counts_where_nothing_is_set_is_said() {
        let retention = crate::retention::Retention::default();
        for (class, (name, about)) in crate::retention::Class::ALL.into_iter().zip(DAYS) {
            assert!(name.contains(&class.as_str().to_uppercase()), "{name}");
            assert!(about.contains(&format!("; {} unless set", retention.days(class))), "{about}");
        }
    }
}
