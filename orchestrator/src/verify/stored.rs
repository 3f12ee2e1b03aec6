//! A report against the state of its run: whoever rewrote all of the report did not rewrite that.

use std::ops::ControlFlow;

use flowctl_state::LogError;
use flowctl_state::chain::Chain;
use flowctl_state::log::EventLog;
use flowctl_workflows::RunId;

use super::outcome::{Disagreement, Verdict, Verification};
use crate::report::EventsEnd;

/// Follows the run in the log as far as the report goes, and holds the last event against the report's. `run` is the
/// run that the report names.
pub fn compare(log: &dyn EventLog, run: &RunId, end: &EventsEnd, found: &mut Verification) {
    let (mut chain, mut at_end, mut more) = (Chain::new(run.clone()), None, 0);
    let mut broken: Option<LogError> = None;
    let read = log.records(run, 0, &mut |seq, record| {
        if seq >= end.count {
            more += 1;
            return ControlFlow::Continue(());
        }
        match chain.accept(seq, record) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(head) = chain.head().filter(|head| head.last + 1 == end.count) {
        at_end = Some(head.sha256);
    }
    let trouble = read.err().or(broken).map(|error| error.to_string());
    let stored = match (trouble, at_end) {
        (Some(trouble), _) => trouble,
        (None, Some(sha256)) if sha256 == end.sha256 => {
            found.compared_with_state = true;
            found.cannot_exclude = None;
            found.check("the last event against the state", 1, Vec::new());
            if more > 0 {
                found.not_checked.push(format!(
                    "the run has {more} more events since: `flowctl report {run}` renders what it is now"
                ));
                found.verdict = found.judge();
            }
            return;
        }
        (None, Some(sha256)) => sha256,
        (None, None) => "fewer events".to_owned(),
    };
    let disagreement = Disagreement {
        file: "report.json".to_owned(),
        place: "events".to_owned(),
        expected: format!("in the state, as event {}: {stored}", end.count.saturating_sub(1)),
        found: end.sha256.clone(),
        means: "the report is not of the run that this state has: it was rewritten, or belongs to another state"
            .to_owned(),
        rests: Vec::new(),
    };
    found.compared_with_state = true;
    found.check("the last event against the state", 1, vec![disagreement]);
    found.verdict = Verdict::Disagrees;
}
