//! Looking at the cluster again and again until something holds. A passing trouble of the API
//! server does not end the wait; a cancel does at once. Polls rather than watches: a watch that
//! stalls looks the same as a cluster in which nothing happens.

use std::time::Duration;

use flowctl_workflows::result::ErrorClass;
use tokio::time::Instant;

use crate::context::StepContext;
use crate::error::StepError;

/// The first pause between two looks; it grows to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What one look came to.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds.
    Done(T),
    /// Not yet: what is missing, for the progress line and for the error at the deadline.
    NotYet(String),
}

/// How a wait ended.
#[derive(Debug)]
pub enum Waited<T> {
    /// It came to hold.
    Held(T),
    /// The time was used up: what was missing at the last look.
    Expired(String),
}

/// Looks until it holds or the time is used up. At least one look is taken.
///
/// # Errors
/// Cancelled, or what `look` finds that waiting cannot mend.
pub async fn until<T>(
    cx: &StepContext,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>, StepError>,
) -> Result<Waited<T>, StepError> {
    let deadline = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    loop {
        let missing = match unless_cancelled(cx, look()).await {
            Ok(Look::Done(found)) => return Ok(Waited::Held(found)),
            Ok(Look::NotYet(missing)) => missing,
            Err(error) if error.class == ErrorClass::Transient => error.message,
            Err(error) => return Err(error),
        };
        cx.sink.progress(&missing);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Waited::Expired(missing));
        }
        cx.sleep(pause.min(left)).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The work, given up as soon as the attempt must stop.
///
/// # Errors
/// Cancelled, or the work's own.
pub async fn unless_cancelled<T>(
    cx: &StepContext,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(StepError::cancelled()),
        result = work => result,
    }
}
