//! When a failed attempt is tried again: class, count, budget, and exponential waiting with jitter.

use flowctl_state::crash::{self, Mutant};
use flowctl_state::run_state::StepRecord;
use flowctl_workflows::policy::{Jitter, RetryPolicy};
use flowctl_workflows::result::ErrorClass;
use jiff::Timestamp;

/// Milliseconds until the next attempt, or `None` when there is none. `chance` is from 0 to 1.
pub(super) fn retry_in(
    policy: &RetryPolicy,
    record: &StepRecord,
    class: ErrorClass,
    now: Timestamp,
    chance: f64,
) -> Option<u64> {
    let allowed = policy.attempts + u32::from(crash::is(Mutant::OneRetryTooMany));
    if !policy.on.contains(&class) || record.tries >= allowed {
        return None;
    }
    let wait = backoff(policy, record.tries, chance);
    if let (Some(budget), Some(started)) = (policy.budget, record.started) {
        // A clock that was moved back counts as no time passed, never as an error.
        let used = u64::try_from(now.duration_since(started).as_millis()).unwrap_or(0);
        if used.saturating_add(wait) > budget.millis() {
            return None;
        }
    }
    Some(wait)
}

/// The wait after the `tries`-th attempt: `initial * factor^(tries-1)`, at most `max`; with full jitter a
/// uniform part of it, as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
fn backoff(policy: &RetryPolicy, tries: u32, chance: f64) -> u64 {
    let backoff = &policy.backoff;
    let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
    let max = backoff.max.millis() as f64;
    let wait = (backoff.initial.millis() as f64 * backoff.factor.max(1.0).powi(exponent)).min(max);
    let wait = match backoff.jitter {
        Jitter::Full => wait * chance.clamp(0.0, 1.0),
        Jitter::None => wait,
    };
    wait as u64
}

#[cfg(test)]
mod tests {
    use flowctl_workflows::policy::{Backoff, Span};

    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts: 4,
            backoff: Backoff {
                initial: Span::from_secs(1),
                factor: 2.0,
                max: Span::from_secs(3),
                jitter: Jitter::None,
            },
            ..RetryPolicy::default()
        }
    }

    fn record(tries: u32) -> StepRecord {
        StepRecord {
            tries,
            started: Some(Timestamp::UNIX_EPOCH),
            ..StepRecord::default()
        }
    }

    fn after(policy: &RetryPolicy, tries: u32, class: ErrorClass, now_s: i64) -> Option<u64> {
        retry_in(
            policy,
            &record(tries),
            class,
            Timestamp::from_second(now_s).unwrap(),
            0.5,
        )
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end_with_the_attempts() {
        let waits: Vec<_> = (1..=4)
            .map(|tries| after(&policy(), tries, ErrorClass::Transient, 0))
            .collect();
        assert_eq!(waits, [Some(1000), Some(2000), Some(3000), None]);
    }

    #[test]
    fn full_jitter_takes_a_part_of_the_wait() {
        let mut policy = policy();
        policy.backoff.jitter = Jitter::Full;
        assert_eq!(after(&policy, 1, ErrorClass::Transient, 0), Some(500));
    }

    #[test]
    fn a_permanent_or_cancelled_failure_is_not_retried() {
        assert_eq!(after(&policy(), 1, ErrorClass::Permanent, 0), None);
        assert_eq!(after(&policy(), 1, ErrorClass::Cancelled, 0), None);
    }

    #[test]
    fn the_budget_counts_from_the_first_attempt() {
        let mut policy = policy();
        policy.budget = Some(Span::from_secs(10));
        assert_eq!(after(&policy, 1, ErrorClass::Transient, 9), Some(1000));
        assert_eq!(after(&policy, 2, ErrorClass::Transient, 9), None);
        assert_eq!(after(&policy, 1, ErrorClass::Transient, -100), Some(1000));
    }
}
