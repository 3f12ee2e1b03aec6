//! What the crash suite tells the program through its environment.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Mutant, Point};

struct Orders {
    /// Which point, counted from 1, is the last.
    last: Option<u64>,
    /// Where each point is written down, one a line.
    trace: Option<std::path::PathBuf>,
    /// The mutant's name.
    mutant: Option<String>,
}

static ORDERS: LazyLock<Orders> = LazyLock::new(|| Orders {
    last: std::env::var("FLOWCTL_CRASH_AT")
        .ok()
        .and_then(|number| number.parse().ok()),
    trace: std::env::var_os("FLOWCTL_CRASH_TRACE").map(Into::into),
    mutant: std::env::var("FLOWCTL_MUTANT").ok(),
});

static PASSED: AtomicU64 = AtomicU64::new(0);

/// The process dies here if it was told to. Its last word is the point.
pub fn reached(point: Point) {
    if let Some(trace) = &ORDERS.trace {
        let opened = OpenOptions::new().append(true).create(true).open(trace);
        // A trace that cannot be written is missed by whoever asked for it.
        let _ = opened.and_then(|mut file| file.write_all(format!("{point:?}\n").as_bytes()));
    }
    let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if ORDERS.last == Some(number) {
        // Whether or not anybody reads it, this is the end.
        let _ = writeln!(std::io::stderr(), "crash point {number}: {point:?}");
        std::process::abort();
    }
}

/// Whether the program was told to be wrong in this way.
#[must_use]
pub fn is(mutant: Mutant) -> bool {
    ORDERS
        .mutant
        .as_ref()
        .is_some_and(|name| *name == format!("{mutant:?}"))
}
