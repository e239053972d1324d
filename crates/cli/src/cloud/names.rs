//! What a stack's parts are called: all of it follows from the stack, the account and the region. Pure.

use crate::apply::Wiring;

/// The longest name of a stack: with it, a bucket of the longest region has the 63 characters that S3 allows.
const STACK_CHARS_MAX: usize = 25;

/// The names of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub stack: String,
    pub account: String,
    pub region: String,
}

/// The stages that have queues, as the queues call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    Extract,
    Clean,
    CleanReplay,
    Load,
    Backup,
}

impl Queue {
    pub const ALL: [Queue; 5] = [Queue::Extract, Queue::Clean, Queue::CleanReplay, Queue::Load, Queue::Backup];

    pub fn as_str(self) -> &'static str {
        match self {
            Queue::Extract => "extract",
            Queue::Clean => "clean",
            Queue::CleanReplay => "clean-replay",
            Queue::Load => "load",
            Queue::Backup => "backup",
        }
    }

    pub fn parse(text: &str) -> Option<Queue> {
        Queue::ALL.into_iter().find(|queue| queue.as_str() == text)
    }
}

/// Whether a stack can have this name; else why not.
pub fn check_stack(stack: &str) -> Result<(), &'static str> {
    let plain = stack.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || !stack.starts_with(|c: char| c.is_ascii_lowercase()) || stack.ends_with('-') {
        return Err("expected lower-case letters, digits and `-`, beginning with a letter");
    }
    match stack.len() <= STACK_CHARS_MAX {
        true => Ok(()),
        false => Err("expected at most 25 characters"),
    }
}

impl Names {
    pub fn lake(&self) -> String {
        self.bucket("lake")
    }

    pub fn bucket(&self, what: &str) -> String {
        format!("{}-{what}-{}-{}", self.stack, self.account, self.region)
    }

    pub fn ledger(&self) -> String {
        format!("{}-ledger", self.stack)
    }

    pub fn queue(&self, queue: Queue) -> String {
        format!("{}-{}", self.stack, queue.as_str())
    }

    /// Where messages of the queue go that were given up.
    pub fn dead(&self, queue: Queue) -> String {
        format!("{}-{}-dead", self.stack, queue.as_str())
    }

    /// The dead letters of EventBridge: of its rules, and of the schedules.
    pub fn undelivered(&self) -> [String; 2] {
        ["rules", "schedules"].map(|what| format!("{}-{what}-dead", self.stack))
    }

    pub fn schedule_group(&self) -> String {
        self.stack.clone()
    }

    /// What the names of the stack's secrets begin with.
    pub fn secret_prefix(&self) -> String {
        format!("{}/", self.stack)
    }

    pub fn mongodb_secret(&self) -> String {
        format!("{}mongodb", self.secret_prefix())
    }

    /// What every schedule of the stack has.
    pub fn wiring(&self) -> Wiring {
        let partition = self.partition();
        let (region, account) = (&self.region, &self.account);
        Wiring {
            target: format!("arn:{partition}:sqs:{region}:{account}:{}", self.queue(Queue::Extract)),
            role: format!("arn:{partition}:iam::{account}:role/{}-scheduler-{region}", self.stack),
            dead_letters: format!("arn:{partition}:sqs:{region}:{account}:{}-schedules-dead", self.stack),
        }
    }

    fn partition(&self) -> &'static str {
        match self.region.get(..3) {
            Some("cn-") => "aws-cn",
            _ if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_follows_from_three_names() {
        let names = |region: &str| Names {
            stack: "tidemill-dev".to_owned(),
            account: "123456789012".to_owned(),
            region: region.to_owned(),
        };
        let here = names("eu-west-1");
        assert_eq!(here.lake(), "tidemill-dev-lake-123456789012-eu-west-1");
        assert_eq!(here.ledger(), "tidemill-dev-ledger");
        assert_eq!(here.dead(Queue::CleanReplay), "tidemill-dev-clean-replay-dead");
        let wiring = here.wiring();
        assert_eq!(wiring.target, "arn:aws:sqs:eu-west-1:123456789012:tidemill-dev-extract");
        assert_eq!(wiring.role, "arn:aws:iam::123456789012:role/tidemill-dev-scheduler-eu-west-1");
        assert!(names("cn-north-1").wiring().target.starts_with("arn:aws-cn:"));
        assert!(names("us-gov-west-1").wiring().role.starts_with("arn:aws-us-gov:"));
    }

    #[test]
    fn a_stack_has_a_name_that_buckets_can_have() {
        for well in ["dev", "tidemill-prod-2"] {
            assert_eq!(check_stack(well), Ok(()));
        }
        for wrong in ["", "Dev", "2dev", "dev-", "my_stack", &"x".repeat(26)] {
            assert!(check_stack(wrong).is_err(), "{wrong}");
        }
    }
}
