//! How a program that stays comes up, is adopted, and goes down.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};

use super::log::Log;
use super::ready::Looker;
use super::record::{Place, Record, Start};
use super::{Came, How, Program};
use crate::child::environment;
use crate::child::orphans;
use crate::child::proc::{self, PROCESS_MARK, Process};
use crate::child::{Ended, end_all};
use crate::context::StepContext;
use crate::error::StepError;
use crate::kinds::shell::cannot_start;

/// The longest time between two looks whether it is ready; the first come sooner.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// Whose end is seen while it is waited for.
enum Watched<'a> {
    /// A child of this flowctl, whose exit status is known.
    Own(&'a mut Child),
    /// Started by an earlier flowctl.
    Adopted(Process),
}

/// Why a program is not ready.
enum NotReady {
    Cancelled,
    /// It ended; how, if it was a child of this flowctl.
    Exited(Option<ExitStatus>),
    /// What the last look saw.
    TimedOut(String),
}

impl Program {
    /// Sees that it runs and is ready.
    pub(super) async fn up(
        &self,
        cx: &StepContext,
        place: &Place,
        looker: &Looker<'_>,
    ) -> Result<Came, StepError> {
        let name = &self.params.name;
        if let Some(record) = place.read()? {
            if let Some(process) = record.live()
                && record.start().digest == self.digest()
            {
                // A record of a start that was cut short now learns the pid.
                place.write(&running(process, record.start()))?;
                match self
                    .until_ready(cx, looker, Watched::Adopted(process))
                    .await
                {
                    Ok(waited) => {
                        Log::of_running(place.log(), name).keep(cx).await?;
                        return Ok(up(How::Adopted, process, waited));
                    }
                    Err(NotReady::Cancelled) => return Err(StepError::cancelled()),
                    Err(NotReady::Exited(_)) => {}
                    Err(NotReady::TimedOut(seen)) => {
                        cx.sink.progress(&format!(
                            "{name} runs but is not ready ({seen}): starts it again"
                        ));
                    }
                }
            }
            self.end(place, &record).await?;
        }
        self.start(cx, place, looker).await
    }

    async fn start(
        &self,
        cx: &StepContext,
        place: &Place,
        looker: &Looker<'_>,
    ) -> Result<Came, StepError> {
        let name = &self.params.name;
        if looker.check.proves_a_listener() && looker.look(cx).await.is_ok() {
            let message = format!(
                "`{}` already passes before {name} was started",
                looker.check
            );
            return Err(StepError::permanent("process.occupied", message)
                .help("another program answers there: stop it, or give this one another port"));
        }
        let start = Start {
            mark: place.mark(&cx.attempt.to_string(), cx.clock.now()),
            digest: self.digest(),
            attempt: cx.attempt.to_string(),
            boot_id: proc::boot_id(),
        };
        let (log, file) = Log::for_start(place.log(), name)?;
        let mut command = self.command(cx, file, &start.mark)?;
        place.write(&Record::Starting {
            start: start.clone(),
        })?;
        let (mut child, known) = match orphans::spawn(&mut command) {
            Ok(started) => started,
            Err(error) => {
                place.remove()?;
                return Err(cannot_start(
                    &error,
                    &self.params.argv[0],
                    self.params.cwd.as_deref(),
                ));
            }
        };
        let process = child
            .id()
            .and_then(|pid| Process::of(i32::try_from(pid).ok()?));
        if let Some(process) = process {
            place.write(&running(process, &start))?;
        }
        match (
            self.until_ready(cx, looker, Watched::Own(&mut child)).await,
            process,
        ) {
            (Ok(waited), Some(process)) => {
                // It stays, but when it ends while flowctl lives, it must not stay as a zombie.
                tokio::spawn(async move {
                    let status = child.wait().await;
                    drop(known);
                    status
                });
                log.keep(cx).await?;
                Ok(up(How::Started, process, waited))
            }
            (Err(NotReady::Cancelled), _) => Err(StepError::cancelled()),
            (Ok(_), None) => Err(self.not_ready(cx, &log, NotReady::Exited(None)).await?),
            (Err(why), _) => {
                if let Some(record) = place.read()? {
                    self.end(place, &record).await?;
                }
                Err(self.not_ready(cx, &log, why).await?)
            }
        }
    }

    fn command(
        &self,
        cx: &StepContext,
        log: std::fs::File,
        mark: &str,
    ) -> Result<Command, StepError> {
        let errors = log.try_clone().map_err(|error| {
            StepError::transient("process.log", format!("cannot open the log twice: {error}"))
        })?;
        let mut command = Command::new(&self.params.argv[0]);
        command
            .args(&self.params.argv[1..])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(false);
        if let Some(cwd) = &self.params.cwd {
            command.current_dir(cwd);
        }
        environment::apply(
            &mut command,
            cx,
            &self.params.env,
            Some((PROCESS_MARK, mark)),
        )?;
        Ok(command)
    }

    /// Looks again and again until the check passes; how long that took.
    async fn until_ready(
        &self,
        cx: &StepContext,
        looker: &Looker<'_>,
        mut watched: Watched<'_>,
    ) -> Result<Duration, NotReady> {
        let begun = cx.clock.elapsed();
        let limit = tokio::time::Instant::now() + self.params.within.duration();
        let mut pause = FIRST_LOOK;
        let mut seen = "it was not looked at yet".to_owned();
        loop {
            let look = async {
                match looker.look(cx).await {
                    Ok(()) => true,
                    Err(instead) => {
                        cx.sink
                            .progress(&format!("waits for {}: {instead}", looker.check));
                        seen = instead;
                        tokio::time::sleep(pause).await;
                        false
                    }
                }
            };
            let passed = tokio::select! {
                biased;
                () = cx.cancel.cancelled() => return Err(NotReady::Cancelled),
                exit = watched.gone() => return Err(NotReady::Exited(exit)),
                passed = look => passed,
                () = tokio::time::sleep_until(limit) => return Err(NotReady::TimedOut(seen)),
            };
            if passed {
                return Ok(cx.clock.elapsed().saturating_sub(begun));
            }
            pause = (pause * 2).min(BETWEEN_LOOKS);
        }
    }

    async fn not_ready(
        &self,
        cx: &StepContext,
        log: &Log,
        why: NotReady,
    ) -> Result<StepError, StepError> {
        let name = &self.params.name;
        let said = log.keep(cx).await?;
        let said = if said.is_empty() {
            "it printed nothing".to_owned()
        } else {
            format!("it printed last: {said}")
        };
        let error = match why {
            NotReady::Cancelled => return Ok(StepError::cancelled()),
            NotReady::Exited(exit) => {
                let how = exit.map_or_else(String::new, |exit| format!(" with {exit}"));
                StepError::permanent(
                    "process.exited",
                    format!("{name} ended{how} before it was ready; {said}"),
                )
            }
            NotReady::TimedOut(seen) => StepError::timed_out(
                "process.not_ready",
                format!(
                    "{name} was not ready within {} ({seen}) and was stopped; {said}",
                    self.params.within
                ),
            ),
        };
        Ok(error.help(format!(
            "the end of its log is kept as evidence: {name}.log"
        )))
    }

    /// Sees that it does not run.
    pub(super) async fn down(&self, cx: &StepContext, place: &Place) -> Result<Came, StepError> {
        let absent = Came {
            state: How::Absent,
            pid: None,
            ready_after_ms: None,
        };
        let Some(record) = place.read()? else {
            return Ok(absent);
        };
        let live = record.live();
        cx.sink.progress(&format!("stops {}", self.params.name));
        let ended = tokio::select! {
            ended = self.end(place, &record) => ended?,
            () = cx.cancel.cancelled() => return Err(StepError::cancelled()),
        };
        match live {
            Some(process) => Ok(Came {
                state: How::Stopped,
                pid: Some(process.pid),
                ready_after_ms: None,
            }),
            None if ended.asked > 0 => Ok(Came {
                state: How::Stopped,
                pid: None,
                ready_after_ms: None,
            }),
            None => Ok(absent),
        }
    }

    /// Ends the recorded program with its group, then takes the record away.
    async fn end(&self, place: &Place, record: &Record) -> Result<Ended, StepError> {
        let stop = &self.params.stop;
        // What lives now is pinned down by start time, so what comes later under its number is left alone.
        let record = match record.live() {
            Some(process) => running(process, record.start()),
            None => record.clone(),
        };
        // Members without a mark can be told only as long as the leader lives, so they are noted before.
        let first = record.members();
        let find = move || {
            let mut found = record.members();
            found.extend(
                first
                    .iter()
                    .filter(|stat| stat.process.lives() && !found.contains(stat))
                    .collect::<Vec<_>>(),
            );
            found
        };
        let ended = end_all(find, Signal::from(stop.signal), stop.grace.duration()).await;
        if ended.left > 0 {
            let message = format!(
                "{} processes of {} live on although they were killed",
                ended.left, self.params.name
            );
            return Err(StepError::transient("process.unkillable", message));
        }
        place.remove()?;
        Ok(ended)
    }

    /// What tells this program from the same with other arguments. Secrets go in by name only.
    pub(super) fn digest(&self) -> String {
        let what = serde_json::json!([self.params.argv, self.params.env, self.params.cwd]);
        Sha256::digest(what.to_string().as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Watched<'_> {
    /// Returns when it has ended.
    async fn gone(&mut self) -> Option<ExitStatus> {
        match self {
            Watched::Own(child) => child.wait().await.ok(),
            Watched::Adopted(process) => {
                while process.lives() {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                None
            }
        }
    }
}

fn running(process: Process, start: &Start) -> Record {
    Record::Running {
        pid: process.pid,
        start_time: process.start_time,
        start: start.clone(),
    }
}

fn up(state: How, process: Process, waited: Duration) -> Came {
    let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    Came {
        state,
        pid: Some(process.pid),
        ready_after_ms: Some(waited),
    }
}
