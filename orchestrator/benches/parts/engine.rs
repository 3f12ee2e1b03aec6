//! A fan-out as the engine decides it, its events as they are folded, and as they are written and read.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use flowctl::dag::Dag;
use flowctl::engine::{Conditions, Frontier, Input, decide};
use flowctl_state::codec;
use flowctl_state::event::{Envelope, Event, FORMAT};
use flowctl_state::run_state::RunState;
use flowctl_workflows::plan::{Plan, PlanStep, Role};
use flowctl_workflows::policy::Span;
use flowctl_workflows::result::Failure;
use flowctl_workflows::{RunId, StepId, WorkflowName};

const STEPS: usize = 1_000;
const JOBS: u32 = 64;

pub(crate) fn bench(criterion: &mut Criterion) {
    let events = play();
    let run = RunId::new("w-1").unwrap();
    criterion.bench_function("engine: decide and fold a fan-out of 1,000", |bencher| {
        bencher.iter(|| black_box(play().len()));
    });
    criterion.bench_function("state: fold the events of a fan-out of 1,000", |bencher| {
        bencher.iter(|| RunState::replay(black_box(&run), &events).unwrap());
    });
    criterion.bench_function(
        "state: encode the events of a fan-out of 1,000",
        |bencher| {
            bencher.iter(|| {
                let bytes = events[1..]
                    .iter()
                    .map(|event| codec::encode(event).unwrap().len());
                black_box(bytes.sum::<usize>())
            });
        },
    );
    let records: Vec<Vec<u8>> = events[1..]
        .iter()
        .map(|event| codec::encode(event).unwrap())
        .collect();
    criterion.bench_function(
        "state: decode the events of a fan-out of 1,000",
        |bencher| {
            bencher.iter(|| {
                for record in &records {
                    black_box(codec::decode(record).unwrap());
                }
            });
        },
    );
}

/// No step of this plan has a condition.
struct Always;

impl Conditions for Always {
    fn holds(&self, _: &RunState, _: u32) -> Result<bool, Failure> {
        Ok(true)
    }
}

/// Runs the plan in memory; each attempt succeeds at once. All its events.
fn play() -> Vec<Envelope> {
    let first = envelope(
        0,
        Event::RunStarted {
            plan: Arc::new(plan()),
            jobs: JOBS,
            only: Vec::new(),
            flowctl: "0".to_owned(),
        },
    );
    let mut state = RunState::start(&first).unwrap();
    let dag = Dag::new(Arc::clone(&state.plan));
    let mut frontier = Frontier::build(&dag, &state);
    let mut events = vec![first];
    let (mut under_way, mut next) = (VecDeque::new(), Some(Input::Proceed));
    while let Some(input) = next.take() {
        for event in decide(&dag, &state, &mut frontier, &Always, input) {
            if let Event::StepStarted { step, .. } = &event {
                under_way.push_back(state.place(step.as_str()).unwrap());
            }
            let envelope = envelope(state.next_seq, event);
            state.apply(&envelope).unwrap();
            events.push(envelope);
        }
        next = under_way.pop_front().map(|step| Input::AttemptSucceeded {
            step,
            output: serde_json::json!({}),
            findings: Vec::new(),
            evidence: Vec::new(),
        });
    }
    events
}

fn plan() -> Plan {
    let step = |number: usize| {
        let id = StepId::new(format!("s{number}")).unwrap();
        PlanStep::new(id, Role::Kind("noop".into()))
    };
    Plan {
        workflow: WorkflowName::new("w").unwrap(),
        title: "W".into(),
        directory: None,
        params: serde_json::Map::new(),
        target: None,
        objectives: Vec::new(),
        criteria: Vec::new(),
        locks: Vec::new(),
        timeout: None,
        teardown_timeout: Span::from_secs(60),
        steps: (0..STEPS).map(step).collect(),
        files: Vec::new(),
    }
}

fn envelope(seq: u64, event: Event) -> Envelope {
    Envelope {
        format: FORMAT,
        run: RunId::new("w-1").unwrap(),
        seq,
        epoch: 1,
        at: jiff::Timestamp::UNIX_EPOCH,
        prev: String::new(),
        event,
    }
}
