//! The original setting comes back, and is looked at, however the experiment ends.

use std::time::Duration;

use flowctl_steps::step::Undone;
use flowctl_workflows::result::ErrorClass;
use serde_json::json;

use super::world::{and, by_change, context, experiment, world};

fn setting(run: &str) -> String {
    world(run, |world| world.setting.clone())
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_experiment_puts_back_before_it_ends() {
    let test = context("cancelled");
    let step = experiment(and(
        by_change(),
        &json!({"sample": {"with": {"takes": 60}}}),
    ));
    let cancel = async {
        // In the middle of a sample with the setting on: 3 samples of `off`, then those of `on`.
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(setting("cancelled"), "on");
        test.context.cancel.cancel();
    };
    let (result, ()) = tokio::join!(step.run(&test.context), cancel);
    assert_eq!(result.unwrap_err().class, ErrorClass::Cancelled);
    assert_eq!(setting("cancelled"), "original");
    let undone = step.undo(&test.resumed().context).await.unwrap();
    assert_eq!(undone, Undone::Nothing("no setting was changed"));
}

#[tokio::test]
async fn a_platform_that_is_not_settled_is_not_measured_and_is_put_back() {
    let test = context("unsettled");
    let with = json!({"settle": [{"uses": "probe", "with": {"finds": "FAIL"}}]});
    let error = experiment(and(by_change(), &with))
        .run(&test.context)
        .await
        .unwrap_err();
    assert_eq!(error.code, "experiment.unsettled");
    assert_eq!(setting("unsettled"), "original");
}

#[tokio::test]
async fn a_setting_that_is_not_as_before_is_an_error_that_is_not_retried() {
    let test = context("lies");
    world("lies", |world| world.undo_lies = true);
    let error = experiment(by_change())
        .run(&test.context)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "experiment.not_restored")
    );
    assert!(
        error.message.contains(r#"it was "original", it is "on""#),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn an_undo_that_fails_is_left_to_the_undo_of_the_step() {
    let test = context("fails");
    world("fails", |world| world.undo_fails_times = u32::MAX);
    let step = experiment(by_change());
    let error = step.run(&test.context).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "experiment.not_restored")
    );
    assert_eq!(setting("fails"), "on");
    let later = test.resumed();
    let busy = step.undo(&later.context).await.unwrap_err();
    assert_eq!(
        busy.class,
        ErrorClass::Transient,
        "an undo may be tried again"
    );
    world("fails", |world| world.undo_fails_times = 0);
    let undone = step.undo(&later.context).await.unwrap();
    assert!(
        matches!(&undone, Undone::Restored(what) if what.contains("seen to be as before")),
        "{undone:?}"
    );
    assert_eq!(setting("fails"), "original");
    // Undo twice, and of nothing.
    let again = step.undo(&test.resumed().context).await.unwrap();
    assert!(matches!(again, Undone::Nothing(_)));
    let of_nothing = step.undo(&context("fails").context).await.unwrap();
    assert!(matches!(of_nothing, Undone::Nothing(_)));
}

#[tokio::test]
async fn the_next_attempt_puts_back_what_the_last_one_left() {
    let test = context("left");
    world("left", |world| world.undo_fails_times = u32::MAX);
    let step = experiment(by_change());
    step.run(&test.context).await.unwrap_err();
    world("left", |world| world.undo_fails_times = 0);
    let mut next = context("left");
    next.context.attempt.attempt = 2;
    next.context.left = test.sink.checkpoints().last().cloned();
    let output = step.run(&next.context).await.unwrap();
    assert_eq!(output.value["hypotheses"][0]["verdict"], "PASS");
    assert_eq!(setting("left"), "original");
    // Nothing of it goes by a name of the first attempt, but for the change that is put back.
    let events = world("left", |world| world.events.clone());
    assert!(events.contains(&"sample compare[sample1]".to_owned()));
    assert!(events.contains(&"sample compare[try2.sample1]".to_owned()));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_not_nothing() {
    let mut test = context("damaged");
    test.context.handle = Some(json!({"active": "?"}));
    let step = experiment(by_change());
    let code = |error: flowctl_steps::StepError| error.code;
    assert_eq!(
        code(step.undo(&test.context).await.unwrap_err()),
        "experiment.handle"
    );
    assert_eq!(
        code(step.run(&test.context).await.unwrap_err()),
        "experiment.handle"
    );
}
