//! Processes of this machine as `/proc` shows them, and signals to exactly the one that was meant.
//!
//! A pid alone is never trusted: it may have been given to another program since. A [`Process`] is a
//! pid with its start time, and a signal goes through a pidfd that was opened before the start time
//! was compared.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable that names the attempt which a child belongs to.
pub const STEP_MARK: &str = "FLOWCTL_STEP";
/// The variable that names the record which a process that stays belongs to.
pub const PROCESS_MARK: &str = "FLOWCTL_PROCESS";

/// One process, told from any other that had or will have its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Ticks since boot at which it began: field 22 of its stat. First, so that the oldest sorts first.
    pub start_time: u64,
    /// Its pid.
    pub pid: i32,
}

/// What `/proc/PID/stat` says of a process that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Which process.
    pub process: Process,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
}

impl Process {
    /// The process that has this pid now, if one lives; a zombie does not.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        stat(pid).map(|stat| stat.process)
    }

    /// Whether this very process still lives.
    #[must_use]
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal to this very process; false when it is gone.
    pub fn signal(self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        self.lives() && pidfd_send_signal(&handle, signal).is_ok()
    }

    /// The value of a variable in the environment that it was started with.
    #[must_use]
    pub fn variable(self, name: &str) -> Option<Vec<u8>> {
        let block = std::fs::read(format!("/proc/{}/environ", self.pid)).ok()?;
        variable_in(&block, name).map(<[u8]>::to_vec)
    }
}

/// All live processes but flowctl itself whose environment has `name` with a value that `wanted` accepts,
/// the oldest first. Those of other users are left out: their environment cannot be read.
#[must_use]
pub fn marked(name: &str, wanted: impl Fn(&str) -> bool) -> Vec<Stat> {
    all(|stat| {
        stat.process
            .variable(name)
            .is_some_and(|value| OsStr::from_bytes(&value).to_str().is_some_and(&wanted))
    })
}

/// All live processes of a process group, the oldest first.
#[must_use]
pub fn group(id: i32) -> Vec<Stat> {
    all(|stat| stat.group == id)
}

/// Identifies this start of the machine: pids and start times mean nothing after another.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// flowctl's own session.
#[must_use]
pub fn own_session() -> Option<i32> {
    stat(own_pid()).map(|stat| stat.session)
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

fn all(wanted: impl Fn(&Stat) -> bool) -> Vec<Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = own_pid();
    let mut found: Vec<Stat> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter_map(stat)
        .filter(wanted)
        .collect();
    found.sort_by_key(|stat| stat.process);
    found
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(
        pid,
        &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?,
    )
}

/// The second field is the program's name in parentheses and may itself hold spaces and parentheses.
fn parse_stat(pid: i32, text: &str) -> Option<Stat> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    let group = fields.nth(1)?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let start_time = fields.nth(15)?.parse().ok()?;
    Some(Stat {
        process: Process { start_time, pid },
        group,
        session,
    })
}

fn variable_in<'a>(block: &'a [u8], name: &str) -> Option<&'a [u8]> {
    block
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 4096 1 18446744073709551615";
        let stat = parse_stat(42, line).unwrap();
        assert_eq!(
            stat,
            Stat {
                process: Process {
                    start_time: 98765,
                    pid: 42
                },
                group: 40,
                session: 39
            }
        );
    }

    #[test]
    fn a_zombie_does_not_live() {
        let line = "42 (sh) Z 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0";
        assert_eq!(parse_stat(42, line), None);
    }

    #[test]
    fn a_variable_is_matched_by_its_whole_name() {
        let block = b"XFLOWCTL_STEP=no\0FLOWCTL_STEP_OLD=no\0FLOWCTL_STEP=a=b\0";
        assert_eq!(variable_in(block, STEP_MARK), Some(&b"a=b"[..]));
    }

    #[test]
    fn a_reused_pid_is_never_signalled() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let real = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
        let impostor = Process {
            start_time: real.start_time + 1,
            ..real
        };
        assert!(!impostor.lives());
        assert!(!impostor.signal(Signal::KILL));
        assert!(
            real.lives(),
            "a wrong start time must not reach the process"
        );
        assert!(real.signal(Signal::KILL));
        assert!(!child.wait().unwrap().success());
        assert!(!real.lives());
    }

    #[test]
    fn a_marked_process_is_found_and_flowctl_itself_is_not() {
        let mark = format!("proc-test/{}/1", own_pid());
        let mut child = Command::new("sh")
            .args(["-c", "echo begun; read word"])
            .env(STEP_MARK, &mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The kernel lets the parent go on a moment before it shows the new program's environment.
        let mut begun = [0; 6];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut begun)
            .unwrap();
        let found = marked(STEP_MARK, |value| value == mark);
        assert_eq!(
            found
                .iter()
                .map(|stat| stat.process.pid)
                .collect::<Vec<_>>(),
            [i32::try_from(child.id()).unwrap()]
        );
        assert!(
            !all(|_| true)
                .iter()
                .any(|stat| stat.process.pid == own_pid())
        );
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(marked(STEP_MARK, |value| value == mark).is_empty());
    }
}
