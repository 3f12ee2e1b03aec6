//! A process that works on a disk in memory while the shim watches it.

use std::path::Path;
use std::process::Command;

use super::disk::{Left, pick_up, put_down};
use super::trace::{Deed, read};

/// Where the child works.
pub(crate) const DIRECTORY: &str = "FLOWCTL_POWER_DIRECTORY";
/// Which of its lives it is.
pub(crate) const LIFE: &str = "FLOWCTL_POWER_LIFE";

/// A directory in memory, if there is one: the real disk is no part of this.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// One life of a test of this name on this disk: what was done, and what lies there at its end.
pub(crate) fn live(shim: &Path, start: &Left, test: &str, life: u64) -> (Vec<Deed>, Left) {
    let root = scratch();
    let notes = scratch();
    put_down(start, root.path());
    let trace = notes.path().join("trace");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .arg("--test-threads=1")
        .env(DIRECTORY, root.path())
        .env(LIFE, life.to_string())
        .env("LD_PRELOAD", shim)
        .env("POWER_LOSS_ROOT", root.path())
        .env("POWER_LOSS_TRACE", &trace)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    (read(&trace), pick_up(root.path()))
}
