//! The same where a single append takes hundreds of pages of the store: a plan of some megabytes, and many long events
//! at once, each with short appends behind it. Most changes of files belong to the long ones, so most cuts do.

use std::sync::Arc;

use flowctl_state::disk_log::DiskLog;
use flowctl_state::event::{Event, Seq};
use flowctl_state::writer::LogWriter;
use serde_json::json;

use super::child::{append, hold_of_child};
use super::cuts::{Heeded, Work, cut_power};
use crate::random::Random;
use crate::support::{run, started, step, succeeded};

/// The length of a plan, and of a long event.
const PLAN: usize = 3_000_000;
const LONG: usize = 80_000;
/// How many long events are appended at once.
const AT_ONCE: Seq = 60;

fn large() -> Work {
    Work {
        child: "power_loss::large::child",
        event,
        lives: 2,
        first: 0,
    }
}

/// No two parts of it are the same, so that one that is lost or stands elsewhere is seen.
fn text(seq: Seq, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(&format!("{seq}.{} ", text.len()));
    }
    text
}

/// The plan, then as many long events as are appended at once, then short ones; after those again.
fn event(seq: Seq) -> Event {
    match seq {
        0 => match started() {
            Event::RunStarted {
                mut plan,
                jobs,
                only,
                flowctl,
            } => {
                Arc::make_mut(&mut plan).title = text(0, PLAN);
                Event::RunStarted {
                    plan,
                    jobs,
                    only,
                    flowctl,
                }
            }
            other => unreachable!("{other:?}"),
        },
        seq if seq % 100 <= AT_ONCE => succeeded("long", json!(text(seq, LONG))),
        seq => step("one", u32::try_from(seq).unwrap()),
    }
}

/// One life. Only the parent calls it, in a process of its own.
#[test]
fn child() {
    let Some((hold, life)) = hold_of_child() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let writer = LogWriter::start(Arc::<DiskLog>::clone(hold.log())).unwrap();
        let large = run(&format!("large-{life}"));
        append(&writer, &large, 0, 1, event).await;
        for first in [1, 100] {
            let short = first / 100 * 100 + AT_ONCE + 1;
            append(&writer, &large, first, short - first, event).await;
            // These rewrite pages again and again, so that the store has something to free.
            for place in short..first / 100 * 100 + 100 {
                append(&writer, &large, place, 1, event).await;
            }
        }
    });
    // As after a kill: nothing is closed.
    std::mem::forget(hold);
}

#[test]
fn no_promise_is_broken_where_an_append_takes_hundreds_of_pages() {
    let cuts = Random::asked("FLOWCTL_POWER_CUTS", 3);
    let seed = Random::asked("FLOWCTL_POWER_SEED", 20_261_126);
    let kept = cut_power(&large(), cuts, seed, Heeded::All).unwrap();
    assert!(kept > 4, "the power was cut {kept} times");
    println!("after {kept} power cuts around long appends every promise was kept");
}

#[test]
fn a_long_append_that_is_not_synced_is_found_out() {
    let broken = cut_power(&large(), 3, 1, Heeded::NoneOfAppends).unwrap_err();
    assert!(broken.contains("there is no run"), "{broken}");
}
