//! The contract of step kinds, and whose objects are left alone.

use flowctl_workflows::result::ErrorClass;
use serde_json::{Value, json};

use super::*;
use crate::clients::s3::fake::{ACCESS_KEY, Gateway, SECRET_KEY, s3_context};
use crate::step_contract;
use crate::testing::{Subject, TestContext};

struct World(Gateway, String);

impl World {
    fn new() -> Self {
        let gateway = Gateway::default();
        let url = gateway.start();
        Self(gateway, url)
    }
}

fn step(other: Value) -> Box<dyn Step> {
    let mut with = json!({"bucket": "shop", "key": "flowctl/made.csv"});
    with.as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    S3Put::build(serde_json::from_value(with).unwrap()).unwrap()
}

fn table() -> Box<dyn Step> {
    step(json!({"table": {"rows": 10}}))
}

#[async_trait]
impl Subject for World {
    fn context(&self) -> TestContext {
        s3_context("made", &self.1)
    }

    fn step(&self) -> Box<dyn Step> {
        table()
    }

    fn expected_effects(&self) -> usize {
        1
    }

    async fn effects(&self) -> usize {
        usize::from(self.0.object("/shop/flowctl/made.csv").is_some())
    }

    fn endless(&self) -> Option<Box<dyn Step>> {
        None
    }

    async fn endless_under_way(&self, _: &TestContext) {}

    fn failing(&self) -> Vec<(Box<dyn Step>, ErrorClass, &'static str)> {
        vec![
            (
                step(json!({"key": "sample.csv", "text": "mine"})),
                ErrorClass::Permanent,
                "s3.not_ours",
            ),
            (
                step(json!({"file": "missing.csv"})),
                ErrorClass::Permanent,
                "file.missing",
            ),
        ]
    }

    fn secrets(&self) -> Vec<&'static str> {
        vec![SECRET_KEY, ACCESS_KEY]
    }
}

step_contract!(World::new());

#[tokio::test]
async fn what_was_written_is_said_and_noted() {
    let world = World::new();
    let cx = world.context();
    let output = step(json!({"text": "a,b\n"}))
        .run(&cx.context)
        .await
        .unwrap();
    assert_eq!(output.value["bytes"], 4);
    assert!(output.findings.is_empty(), "it measures nothing");
    let object = world.0.object("/shop/flowctl/made.csv").unwrap();
    assert_eq!(object.content, "a,b\n");
    assert_eq!(object.note.as_deref(), Some("test/made"));
}

#[tokio::test]
async fn undo_leaves_what_another_run_wrote() {
    let world = World::new();
    let path = "/shop/flowctl/made.csv";
    world
        .0
        .keep(path, "theirs".into(), Some("another/made".to_owned()));
    let undone = table().undo(&world.context().context).await.unwrap();
    assert!(matches!(undone, Undone::Restored(text) if text.starts_with("left")));
    assert!(world.0.object(path).is_some());
    // A new run takes it over, since flowctl wrote it, and then may take it away.
    let cx = world.context();
    table().run(&cx.context).await.unwrap();
    table().undo(&cx.context).await.unwrap();
    assert!(world.0.object(path).is_none());
}

#[tokio::test]
async fn what_somebody_else_wrote_is_never_overwritten() {
    let world = World::new();
    let path = "/shop/flowctl/made.csv";
    world.0.keep(path, "theirs".into(), None);
    let error = table().run(&world.context().context).await.unwrap_err();
    assert_eq!(error.code, "s3.not_ours");
    assert_eq!(world.0.object(path).unwrap().content, "theirs");
    table().undo(&world.context().context).await.unwrap();
    assert!(world.0.object(path).is_some());
}

#[test]
fn the_content_is_given_once() {
    for other in [json!({}), json!({"text": "a", "table": {"rows": 1}})] {
        let mut with = json!({"bucket": "shop", "key": "k"});
        with.as_object_mut()
            .unwrap()
            .extend(other.as_object().unwrap().clone());
        let built = S3Put::build(serde_json::from_value(with).unwrap());
        assert!(built.err().unwrap().contains("exactly one"));
    }
}
