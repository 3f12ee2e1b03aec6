//! The run's events as they lie in the folder: their chain is followed, and they are folded. Pure.

use std::collections::BTreeSet;

use flowctl_state::chain::Chain;
use flowctl_state::check::evidence_of;
use flowctl_state::codec::{self, Unreadable};
use flowctl_state::run_state::RunState;

use super::outcome::{Disagreement, Verification};
use crate::report::EventsEnd;

/// What the events come to.
pub(super) struct Folded {
    /// The run.
    pub(super) state: RunState,
    /// Where they end.
    pub(super) end: EventsEnd,
    /// The raw records that they name, those of attempts too that a later one took the place of.
    pub(super) named: BTreeSet<String>,
}

const MEANS: &str =
    "the run's own record was changed, or a part of it is gone; nothing after it can be trusted";

/// Follows and folds `events.jsonl`. `None`: that is not possible, and the place is named.
pub(super) fn fold(text: &[u8], found: &mut Verification) -> Option<Folded> {
    let mut chain: Option<Chain> = None;
    let mut state: Option<RunState> = None;
    let mut count = 0;
    let mut named = BTreeSet::new();
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    for (place, record) in body.split(|byte| *byte == b'\n').enumerate() {
        let stop = |what: String| {
            vec![Disagreement {
                file: "events.jsonl".to_owned(),
                place: format!("line {}", place + 1),
                expected: "a record that follows from the one before it".to_owned(),
                found: what,
                means: MEANS.to_owned(),
                rests: Vec::new(),
            }]
        };
        let followed = follow(&mut chain, place as u64, record).and_then(|envelope| {
            named.extend(evidence_of(&envelope.event).into_iter().map(str::to_owned));
            match &mut state {
                None => RunState::start(&envelope).map(|first| state = Some(first)),
                Some(state) => state.apply(&envelope),
            }
            .map_err(|error| error.to_string())
        });
        if let Err(what) = followed {
            found.check("events", count, stop(what));
            return None;
        }
        count += 1;
    }
    let head = chain.as_ref().and_then(Chain::head)?;
    found.check("events", count, Vec::new());
    let end = EventsEnd {
        count: head.last + 1,
        sha256: head.sha256,
    };
    found.events = Some(end.clone());
    let state = state?;
    Some(Folded { state, end, named })
}

fn follow(
    chain: &mut Option<Chain>,
    seq: u64,
    record: &[u8],
) -> Result<flowctl_state::event::Envelope, String> {
    let chain = match chain {
        Some(chain) => chain,
        None => {
            let first = codec::decode(record).map_err(|unreadable| match unreadable {
                Unreadable::Damaged(what) => what,
                Unreadable::Newer(format) => {
                    format!("it was written by a newer flowctl, in format {format}")
                }
            })?;
            chain.insert(Chain::new(first.run))
        }
    };
    chain.accept(seq, record).map_err(|error| error.to_string())
}
