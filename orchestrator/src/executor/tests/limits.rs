//! Retry, time limits and cancel, under paused time.

use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, StepState};
use flowctl_workflows::plan::UndoPlan;
use flowctl_workflows::policy::{Span, UndoWhen};
use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::scripted::{Silent, environment, plan, run, step, world};
use crate::engine::Resume;
use crate::executor::Executor;

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again_and_stays_visible() {
    let state = run(
        "limits-retry",
        plan(vec![step("a", &[], json!({"fail": 2}))]),
    )
    .await;
    let record = state.record("a").unwrap();
    assert_eq!(
        (record.state.clone(), record.attempts, record.failures.len()),
        (StepState::Succeeded, 3, 2)
    );
    world("limits-retry", |world| {
        assert_eq!(
            world.effects,
            ["limits-retry/a/1", "limits-retry/a/2", "limits-retry/a/3"]
        );
    });
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_times_out() {
    let mut a = step("a", &[], json!({"takes": 100}));
    a.timeout = Some(Span::from_secs(10));
    a.retry = None;
    let state = run("limits-timeout", plan(vec![a])).await;
    let failure = &state.record("a").unwrap().failures[0].failure;
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::TimedOut, "step.timeout")
    );
    assert!(failure.message.contains("10s"));
}

#[tokio::test(start_paused = true)]
async fn the_runs_timeout_cancels_and_undoes() {
    let mut a = step("a", &[], json!({}));
    a.undo = Some(Box::new(UndoPlan {
        on: UndoWhen::Failure,
        by: None,
    }));
    let mut plan = plan(vec![
        a,
        step("b", &[0], json!({"takes": 1000})),
        step("c", &[1], json!({})),
    ]);
    plan.timeout = Some(Span::from_secs(60));
    let state = run("limits-run", plan).await;
    assert_eq!(
        state.phase,
        Phase::Finished {
            outcome: RunOutcome::Cancelled
        }
    );
    assert_eq!(
        state.cancelled_by.as_deref(),
        Some("the run's timeout of 1m")
    );
    assert_eq!(state.record("b").unwrap().state, StepState::Cancelled);
    assert_eq!(state.record("c").unwrap().state, StepState::Cancelled);
    world("limits-run", |world| {
        assert_eq!(world.effects.last().unwrap(), "undo a")
    });
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_prompt_and_a_second_one_leaves_the_run_to_be_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let log = std::sync::Arc::new(flowctl_state::memory_log::MemoryLog::new());
    let id = flowctl_workflows::RunId::new("limits-cancel").unwrap();
    let env = environment(&log, "limits-cancel", directory.path());
    let mut cleanup = step("cleanup", &[], json!({"takes": 50}));
    cleanup.teardown = true;
    let plan = plan(vec![step("a", &[], json!({"takes": 1000})), cleanup]);
    let executor = Executor::start(std::sync::Arc::clone(&env), id.clone(), plan, 8, vec![])
        .await
        .unwrap();
    let handle = executor.handle();
    let steer = tokio::spawn(async move {
        handle.cancel("ada");
        while handle
            .inspect(|state, _| state.phase == Phase::Running)
            .await
            == Some(true)
        {
            tokio::task::yield_now().await;
        }
        handle.cancel("ada");
    });
    let ended = executor.run(&mut Silent).await.unwrap();
    steer.await.unwrap();
    assert!(ended.abandoned);
    assert_eq!(ended.state.record("a").unwrap().state, StepState::Cancelled);
    let resumed = Executor::resume(env, ended.state, Resume::default(), None)
        .await
        .unwrap()
        .run(&mut Silent)
        .await
        .unwrap();
    assert_eq!(
        resumed.state.phase,
        Phase::Finished {
            outcome: RunOutcome::Succeeded
        }
    );
}
