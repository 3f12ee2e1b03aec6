//! flowctl's own engine in this process, a chain of steps that do nothing, on a log of choice: what the log costs.

use std::path::Path;
use std::sync::Arc;

use flowctl::executor::{Environment, Executor, Renderer};
use flowctl::progress::Quiet;
use flowctl_state::disk_log::DiskLog;
use flowctl_state::evidence::EvidenceStore;
use flowctl_state::log::EventLog;
use flowctl_state::run_state::RunState;
use flowctl_state::writer::LogWriter;
use flowctl_steps::Registry;
use flowctl_steps::clients::Clients;
use flowctl_steps::clock::SystemClock;
use flowctl_steps::secret::Secrets;
use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep, Role};
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::Outcome;
use flowctl_workflows::{RunId, StepId, WorkflowName};

use crate::Failure;
use crate::measure::now;
use crate::plain_log::PlainLog;

/// Where the seconds are left that the chain took.
const TOOK: &str = "took";

struct NoReport;

impl Renderer for NoReport {
    fn render(&self, _: &RunState) -> Result<String, String> {
        Ok(String::new())
    }
}

/// `log|plain COUNT`: runs a chain of so many steps in the current directory.
pub(crate) fn chain(arguments: &[String]) -> Result<(), Failure> {
    let [log, count] = arguments else {
        return Err("usage: engine log|plain COUNT".into());
    };
    let count: u32 = count.parse()?;
    let here = Path::new(".");
    let log: Arc<dyn EventLog> = match log.as_str() {
        "log" => Arc::new(DiskLog::open(&here.join("log"))?.writing_as(1)),
        "plain" => Arc::new(PlainLog::open(here, 1)?),
        other => return Err(format!("there is no log called {other}").into()),
    };
    let environment = Arc::new(Environment {
        log: LogWriter::start(log)?,
        evidence: Arc::new(EvidenceStore::open(&here.join("evidence"))?),
        registry: Registry::standard(),
        clients: Arc::new(Clients::new(None, Secrets::default())),
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock::new()),
        files: Arc::default(),
        facts: serde_json::Map::new(),
        child_env: Arc::default(),
        renderer: Arc::new(NoReport),
    });
    let run = RunId::new("chain-1")?;
    let plan = plan(count)?;
    // As flowctl itself runs: the loop on one thread, and the log's writer on its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let begin = now();
    let state = runtime.block_on(async {
        let executor = Executor::start(environment, run, plan, 64, Vec::new()).await?;
        Ok::<_, Failure>(executor.run(&mut Quiet).await?.state)
    })?;
    let took = begin.elapsed().as_secs_f64();
    let done = state
        .steps()
        .filter(|(_, record)| record.state.outcome() == Some(Outcome::Succeeded))
        .count();
    if done != count as usize {
        return Err(format!("{done} of {count} steps succeeded").into());
    }
    std::fs::write(TOOK, took.to_string())?;
    Ok(())
}

/// What [`chain`] left.
pub(crate) fn took(directory: &Path) -> Result<f64, Failure> {
    Ok(std::fs::read_to_string(directory.join(TOOK))?.parse()?)
}

fn plan(count: u32) -> Result<Plan, Failure> {
    let steps = (0..count).map(|place| {
        let mut step = PlanStep::new(StepId::new(format!("s{place}"))?, Role::Kind("noop".into()));
        let before = place.checked_sub(1).into_iter();
        step.needs = before.map(|step| PlanNeed { step, is: vec![] }).collect();
        Ok::<_, Failure>(step)
    });
    Ok(Plan {
        workflow: WorkflowName::new("chain")?,
        title: "Chain".into(),
        directory: None,
        params: serde_json::Map::new(),
        target: None,
        objectives: vec![],
        criteria: vec![],
        locks: vec![],
        timeout: None,
        teardown_timeout: Span::from_secs(60),
        steps: steps.collect::<Result<_, _>>()?,
        files: vec![],
    })
}
