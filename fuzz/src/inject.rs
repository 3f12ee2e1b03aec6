//! A file for `--inject`: faults for a rehearsal.

use flowctl_workflows::source::Memory;
use flowctl_workflows::{diagnostic, load_inject};

/// Reads a file of faults, and lets a request meet them.
pub fn read(bytes: &[u8]) {
    match load_inject(&Memory::new("", [("faults.yaml", bytes)]), "faults.yaml") {
        Ok(inject) => flowctl_steps::testing::rehearsal::meet(inject),
        Err(problems) => drop(diagnostic::render(&problems, false, 80)),
    }
}
