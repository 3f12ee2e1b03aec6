//! The contract of step kinds, as checks over a [`Subject`]. A kind's tests say in one place how to
//! build the step, leave it half done, and count its effects; the checks are the same for all.
//!
//! The checks return what they found wrong instead of panicking; `step_contract!` makes tests of them.

use std::time::Duration;

use async_trait::async_trait;
use flowctl_workflows::result::ErrorClass;

use super::TestContext;
use crate::step::{Step, Undone};

/// Ends a check that hangs; no check is meant to come near it.
const HANGS: Duration = Duration::from_secs(60);

/// What the contract needs to know of a kind. One value is one little world of its own.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A context for this world, with the secrets of [`Subject::secrets`].
    fn context(&self) -> TestContext;

    /// The step that succeeds.
    fn step(&self) -> Box<dyn Step>;

    /// How often its effect is to be seen in the world after it succeeded; 0 for a kind that only reads.
    fn expected_effects(&self) -> usize {
        0
    }

    /// How often its effect is to be seen now.
    async fn effects(&self) -> usize {
        0
    }

    /// Brings about what a flowctl leaves that is killed in the middle of [`Subject::step`] as this attempt.
    /// The default is nothing, for a kind that only reads.
    async fn leave_half_done(&self, _cx: &TestContext) {}

    /// A step that does not come to an end by itself, with the same effects to count; `None` when no
    /// parameters make the kind wait.
    fn endless(&self) -> Option<Box<dyn Step>>;

    /// Returns once the endless step is under way.
    async fn endless_under_way(&self, cx: &TestContext);

    /// Steps that must fail, with the class and code that they must fail with.
    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)>;

    /// Values that must never be seen, as the context's secrets hold them.
    fn secrets(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// The step succeeds and its output is an object.
///
/// # Errors
/// What is wrong.
pub async fn succeeds(subject: &dyn Subject) -> Result<(), String> {
    let cx = subject.context();
    let output = in_time(subject.step().run(&cx.context))
        .await?
        .map_err(|error| format!("failed: {error:?}"))?;
    if !output.value.is_object() {
        return Err(format!("the output is no object: {}", output.value));
    }
    has_effects(subject, "after the step").await
}

/// The same attempt run twice has one effect.
///
/// # Errors
/// What is wrong.
pub async fn run_twice_is_one_effect(subject: &dyn Subject) -> Result<(), String> {
    let cx = subject.context();
    for time in ["first", "second"] {
        let cx = cx.resumed();
        in_time(subject.step().run(&cx.context))
            .await?
            .map_err(|error| format!("the {time} run failed: {error:?}"))?;
    }
    has_effects(subject, "after two runs").await
}

/// What a killed flowctl left behind is attached to, or ended and begun again, but never doubled.
///
/// # Errors
/// What is wrong.
pub async fn killed_then_resumed(subject: &dyn Subject) -> Result<(), String> {
    let cx = subject.context();
    subject.leave_half_done(&cx).await;
    let cx = cx.resumed();
    in_time(subject.step().run(&cx.context))
        .await?
        .map_err(|error| format!("the resumed run failed: {error:?}"))?;
    has_effects(subject, "after the resumed run").await
}

/// A cancelled step ends, says so, and leaves nothing running.
///
/// # Errors
/// What is wrong.
pub async fn cancel_is_prompt(subject: &dyn Subject) -> Result<(), String> {
    let Some(step) = subject.endless() else {
        return Ok(());
    };
    let cx = subject.context();
    let cancelled = async {
        subject.endless_under_way(&cx).await;
        cx.context.cancel.cancel();
    };
    let (result, ()) = in_time(async { tokio::join!(step.run(&cx.context), cancelled) }).await?;
    match result {
        Err(error) if error.class == ErrorClass::Cancelled => Ok(()),
        other => Err(format!("a cancelled step came to {other:?}")),
    }
}

/// Undo of nothing and undo twice are fine, and afterwards the effect is gone.
///
/// # Errors
/// What is wrong.
pub async fn undo_twice_and_of_nothing(subject: &dyn Subject) -> Result<(), String> {
    let cx = subject.context();
    let step = subject.step();
    in_time(step.undo(&cx.context))
        .await?
        .map_err(|error| format!("undo of nothing failed: {error:?}"))?;
    in_time(step.run(&cx.context))
        .await?
        .map_err(|error| format!("the run failed: {error:?}"))?;
    for time in ["first", "second"] {
        let undone = in_time(step.undo(&cx.context)).await?;
        let undone = undone.map_err(|error| format!("the {time} undo failed: {error:?}"))?;
        let left = subject.effects().await;
        if matches!(undone, Undone::Restored(_)) && left != 0 {
            return Err(format!("{left} effects are left after the {time} undo"));
        }
    }
    Ok(())
}

/// Each failure has its class and its code.
///
/// # Errors
/// What is wrong.
pub async fn errors_are_classified(subject: &dyn Subject) -> Result<(), String> {
    let failing = subject.failing();
    if failing.is_empty() {
        return Err("the subject has no failing step, so nothing was checked".to_owned());
    }
    for (step, class, code) in failing {
        let cx = subject.context();
        match in_time(step.run(&cx.context)).await? {
            Err(error) if error.class == class && error.code == code => {}
            other => return Err(format!("expected {class:?} {code}, got {other:?}")),
        }
    }
    Ok(())
}

/// No secret is in output, error, lines, progress, handles or evidence, of success and of failure.
///
/// # Errors
/// What is wrong, without the secret.
pub async fn secrets_stay_secret(subject: &dyn Subject) -> Result<(), String> {
    let mut steps = vec![subject.step()];
    steps.extend(subject.failing().into_iter().map(|(step, _, _)| step));
    for (number, step) in steps.into_iter().enumerate() {
        let cx = subject.context();
        let result = in_time(step.run(&cx.context)).await?;
        let said = match &result {
            Ok(output) => format!("{}\n{:?}", output.value, output.findings),
            Err(error) => format!("{error:?}"),
        };
        let said = format!("{said}\n{}", cx.sink.everything());
        if subject.secrets().iter().any(|secret| said.contains(secret)) {
            return Err(format!(
                "step {number} (0 succeeds, the others fail) lets a secret be seen"
            ));
        }
    }
    Ok(())
}

async fn has_effects(subject: &dyn Subject, when: &str) -> Result<(), String> {
    let (seen, expected) = (subject.effects().await, subject.expected_effects());
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{seen} effects {when}, expected {expected}"))
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(HANGS, work)
        .await
        .map_err(|_| "it hangs".to_owned())
}

/// Makes one test of each check of the contract. The expression builds a new [`Subject`] for each.
#[macro_export]
macro_rules! step_contract {
    ($subject:expr) => {
        mod contract {
            use super::*;
            $crate::step_contract!(@test $subject, succeeds);
            $crate::step_contract!(@test $subject, run_twice_is_one_effect);
            $crate::step_contract!(@test $subject, killed_then_resumed);
            $crate::step_contract!(@test $subject, cancel_is_prompt);
            $crate::step_contract!(@test $subject, undo_twice_and_of_nothing);
            $crate::step_contract!(@test $subject, errors_are_classified);
            $crate::step_contract!(@test $subject, secrets_stay_secret);
        }
    };
    (@test $subject:expr, $check:ident) => {
        #[tokio::test]
        async fn $check() {
            let subject = $subject;
            if let Err(wrong) = $crate::testing::contract::$check(&subject).await {
                panic!("{wrong}");
            }
        }
    };
}
