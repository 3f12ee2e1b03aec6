//! A step kind that does as its parameters say and writes down each of its effects, with what the log held
//! at that moment.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flowctl_state::event::Envelope;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use flowctl_state::run_state::{RunState, StepState};
use flowctl_state::writer::LogWriter;
use flowctl_steps::clients::Clients;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::registry::{Kind, KindEntry, Registry};
use flowctl_steps::secret::Secrets;
use flowctl_steps::step::OnResume;
use flowctl_steps::{KindInfo, Output, Step, StepContext, StepError, Undone};
use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role};
use flowctl_workflows::policy::{RetryPolicy, Span};
use flowctl_workflows::result::{ErrorClass, Finding, Verdict};
use flowctl_workflows::{RunId, StepId, WorkflowName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::executor::{Environment, Executor, Live, Renderer, Reporter};

/// What the world saw of one run.
#[derive(Default)]
pub(super) struct World {
    /// Names of attempts that had their effect, in order.
    pub(super) effects: Vec<String>,
    /// Effects that had no `StepStarted` in the log when they happened.
    pub(super) unrecorded: Vec<String>,
    /// Attempts that were told that none of theirs can be there already.
    pub(super) first: Vec<String>,
    /// Those of them that it was not true of.
    pub(super) misled: Vec<String>,
    log: Option<Arc<MemoryLog>>,
}

static WORLDS: LazyLock<Mutex<HashMap<String, World>>> = LazyLock::new(Mutex::default);

pub(super) fn world<T>(run: &str, look: impl FnOnce(&mut World) -> T) -> T {
    look(
        WORLDS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(run.to_owned())
            .or_default(),
    )
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Attempts up to this one fail.
    #[serde(default)]
    fail: u32,
    #[serde(default)]
    permanently: bool,
    #[serde(default)]
    panics: bool,
    /// Writes a name down before its effect, as kinds do whose service picks the name.
    #[serde(default)]
    checkpoints: bool,
    /// Seconds.
    #[serde(default)]
    takes: u64,
    #[serde(default)]
    output: Value,
    /// A raw record that it keeps.
    #[serde(default)]
    keeps: Option<String>,
    /// What the kind itself finds out.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    finds: Option<Verdict>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Anything {}

pub(super) struct Scripted(Params);

impl Kind for Scripted {
    const INFO: KindInfo = KindInfo {
        name: "scripted",
        summary: "Does as it is told.",
        effect: "Writes its name down once an attempt.",
        permissions: "None.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: true,
        needs_target: false,
        example: "",
    };
    type Params = Params;
    type Output = Anything;

    fn build(params: Params) -> Result<Box<dyn Step>, String> {
        Ok(Box::new(Self(params)))
    }
}

#[async_trait]
impl Step for Scripted {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let name = cx.attempt.to_string();
        if self.0.checkpoints {
            cx.sink.checkpoint(json!({"name": name})).await?;
        }
        world(cx.attempt.run.as_str(), |world| {
            let events = world
                .log
                .as_ref()
                .and_then(|log| log.read(&cx.attempt.run).ok())
                .unwrap_or_default();
            if !is_recorded(
                &cx.attempt.run,
                &events,
                &cx.attempt.step,
                cx.attempt.attempt,
            ) {
                world.unrecorded.push(name.clone());
            }
            if cx.first {
                world.first.push(name.clone());
                if cx.attempt.attempt > 1 || world.effects.contains(&name) {
                    world.misled.push(name.clone());
                }
            }
            // The same name is the same effect: started or attached.
            if !world.effects.contains(&name) {
                world.effects.push(name.clone());
            }
        });
        assert!(!self.0.panics, "told to panic");
        cx.sleep(Duration::from_secs(self.0.takes)).await?;
        if cx.attempt.attempt <= self.0.fail {
            let class = if self.0.permanently {
                ErrorClass::Permanent
            } else {
                ErrorClass::Transient
            };
            return Err(StepError::new(
                class,
                "scripted.fail",
                format!("attempt {} was told to fail", cx.attempt.attempt),
            ));
        }
        if let Some(record) = &self.0.keeps {
            cx.sink
                .evidence("record", "text/plain", record.as_bytes())
                .await?;
        }
        let findings = self.0.finds.map(|verdict| Finding {
            about: "the platform".to_owned(),
            proves: vec![],
            verdict,
            reason: "seen".to_owned(),
            numbers: vec![],
            evidence: vec![],
        });
        Ok(Output {
            value: self.0.output.clone(),
            findings: findings.into_iter().collect(),
        })
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        world(cx.attempt.run.as_str(), |world| {
            world.effects.push(format!("undo {}", cx.attempt.step))
        });
        Ok(Undone::Restored("as before".to_owned()))
    }
}

fn is_recorded(run: &RunId, events: &[Envelope], step: &StepId, attempt: u32) -> bool {
    RunState::replay(run, events).ok().and_then(|state| {
        let record = state.record(step.as_str())?;
        Some(matches!(record.state, StepState::Running { attempt: running, .. } if running == attempt))
    }) == Some(true)
}

pub(super) fn step(id: &str, needs: &[u32], with: Value) -> PlanStep {
    PlanStep {
        with,
        needs: needs
            .iter()
            .map(|step| PlanNeed {
                step: *step,
                is: vec![],
            })
            .collect(),
        retry: Some(Box::new(RetryPolicy {
            attempts: 3,
            ..RetryPolicy::default()
        })),
        ..PlanStep::new(StepId::new(id).unwrap(), Role::Kind("scripted".into()))
    }
}

pub(super) fn plan(steps: Vec<PlanStep>) -> Plan {
    Plan {
        workflow: WorkflowName::new("w").unwrap(),
        title: "W".into(),
        directory: None,
        params: serde_json::Map::from_iter([("n".to_owned(), json!(7))]),
        target: None,
        objectives: vec![],
        criteria: vec![],
        locks: vec![],
        timeout: None,
        teardown_timeout: Span::from_secs(60),
        steps,
        files: vec![],
    }
}

struct NoReport;

impl Renderer for NoReport {
    fn render(&self, _: &RunState) -> Result<String, String> {
        Err("this test writes no report".to_owned())
    }
}

/// Draws nothing.
pub(super) struct Silent;

impl Reporter for Silent {
    fn on(&mut self, _: &Envelope, _: &RunState, _: &Live) {}
    fn tick(&mut self, _: &RunState, _: &Live) {}
    fn line(&mut self, _: &StepId, _: &str) {}
}

/// An environment around this log. The directory must live as long as the run.
pub(super) fn environment(
    log: &Arc<MemoryLog>,
    run: &str,
    directory: &std::path::Path,
) -> Arc<Environment> {
    world(run, |world| world.log = Some(Arc::clone(log)));
    Arc::new(Environment {
        log: LogWriter::in_place(Arc::clone(log) as Arc<dyn EventLog>),
        evidence: Arc::new(EvidenceStore::open(&directory.join("evidence")).unwrap()),
        registry: Registry::of(vec![KindEntry::of::<Scripted>()]),
        clients: Arc::new(Clients::new(None, Secrets::default())),
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock::new()),
        files: Arc::default(),
        facts: serde_json::Map::new(),
        child_env: Arc::default(),
        renderer: Arc::new(NoReport),
    })
}

/// Runs a plan to its end and returns the final state.
pub(super) async fn run(run: &str, plan: Plan) -> RunState {
    let directory = tempfile::tempdir().unwrap();
    let environment = environment(&Arc::new(MemoryLog::new()), run, directory.path());
    let executor = Executor::start(environment, RunId::new(run).unwrap(), plan, 8, vec![])
        .await
        .unwrap();
    executor.run(&mut Silent).await.unwrap().state
}
