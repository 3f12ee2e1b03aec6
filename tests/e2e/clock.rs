//! Time: how long the suite has run, and waiting for the platform. The only file here that reads a clock.
#![expect(
    clippy::disallowed_methods,
    reason = "the suite waits for real platforms in real time"
)]

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::check::{Outcome, fail};

/// Counts from its start.
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts counting.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Whole seconds since the start.
    pub(crate) fn seconds(&self) -> u64 {
        self.0.elapsed().as_secs()
    }
}

/// The moment, to find it in an audit log.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Looks until `look` says yes.
///
/// # Errors
/// What `look` last said, when time is up; what it refuses at once.
pub(crate) fn until(
    within: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<bool, String>,
) -> Outcome {
    let begun = Instant::now();
    loop {
        if look()? {
            return Ok(());
        }
        if begun.elapsed() > within {
            return fail(format!("after {} s still not: {what}", within.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(150));
    }
}
