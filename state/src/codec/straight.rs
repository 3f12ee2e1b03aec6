//! The events that a run has thousands of, and the one that is as large as its plan, read without a detour.
//!
//! An event says its type in one of its own fields, so a reader of any event first keeps all fields and then looks at
//! them: twice the work, and for a plan twice the memory. These are read at once. What is none of them is left to the
//! reader of any event, and so is every mistake.

use std::sync::Arc;

use flowctl_workflows::plan::Plan;
use flowctl_workflows::result::{Evidence, Finding};
use flowctl_workflows::{RunId, StepId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::{Envelope, Epoch, Event, FORMAT, Seq};

#[derive(Deserialize)]
struct Stored<E> {
    format: u16,
    run: RunId,
    seq: Seq,
    epoch: Epoch,
    at: jiff::Timestamp,
    prev: String,
    event: E,
}

#[derive(Deserialize)]
struct Frequent {
    r#type: FrequentType,
    step: StepId,
    attempt: u32,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    findings: Vec<Finding>,
    #[serde(default)]
    evidence: Vec<Evidence>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FrequentType {
    StepStarted,
    StepSucceeded,
}

#[derive(Deserialize)]
struct Large {
    r#type: LargeType,
    plan: Arc<Plan>,
    jobs: u32,
    #[serde(default)]
    only: Vec<StepId>,
    flowctl: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum LargeType {
    RunStarted,
}

/// The envelope of an event of this kind; `None` for any other, and for what cannot be read.
pub(super) fn parse(bytes: &[u8]) -> Option<Envelope> {
    // The type comes first, so another event is given up at once.
    stored::<Frequent>(bytes).or_else(|| stored::<Large>(bytes))
}

fn stored<E: DeserializeOwned + Into<Event>>(bytes: &[u8]) -> Option<Envelope> {
    let stored: Stored<E> = serde_json::from_slice(bytes).ok()?;
    (stored.format == FORMAT).then(|| Envelope {
        format: stored.format,
        run: stored.run,
        seq: stored.seq,
        epoch: stored.epoch,
        at: stored.at,
        prev: stored.prev,
        event: stored.event.into(),
    })
}

impl From<Frequent> for Event {
    fn from(read: Frequent) -> Self {
        let Frequent {
            r#type,
            step,
            attempt,
            output,
            findings,
            evidence,
        } = read;
        match r#type {
            FrequentType::StepStarted => Event::StepStarted { step, attempt },
            FrequentType::StepSucceeded => Event::StepSucceeded {
                step,
                attempt,
                output,
                findings,
                evidence,
            },
        }
    }
}

impl From<Large> for Event {
    fn from(read: Large) -> Self {
        let Large {
            r#type: LargeType::RunStarted,
            plan,
            jobs,
            only,
            flowctl,
        } = read;
        Event::RunStarted {
            plan,
            jobs,
            only,
            flowctl,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every record of the kept format is read as the reader of any event reads it.
    #[test]
    fn it_reads_as_the_reader_of_any_event_does() {
        let kept = include_str!("../../tests/formats/v1.jsonl");
        let mut straight = Vec::new();
        for line in kept.lines() {
            let any: Envelope = serde_json::from_str(line).unwrap();
            if let Some(read) = parse(line.as_bytes()) {
                assert_eq!(read, any);
                straight.push(
                    line.split('"')
                        .skip_while(|word| *word != "type")
                        .nth(2)
                        .unwrap_or_default(),
                );
            }
        }
        straight.dedup();
        assert_eq!(straight, ["run_started", "step_started", "step_succeeded"]);
    }

    #[test]
    fn another_format_is_left_to_the_reader_that_says_so() {
        let kept = include_str!("../../tests/formats/v1.jsonl");
        let other = kept
            .lines()
            .nth(1)
            .unwrap()
            .replace("\"format\":1", "\"format\":3");
        assert_eq!(parse(other.as_bytes()), None);
    }
}
