//! A process that dies at any moment leaves enough to put everything back: for each event of an experiment, the run is
//! dropped at it, and then resumed, or undone.

use std::sync::Arc;

use flowctl_steps::step::Step;
use flowctl_steps::testing::TestContext;
use serde_json::{Value, json};

use super::world::{and, by_change, context, experiment, world};

fn short() -> Value {
    and(by_change(), &json!({"blocks": 2, "samples": 1}))
}

/// Runs it until event `at`, and drops it there. Whether it got so far.
async fn die(step: &dyn Step, test: &TestContext, run: &str, at: usize) -> bool {
    let dead = world(run, |world| {
        world.dies_at = Some(at);
        Arc::clone(&world.dead)
    });
    tokio::select! {
        biased;
        () = dead.notified() => true,
        result = step.run(&test.context) => {
            result.unwrap();
            false
        }
    }
}

#[tokio::test]
async fn whenever_it_dies_a_resume_and_an_undo_put_back() {
    for undo in [false, true] {
        let mut at = 0;
        loop {
            at += 1;
            let run = format!("dies-{undo}-{at}");
            let test = context(&run);
            let step = experiment(short());
            if !die(&*step, &test, &run, at).await {
                break;
            }
            let changed = world(&run, |world| {
                world.dies_at = None;
                world.events.push("resumed".to_owned());
                world.setting != "original"
            });
            let handle = test
                .sink
                .checkpoints()
                .last()
                .cloned()
                .unwrap_or(Value::Null);
            assert!(
                !changed || !handle["active"].as_array().unwrap().is_empty(),
                "event {at}: a change that is in no journal"
            );
            let later = test.resumed();
            if undo {
                step.undo(&later.context).await.unwrap();
            } else {
                step.run(&later.context).await.unwrap();
            }
            let (setting, events) =
                world(&run, |world| (world.setting.clone(), world.events.clone()));
            assert_eq!(setting, "original", "event {at}");
            // What runs at the end runs with the original setting.
            let last = events.iter().rfind(|event| event.starts_with("restart"));
            assert!(
                last.is_none_or(|last| last.ends_with("with original")),
                "event {at}: {last:?}"
            );
        }
        assert!(at > 30, "it died only {at} times");
    }
}

/// A resumed experiment measures only after the setting was put back.
#[tokio::test]
async fn nothing_is_measured_with_what_was_left() {
    let (run, test, step) = ("measured", context("measured"), experiment(short()));
    // The change of the first block is made and the process dies.
    let events = |world: &mut super::world::World| {
        world
            .events
            .iter()
            .position(|event| event == "changed to on")
            .map(|at| at + 1)
    };
    experiment(short())
        .run(&context("counted").context)
        .await
        .unwrap();
    let at = world("counted", events).unwrap();
    assert!(die(&*step, &test, run, at).await);
    assert_eq!(world(run, |world| world.setting.clone()), "on");
    world(run, |world| world.dies_at = None);
    let output = step.run(&test.resumed().context).await.unwrap();
    assert_eq!(output.value["proven"], true);
    assert_eq!(output.value["samples_taken"], 2 * 2 * 2);
    let after = world(run, |world| world.events[at..].to_vec());
    let first = |what: &str| {
        after
            .iter()
            .position(|event| event.starts_with(what))
            .unwrap()
    };
    // The sample that was under way is brought to its end first; it is the only one before.
    assert!(first("undone") < first("restart"));
    let before: Vec<&String> = after[..first("undone")]
        .iter()
        .filter(|event| event.starts_with("sample"))
        .collect();
    assert_eq!(before.len(), 1, "{before:?}");
}
