//! Taking effects back: when it is tried again, when it is left, and what a later request takes up.

use flowctl_state::event::Event;
use flowctl_workflows::StepId;
use flowctl_workflows::plan::{PlanStep, UndoPlan};
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::result::{ErrorClass, Verdict};

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
fn what_waits_in_finally_when_the_time_is_used_up_does_not_begin() {
    let mut tidy = step("tidy", &[]);
    tidy.teardown = true;
    tidy.retry = Some(Box::default());
    let mut after = step("after", &[2]);
    after.teardown = true;
    let steps = vec![
        undoable("a", &[], UndoWhen::Always),
        step("b", &[0]),
        tidy,
        after,
    ];
    let mut s = Simulation::new(plan(steps), 8, &[]);
    s.input(Input::Proceed);
    s.succeed("a");
    s.succeed("b");
    let mut waiting = s.clone();
    undone(&mut s, "a");
    s.trace.clear();
    s.input(Input::TeardownTimedOut {
        failure: failure(ErrorClass::TimedOut),
    });
    // What is under way was asked to stop; it is not tried again, whatever it says.
    s.fail("tidy", ErrorClass::Transient);
    assert_eq!(s.trace, ["cancel after", "fail tidy", "finish Failed"]);
    // The same while the undos are under way: an undo that fails then is not tried again either.
    waiting.trace.clear();
    waiting.input(Input::TeardownTimedOut {
        failure: failure(ErrorClass::TimedOut),
    });
    fails(&mut waiting, "a", ErrorClass::Transient);
    assert_eq!(
        waiting.trace,
        [
            "cancel tidy",
            "cancel after",
            "undo-failed a",
            "finish Failed"
        ]
    );
    assert_eq!(pending(&waiting), ["a"]);
}

/// All succeeded; `b` is put back, `a` is about to be, and `tidy` waits for both.
fn succeeded() -> Simulation {
    let mut tidy = step("tidy", &[]);
    tidy.teardown = true;
    let mut shut = undoable("b", &[0], UndoWhen::Always);
    shut.gate = true;
    let mut after = step("after", &[1]);
    after.teardown = true;
    let steps = vec![
        undoable("a", &[], UndoWhen::Always),
        shut,
        undoable("c", &[], UndoWhen::Failure),
        tidy,
        after,
    ];
    let mut s = Simulation::new(plan(steps), 8, &[]);
    s.input(Input::Proceed);
    s.succeed("c");
    s.succeed("a");
    s.succeed_with("b", Verdict::Fail);
    undone(&mut s, "b");
    s.trace.clear();
    s
}

#[test]
fn a_run_that_was_left_in_its_teardown_after_all_had_succeeded_only_ends_it() {
    let mut s = succeeded();
    s.resume(&Resume::default());
    assert_eq!(
        s.trace,
        ["resume 0"],
        "what was put back does not run again"
    );
    undone(&mut s, "a");
    s.trace.clear();
    s.resume(&Resume::default());
    s.succeed("tidy");
    assert_eq!(
        s.trace,
        [
            "resume 1",
            "skip after gate b",
            "done tidy",
            "finish Succeeded"
        ],
        "an attempt that was under way is taken up, and a gate that shut stays so"
    );
}

#[test]
fn who_cancels_a_teardown_that_was_taken_up_gets_its_end_and_not_another_outcome() {
    let mut s = succeeded();
    s.resume(&Resume::default());
    s.trace.clear();
    s.input(Input::Cancel { by: "ada".into() });
    undone(&mut s, "a");
    s.succeed("tidy");
    assert_eq!(s.trace[..2], ["cancel by ada", "undone a"]);
    assert_eq!(s.trace.last().unwrap(), "finish Succeeded", "{:?}", s.trace);
}

#[test]
fn what_of_a_teardown_has_ended_badly_is_tried_again_and_what_ended_well_is_not() {
    let mut second = step("second", &[]);
    second.teardown = true;
    let mut steps = succeeded().state.plan.steps.clone();
    steps.push(second);
    let mut s = Simulation::new(plan(steps), 8, &[]);
    s.input(Input::Proceed);
    s.succeed("c");
    s.succeed("a");
    s.succeed("b");
    undone(&mut s, "b");
    undone(&mut s, "a");
    s.fail("tidy", ErrorClass::Permanent);
    s.succeed("after");
    s.trace.clear();
    s.resume(&Resume::default());
    assert_eq!(s.trace, ["resume 1", "start tidy 2"]);
}

#[test]
fn an_undo_that_failed_is_not_forgotten_by_the_resume_of_a_teardown() {
    let mut s = succeeded();
    fails(&mut s, "a", ErrorClass::Permanent);
    s.resume(&Resume::default());
    s.succeed("tidy");
    assert_eq!(s.trace.last().unwrap(), "finish Failed", "{:?}", s.trace);
    assert_eq!(pending(&s), ["a"]);
}

#[test]
fn who_asks_for_more_than_the_rest_of_a_teardown_gets_it() {
    let from = Resume {
        from: vec![id("b")],
        ..Resume::default()
    };
    let mut s = succeeded();
    s.resume(&from);
    undone(&mut s, "a");
    assert_eq!(
        s.trace,
        ["resume 0", "undone a", "start a 2"],
        "{:?}",
        s.trace
    );
    assert_eq!(
        to_undo(&succeeded().state, &[]),
        [id("a")],
        "`c` is not given up"
    );
}

/// What `failed` is in the middle of, taken up: `b` is about to be put back.
fn taken_up() -> Simulation {
    let mut s = failed();
    s.resume(&Resume::default());
    assert_eq!(s.trace, ["resume 2"], "nothing starts beside the undo");
    s.trace.clear();
    s
}

#[test]
fn an_undo_that_a_resume_finds_under_way_comes_first_and_what_it_put_back_runs_again() {
    let mut s = taken_up();
    undone(&mut s, "b");
    assert_eq!(s.trace, ["undone b", "start b 2"]);
    for step in ["b", "c", "d"] {
        s.succeed(step);
    }
    assert_eq!(s.trace.last().unwrap(), "undo b 1", "{:?}", s.trace);
    undone(&mut s, "b");
    assert_eq!(s.trace.last().unwrap(), "finish Succeeded");
}

#[test]
fn where_there_was_nothing_to_put_back_what_was_built_on_it_runs_again_at_once() {
    let mut s = taken_up();
    let (step, detail) = (s.place("b"), "nothing".to_owned());
    s.input(Input::UndoNeedless { step, detail });
    assert_eq!(s.trace, ["undone b", "start c 2"]);
}

#[test]
fn a_run_does_not_go_on_on_what_is_neither_there_nor_put_back() {
    let mut s = taken_up();
    fails(&mut s, "b", ErrorClass::Permanent);
    assert_eq!(
        s.trace,
        [
            "undo-failed b",
            "cancel by the undo of `b`, which failed",
            "cancel c",
            "cancel d",
            "teardown Cancelled",
            "undo a 1"
        ]
    );
    undone(&mut s, "a");
    assert_eq!(pending(&s), ["b"]);
}

#[test]
fn a_resumed_run_that_is_cancelled_during_such_an_undo_ends_it_first_and_once() {
    let mut s = taken_up();
    s.input(Input::Cancel { by: "ada".into() });
    undone(&mut s, "b");
    undone(&mut s, "a");
    assert_eq!(
        s.trace,
        [
            "cancel by ada",
            "cancel c",
            "cancel d",
            "undone b",
            "teardown Cancelled",
            "undo a 1",
            "undone a",
            "finish Cancelled"
        ]
    );
}

#[test]
fn a_failed_step_that_is_being_put_back_is_tried_again_only_after_that() {
    let mut s = Simulation::new(plan(vec![undoable("a", &[], UndoWhen::Failure)]), 8, &[]);
    s.input(Input::Proceed);
    s.fail("a", ErrorClass::Permanent);
    s.resume(&Resume::default());
    s.trace.clear();
    undone(&mut s, "a");
    assert_eq!(s.trace, ["undone a", "start a 2"]);
}

#[test]
fn an_attempt_of_finally_that_was_under_way_is_left_and_the_new_end_has_its_own() {
    let mut tidy = step("tidy", &[]);
    tidy.teardown = true;
    let mut s = Simulation::new(plan(vec![step("a", &[]), tidy]), 8, &[]);
    s.input(Input::Proceed);
    s.fail("a", ErrorClass::Permanent);
    s.trace.clear();
    s.resume(&Resume::default());
    assert_eq!(s.trace, ["resume 2", "start a 2"]);
    s.succeed("a");
    assert_eq!(s.trace.last().unwrap(), "start tidy 2");
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
