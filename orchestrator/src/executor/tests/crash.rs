//! The process dies at every append; the next one takes the run up. Each effect has its record when it
//! happens, happens under one name, and the run comes to the same.

use std::sync::Arc;

use flowctl_state::log::EventLog;
use flowctl_state::memory_log::{Fault, MemoryLog};
use flowctl_state::run_state::{RunState, StepState};
use flowctl_workflows::RunId;
use flowctl_workflows::plan::PlanStep;
use serde_json::json;

use super::scripted::{Silent, environment, plan, step, world};
use crate::engine::Resume;
use crate::executor::{Error, Executor};

fn shapes(failing: u32) -> Vec<(&'static str, Vec<PlanStep>)> {
    let with = || json!({"fail": failing});
    vec![
        (
            "chain",
            vec![
                step("a", &[], with()),
                step("b", &[0], with()),
                step("c", &[1], with()),
            ],
        ),
        (
            "diamond",
            vec![
                step("a", &[], with()),
                step("b", &[0], with()),
                step("c", &[0], with()),
                step("d", &[1, 2], with()),
            ],
        ),
    ]
}

/// Runs until the log fails, then again on what the log then holds, until the run is over.
async fn run_with_fault(
    name: &str,
    steps: Vec<PlanStep>,
    nth: usize,
    fault: Fault,
) -> (RunState, bool) {
    let directory = tempfile::tempdir().unwrap();
    let run = RunId::new(name).unwrap();
    let log = Arc::new(MemoryLog::new().failing(nth, fault));
    let env = environment(&log, name, directory.path());
    let first = async {
        Executor::start(env, run.clone(), plan(steps.clone()), 8, vec![])
            .await?
            .run(&mut Silent)
            .await
    }
    .await;
    match first {
        Ok(ended) => (ended.state, false),
        Err(Error::Log(_)) => {
            let log = Arc::new(log.reopened());
            let env = environment(&log, name, directory.path());
            let stored = log
                .read(&run)
                .map(|events| RunState::replay(&run, &events).unwrap());
            let executor = match stored {
                Ok(state) => Executor::resume(env, state, Resume::default(), None).await,
                Err(_) => Executor::start(env, run, plan(steps), 8, vec![]).await,
            };
            match executor {
                Ok(executor) => (executor.run(&mut Silent).await.unwrap().state, true),
                // The very last event was stored, but not acknowledged.
                Err(Error::Complete { run }) => (
                    RunState::replay(&run, &log.read(&run).unwrap()).unwrap(),
                    true,
                ),
                Err(error) => panic!("{error}"),
            }
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_append_fails_the_run_comes_to_the_same() {
    for failing in [0, 1, 2] {
        for (shape, steps) in shapes(failing) {
            let mut died = 0;
            for fault in [Fault::Refuse, Fault::Tear, Fault::Crash] {
                for nth in 1.. {
                    let name = format!(
                        "crash-{shape}-{failing}-{nth}-{}",
                        format!("{fault:?}").to_lowercase()
                    );
                    let (state, faulted) = run_with_fault(&name, steps.clone(), nth, fault).await;
                    for (step, record) in state.steps() {
                        assert_eq!(record.state, StepState::Succeeded, "{name}: {}", step.id);
                        assert_eq!(
                            record.attempts,
                            failing + 1,
                            "{name}: attempts of {}",
                            step.id
                        );
                    }
                    let mut expected: Vec<String> = steps
                        .iter()
                        .flat_map(|step| {
                            (1..=failing + 1).map(|attempt| format!("{name}/{}/{attempt}", step.id))
                        })
                        .collect();
                    expected.sort();
                    world(&name, |world| {
                        assert_eq!(
                            world.unrecorded, [""; 0],
                            "{name}: effects without a record"
                        );
                        assert_eq!(world.misled, [""; 0], "{name}: not the first");
                        if !faulted {
                            assert_eq!(world.first.len(), steps.len(), "{name}");
                        }
                        world.effects.sort();
                        assert_eq!(world.effects, expected, "{name}");
                    });
                    if !faulted {
                        break;
                    }
                    died += 1;
                }
            }
            assert!(died > 3 * steps.len(), "{shape}: only {died} crashes");
        }
    }
}
