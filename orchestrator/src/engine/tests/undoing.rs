//! Taking effects back: when it is tried again, when it is left, and what a later request takes up.

use flowctl_state::event::Event;
use flowctl_workflows::StepId;
use flowctl_workflows::plan::{PlanStep, UndoPlan};
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::result::ErrorClass;

use super::simulation::{Simulation, failure, plan, step};
use crate::engine::{Command, Input, Resume, pending_undos, to_undo};

fn undoable(id: &str, needs: &[u32], on: UndoWhen) -> PlanStep {
    let mut step = step(id, needs);
    step.undo = Some(Box::new(UndoPlan { on, by: None }));
    step
}

fn id(id: &str) -> StepId {
    StepId::new(id).unwrap()
}

/// Three done, the last failed: the first two are being put back, `b` first.
fn failed() -> Simulation {
    let mut s = Simulation::new(
        plan(vec![
            undoable("a", &[], UndoWhen::Failure),
            undoable("b", &[0], UndoWhen::Always),
            undoable("c", &[1], UndoWhen::Never),
            step("d", &[2]),
        ]),
        8,
        &[],
    );
    s.input(Input::Proceed);
    for id in ["a", "b", "c"] {
        s.succeed(id);
    }
    s.fail("d", ErrorClass::Permanent);
    s.trace.clear();
    s
}

fn fails(s: &mut Simulation, id: &str, class: ErrorClass) {
    let step = s.place(id);
    let failure = failure(class);
    s.input(Input::UndoFailed { step, failure });
}

fn undone(s: &mut Simulation, id: &str) {
    let (step, detail) = (s.place(id), "put back".to_owned());
    s.input(Input::UndoSucceeded { step, detail });
}

fn pending(s: &Simulation) -> Vec<String> {
    pending_undos(&s.state)
        .map(|step| step.id.to_string())
        .collect()
}

#[test]
fn what_may_work_later_is_tried_again_after_a_while_and_then_left() {
    let mut s = failed();
    let mut waits = Vec::new();
    for _ in 0..4 {
        match s.pending[..] {
            [Command::Undo { step: 1, wait, .. }] => waits.push(wait),
            ref other => panic!("{other:?}"),
        }
        fails(&mut s, "b", ErrorClass::Transient);
    }
    assert_eq!(waits, [0, 1_000, 5_000, 15_000]);
    assert_eq!(s.trace.last().unwrap(), "undo a 1", "{:?}", s.trace);
    for class in [ErrorClass::Permanent, ErrorClass::Cancelled] {
        let mut s = s.clone();
        fails(&mut s, "a", class);
        assert!(s.finished(), "{class:?} is not tried again");
        assert_eq!(pending(&s), ["a", "b"]);
    }
}

#[test]
fn what_the_time_does_not_suffice_for_stays_pending() {
    let mut s = failed();
    let failure = failure(ErrorClass::TimedOut);
    s.input(Input::TeardownTimedOut { failure });
    fails(&mut s, "b", ErrorClass::Cancelled);
    assert!(s.finished());
    assert_eq!(pending(&s), ["a", "b"]);
}

#[test]
fn a_request_runs_what_is_pending_in_reverse_and_may_be_repeated() {
    let mut s = failed();
    fails(&mut s, "b", ErrorClass::Permanent);
    fails(&mut s, "a", ErrorClass::Permanent);
    s.trace.clear();
    let ask = |s: &mut Simulation| {
        let (by, steps) = ("ada".to_owned(), to_undo(&s.state, &[]));
        s.ask(Event::UndoRequested { by, steps });
    };
    ask(&mut s);
    undone(&mut s, "b");
    // The process dies in the middle of `a`; the next request begins it anew and leaves `b` alone.
    ask(&mut s);
    undone(&mut s, "a");
    assert_eq!(
        s.trace,
        [
            "undo asked 2",
            "undo b 1",
            "undone b",
            "undo a 1",
            "undo asked 1",
            "undo a 1",
            "undone a",
            "finish Failed"
        ]
    );
    assert!(to_undo(&s.state, &[]).is_empty());
    assert_eq!(
        to_undo(&s.state, &[id("c"), id("d")]),
        [id("c"), id("d")],
        "named ones are, whatever their `undo:`"
    );
    assert!(to_undo(&s.state, &[id("b")]).is_empty(), "but not twice");
}

#[test]
fn a_run_left_in_the_middle_is_asked_for_all_that_a_failure_would_put_back() {
    let mut s = Simulation::new(
        plan(vec![
            undoable("a", &[], UndoWhen::Failure),
            undoable("b", &[0], UndoWhen::Never),
            step("c", &[1]),
        ]),
        8,
        &[],
    );
    s.input(Input::Proceed);
    s.succeed("a");
    assert!(pending(&s).is_empty(), "it may still succeed");
    assert_eq!(
        to_undo(&s.state, &[]),
        [id("a")],
        "but not when it is given up"
    );
    s.succeed("b");
    s.succeed("c");
    assert!(to_undo(&s.state, &[]).is_empty(), "it did");
}

#[test]
fn what_was_put_back_runs_again_on_a_resume_and_what_was_built_on_it() {
    let mut s = failed();
    undone(&mut s, "b");
    undone(&mut s, "a");
    s.trace.clear();
    s.resume(&Resume::default());
    assert_eq!(s.trace, ["resume 2", "start a 2"]);
    s.succeed("a");
    s.succeed("b");
    assert_eq!(s.trace.last().unwrap(), "start c 2");
}
