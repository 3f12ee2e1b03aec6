//! What a killed flowctl leaves running: written down while it lasts, found and ended before the program starts again.

use std::future::Future;
use std::time::Duration;

use crate::child::{Leader, end_left};
use crate::context::StepContext;
use crate::error::StepError;

/// How long a program must have run before its group is written down. Most end sooner, and a record for each would cost
/// as much as the step.
pub(super) const LASTING: Duration = Duration::from_millis(200);

/// Lives through a program's life; if it lasts, the leader of its group is written down meanwhile.
pub(super) async fn while_written_down<T>(
    life: impl Future<Output = T>,
    cx: &StepContext,
    leader: impl Fn() -> Option<Leader>,
) -> Result<T, StepError> {
    let written = async {
        tokio::time::sleep(LASTING).await;
        match leader().and_then(|leader| serde_json::to_value(leader).ok()) {
            Some(handle) => cx.sink.checkpoint(handle).await,
            None => Ok(()),
        }
    };
    let mut life = std::pin::pin!(life);
    tokio::select! {
        biased;
        over = &mut life => Ok(over),
        written = written => {
            written?;
            Ok(life.await)
        }
    }
}

/// Ends what an earlier flowctl left of this attempt or of those before it.
pub(super) async fn end_leftovers(cx: &StepContext, grace: Duration) -> Result<(), StepError> {
    let (run, step, attempt) = (
        cx.attempt.run.clone(),
        cx.attempt.step.clone(),
        cx.attempt.attempt,
    );
    let ours = move |mark: &str| is_attempt_up_to(mark, run.as_str(), step.as_str(), attempt);
    let handle = cx.handle.clone();
    let leader = handle.and_then(|handle| serde_json::from_value(handle).ok());
    let ended = end_left(ours, leader, grace).await;
    if ended.asked > 0 {
        cx.sink.progress(&format!(
            "ended {} processes that an earlier try had left running",
            ended.asked
        ));
    }
    if ended.left > 0 {
        return Err(StepError::transient(
            "shell.leftover",
            format!(
                "{} processes of an earlier try live on although they were killed",
                ended.left
            ),
        ));
    }
    Ok(())
}

/// Whether a mark is `RUN/STEP/N` with N from 1 to `attempt`. A step id may itself hold a slash in its key.
pub(super) fn is_attempt_up_to(mark: &str, run: &str, step: &str, attempt: u32) -> bool {
    let Some((name, number)) = mark.rsplit_once('/') else {
        return false;
    };
    name.split_once('/') == Some((run, step))
        && number
            .parse::<u32>()
            .is_ok_and(|number| (1..=attempt).contains(&number))
}
