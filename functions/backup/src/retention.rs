//! How long a backup is kept: grandfather, father, son. The first of a year is yearly, the first of a month monthly, the first of a week weekly, others daily.

use serde::{Deserialize, Serialize};

/// What a backup is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Class {
    pub const ALL: [Class; 4] = [Class::Daily, Class::Weekly, Class::Monthly, Class::Yearly];

    pub fn as_str(self) -> &'static str {
        match self {
            Class::Daily => "daily",
            Class::Weekly => "weekly",
            Class::Monthly => "monthly",
            Class::Yearly => "yearly",
        }
    }

    pub fn parse(text: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// How many days each class is locked, and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            daily: 14,
            weekly: 56,
            monthly: 400,
            yearly: 400,
        }
    }
}

impl Retention {
    pub fn days(&self, class: Class) -> u32 {
        match class {
            Class::Daily => self.daily,
            Class::Weekly => self.weekly,
            Class::Monthly => self.monthly,
            Class::Yearly => self.yearly,
        }
    }
}
