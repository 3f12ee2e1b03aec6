//! Any DAG, any order of answers, a crash anywhere: the rules hold all the same.

use std::collections::BTreeMap;

use flowctl_state::run_state::StepState;
use flowctl_workflows::plan::PlanStep;
use flowctl_workflows::policy::{OnFailure, RetryPolicy};
use flowctl_workflows::result::ErrorClass;
use proptest::prelude::*;

use super::simulation::{Simulation, plan, step};
use crate::engine::{Command, Frontier, Input};

/// A step by chance: which earlier steps it needs, its lock, attempts, and what its failure stops.
#[derive(Debug, Clone)]
struct Shape {
    needs: Vec<prop::sample::Index>,
    locked: bool,
    attempts: u32,
    on_failure: u8,
    condition: u8,
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<bool>(),
        1u32..3,
        0u8..6,
        0u8..8,
    )
        .prop_map(|(needs, locked, attempts, on_failure, condition)| Shape {
            needs,
            locked,
            attempts,
            on_failure,
            condition,
        })
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
            step.when = match shape.condition {
                0 => Some("false".into()),
                1 => Some("true".into()),
                _ => None,
            };
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
                Command::Undo { step, .. } => s.input(Input::UndoSucceeded { step, detail: String::new() }),
            }
        }
        prop_assert!(s.state.steps().all(|(_, record)| record.state.outcome().is_some()));
    }
}
