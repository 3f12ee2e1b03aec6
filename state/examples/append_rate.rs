//! Measures the log against a bare file on the same disk, in the same minutes.
//!
//! `append_rate rates DIRECTORY` compares; `append_rate fill DIRECTORY STEPS` writes one long run with a
//! plan of so many steps and four events for each, and `append_rate replay DIRECTORY` reads it back;
//! both say how much memory that took.
#![expect(clippy::print_stdout, reason = "its output is the measurement")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::Event;
use flowctl_state::log::{Append, EventLog};
use flowctl_state::writer::LogWriter;
use flowctl_workflows::{RunId, StepId};
use jiff::Timestamp;
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 5;
const ALONE: u64 = 1000;
const TOGETHER: u64 = 64;
const BATCHES: u64 = 100;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["rates", directory] => rates(Path::new(directory)),
        ["fill", directory, steps] => fill(Path::new(directory), steps.parse()?),
        ["replay", directory] => replay(Path::new(directory)),
        _ => Err("usage: append_rate rates|fill|replay DIRECTORY [STEPS]".into()),
    }
}

fn rates(directory: &Path) -> Result<(), Failure> {
    let names = [
        "bare 200 bytes + fdatasync",
        "log, one append at a time",
        "log, 64 appends a commit",
        "log, 64 tasks through the writer",
    ];
    let mut rates: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::new());
    let mut bytes = 0;
    // All four in each round, so that a busy moment of the machine hits them alike.
    for round in 0..ROUNDS {
        let place = directory.join(format!("round-{round}"));
        std::fs::create_dir_all(&place)?;
        rates[0].push(bare(&place)?);
        let log = Arc::new(DiskLog::open(&place.join("log"))?.writing_as(1));
        rates[1].push(alone(log.as_ref())?);
        rates[2].push(together(log.as_ref())?);
        rates[3].push(through_writer(&log)?);
        log.records(&run("alone")?, 1, &mut |_, record| {
            bytes = record.len();
            ControlFlow::Break(())
        })?;
    }
    println!(
        "a record has {bytes} bytes; median of {ROUNDS} rounds, lowest and highest in brackets"
    );
    let bare = median(&mut rates[0]);
    for (name, rates) in names.iter().zip(&mut rates) {
        let middle = median(rates);
        let (low, high) = (rates[0], rates[rates.len() - 1]);
        println!(
            "{name:34} {middle:8.0}/s ({low:.0}-{high:.0}), {:.2} of bare",
            middle / bare
        );
    }
    Ok(())
}

fn bare(place: &Path) -> Result<f64, Failure> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(place.join("bare"))?;
    File::open(place)?.sync_all()?;
    per_second(ALONE, || {
        for _ in 0..ALONE {
            file.write_all(&[b'x'; 200])?;
            file.sync_data()?;
        }
        Ok(())
    })
}

fn alone(log: &dyn EventLog) -> Result<f64, Failure> {
    let run = run("alone")?;
    per_second(ALONE, || {
        for seq in 0..ALONE {
            log.append(&run, seq, Timestamp::UNIX_EPOCH, vec![event()?])?;
        }
        Ok(())
    })
}

fn together(log: &dyn EventLog) -> Result<f64, Failure> {
    let runs = (0..TOGETHER)
        .map(|n| run(&format!("together-{n}")))
        .collect::<Result<Vec<_>, _>>()?;
    per_second(TOGETHER * BATCHES, || {
        for expected in 0..BATCHES {
            let append = |run: &RunId| {
                let at = Timestamp::UNIX_EPOCH;
                Ok(Append {
                    run: run.clone(),
                    expected,
                    at,
                    events: vec![event()?],
                })
            };
            let appends = runs
                .iter()
                .map(append)
                .collect::<Result<Vec<_>, Failure>>()?;
            for answer in log.commit(appends) {
                answer?;
            }
        }
        Ok(())
    })
}

fn through_writer(log: &Arc<DiskLog>) -> Result<f64, Failure> {
    let writer = LogWriter::start(Arc::<DiskLog>::clone(log))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    per_second(TOGETHER * BATCHES, || {
        let tasks: Vec<_> = (0..TOGETHER)
            .map(|n| {
                let writer = writer.clone();
                runtime.spawn(async move {
                    let run = run(&format!("writer-{n}"))?;
                    for seq in 0..BATCHES {
                        let append = Append {
                            run: run.clone(),
                            expected: seq,
                            at: Timestamp::UNIX_EPOCH,
                            events: vec![event()?],
                        };
                        writer.append(append).await?;
                    }
                    Ok::<(), Failure>(())
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task)??;
        }
        Ok(())
    })
}

fn fill(directory: &Path, steps: u32) -> Result<(), Failure> {
    let log = DiskLog::open(&directory.join("log"))?.writing_as(1);
    let run = run("long")?;
    let first = started(steps)?;
    let planned = per_second(1, || {
        log.append(&run, 0, Timestamp::UNIX_EPOCH, vec![first])?;
        Ok(())
    })?;
    let events = u64::from(steps) * 4;
    let rate = per_second(events, || {
        for first in (1..=events).step_by(64) {
            let count = usize::try_from(64.min(events + 1 - first))?;
            let batch = std::iter::repeat_with(event)
                .take(count)
                .collect::<Result<Vec<_>, _>>()?;
            log.append(&run, first, Timestamp::UNIX_EPOCH, batch)?;
        }
        Ok(())
    })?;
    println!(
        "the plan of {steps} steps written in {:.3} s, then {events} events, {rate:.0}/s; peak memory {}",
        1.0 / planned,
        peak_memory()?
    );
    Ok(())
}

fn started(steps: u32) -> Result<Event, Failure> {
    let step = |place: u32| {
        let needs: Vec<u32> = place.checked_sub(1).into_iter().collect();
        json!({
            "id": format!("step_{place}"),
            "role": {"kind": "noop"},
            "objective": "3.1",
            "with": {"sql": "SELECT count(*) FROM benchmark_data"},
            "needs": needs.iter().map(|step| json!({"step": step})).collect::<Vec<_>>(),
        })
    };
    let plan = json!({
        "workflow": "long",
        "title": "A long chain",
        "teardown_timeout": "5m",
        "steps": (0..steps).map(step).collect::<Vec<_>>(),
    });
    let plan = serde_json::from_value(plan)?;
    Ok(Event::RunStarted {
        plan: std::sync::Arc::new(plan),
        jobs: 64,
        only: Vec::new(),
        flowctl: "0.1.0".into(),
    })
}

fn replay(directory: &Path) -> Result<(), Failure> {
    let mut events = 0;
    let mut log = None;
    let opening = per_second(1, || {
        log = Some(DiskLog::open(&directory.join("log"))?);
        Ok(())
    })?;
    let Some(log) = log else {
        return Err("the log did not open".into());
    };
    let run = run("long")?;
    let reading = per_second(1, || {
        log.replay(&run, 0, &mut |_| {
            events += 1;
            ControlFlow::Continue(())
        })?;
        Ok(())
    })?;
    println!(
        "opened in {:.3} s, {events} events read in {:.3} s; peak memory {}",
        1.0 / opening,
        1.0 / reading,
        peak_memory()?
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement of the machine needs its clock"
)]
fn per_second(count: u64, work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let begin = Instant::now();
    work()?;
    let events = u32::try_from(count)?;
    Ok(f64::from(events) / begin.elapsed().as_secs_f64())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn run(name: &str) -> Result<RunId, Failure> {
    Ok(RunId::new(name)?)
}

fn event() -> Result<Event, Failure> {
    Ok(Event::StepStarted {
        step: StepId::new("deploy_trino")?,
        attempt: 1,
    })
}

fn peak_memory() -> Result<String, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.ok_or("the kernel does not say")?.trim().to_owned())
}
