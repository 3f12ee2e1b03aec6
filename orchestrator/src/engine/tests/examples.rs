//! One example per rule, as the sequence of events that it leads to.

use flowctl_workflows::plan::{Role, UndoPlan};
use flowctl_workflows::policy::{Backoff, Jitter, OnFailure, RetryPolicy, Span, UndoWhen};
use flowctl_workflows::result::{ErrorClass, Outcome, Verdict};

use super::simulation::{Simulation, needs, plan, step};
use crate::engine::{Command, Input, pending_undos};

fn begin(steps: Vec<flowctl_workflows::plan::PlanStep>) -> Simulation {
    let mut simulation = Simulation::new(plan(steps), 64, &[]);
    simulation.input(Input::Proceed);
    simulation
}

#[test]
fn a_diamond_starts_what_is_ready_and_joins() {
    let mut s = begin(vec![
        step("a", &[]),
        step("b", &[0]),
        step("c", &[0]),
        step("d", &[1, 2]),
    ]);
    for id in ["a", "c", "b", "d"] {
        s.succeed(id);
    }
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "done a",
            "start b 1",
            "start c 1",
            "done c",
            "done b",
            "start d 1",
            "done d",
            "finish Succeeded"
        ]
    );
}

#[test]
fn a_failure_skips_dependents_and_lets_the_rest_run() {
    let mut s = begin(vec![
        step("a", &[]),
        step("b", &[0]),
        step("c", &[1]),
        step("d", &[]),
    ]);
    s.fail("a", ErrorClass::Permanent);
    s.succeed("d");
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "start d 1",
            "fail a",
            "skip b need a failed",
            "skip c need b skipped",
            "done d",
            "finish Failed"
        ]
    );
}

#[test]
fn on_failure_continue_lets_dependents_run_but_the_run_still_fails() {
    let mut first = step("a", &[]);
    first.on_failure = OnFailure::Continue;
    let mut s = begin(vec![first, step("b", &[0])]);
    s.fail("a", ErrorClass::Permanent);
    s.succeed("b");
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "fail a",
            "start b 1",
            "done b",
            "finish Failed"
        ]
    );
}

#[test]
fn on_failure_stop_run_starts_nothing_more() {
    let mut first = step("a", &[]);
    first.on_failure = OnFailure::StopRun;
    let mut s = begin(vec![first, step("b", &[]), step("c", &[1])]);
    s.fail("a", ErrorClass::Permanent);
    s.succeed("b");
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "start b 1",
            "fail a",
            "done b",
            "skip c run_stopped a",
            "finish Failed"
        ]
    );
}

#[test]
fn a_handler_runs_only_on_the_outcome_it_asks_for() {
    let handler = needs(step("handler", &[]), 0, &[Outcome::Failed]);
    let mut s = begin(vec![step("a", &[]), handler.clone()]);
    s.succeed("a");
    assert_eq!(s.trace.last().unwrap(), "finish Succeeded");
    assert!(
        s.trace
            .contains(&"skip handler need a succeeded".to_owned())
    );

    let mut s = begin(vec![step("a", &[]), handler]);
    s.fail("a", ErrorClass::Permanent);
    s.succeed("handler");
    // A handler that worked does not turn the failure into a success.
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "fail a",
            "start handler 1",
            "done handler",
            "finish Failed"
        ]
    );
}

#[test]
fn only_retried_classes_are_retried_and_only_so_often() {
    let mut first = step("a", &[]);
    first.retry = Some(Box::new(RetryPolicy {
        attempts: 3,
        backoff: Backoff {
            initial: Span::from_millis(10),
            factor: 2.0,
            max: Span::from_secs(1),
            jitter: Jitter::Full,
        },
        ..RetryPolicy::default()
    }));
    let mut s = begin(vec![first.clone()]);
    s.fail("a", ErrorClass::Transient);
    assert_eq!(
        s.pending,
        [Command::Wait {
            step: 0,
            millis: 10
        }]
    );
    s.input(Input::RetryDue { step: 0 });
    s.fail("a", ErrorClass::Transient);
    s.input(Input::RetryDue { step: 0 });
    s.fail("a", ErrorClass::Transient);
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "retry a in 10",
            "start a 2",
            "retry a in 20",
            "start a 3",
            "fail a",
            "finish Failed"
        ]
    );

    let mut s = begin(vec![first]);
    s.fail("a", ErrorClass::Permanent);
    assert_eq!(s.trace, ["start a 1", "fail a", "finish Failed"]);
}

#[test]
fn a_gate_whose_criterion_fails_stops_its_dependents() {
    let mut gate = step("gate", &[]);
    gate.gate = true;
    let mut s = begin(vec![gate.clone(), step("b", &[0])]);
    s.succeed_with("gate", Verdict::Fail);
    assert_eq!(
        s.trace,
        [
            "start gate 1",
            "done gate",
            "skip b gate gate",
            "finish Succeeded"
        ]
    );

    for verdict in [Verdict::Pass, Verdict::Inconclusive] {
        let mut s = begin(vec![gate.clone(), step("b", &[0])]);
        s.succeed_with("gate", verdict);
        assert!(s.trace.contains(&"start b 1".to_owned()), "{verdict}");
    }
}

#[test]
fn a_false_condition_skips_and_a_broken_one_fails() {
    let mut no = step("no", &[]);
    no.when = Some("false".into());
    let mut broken = step("broken", &[]);
    broken.when = Some("?".into());
    let mut yes = step("yes", &[]);
    yes.when = Some("true".into());
    let mut s = begin(vec![no, broken, yes]);
    s.succeed("yes");
    assert_eq!(
        s.trace,
        [
            "skip no condition",
            "start broken 1",
            "fail broken",
            "start yes 1",
            "done yes",
            "finish Failed"
        ]
    );
}

#[test]
fn jobs_and_locks_bound_what_runs_at_once() {
    let locked = |id: &str| {
        let mut step = step(id, &[]);
        step.locks = vec![("disk".into(), 1)];
        step
    };
    let mut plan = plan(vec![
        locked("a"),
        locked("b"),
        step("c", &[]),
        step("d", &[]),
    ]);
    plan.locks = vec![("disk".into(), 1)];
    let mut s = Simulation::new(plan, 2, &[]);
    s.input(Input::Proceed);
    assert_eq!(
        s.trace,
        ["start a 1", "start c 1"],
        "b waits for the lock, d for a job"
    );
    s.succeed("c");
    s.succeed("a");
    assert_eq!(s.trace[2..], ["done c", "start d 1", "done a", "start b 1"]);
}

#[test]
fn cancel_stops_what_runs_and_starts_nothing_but_teardown() {
    let mut cleanup = step("cleanup", &[]);
    cleanup.teardown = true;
    let mut s = begin(vec![step("a", &[]), step("b", &[0]), cleanup]);
    s.input(Input::Cancel {
        by: "a person".into(),
    });
    assert_eq!(s.pending, [Command::Stop { step: 0 }]);
    s.fail("a", ErrorClass::Cancelled);
    s.succeed("cleanup");
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "cancel by a person",
            "cancel b",
            "cancel a",
            "teardown Cancelled",
            "start cleanup 1",
            "done cleanup",
            "finish Cancelled"
        ]
    );
}

#[test]
fn teardown_runs_after_a_failure_and_does_not_hide_it() {
    let mut cleanup = step("cleanup", &[0]);
    cleanup.needs[0].is = vec![Outcome::Succeeded, Outcome::Failed];
    cleanup.teardown = true;
    let mut s = begin(vec![step("a", &[]), cleanup]);
    s.fail("a", ErrorClass::Permanent);
    s.succeed("cleanup");
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "fail a",
            "teardown Failed",
            "start cleanup 1",
            "done cleanup",
            "finish Failed"
        ]
    );
}

#[test]
fn undos_run_in_reverse_order_before_finally() {
    let undoable = |id: &str, needs: &[u32], on| {
        let mut step = step(id, needs);
        step.undo = Some(Box::new(UndoPlan { on, by: None }));
        step
    };
    let mut cleanup = step("cleanup", &[]);
    cleanup.teardown = true;
    let mut s = begin(vec![
        undoable("a", &[], UndoWhen::Always),
        undoable("b", &[0], UndoWhen::Failure),
        undoable("c", &[1], UndoWhen::Never),
        cleanup,
    ]);
    for id in ["a", "b"] {
        s.succeed(id);
    }
    s.fail("c", ErrorClass::Permanent);
    s.input(Input::UndoSucceeded {
        step: 1,
        detail: "put back".into(),
    });
    s.input(Input::UndoFailed {
        step: 0,
        failure: super::simulation::failure(ErrorClass::Transient),
    });
    s.input(Input::UndoSucceeded {
        step: 0,
        detail: "put back".into(),
    });
    s.succeed("cleanup");
    assert_eq!(
        s.trace[5..],
        [
            "fail c",
            "teardown Failed",
            "undo b 1",
            "undone b",
            "undo a 1",
            "undo-failed a",
            "undo a 2",
            "undone a",
            "start cleanup 1",
            "done cleanup",
            "finish Failed"
        ]
    );
}

#[test]
fn an_undo_is_pending_until_it_is_done() {
    let mut step = step("a", &[]);
    step.undo = Some(Box::new(UndoPlan {
        on: UndoWhen::Always,
        by: None,
    }));
    let pending = |s: &Simulation| pending_undos(&s.state).count();
    let mut s = begin(vec![step]);
    assert_eq!(pending(&s), 1, "an attempt may have changed something");
    s.succeed("a");
    assert_eq!(pending(&s), 1);
    let mut failed = s.clone();
    failed.input(Input::UndoFailed {
        step: 0,
        failure: super::simulation::failure(ErrorClass::Permanent),
    });
    assert!(failed.finished());
    assert_eq!(pending(&failed), 1, "the run is over, the change is not");
    s.input(Input::UndoSucceeded {
        step: 0,
        detail: "put back".into(),
    });
    assert_eq!(pending(&s), 0);
}

#[test]
fn a_resume_opens_what_failed_and_keeps_what_succeeded() {
    let mut s = begin(vec![step("a", &[]), step("b", &[0]), step("c", &[1])]);
    s.succeed("a");
    s.fail("b", ErrorClass::Permanent);
    assert!(s.finished());
    s.crash_and_resume();
    s.succeed("b");
    s.succeed("c");
    assert_eq!(
        s.trace[5..],
        [
            "finish Failed",
            "resume 2",
            "start b 2",
            "done b",
            "start c 1",
            "done c",
            "finish Succeeded"
        ]
    );
}

#[test]
fn a_crash_starts_the_same_attempt_again() {
    let mut s = begin(vec![step("a", &[])]);
    s.input(Input::Checkpointed {
        step: 0,
        handle: serde_json::json!({"query_id": "q1"}),
    });
    s.crash_and_resume();
    let handle = Some(serde_json::json!({"query_id": "q1"}));
    assert_eq!(
        s.pending,
        [Command::Run {
            step: 0,
            attempt: 1,
            handle
        }]
    );
    s.succeed("a");
    assert_eq!(
        s.trace,
        [
            "start a 1",
            "checkpoint a",
            "resume 0",
            "done a",
            "finish Succeeded"
        ]
    );
}

#[test]
fn only_runs_the_named_steps() {
    let mut s = Simulation::new(
        plan(vec![step("a", &[]), step("b", &[0]), step("c", &[1])]),
        8,
        &["b"],
    );
    s.input(Input::Proceed);
    s.succeed("b");
    assert_eq!(
        s.trace,
        [
            "skip a not_selected",
            "start b 1",
            "done b",
            "skip c not_selected",
            "finish Succeeded"
        ]
    );
}

#[test]
fn an_approval_waits_for_a_person_and_takes_no_job() {
    let mut ask = step("ask", &[]);
    ask.role = Role::Approval {
        message: "go on?".into(),
    };
    let mut s = Simulation::new(plan(vec![ask, step("b", &[0]), step("c", &[])]), 1, &[]);
    s.input(Input::Proceed);
    assert_eq!(s.trace, ["start ask 1", "start c 1"]);
    s.succeed("c");
    s.input(Input::Approved {
        step: 0,
        by: "ada".into(),
    });
    s.succeed("b");
    assert_eq!(
        s.trace[2..],
        [
            "done c",
            "approve ask ada",
            "done ask",
            "start b 1",
            "done b",
            "finish Succeeded"
        ]
    );
}

#[test]
fn a_fan_in_fails_when_an_instance_failed_and_says_which() {
    let fan_in = |places: &[u32]| {
        let mut step = step("seed", &[]);
        step.role = Role::FanIn;
        let all = [
            Outcome::Succeeded,
            Outcome::Failed,
            Outcome::Skipped,
            Outcome::Cancelled,
        ];
        for place in places {
            step = needs(step, *place, &all);
        }
        step
    };
    let mut s = begin(vec![
        step("seed[x]", &[]),
        step("seed[y]", &[]),
        fan_in(&[0, 1]),
    ]);
    s.succeed("seed[x]");
    s.fail("seed[y]", ErrorClass::Permanent);
    assert_eq!(s.trace[4..], ["start seed 1", "fail seed", "finish Failed"]);
    let message = &s.state.record("seed").unwrap().failures[0].failure.message;
    assert_eq!(message, "1 of 2 instances failed: seed[y]");
}
