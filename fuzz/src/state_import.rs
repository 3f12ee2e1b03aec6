//! An export that is imported: a file from another machine and perhaps another time. What came in is read by every command.

use flowctl::dag::Dag;
use flowctl::engine::{Frontier, pending_undos, todo};
use flowctl::report;
use flowctl::view::{RunRow, RunView};
use flowctl_state::event::Event;
use flowctl_state::import::import;
use flowctl_state::log::EventLog;
use flowctl_state::memory_log::MemoryLog;
use flowctl_state::run_state::RunState;
use flowctl_workflows::RunId;
use serde_json::Value;

/// Imports it twice and shows what came in; then does the same with events whose checksums fit.
pub fn read(bytes: &[u8]) {
    let log = MemoryLog::new();
    drop(import(&log, &mut &*bytes));
    drop(import(&log, &mut &*bytes));
    show_all(&log);
    show_all(&sealed(bytes));
}

/// The events of the lines, sealed anew: chance does not find checksums, and whoever writes an export by hand computes them.
fn sealed(bytes: &[u8]) -> MemoryLog {
    let log = MemoryLog::new();
    let Ok(run) = RunId::new("sealed") else {
        return log;
    };
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(mut record) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let event = record.get_mut("event").map(Value::take).unwrap_or(record);
        let Ok(event) = serde_json::from_value::<Event>(event) else {
            continue;
        };
        let next = log
            .heads()
            .ok()
            .and_then(|heads| heads.first().map(|(_, last)| last + 1));
        drop(log.append(&run, next.unwrap_or(0), Default::default(), vec![event]));
    }
    log
}

fn show_all(log: &MemoryLog) {
    for row in log.runs().unwrap_or_default() {
        let Ok(envelopes) = log.read(&row.run) else {
            continue;
        };
        if let Ok(state) = RunState::replay(&row.run, &envelopes) {
            show(&state);
        }
    }
}

/// What `status`, `runs`, `report`, `undo` and `resume` read of it.
fn show(state: &RunState) {
    drop((RunView::of(state, None), RunRow::of(state, false)));
    let _ = report::exit_code(state);
    let built = report::build(state, report::EventsEnd::default());
    drop((
        report::markdown(&built),
        report::junit(&built, std::io::sink()),
    ));
    drop(report::html(state, &built, &|_| None));
    let dag = Dag::new(state.plan.clone());
    drop((pending_undos(state).count(), todo(&dag, state)));
    drop(Frontier::build(&dag, state));
}
