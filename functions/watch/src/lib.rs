//! Failures and silence to incidents, notifications and work queued again.
