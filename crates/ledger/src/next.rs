//! What an error means for the message that led to it.

/// What happens next. Written where the error is made, obeyed by the runner and the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It may go well another time: try again, with a wait between.
    Retry,
    /// It never goes well for this input: set it aside, with its reason, and go on with the others.
    Reject,
    /// A person must look: trying again would not help, and going on might harm.
    Alarm,
}
