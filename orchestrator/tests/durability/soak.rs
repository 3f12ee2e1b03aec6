//! Many runs in one process, in simulated time, with failures and crashes by chance: memory and state stay as small as
//! they were, when old runs are dropped.
//!
//! `FLOWCTL_SOAK_RUNS` says how many runs (`make soak`: ten thousand); a few when it says nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowctl::engine::Resume;
use flowctl::executor::{Environment, Executor, Live, Renderer, Reporter};
use flowctl_state::directory::StateDirectory;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::Envelope;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::gc::{collect, disk_usage};
use flowctl_state::hold::Hold;
use flowctl_state::log::EventLog;
use flowctl_state::run_state::{Phase, RunState};
use flowctl_state::writer::LogWriter;
use flowctl_steps::clients::Clients;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::registry::{Kind, KindEntry, Registry};
use flowctl_steps::secret::Secrets;
use flowctl_steps::step::OnResume;
use flowctl_steps::{KindInfo, Output, Step, StepContext, StepError, Undone};
use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role, UndoPlan};
use flowctl_workflows::policy::{RetryPolicy, Span, UndoWhen};
use flowctl_workflows::result::ErrorClass;
use flowctl_workflows::{RunId, StepId, WorkflowName};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

use crate::flowctl::memory;

const STEPS: u32 = 50;
const RUNS: usize = 50;
/// How many runs a collection keeps; it takes place when there are twice as many.
const KEEP: usize = 20;
/// What has settled by then is what later is held against.
const SETTLED: usize = 1_000;
const MEGABYTE: u64 = 1024 * 1024;

/// Takes a while, fails now and then, and can be undone; all by its attempt's name, so that a resume finds the same.
struct Fickle;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Said {
    /// Some text.
    text: String,
}

impl Kind for Fickle {
    const INFO: KindInfo = KindInfo {
        name: "fickle",
        summary: "Works, or does not.",
        effect: "None.",
        permissions: "None.",
        measures: false,
        on_resume: OnResume::Attaches,
        writes: false,
        needs_target: false,
        example: "",
    };
    type Params = Nothing;
    type Output = Said;

    fn build(_: Nothing) -> Result<Box<dyn Step>, String> {
        Ok(Box::new(Self))
    }
}

fn chance_of(cx: &StepContext) -> StdRng {
    let name = cx.attempt.to_string();
    let seed = name.bytes().fold(14_695_981_039_346_656_037, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    });
    StdRng::seed_from_u64(seed)
}

#[async_trait]
impl Step for Fickle {
    async fn run(&self, cx: &StepContext) -> Result<Output, StepError> {
        let mut chance = chance_of(cx);
        if chance.random_bool(0.3) && cx.handle.is_none() {
            cx.sink
                .checkpoint(json!({"name": cx.attempt.to_string()}))
                .await?;
        }
        cx.sleep(Duration::from_secs(chance.random_range(1..60)))
            .await?;
        let class = match chance.random_range(0..200) {
            0 => ErrorClass::Permanent,
            1..15 => ErrorClass::Transient,
            _ => return Ok(Output::of(json!({"text": "x".repeat(200)}))),
        };
        Err(StepError::new(class, "fickle", "by chance"))
    }

    async fn undo(&self, cx: &StepContext) -> Result<Undone, StepError> {
        match chance_of(cx).random_bool(0.2) {
            true => Err(StepError::transient("fickle", "by chance")),
            false => Ok(Undone::Restored("as before".to_owned())),
        }
    }
}

fn plan(chance: &mut StdRng) -> Plan {
    let mut steps = Vec::new();
    for place in 0..STEPS {
        let mut step = PlanStep::new(
            StepId::new(format!("s{place}")).expect("an id"),
            Role::Kind("fickle".into()),
        );
        let count = chance.random_range(0..4).min(place);
        let needs: BTreeSet<u32> = (0..count).map(|_| chance.random_range(0..place)).collect();
        step.teardown = place + 2 >= STEPS;
        if !step.teardown {
            step.needs = needs
                .into_iter()
                .map(|step| PlanNeed { step, is: vec![] })
                .collect();
            let on = [UndoWhen::Never, UndoWhen::Failure, UndoWhen::Always][place as usize % 3];
            step.undo = Some(Box::new(UndoPlan { on, by: None }));
        }
        step.retry = Some(Box::new(RetryPolicy {
            attempts: 3,
            ..RetryPolicy::default()
        }));
        steps.push(step);
    }
    Plan {
        workflow: WorkflowName::new("soak").expect("a name"),
        title: "Soak".into(),
        directory: None,
        params: serde_json::Map::new(),
        target: None,
        objectives: vec![],
        criteria: vec![],
        locks: vec![],
        timeout: None,
        teardown_timeout: Span::from_secs(600),
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

/// Gives the word for a crash after so many events.
struct Fuse {
    left: usize,
    burnt: Arc<Notify>,
}

impl Reporter for Fuse {
    fn on(&mut self, _: &Envelope, _: &RunState, _: &Live) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.burnt.notify_one();
        }
    }
    fn tick(&mut self, _: &RunState, _: &Live) {}
    fn line(&mut self, _: &StepId, _: &str) {}
}

fn environment(log: &Arc<DiskLog>, evidence: &Arc<EvidenceStore>) -> Arc<Environment> {
    Arc::new(Environment {
        log: LogWriter::in_place(Arc::clone(log) as Arc<dyn EventLog>),
        evidence: Arc::clone(evidence),
        registry: Registry::of(vec![KindEntry::of::<Fickle>()]),
        clients: Arc::new(Clients::new(None, Secrets::default())),
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock::new()),
        files: Arc::default(),
        facts: serde_json::Map::new(),
        child_env: Arc::default(),
        renderer: Arc::new(NoReport),
    })
}

/// One run to its end, with up to two crashes on the way. Returns how many there were.
async fn run(
    log: &Arc<DiskLog>,
    evidence: &Arc<EvidenceStore>,
    run: &RunId,
    plan: &Plan,
    chance: &mut StdRng,
) -> usize {
    let mut crashes = 0;
    loop {
        let environment = environment(log, evidence);
        let executor = if crashes == 0 {
            Executor::start(environment, run.clone(), plan.clone(), 16, vec![]).await
        } else {
            let state = folded(log, run);
            if matches!(state.phase, Phase::Finished { .. }) {
                return crashes;
            }
            Executor::resume(environment, state, Resume::default(), None).await
        };
        let executor = executor.expect("a run that can go on");
        let burnt = Arc::new(Notify::new());
        let left = match crashes < 2 && chance.random_bool(0.7) {
            true => chance.random_range(1..150),
            false => usize::MAX,
        };
        let mut fuse = Fuse {
            left,
            burnt: Arc::clone(&burnt),
        };
        tokio::select! {
            biased;
            () = burnt.notified() => crashes += 1,
            ended = executor.run(&mut fuse) => {
                let ended = ended.expect("the log takes everything");
                assert!(matches!(ended.state.phase, Phase::Finished { .. }), "{run} is not over");
                assert!(folded(log, run) == ended.state, "{run} is not what its log says");
                return crashes;
            }
        }
    }
}

fn folded(log: &Arc<DiskLog>, run: &RunId) -> RunState {
    let events = log.read(run).expect("the run's events");
    RunState::replay(run, &events).expect("events that fit")
}

fn held(state: &StateDirectory) -> Hold {
    Hold::to_write(state, "the soak", Timestamp::UNIX_EPOCH).expect("a state that nobody holds")
}

#[tokio::test(start_paused = true)]
async fn many_runs_need_no_more_memory_and_state_than_a_few() {
    let runs = std::env::var("FLOWCTL_SOAK_RUNS")
        .ok()
        .map_or(RUNS, |runs| runs.parse().expect("a number of runs"));
    // In memory where there is such a place: what is looked at is not how fast a disk is.
    let shared = Path::new("/dev/shm");
    let directory = match shared.is_dir() {
        true => tempfile::Builder::new()
            .prefix("flowctl-soak")
            .tempdir_in(shared),
        false => tempfile::tempdir(),
    }
    .expect("a temporary directory");
    let path = directory.path().join("state");
    let state = StateDirectory::create(&path).expect("a state");
    let mut hold = held(&state);
    let mut chance = StdRng::seed_from_u64(20_261_125);
    let plan = plan(&mut chance);
    let mut kept = Vec::new();
    let (mut crashes, mut settled) = (0, None);
    for number in 1..=runs {
        let id = RunId::new(format!("soak-{number}")).expect("an id");
        crashes += run(hold.log(), hold.evidence(), &id, &plan, &mut chance).await;
        kept.push(id);
        // As `flowctl state gc --keep` does it.
        if kept.len() > 2 * KEEP {
            let old: Vec<RunId> = kept.drain(..kept.len() - KEEP).collect();
            collect(hold, &old, false).expect("old runs can go");
            hold = held(&state);
        }
        if number % SETTLED == 0 || number == runs {
            let now = (memory(), disk_usage(&path).expect("its size"));
            println!(
                "{number} runs, {crashes} crashes: {} MB of memory, {} MB of state",
                now.0 / MEGABYTE,
                now.1 / MEGABYTE
            );
            settled.get_or_insert(now);
        }
    }
    assert_eq!(hold.log().heads().expect("the runs").len(), kept.len());
    assert!(runs < 10 || crashes > runs / 2, "only {crashes} crashes");
    if runs >= 2 * SETTLED {
        let (before, now) = (
            settled.expect("a look"),
            (memory(), disk_usage(&path).expect("its size")),
        );
        for (what, before, now) in [("memory", before.0, now.0), ("state", before.1, now.1)] {
            let limit = before + before / 10 + 4 * MEGABYTE;
            assert!(now < limit, "{what} grew from {before} to {now} bytes");
        }
    }
}
