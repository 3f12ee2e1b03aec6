//! What the criteria come to: when a verdict is PASS, and when it is not.

use super::*;

/// The verdict on criterion `c` after these events of step `a`, which proves it, and the exit code.
fn verdict(events: Vec<Event>) -> (Verdict, u8) {
    let state = state(vec![step("a", &["c"], &[])], &["c"], events);
    (verdicts(&state)[0].verdict, exit_code(&state))
}

/// `ask` hears whether the criterion applies, `measure` does so when it does.
fn asked(verdict: Option<Verdict>, measured: Vec<Event>) -> (Verdict, String) {
    let mut ask = step("ask", &["c"], &[]);
    ask.inapplicable = Some("version > 426".into());
    let findings = verdict
        .map(|verdict| finding(&[], verdict, "the server is 476"))
        .into_iter()
        .collect();
    let mut events = vec![start("ask", 1), done("ask", 1, findings)];
    events.extend(measured);
    let state = state(vec![ask, step("measure", &["c"], &[])], &["c"], events);
    let judged = verdicts(&state).pop().unwrap();
    (judged.verdict, judged.reason)
}

fn skipped_measure(reason: SkipReason) -> Vec<Event> {
    vec![Event::StepSkipped {
        step: id("measure"),
        reason,
    }]
}

#[test]
fn what_was_put_back_does_not_stand_unless_it_was_meant_to_be() {
    for (on, verdict) in [
        (UndoWhen::Always, Verdict::Pass),
        (UndoWhen::Failure, Verdict::Inconclusive),
        (UndoWhen::Never, Verdict::Inconclusive),
    ] {
        let mut a = step("a", &["c"], &[]);
        a.undo = Some(Box::new(UndoPlan { on, by: None }));
        let undone = |nothing| {
            vec![
                start("a", 1),
                done("a", 1, vec![finding(&[], Verdict::Pass, "seen")]),
                Event::UndoStarted {
                    step: id("a"),
                    attempt: 1,
                },
                Event::StepUndone {
                    step: id("a"),
                    detail: "as before".into(),
                    nothing,
                },
            ]
        };
        let judged = |events: Vec<Event>| {
            let report = build(&state(vec![a.clone()], &["c"], events));
            let criterion = report.criteria[0].clone();
            (criterion.verdict, criterion.reason)
        };
        assert_eq!(judged(undone(false)).0, verdict, "{on:?}");
        assert_eq!(judged(undone(true)).0, Verdict::Pass, "{on:?}");
        // Begun again, it has not found out anything yet.
        let again = undone(false).into_iter().chain([start("a", 2)]).collect();
        assert_eq!(judged(again).0, Verdict::NotRun, "{on:?}");
    }
}

#[test]
fn a_step_skipped_because_it_does_not_apply_leaves_no_not_run() {
    let cannot = Some(Verdict::Inapplicable);
    for intended in [
        SkipReason::Condition,
        SkipReason::Need {
            step: id("ask"),
            outcome: Outcome::Skipped,
        },
    ] {
        assert_eq!(
            asked(cannot, skipped_measure(intended)),
            (Verdict::Inapplicable, "ask: the server is 476".to_owned())
        );
    }
    for left_out in [
        SkipReason::NotSelected,
        SkipReason::RunStopped { step: id("ask") },
        SkipReason::Need {
            step: id("ask"),
            outcome: Outcome::Failed,
        },
    ] {
        assert_eq!(asked(cannot, skipped_measure(left_out)).0, Verdict::NotRun);
    }
}

#[test]
fn a_step_that_only_asks_proves_nothing_when_the_criterion_applies() {
    let measured = |verdict| {
        let findings = vec![finding(&[], verdict, "measured")];
        vec![start("measure", 1), done("measure", 1, findings)]
    };
    assert_eq!(asked(None, measured(Verdict::Pass)).0, Verdict::Pass);
    assert_eq!(asked(None, measured(Verdict::Fail)).0, Verdict::Fail);
    // Nobody said that it does not apply, so what was skipped was left out.
    assert_eq!(
        asked(None, skipped_measure(SkipReason::Condition)).0,
        Verdict::NotRun
    );
    assert_eq!(asked(None, vec![]).0, Verdict::NotRun);
}

#[test]
fn only_a_measured_criterion_can_pass() {
    use RunOutcome::{Cancelled, Failed, Succeeded};
    let measured = |verdict| {
        vec![
            start("a", 1),
            done("a", 1, vec![finding(&[], verdict, "seen")]),
            finished(Succeeded),
        ]
    };
    let broke = |class| vec![start("a", 1), failed("a", 1, class, None), finished(Failed)];
    let skip = |reason| {
        vec![
            Event::StepSkipped {
                step: id("a"),
                reason,
            },
            finished(Succeeded),
        ]
    };
    let cases: Vec<(&str, Vec<Event>, (Verdict, u8))> = vec![
        ("measured PASS", measured(Verdict::Pass), (Verdict::Pass, 0)),
        ("measured FAIL", measured(Verdict::Fail), (Verdict::Fail, 1)),
        (
            "measured INCONCLUSIVE",
            measured(Verdict::Inconclusive),
            (Verdict::Inconclusive, 3),
        ),
        (
            "measured INAPPLICABLE",
            measured(Verdict::Inapplicable),
            (Verdict::Inapplicable, 0),
        ),
        (
            "succeeded without a finding",
            vec![start("a", 1), done("a", 1, vec![]), finished(Succeeded)],
            (Verdict::Inconclusive, 3),
        ),
        (
            "failed for good",
            broke(ErrorClass::Permanent),
            (Verdict::Fail, 1),
        ),
        (
            "never got there in time",
            broke(ErrorClass::TimedOut),
            (Verdict::Fail, 1),
        ),
        (
            "no answer",
            broke(ErrorClass::Transient),
            (Verdict::Inconclusive, 1),
        ),
        (
            "nobody knows",
            broke(ErrorClass::Lost),
            (Verdict::Inconclusive, 1),
        ),
        ("skipped", skip(SkipReason::Condition), (Verdict::NotRun, 3)),
        (
            "not selected",
            skip(SkipReason::NotSelected),
            (Verdict::NotRun, 3),
        ),
        (
            "cancelled",
            vec![
                Event::StepCancelled {
                    step: id("a"),
                    failure: None,
                    evidence: vec![],
                },
                finished(Cancelled),
            ],
            (Verdict::NotRun, 4),
        ),
        ("not finished", vec![start("a", 1)], (Verdict::NotRun, 4)),
    ];
    for (what, events, expected) in cases {
        assert_eq!(verdict(events), expected, "{what}");
    }
}

#[test]
fn a_criterion_that_no_step_proves_is_not_run() {
    let state = state(
        vec![step("a", &[], &[])],
        &["c"],
        vec![
            start("a", 1),
            done("a", 1, vec![]),
            finished(RunOutcome::Succeeded),
        ],
    );
    let verdicts = verdicts(&state);
    assert_eq!(verdicts[0].verdict, Verdict::NotRun);
    assert_eq!(verdicts[0].reason, "no step of this workflow measures it");
    assert_eq!(exit_code(&state), 3);
    assert_eq!(build(&state).proving_nothing, ["a"]);
}

#[test]
fn the_worst_of_several_proofs_counts_and_gives_the_reason() {
    let state = state(
        vec![step("a", &["c"], &[]), step("b", &["c"], &[])],
        &["c"],
        vec![
            start("a", 1),
            done("a", 1, vec![finding(&[], Verdict::Pass, "good")]),
            start("b", 1),
            done(
                "b",
                1,
                vec![
                    finding(&[], Verdict::Pass, "good"),
                    finding(&[], Verdict::Fail, "too slow"),
                ],
            ),
            finished(RunOutcome::Succeeded),
        ],
    );
    let verdicts = verdicts(&state);
    assert_eq!(
        (verdicts[0].verdict, verdicts[0].reason.as_str()),
        (Verdict::Fail, "b: too slow")
    );
}

#[test]
fn a_part_proves_its_own_criterion_only() {
    let events = |findings| {
        vec![
            start("a", 1),
            done("a", 1, findings),
            finished(RunOutcome::Succeeded),
        ]
    };
    let steps = vec![step("a", &[], &["c", "d"])];
    let run = state(
        steps.clone(),
        &["c", "d"],
        events(vec![
            finding(&["c"], Verdict::Pass, "fast"),
            finding(&["d"], Verdict::Fail, "slow"),
        ]),
    );
    let verdicts_of = |run: &RunState| verdicts(run).iter().map(|v| v.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts_of(&run), [Verdict::Pass, Verdict::Fail]);
    // A finding that names no criterion proves none of the parts'.
    let run = state(
        steps,
        &["c", "d"],
        events(vec![finding(&[], Verdict::Pass, "fast")]),
    );
    assert_eq!(
        verdicts_of(&run),
        [Verdict::Inconclusive, Verdict::Inconclusive]
    );
}

#[test]
fn a_criterion_left_out_names_what_failed_and_not_what_was_skipped_on_the_way() {
    let skip = |step: &str, need: &str, outcome| Event::StepSkipped {
        step: id(step),
        reason: SkipReason::Need {
            step: id(need),
            outcome,
        },
    };
    let state = state(
        vec![
            step("a", &[], &[]),
            step("b", &[], &[]),
            step("c", &[], &[]),
            step("d", &["c"], &[]),
        ],
        &["c"],
        vec![
            start("a", 1),
            failed("a", 1, ErrorClass::Permanent, None),
            skip("b", "a", Outcome::Failed),
            skip("c", "b", Outcome::Skipped),
            skip("d", "c", Outcome::Skipped),
        ],
    );
    assert_eq!(
        verdicts(&state)[0].reason,
        "d: the step was skipped: `a` failed"
    );
}
