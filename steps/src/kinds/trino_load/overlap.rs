//! How many queries the server worked on at once, from the times that it wrote down itself.

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::Ran;
use crate::clients::trino::TrinoClient;
use crate::context::StepContext;
use crate::error::StepError;

/// How many records are asked for at once; the load is over by then.
const ASKED_AT_ONCE: usize = 4;

/// How far a time may be off: the server tells each in milliseconds, as one such time and a rounded duration after it. So a
/// query that was let in when another had ended can seem to have begun before that.
const ROUNDED: SignedDuration = SignedDuration::from_millis(2);

/// Asks the server for the times of all queries. One that it has forgotten keeps none, and counts for no overlap.
///
/// # Errors
/// Cancelled, or when the server does not answer.
pub(super) async fn add_times(
    cx: &StepContext,
    client: &TrinoClient,
    ran: &mut [Ran],
) -> Result<(), StepError> {
    let ids: Vec<(usize, String)> = ran
        .iter()
        .enumerate()
        .filter_map(|(at, ran)| Some((at, ran.query_id.clone()?)))
        .collect();
    let mut answers = futures::stream::iter(ids)
        .map(|(at, id)| async move { client.query_summary(&id).await.map(|summary| (at, summary)) })
        .buffer_unordered(ASKED_AT_ONCE);
    loop {
        let answer = tokio::select! {
            () = cx.cancel.cancelled() => return Err(StepError::cancelled()),
            answer = answers.next() => answer,
        };
        let Some(answer) = answer else { return Ok(()) };
        let (at, summary) = answer?;
        ran[at].times = summary.map(|summary| summary.query_stats);
    }
}

/// The most queries in execution at one moment, whatever the rounding of their times.
pub(super) fn peak<'a>(ran: impl IntoIterator<Item = &'a Ran>) -> u64 {
    let lives = ran.into_iter().filter_map(|ran| {
        let times = ran.times.as_ref()?;
        let begun = times.execution_start_time?.checked_add(ROUNDED).ok()?;
        Some((begun, times.end_time?)).filter(|(begun, end)| begun < end)
    });
    let mut changes: Vec<(Timestamp, i64)> = lives
        .flat_map(|(start, end)| [(start, 1), (end, -1)])
        .collect();
    // At the same moment an end comes before a start: a query that begins as another ends does not overlap it.
    changes.sort_unstable();
    let (mut now, mut most) = (0_i64, 0_i64);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    u64::try_from(most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::trino::protocol::QueryTimes;

    fn lived(start: i64, end: i64) -> Ran {
        let at = |second: i64| Some(Timestamp::from_second(second).unwrap());
        let times = QueryTimes {
            execution_start_time: at(start),
            end_time: at(end),
            ..QueryTimes::default()
        };
        Ran {
            times: Some(times),
            ..Ran::default()
        }
    }

    #[test]
    fn the_peak_is_the_most_lives_at_one_moment() {
        assert_eq!(peak(&[]), 0);
        assert_eq!(
            peak(&[lived(0, 10), lived(1, 9), lived(2, 3), lived(4, 5)]),
            3
        );
        assert_eq!(peak(&[lived(0, 1), lived(1, 2), lived(2, 3)]), 1);
    }

    #[test]
    fn what_the_rounding_of_times_may_explain_is_no_overlap() {
        let at = |milli: i64| Some(Timestamp::from_millisecond(milli).unwrap());
        let lived = |start, end| {
            let mut ran = lived(0, 0);
            let times = ran.times.as_mut().unwrap();
            (times.execution_start_time, times.end_time) = (at(start), at(end));
            ran
        };
        // As a server with room for two said it of the third, which it let in when the first had ended.
        let others = [lived(825, 3425), lived(2922, 3725)];
        let third = |start| peak(others.iter().chain(&[lived(start, 4070)]));
        assert_eq!((third(3424), third(3423), third(3422)), (2, 2, 3));
        // Too short to have been beside anything for sure.
        assert_eq!(peak(&[lived(0, 10), lived(4, 6)]), 1);
    }

    #[test]
    fn a_life_that_nobody_wrote_down_does_not_count() {
        let mut half = lived(0, 10);
        half.times.as_mut().unwrap().execution_start_time = None;
        assert_eq!(peak(&[lived(0, 10), half, Ran::default()]), 1);
    }
}
