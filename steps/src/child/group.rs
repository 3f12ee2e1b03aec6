//! A child with all its descendants, from its start until the last of them is gone.
//!
//! They are found by their process group and by the mark in their environment, so one that left the
//! group is found too. Dropping a [`Group`] ends them at once: that is how a time limit works.

use std::future::Future;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::leader::Leader;
use super::orphans::{self, Known};
use super::proc::{self, Process, STEP_MARK, Stat};

/// How often it is looked whether those that were asked to end have ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long after SIGKILL a process may still be seen: longer only in an uninterruptible wait.
const LAST: Duration = Duration::from_secs(2);

/// What ending came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many processes were asked to end.
    pub asked: usize,
    /// How many of them did not and were killed.
    pub killed: usize,
    /// How many are there in spite of it.
    pub left: usize,
}

/// A child that leads its own process group, and its descendants.
#[derive(Debug)]
pub struct Group {
    child: Child,
    /// Until it was waited for.
    known: Option<Known>,
    id: i32,
    mark: String,
    waited: Arc<AtomicBool>,
    over: bool,
}

impl Group {
    /// Starts `command` as the leader of a group of its own. Its environment must already hold
    /// [`STEP_MARK`] with this `mark`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(command: &mut Command, mark: String) -> std::io::Result<Self> {
        let (child, known) = orphans::spawn(command.process_group(0).kill_on_drop(true))?;
        let id = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or(0);
        Ok(Self {
            child,
            known: Some(known),
            id,
            mark,
            waited: Arc::default(),
            over: false,
        })
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Tells who leads it, as long as that process lives. Only what lasts is asked: to look costs as much as to hear of
    /// the end of a short program.
    pub fn leader(&self) -> impl Fn() -> Option<Leader> + use<> {
        let (id, waited) = (self.id, Arc::clone(&self.waited));
        move || {
            let leader = Leader::of(id);
            // Until it was waited for, its number is given to nobody else.
            leader.filter(|_| !waited.load(Ordering::Acquire))
        }
    }

    /// Waits for the child itself; its descendants may live on.
    ///
    /// # Errors
    /// When the kernel does not know the child any more.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await;
        if self.child.id().is_none() {
            self.known = None;
            self.waited.store(true, Ordering::Release);
        }
        status
    }

    /// Asks all that is left to end, waits at most `grace`, then kills.
    pub async fn end(&mut self, grace: Duration) -> Ended {
        if self.child.id().is_none() && orphans::none_left() {
            self.over = true;
            return Ended::default();
        }
        let members = self.members();
        let reap = async {
            // Without this a child that ended stays a zombie, which is harmless, but not tidy.
            let _ = self.wait().await;
        };
        let (ended, ()) = tokio::join!(end_all(members, Signal::TERM, grace), async {
            let _ = tokio::time::timeout(grace + LAST, reap).await;
        });
        self.over = ended.left == 0;
        ended
    }

    /// Finds all that is left of the group. Once the leader was reaped, its number alone proves little:
    /// then a member must also be of flowctl's own session, and no new leader may have the number.
    fn members(&self) -> impl Fn() -> Vec<Stat> + Clone + Send + Sync + 'static {
        let (id, mark, reaped) = (self.id, self.mark.clone(), self.child.id().is_none());
        move || {
            let mut found = proc::marked(STEP_MARK, |value| value == mark);
            if id > 0 {
                let session = proc::own_session();
                let group = proc::group(id);
                let sure = !reaped || !group.iter().any(|stat| stat.process.pid == id);
                found.extend(
                    group
                        .into_iter()
                        .filter(|stat| sure && Some(stat.session) == session),
                );
            }
            found.sort_by_key(|stat| stat.process);
            found.dedup();
            found
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if self.child.id().is_some()
            && let Some(group) = Pid::from_raw(self.id)
        {
            // Not yet reaped, so the number cannot have been given away. An error: all are gone.
            let _ = kill_process_group(group, Signal::KILL);
        }
        for stat in self.members()() {
            stat.process.signal(Signal::KILL);
        }
    }
}

/// Ends what is left of earlier attempts, found by their mark and by the group that one of them wrote down.
pub async fn end_left(
    wanted: impl Fn(&str) -> bool + Clone + Send + Sync + 'static,
    leader: Option<Leader>,
    grace: Duration,
) -> Ended {
    let members = leader.map(Leader::members);
    let find = move || {
        let mut found = proc::marked(STEP_MARK, wanted.clone());
        found.extend(members.iter().flat_map(|members| members()));
        found.sort_by_key(|stat| stat.process);
        found.dedup();
        found
    };
    end_all(find, Signal::TERM, grace).await
}

/// Ends whatever `find` finds, again and again, since what is found may start others meanwhile.
pub async fn end_all<F>(find: F, ask: Signal, grace: Duration) -> Ended
where
    F: Fn() -> Vec<Stat> + Clone + Send + Sync + 'static,
{
    let mut asked: Vec<Process> = Vec::new();
    within(grace, &find, |process| {
        if !asked.contains(&process) {
            asked.push(process);
            process.signal(ask);
        }
    })
    .await;
    let mut killed: Vec<Process> = Vec::new();
    let left = within(LAST, &find, |process| {
        if !killed.contains(&process) {
            killed.push(process);
        }
        process.signal(Signal::KILL);
    })
    .await;
    asked.extend(
        killed
            .iter()
            .filter(|process| !asked.contains(process))
            .copied()
            .collect::<Vec<_>>(),
    );
    Ended {
        asked: asked.len(),
        killed: killed.len(),
        left,
    }
}

/// Calls `act` on all that `find` finds until it finds none or the time is over. How many are left.
async fn within<F>(limit: Duration, find: &F, mut act: impl FnMut(Process)) -> usize
where
    F: Fn() -> Vec<Stat> + Clone + Send + Sync + 'static,
{
    let end = tokio::time::Instant::now() + limit;
    loop {
        let found = blocking(find.clone()).await;
        if found.is_empty() {
            return 0;
        }
        found.iter().for_each(|stat| act(stat.process));
        if tokio::time::Instant::now() >= end {
            return found.len();
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reading another process's environment may wait for its memory lock, so it is kept off the runtime's threads.
fn blocking(find: impl Fn() -> Vec<Stat> + Send + 'static) -> impl Future<Output = Vec<Stat>> {
    let task = tokio::task::spawn_blocking(find);
    async move { task.await.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_number_of_a_child_that_was_waited_for_leads_to_nobody() {
        let mut other = Command::new("sleep");
        let mut lives = Group::spawn(other.arg("1000"), "lives".into()).unwrap();
        let mut ended = Group::spawn(&mut Command::new("true"), "ended".into()).unwrap();
        ended.wait().await.unwrap();
        // As if the kernel had given its number away.
        ended.id = lives.id;
        assert!(lives.leader()().is_some());
        assert!(ended.leader()().is_none());
        ended.over = true;
        lives.end(Duration::ZERO).await;
    }
}
