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

/// The first of what is missing, and how much more there is: a hundred pods make no sentence.
#[must_use]
pub fn enumerate(missing: &[String]) -> String {
    const NAMED: usize = 5;
    let mut words = missing
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if missing.len() > NAMED {
        words.push_str(&format!("; and {} more", missing.len() - NAMED));
    }
    words
}

/// A wait under way:
///
/// ```text
/// let mut wait = Wait::begin(cx, within);
/// let waited = loop {
///     if let Some(waited) = wait.after(look().await).await? {
///         break waited;
///     }
/// };
/// ```
pub struct Wait<'a> {
    cx: &'a StepContext,
    deadline: Instant,
    pause: Duration,
}

impl<'a> Wait<'a> {
    /// A wait of at most so long.
    #[must_use]
    pub fn begin(cx: &'a StepContext, within: Duration) -> Self {
        Self {
            cx,
            deadline: Instant::now() + within,
            pause: FIRST_PAUSE,
        }
    }

    /// Takes what a look came to. `None`, after a pause: look again.
    ///
    /// # Errors
    /// Cancelled, or what the look found that waiting cannot mend.
    pub async fn after<T>(
        &mut self,
        look: Result<Look<T>, StepError>,
    ) -> Result<Option<Waited<T>>, StepError> {
        let look = match look {
            Ok(Look::Done(found)) => return Ok(Some(Waited::Held(found))),
            Ok(Look::NotYet(missing)) => Ok(missing),
            Err(error) if error.class == ErrorClass::Transient => Err(error),
            Err(error) => return Err(error),
        };
        let words = look.as_ref().unwrap_or_else(|error| &error.message);
        self.cx.sink.progress(words);
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // A server that does not answer says nothing about what was waited for.
            return look.map(|missing| Some(Waited::Expired(missing)));
        }
        self.cx.sleep(self.pause.min(left)).await?;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_with_its_count() {
        let missing: Vec<String> = (1..=7).map(|n| format!("p{n}")).collect();
        assert_eq!(enumerate(&missing), "p1; p2; p3; p4; p5; and 2 more");
        assert_eq!(enumerate(&missing[..2]), "p1; p2");
    }
}
