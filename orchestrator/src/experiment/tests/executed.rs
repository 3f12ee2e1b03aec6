//! An experiment in a run: the engine's undo gets what the attempt wrote down, and a finished experiment stays finished.

use std::sync::Arc;

use flowctl_state::event::{Envelope, RunOutcome};
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use flowctl_state::run_state::{Phase, RunState, StepState, UndoState};
use flowctl_state::writer::LogWriter;
use flowctl_steps::clients::Clients;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::registry::KindEntry;
use flowctl_steps::secret::Secrets;
use flowctl_workflows::plan::{Plan, PlanStep, Role, UndoPlan};
use flowctl_workflows::policy::{Span, UndoWhen};
use flowctl_workflows::{RunId, StepId, WorkflowName};
use serde_json::{Value, json};

use super::super::{Experiment, Kinds};
use super::world::{Platform, by_change, by_parameters, world};
use crate::executor::{Environment, Executor, Live, Renderer, Reporter};

struct Silent;

impl Reporter for Silent {
    fn on(&mut self, _: &Envelope, _: &RunState, _: &Live) {}
    fn tick(&mut self, _: &RunState, _: &Live) {}
    fn line(&mut self, _: &StepId, _: &str) {}
}

impl Renderer for Silent {
    fn render(&self, _: &RunState) -> Result<String, String> {
        Err("this test writes no report".to_owned())
    }
}

fn plan(kind: &str, with: Value) -> Plan {
    let mut step = PlanStep::new(StepId::new("compare").unwrap(), Role::Kind(kind.into()));
    step.with = with;
    step.undo = Some(
        UndoPlan {
            on: UndoWhen::Always,
            by: None,
        }
        .into(),
    );
    Plan {
        workflow: WorkflowName::new("w").unwrap(),
        title: "W".into(),
        directory: None,
        params: serde_json::Map::new(),
        target: None,
        objectives: vec![],
        criteria: vec![],
        locks: vec![],
        timeout: None,
        teardown_timeout: Span::from_secs(60),
        steps: vec![step],
        files: vec![],
    }
}

async fn run(run: &str, with: Value) -> RunState {
    run_kind(run, "experiment", with).await
}

async fn run_kind(run: &str, kind: &str, with: Value) -> RunState {
    let directory = tempfile::tempdir().unwrap();
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let environment = Arc::new(Environment {
        log: LogWriter::in_place(log),
        evidence: Arc::new(EvidenceStore::open(&directory.path().join("evidence")).unwrap()),
        registry: Platform::registry().with(KindEntry::of::<Experiment<Platform>>()),
        clients: Arc::new(Clients::new(None, Secrets::default())),
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock::new()),
        files: Arc::default(),
        facts: serde_json::Map::new(),
        child_env: Arc::default(),
        renderer: Arc::new(Silent),
    });
    let run = RunId::new(run).unwrap();
    let executor = Executor::start(environment, run, plan(kind, with), 8, vec![])
        .await
        .unwrap();
    executor.run(&mut Silent).await.unwrap().state
}

#[tokio::test]
async fn the_undo_of_a_run_gets_what_the_attempt_wrote_down() {
    world("executed-undo", |world| world.undo_fails_times = 2);
    let state = run("executed-undo", by_change()).await;
    let record = state.record("compare").unwrap();
    // The attempt could not put it back, nor could the first undo; the second did.
    assert_eq!(record.state, StepState::Failed);
    assert_eq!(record.failures[0].failure.code, "experiment.not_restored");
    let UndoState::Done { detail } = &record.undo else {
        panic!("{:?}", record.undo);
    };
    assert!(detail.contains("seen to be as before"), "{detail}");
    assert_eq!(
        world("executed-undo", |world| world.setting.clone()),
        "original"
    );
}

#[tokio::test]
async fn a_finished_experiment_keeps_its_findings_after_the_undo_of_nothing() {
    for (name, with) in [("executed-a", by_parameters()), ("executed-b", by_change())] {
        let state = run(name, with).await;
        let outcome = RunOutcome::Succeeded;
        assert_eq!(state.phase, Phase::Finished { outcome });
        let record = state.record("compare").unwrap();
        assert_eq!(record.state, StepState::Succeeded);
        assert!(matches!(record.undo, UndoState::Done { .. }));
        let findings = &record.result.as_ref().unwrap().findings;
        assert!(findings.len() >= 3, "{findings:?}");
    }
}

/// A kind that puts back by what it wrote down, and by nothing else.
#[tokio::test]
async fn an_undo_gets_the_handle_of_its_step() {
    let state = run_kind("executed-handle", "set", json!({"to": "on"})).await;
    let record = state.record("compare").unwrap();
    assert_eq!(
        record.undo,
        UndoState::Done {
            detail: "the setting put back".to_owned()
        }
    );
    assert_eq!(record.state, StepState::Waiting, "undone is unfinished");
    assert_eq!(
        world("executed-handle", |world| world.setting.clone()),
        "original"
    );
}
