//! Any DAG, any order of answers, a crash anywhere: the rules hold all the same.

use std::collections::BTreeMap;

use flowctl_state::event::RunOutcome;
use flowctl_state::run_state::{Phase, StepState, UndoState};
use flowctl_workflows::plan::{PlanStep, UndoPlan};
use flowctl_workflows::policy::{OnFailure, RetryPolicy, UndoWhen};
use flowctl_workflows::result::ErrorClass;
use proptest::prelude::*;

use super::simulation::{Simulation, failure, plan, step};
use crate::engine::{Command, Frontier, Input};

/// A step by chance: which earlier steps it needs, its lock, attempts, and what its failure stops.
#[derive(Debug, Clone)]
struct Shape {
    needs: Vec<prop::sample::Index>,
    locked: bool,
    attempts: u32,
    on_failure: u8,
    condition: u8,
    undo: u8,
    teardown: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<bool>(),
        1u32..3,
        0u8..6,
        0u8..8,
        0u8..6,
        prop::bool::weighted(0.15),
    )
        .prop_map(
            |(needs, locked, attempts, on_failure, condition, undo, teardown)| Shape {
                needs,
                locked,
                attempts,
                on_failure,
                condition,
                undo,
                teardown,
            },
        )
}

fn steps(shapes: &[Shape]) -> Vec<PlanStep> {
    (0u32..)
        .zip(shapes)
        .map(|(place, shape)| {
            let mut needs: Vec<u32> = match place {
                0 => vec![],
                _ => shape
                    .needs
                    .iter()
                    .map(|need| u32::try_from(need.index(place as usize)).unwrap())
                    .collect(),
            };
            needs.retain(|need| !shapes[*need as usize].teardown);
            needs.sort_unstable();
            needs.dedup();
            let mut step = step(&format!("s{place}"), &needs);
            step.retry = Some(Box::new(RetryPolicy {
                attempts: shape.attempts,
                ..RetryPolicy::default()
            }));
            if shape.locked {
                step.locks = vec![("l".into(), 1)];
            }
            step.on_failure = match shape.on_failure {
                0 => OnFailure::Continue,
                1 => OnFailure::StopRun,
                _ => OnFailure::StopDependents,
            };
            step.undo = match shape.undo {
                0 => Some(UndoWhen::Failure),
                1 => Some(UndoWhen::Always),
                _ => None,
            }
            .filter(|_| !shape.teardown)
            .map(|on| Box::new(UndoPlan { on, by: None }));
            step.when = match shape.condition {
                0 => Some("false".into()),
                1 => Some("true".into()),
                _ => None,
            };
            step.teardown = shape.teardown;
            if step.teardown {
                // What stands in `finally:` is needed by nothing outside of it, and here not even there.
                step.needs.clear();
            }
            step
        })
        .collect()
}

/// The frontier that moved along equals the one counted anew. What may start is one set here: how far each
/// step was looked at is not in the state.
fn assert_frontier(simulation: &Simulation) {
    let merge = |frontier: &Frontier| {
        let mut frontier = frontier.clone();
        let due: Vec<u32> = frontier
            .ready
            .iter()
            .chain(&frontier.conditional)
            .copied()
            .filter(|place| matches!(simulation.state.step(*place).state, StepState::Waiting))
            .collect();
        frontier.arrived.extend(due);
        frontier.ready.clear();
        frontier.conditional.clear();
        // Whether an undo has failed is asked of the state's end only by the process that saw it.
        frontier.failed = simulation.frontier.failed;
        frontier
    };
    assert_eq!(
        merge(&simulation.frontier),
        merge(&Frontier::build(&simulation.dag, &simulation.state))
    );
}

fn assert_limits(simulation: &Simulation, jobs: usize) {
    let running: Vec<&PlanStep> = simulation
        .state
        .steps()
        .filter(|(_, record)| matches!(record.state, StepState::Running { .. }))
        .map(|(step, _)| step)
        .collect();
    assert!(running.len() <= jobs, "{} steps run at once", running.len());
    assert!(
        running.iter().filter(|step| !step.locks.is_empty()).count() <= 1,
        "a lock is held twice"
    );
}

/// A step runs only on what is in place; `finally:` runs only when nothing is being put back.
fn assert_in_place(simulation: &Simulation) {
    for (step, record) in simulation.state.steps() {
        if !matches!(record.state, StepState::Running { .. }) {
            continue;
        }
        for need in &step.needs {
            let needed = simulation.state.step(need.step);
            let spec = &simulation.state.plan.steps[need.step as usize];
            // What may fail may also be tried again beside what went on without it.
            let is_there =
                needed.state == StepState::Succeeded || spec.on_failure == OnFailure::Continue;
            assert!(
                is_there && !matches!(needed.undo, UndoState::Running { .. }),
                "{} runs on {}, which is {:?} and {:?}: {:?}",
                step.id,
                spec.id,
                needed.state,
                needed.undo,
                simulation.trace
            );
        }
        let undoing = simulation
            .state
            .steps()
            .any(|(_, record)| matches!(record.undo, UndoState::Running { .. }));
        assert!(
            !undoing,
            "{} runs beside an undo: {:?}",
            step.id, simulation.trace
        );
    }
}

/// A run that succeeded has done everything that it did not put back for good reason.
fn assert_done(simulation: &Simulation) {
    for (step, record) in simulation.state.steps() {
        let always = step
            .undo
            .as_ref()
            .is_some_and(|undo| undo.on == UndoWhen::Always);
        let put_back = record.state == StepState::Waiting
            && matches!(record.undo, UndoState::Done { .. })
            && (always || simulation.state.phase != SUCCEEDED);
        assert!(
            record.state.outcome().is_some() || put_back,
            "{} is {:?} in the end: {:?}",
            step.id,
            record.state,
            simulation.trace
        );
    }
}

const SUCCEEDED: Phase = Phase::Finished {
    outcome: RunOutcome::Succeeded,
};

proptest! {
    #[test]
    fn every_run_ends_within_its_limits(
        shapes in prop::collection::vec(shape(), 1..14),
        jobs in 1u32..4,
        answers in prop::collection::vec((any::<prop::sample::Index>(), 0u8..5), 0..40),
        crashes in prop::collection::vec(0usize..40, 0..3),
        cancel_at in prop::option::of(0usize..40),
    ) {
        let mut plan = plan(steps(&shapes));
        plan.locks = vec![("l".into(), 1)];
        let mut s = Simulation::new(plan, jobs, &[]);
        s.input(Input::Proceed);
        let mut answers = answers.into_iter();
        let mut attempts: BTreeMap<u32, u32> = BTreeMap::new();
        for round in 0.. {
            assert_limits(&s, jobs as usize);
            assert_frontier(&s);
            assert_in_place(&s);
            if s.finished() {
                break;
            }
            prop_assert!(round < 400, "the run does not end: {:?}", s.trace);
            prop_assert!(!s.pending.is_empty(), "nothing is in flight and the run is not over: {:?}", s.trace);
            if cancel_at == Some(round) {
                s.input(Input::Cancel { by: "test".into() });
                continue;
            }
            if crashes.contains(&round) {
                s.crash_and_resume();
                continue;
            }
            let (place, how) = match answers.next() {
                Some((which, how)) => (which.index(s.pending.len()), how),
                None => (0, 0),
            };
            match s.pending[place].clone() {
                Command::Run { step, attempt, .. } => {
                    let id = format!("s{step}");
                    let last = attempts.insert(step, attempt);
                    prop_assert!(last.is_none_or(|last| last <= attempt), "attempts of {} went back", id);
                    match how {
                        0..=2 => s.succeed(&id),
                        3 => s.fail(&id, ErrorClass::Transient),
                        _ => s.fail(&id, ErrorClass::Permanent),
                    }
                }
                Command::Stop { step } => s.fail(&format!("s{step}"), ErrorClass::Cancelled),
                Command::Wait { step, .. } => {
                    s.pending.retain(|command| !matches!(command, Command::Wait { step: other, .. } if *other == step));
                    s.input(Input::RetryDue { step });
                }
                Command::Undo { step, .. } => s.input(match how {
                    0..=2 => Input::UndoSucceeded { step, detail: String::new() },
                    3 => Input::UndoNeedless { step, detail: String::new() },
                    _ => Input::UndoFailed { step, failure: failure(ErrorClass::Transient) },
                }),
            }
        }
        assert_done(&s);
    }
}
