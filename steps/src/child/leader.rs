//! The leader of a child's process group, written down so that a later flowctl finds the group again: also members that
//! threw away their environment, and with it their mark.
//!
//! A number alone is never trusted. The kernel gives a number away only when no process and no group has it any more, so
//! the group is that of the record as long as a process is in it that is known to belong there: at first that is the leader,
//! known by its start time. A group that has lost its leader before anybody looked is left alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use super::proc::{self, Process, Stat};

/// The leader of a group, told from any other process that had or will have its pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    pid: i32,
    /// Field 22 of its stat.
    start_time: u64,
    /// Pids and start times are of this start of the machine.
    boot_id: String,
}

impl Leader {
    /// The process that has this pid now, if one lives.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let Process { start_time, pid } = Process::of(pid)?;
        let boot_id = this_boot().to_owned();
        Some(Self {
            pid,
            start_time,
            boot_id,
        })
    }

    /// Finds all that lives of its group, each time it is called. Whoever was found once is known from then on, so the
    /// leader may end before the others.
    pub fn members(self) -> impl Fn() -> Vec<Stat> + Clone + Send + Sync + 'static {
        let leader = Process {
            start_time: self.start_time,
            pid: self.pid,
        };
        let known = Arc::new(Mutex::new(HashSet::from([leader])));
        move || {
            if self.boot_id != this_boot() {
                return Vec::new();
            }
            let group = proc::group(self.pid);
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if !group.iter().any(|stat| known.contains(&stat.process)) {
                return Vec::new();
            }
            known.extend(group.iter().map(|stat| stat.process));
            group
        }
    }
}

/// Read once: it is asked for with every program that is started.
fn this_boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(proc::boot_id)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use rustix::process::Signal;

    use super::*;

    /// A group of two: the leader, and a member that has no environment. Returned when both are there.
    fn pair() -> (Child, Leader, i32) {
        let mut child = Command::new("sh")
            .args(["-c", "env -i sleep 1000 & echo $!; wait"])
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let printed = child.stdout.take().unwrap();
        BufReader::new(printed).read_line(&mut line).unwrap();
        let leader = Leader::of(i32::try_from(child.id()).unwrap()).unwrap();
        (child, leader, line.trim().parse().unwrap())
    }

    fn pids(found: &[Stat]) -> Vec<i32> {
        found.iter().map(|stat| stat.process.pid).collect()
    }

    fn end(mut child: Child, member: i32) {
        if let Some(member) = Process::of(member) {
            member.signal(Signal::KILL);
        }
        // It may have ended already.
        let _ = child.kill();
        child.wait().unwrap();
    }

    #[test]
    fn a_group_is_found_by_its_leader_and_still_when_the_leader_has_ended() {
        let (mut child, leader, member) = pair();
        let find = leader.clone().members();
        assert_eq!(pids(&find()), [leader.pid, member]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(pids(&find()), [member], "known since it was found");
        assert_eq!(pids(&leader.members()()), [0; 0], "nobody is known");
        end(child, member);
    }

    #[test]
    fn a_number_that_another_process_has_now_or_of_another_boot_leads_to_nobody() {
        let (child, leader, member) = pair();
        let later = Leader {
            start_time: leader.start_time - 1,
            ..leader.clone()
        };
        let other = Leader {
            boot_id: "another".to_owned(),
            ..leader
        };
        assert!(later.members()().is_empty());
        assert!(other.members()().is_empty());
        end(child, member);
    }
}
