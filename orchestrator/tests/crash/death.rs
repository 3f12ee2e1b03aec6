//! At the moment of death: nothing has happened, and nothing was shown, that the log does not hold.

use flowctl_state::event::{Envelope, Event};
use serde_json::Value;

use crate::check::{Findings, Part};
use crate::flowctl::Place;
use crate::shape::{ORIGINAL, Shape};

/// Everything that the world shows has its record, which names it.
pub(crate) fn has_records(
    place: &Place,
    shape: Shape,
    events: &[Envelope],
    findings: &mut Findings,
) {
    for effect in place.effects() {
        match effect.strip_prefix("undo ") {
            Some(undo) => findings.expect(Part::Record, has_undo(events, undo), || {
                format!("{undo} was put back, and the log does not say that this was begun")
            }),
            None => {
                findings.expect(Part::Record, has_start(events, &effect), || {
                    format!("{effect} had its effect without a start in the log")
                });
                let changes = shape
                    .steps()
                    .iter()
                    .any(|step| step.changes && names(&effect, step.id).is_some());
                findings.expect(
                    Part::Record,
                    !changes || has_original(events, &effect),
                    || format!("{effect} changed what the log does not hold the original of"),
                );
            }
        }
    }
    for (_, value) in place.values() {
        findings.expect(
            Part::Record,
            value == ORIGINAL || has_start(events, &value) && has_original(events, &value),
            || format!("a value is {value}, of which the log does not know"),
        );
    }
}

/// Everything that was shown is stored as it was shown.
pub(crate) fn holds_shown(shown: &[Value], events: &[Envelope], findings: &mut Findings) {
    for line in shown {
        let stored = events
            .iter()
            .find(|envelope| Some(envelope.seq) == line["seq"].as_u64())
            .and_then(|envelope| serde_json::to_value(&envelope.event).ok());
        findings.expect(
            Part::Record,
            stored.as_ref() == Some(&line["event"]),
            || format!("event {} was shown and is not stored", line["seq"]),
        );
    }
}

/// The number in `STEP/N`.
fn names(effect: &str, step: &str) -> Option<u32> {
    effect.strip_prefix(step)?.strip_prefix('/')?.parse().ok()
}

fn has_start(events: &[Envelope], effect: &str) -> bool {
    events.iter().any(|envelope| {
        matches!(&envelope.event, Event::StepStarted { step, attempt }
            if names(effect, step.as_str()) == Some(*attempt))
    })
}

fn has_original(events: &[Envelope], effect: &str) -> bool {
    events.iter().any(|envelope| {
        matches!(&envelope.event, Event::StepCheckpointed { step, attempt, .. }
            if names(effect, step.as_str()) == Some(*attempt))
    })
}

fn has_undo(events: &[Envelope], undo: &str) -> bool {
    events.iter().any(|envelope| {
        matches!(&envelope.event, Event::UndoStarted { step, attempt }
            if names(undo, step.as_str()) == Some(*attempt))
    })
}
