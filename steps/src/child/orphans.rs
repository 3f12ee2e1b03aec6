//! Whether any descendant of a child outlived it, without a look at every process of the machine.
//!
//! A flowctl that drives a run makes itself the reaper of its descendants ([`adopt`]): whoever loses its parent becomes a
//! child of flowctl itself, of its first thread. So a child that has ended has left nobody behind if flowctl has no
//! children but those that it started. To look costs one small file, whatever else the machine does; only when there is
//! somebody is it asked who that is.
//!
//! What becomes flowctl's child must be waited for by flowctl, or it stays as a zombie, which others take for a process
//! that lives ([`reap`]). Only processes are waited for that were not started here and are not of flowctl's own process
//! group: a library's own child is its own.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::io::Errno;
use rustix::process::{
    Pid, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, getpgid, getpid, set_child_subreaper,
    waitid, waitpid,
};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The children that were started through [`spawn`] and are still waited for. Locked while one is started, so that no
/// child is ever taken for somebody else's. Empty: orphans are not flowctl's, and every process must be looked at.
static STARTED: OnceLock<Mutex<HashSet<i32>>> = OnceLock::new();

/// A child that was started here, until this is dropped: then it was waited for, or never will be.
#[derive(Debug)]
pub(crate) struct Known(i32);

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(started) = STARTED.get() {
            lock(started).remove(&self.0);
        }
    }
}

/// Makes this process the one that orphans among its descendants go to; to be called before any child is started. Where
/// the kernel does not say which children there are, nothing changes.
pub fn adopt() {
    if children().is_some() && set_child_subreaper(Some(getpid())).is_ok() {
        STARTED.get_or_init(Mutex::default);
    }
}

/// Waits for orphans that have ended, as long as it is polled.
pub async fn reap() {
    let Ok(mut ended) = signal(SignalKind::child()) else {
        return;
    };
    while ended.recv().await.is_some() {
        // Most of these signals are of a child that its own step has waited for already.
        if matches!(ended_child(), Ok(Some(_))) {
            none_left();
        }
    }
}

/// Starts a child that is waited for through its own handle.
///
/// # Errors
/// When the program cannot be started.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<(Child, Known)> {
    let mut started = STARTED.get().map(lock);
    let child = command.spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.unwrap_or_default();
    if let Some(started) = &mut started {
        started.insert(pid);
    }
    Ok((child, Known(pid)))
}

/// Whether nobody is left of any child that has ended. `false` may also mean that it cannot be told.
pub(crate) fn none_left() -> bool {
    let Some(started) = STARTED.get() else {
        return false;
    };
    let started = lock(started);
    if ended_child().is_err_and(|error| error == Errno::CHILD) {
        return true;
    }
    let Some(children) = children() else {
        return false;
    };
    let own = getpgid(None).ok();
    let left = children
        .into_iter()
        .filter(|pid| !started.contains(&pid.as_raw_nonzero().get()))
        .filter(|pid| {
            let foreign = getpgid(Some(*pid)).ok() != own;
            // Anything but a process that has ended stays.
            !(foreign && matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(Some(_))))
        });
    // All that have ended are waited for, not only those before the first that lives.
    left.count() == 0
}

/// Some child of flowctl that has ended and was not waited for, which it still is not then. An error: `CHILD`, when flowctl
/// has no children at all.
fn ended_child() -> rustix::io::Result<Option<WaitIdStatus>> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::All, look)
}

/// The children of flowctl's first thread, which is where the kernel puts orphans. `None`: this kernel does not say.
fn children() -> Option<Vec<Pid>> {
    let own = getpid().as_raw_nonzero();
    let file = File::open(format!("/proc/self/task/{own}/children")).ok()?;
    // In one read: the kernel goes through all children before those that it has named for each one.
    let mut text = Vec::with_capacity(4096);
    file.take(u64::MAX).read_to_end(&mut text).ok()?;
    std::str::from_utf8(&text)
        .ok()?
        .split_ascii_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

fn lock(started: &Mutex<HashSet<i32>>) -> MutexGuard<'_, HashSet<i32>> {
    started.lock().unwrap_or_else(PoisonError::into_inner)
}
