//! Who holds a state.
//!
//! Owns `holder.json` and the question whether the process that it names still lives. It is word
//! left for people and for error messages; the lock itself is the log's.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::replace_file;
use crate::error::LogError;
use crate::event::Epoch;

/// The process that holds a state, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot: tells it from a later process with its id.
    pub start_ticks: u64,
    /// Which boot of the machine.
    pub boot_id: String,
    /// Which machine.
    pub host: String,
    /// Since when it holds the state.
    pub since: jiff::Timestamp,
    /// Under which epoch it writes; `None` if it only reads.
    pub epoch: Option<Epoch>,
    /// What it was asked to do, for example `flowctl run phase3`. Holds no secret.
    pub command: String,
}

/// What a holder is up to, as far as it can be seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It lives. Whether it gets on is not to be seen from outside; its socket tells.
    Runs,
    /// A signal has stopped it: it does nothing until another lets it go on.
    Stopped,
    /// There is no such process any more.
    Gone,
    /// It is on another machine, so nothing is known.
    Elsewhere,
}

impl Holder {
    /// This process.
    ///
    /// # Errors
    /// [`LogError::Io`] if `/proc` does not tell when this process started.
    pub fn myself(
        command: &str,
        since: jiff::Timestamp,
        epoch: Option<Epoch>,
    ) -> Result<Self, LogError> {
        let pid = std::process::id();
        let stat = Path::new("/proc/self/stat");
        let start_ticks = start_ticks(&read(stat)?).ok_or_else(|| {
            LogError::io("understand", stat, std::io::ErrorKind::InvalidData.into())
        })?;
        Ok(Self {
            pid,
            start_ticks,
            boot_id: boot_id()?,
            host: host()?,
            since,
            epoch,
            command: command.to_owned(),
        })
    }

    /// Whether that process still runs. One on another machine is taken to live.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.condition() != Condition::Gone
    }

    /// What that process is up to.
    #[must_use]
    pub fn condition(&self) -> Condition {
        if host().is_ok_and(|host| host != self.host) {
            return Condition::Elsewhere;
        }
        if boot_id().is_ok_and(|boot| boot != self.boot_id) {
            return Condition::Gone;
        }
        match read(Path::new(&format!("/proc/{}/stat", self.pid))) {
            Ok(stat) if start_ticks(&stat) == Some(self.start_ticks) => match is_stopped(&stat) {
                true => Condition::Stopped,
                false => Condition::Runs,
            },
            Ok(_) | Err(_) => Condition::Gone,
        }
    }

    /// What the last holder left in `path`; `None` if there is nothing that can be read.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Leaves word in `path`.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), LogError> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| LogError::io("write", path, std::io::Error::other(error)))?;
        text.push(b'\n');
        replace_file(path, &text)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            host,
            since,
            command,
            ..
        } = self;
        write!(f, "`{command}` (process {pid} on {host}, since {since:.0})")
    }
}

/// Field 22 of `/proc/PID/stat`, unless the process is dead and only waits to be reaped. The
/// program's name, field 2, may hold spaces and parentheses.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Field 3: `T` stopped by a signal, `t` by a debugger.
fn is_stopped(stat: &str) -> bool {
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, fields)| fields.split_ascii_whitespace().next());
    matches!(state, Some("T" | "t"))
}

fn boot_id() -> Result<String, LogError> {
    Ok(read(Path::new("/proc/sys/kernel/random/boot_id"))?
        .trim()
        .to_owned())
}

fn host() -> Result<String, LogError> {
    Ok(read(Path::new("/proc/sys/kernel/hostname"))?
        .trim()
        .to_owned())
}

fn read(path: &Path) -> Result<String, LogError> {
    std::fs::read_to_string(path).map_err(|error| LogError::io("read", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn myself() -> Holder {
        Holder::myself(
            "flowctl run x",
            "2026-11-23T09:30:12Z".parse().unwrap(),
            Some(3),
        )
        .unwrap()
    }

    #[test]
    fn this_process_is_alive_and_others_in_its_place_are_not() {
        assert!(myself().is_alive());
        assert!(
            !Holder {
                start_ticks: myself().start_ticks + 1,
                ..myself()
            }
            .is_alive(),
            "a later process"
        );
        assert!(
            !Holder {
                boot_id: "another".to_owned(),
                ..myself()
            }
            .is_alive(),
            "before a reboot"
        );
        assert!(
            Holder {
                host: "elsewhere".to_owned(),
                ..myself()
            }
            .is_alive(),
            "cannot be known from here"
        );
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields_and_a_zombie_is_dead() {
        let stat = |state| {
            format!("7 (a ) b) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 8711 1 1 1")
        };
        assert_eq!(start_ticks(&stat("S")), Some(8711));
        assert_eq!(start_ticks(&stat("Z")), None);
        assert_eq!(start_ticks(&stat("T")), Some(8711), "stopped is not dead");
        assert_eq!(
            ["S", "T", "t"].map(|state| is_stopped(&stat(state))),
            [false, true, true]
        );
    }

    #[test]
    fn word_is_left_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("holder.json");
        assert_eq!(Holder::read(&path), None);
        myself().write(&path).unwrap();
        assert_eq!(Holder::read(&path), Some(myself()));
        assert_eq!(
            myself().to_string(),
            format!(
                "`flowctl run x` (process {} on {}, since 2026-11-23T09:30:12Z)",
                std::process::id(),
                host().unwrap()
            )
        );
    }
}
