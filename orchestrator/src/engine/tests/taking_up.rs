//! What a resume opens again, and with which reason.

use std::collections::BTreeMap;

use flowctl_state::event::Event;
use flowctl_workflows::StepId;
use flowctl_workflows::plan::{PlanStep, Role, UndoPlan};
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::result::ErrorClass;

use super::simulation::{Simulation, plan, step};
use crate::engine::{Input, Refusal, Resume, check_replacement, is_forced, resumed};

fn id(id: &str) -> StepId {
    StepId::new(id).unwrap()
}

/// `a ─ b ─ c` and `d` on its own; `c` failed, `e` needs it. `finally:` has run.
fn failed() -> Simulation {
    let mut tidy = step("tidy", &[]);
    tidy.teardown = true;
    let steps = vec![
        step("a", &[]),
        step("b", &[0]),
        step("c", &[1]),
        step("d", &[]),
        step("e", &[2]),
        tidy,
    ];
    let mut s = Simulation::new(plan(steps), 8, &[]);
    s.input(Input::Proceed);
    for id in ["a", "b", "d"] {
        s.succeed(id);
    }
    s.fail("c", ErrorClass::Permanent);
    s.succeed("tidy");
    assert!(s.finished());
    s
}

/// `step reason [of what]` for each step that is opened.
fn opened(s: &Simulation, fallen: &[&str], how: &Resume) -> Vec<String> {
    let rechecked: Vec<Event> = fallen
        .iter()
        .map(|step| Event::StepRechecked {
            step: id(step),
            holds: false,
            reason: "gone".to_owned(),
        })
        .collect();
    let Event::RunResumed {
        reopened, because, ..
    } = resumed(&s.dag, &s.state, &rechecked, how)
    else {
        panic!("a resume is one event");
    };
    assert_eq!(reopened.len(), because.len());
    reopened
        .iter()
        .zip(because)
        .map(|(step, reason)| {
            let reason = serde_json::to_value(reason).unwrap();
            let words = reason.as_object().unwrap().values();
            let words: Vec<String> = words
                .map(|word| {
                    word.as_str()
                        .map_or_else(|| word.to_string(), str::to_owned)
                })
                .collect();
            format!("{step} {}", words.join(" "))
        })
        .collect()
}

#[test]
fn each_step_that_is_opened_has_its_reason() {
    let s = failed();
    let plain = Resume::default();
    let rest = ["c failed", "e skipped", "tidy teardown"];
    assert_eq!(opened(&s, &[], &plain), rest);
    assert_eq!(
        opened(&s, &["a"], &plain),
        ["b after a", "c after b", "e after c", "tidy teardown"],
        "what no longer holds is opened by its own event"
    );
    let from = Resume {
        from: vec![id("b")],
        ..Resume::default()
    };
    assert_eq!(
        opened(&s, &[], &from),
        ["b named", "c after b", "e after c", "tidy teardown"]
    );
    let only = Resume {
        only: vec![id("d")],
        ..Resume::default()
    };
    assert_eq!(opened(&s, &[], &only), ["d named", "tidy teardown"]);
    let what = vec!["with".to_owned()];
    let edited = Resume {
        changed: BTreeMap::from([(id("d"), what)]),
        ..Resume::default()
    };
    assert_eq!(
        opened(&s, &[], &edited),
        [
            "c failed",
            "d changed [\"with\"]",
            "e skipped",
            "tidy teardown"
        ]
    );
}

#[test]
fn only_what_is_not_run_again_anyway_is_probed() {
    let s = failed();
    let from = Resume {
        from: vec![id("b")],
        ..Resume::default()
    };
    assert_eq!(
        is_forced(&s.dag, &s.state, &from),
        [false, true, true, false, true, false]
    );
    let trust = Resume {
        trust: true,
        ..Resume::default()
    };
    assert_eq!(is_forced(&s.dag, &s.state, &trust), [true; 6]);
}

#[test]
fn an_attempt_that_was_under_way_is_taken_up_unless_its_ground_is_gone() {
    let mut s = Simulation::new(plan(vec![step("a", &[]), step("b", &[0])]), 8, &[]);
    s.input(Input::Proceed);
    s.succeed("a");
    let named = Resume {
        from: vec![id("b")],
        ..Resume::default()
    };
    assert_eq!(opened(&s, &[], &named), [""; 0]);
    assert_eq!(opened(&s, &["a"], &Resume::default()), ["b after a"]);
}

#[test]
fn instances_are_named_by_their_foreach() {
    let mut fan = step("x", &[0, 1]);
    fan.role = Role::FanIn;
    let instance = |key: &str| PlanStep {
        id: id(&format!("x[{key}]")),
        ..step("x", &[])
    };
    let mut s = Simulation::new(plan(vec![instance("k"), instance("l"), fan]), 8, &[]);
    s.input(Input::Proceed);
    s.succeed("x[k]");
    s.succeed("x[l]");
    for (name, expected) in [
        ("x", &["x[k] named", "x[l] named", "x named"][..]),
        ("x[l]", &["x[l] named", "x after x[l]"]),
    ] {
        let from = Resume {
            from: vec![id(name)],
            ..Resume::default()
        };
        assert_eq!(opened(&s, &[], &from), expected);
    }
}

#[test]
fn a_plan_does_not_replace_one_whose_steps_still_need_it() {
    let mut change = step("change", &[]);
    change.undo = Some(Box::new(UndoPlan {
        on: UndoWhen::Always,
        by: None,
    }));
    let mut s = Simulation::new(plan(vec![change, step("other", &[])]), 8, &[]);
    s.input(Input::Proceed);
    let without = plan(vec![step("other", &[])]);
    let changed = |step: &str| BTreeMap::from([(id(step), vec!["with".to_owned()])]);
    let refused = |s: &Simulation, changed| check_replacement(&s.state, &without, &changed);
    assert_eq!(
        refused(&s, BTreeMap::new()),
        Err(Refusal::NotPutBack { step: id("change") })
    );
    s.succeed("change");
    s.input(Input::Cancel {
        by: "ada".to_owned(),
    });
    let cancelled = s.clone();
    s.fail("other", ErrorClass::Cancelled);
    let step = s.place("change");
    let detail = "put back".to_owned();
    s.input(Input::UndoSucceeded { step, detail });
    assert_eq!(refused(&s, changed("other")), Ok(()));
    assert!(matches!(
        refused(&cancelled, changed("other")),
        Err(Refusal::NotPutBack { .. })
    ));
    let whole = (*s.state.plan).clone();
    assert_eq!(
        check_replacement(&cancelled.state, &whole, &changed("other")),
        Err(Refusal::UnderWay { step: id("other") })
    );
}
