//! What logs show, from the records alone. Pure.

use flowctl_workflows::result::{Finding, Verdict};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{KubeLogs, Output, Params};
use crate::again::{self, Again, NotJudged, Records};
use crate::finding::{count, finding};

/// How many lines a reason quotes.
const QUOTED: usize = 3;
/// What the list of pods is called among the records.
pub(super) const PODS: &str = "pods.json";

/// What one pod logged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PodLog {
    pub(super) pod: String,
    pub(super) lines: Vec<String>,
}

/// Whose logs were read; each log is a record of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) pods: Vec<SeenPod>,
    /// What there is in the place of too few pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instead: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SeenPod {
    pub(super) name: String,
    pub(super) containers: Vec<String>,
}

/// What the log of a container is called among the records.
pub(super) fn log_name(pod: &str, container: &str) -> String {
    format!("{pod}-{container}.log")
}

pub(super) fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let kind = KubeLogs::of(params.clone()).map_err(NotJudged::Wrong)?;
    let seen = records.json::<Seen>(PODS, |name| name == PODS)?;
    let mut logs = Vec::new();
    let mut evidence = Vec::new();
    for pod in &seen.value.pods {
        let mut log = PodLog {
            pod: pod.name.clone(),
            lines: Vec::new(),
        };
        for container in &pod.containers {
            let name = log_name(&pod.name, container);
            let record = records.bytes(&name, |kept| kept == name)?;
            let text = String::from_utf8_lossy(&record.value);
            log.lines.extend(text.lines().map(str::to_owned));
            evidence.push(record.sha256.to_owned());
        }
        logs.push(log);
    }
    evidence.push(seen.sha256.to_owned());
    let (mut found, output) = kind.conclude(&logs, seen.value.instead.as_deref());
    found.evidence = evidence;
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

impl KubeLogs {
    /// What was read comes to. Pure.
    pub(super) fn conclude(&self, logs: &[PodLog], instead: Option<&str>) -> (Finding, Output) {
        let (output, verdict, mut reason) = self.judge(logs);
        if let Some(instead) = instead {
            reason = format!("{reason}; {instead}");
        }
        let mut found = finding(format!("logs of pods {}", self.choice()), verdict, reason);
        found.numbers = vec![
            count("pods", output.pods),
            count("lines", output.lines),
            count("forbidden", output.forbidden.len()),
        ];
        (found, output)
    }

    /// What the logs show. Pure.
    pub(super) fn judge(&self, logs: &[PodLog]) -> (Output, Verdict, String) {
        let lines = logs.iter().map(|log| log.lines.len()).sum();
        let matches =
            |log: &PodLog, wanted: &Regex| log.lines.iter().any(|line| wanted.is_match(line));
        let mut missing: Vec<String> = Vec::new();
        for wanted in self
            .require
            .iter()
            .filter(|wanted| !logs.iter().any(|log| matches(log, wanted)))
        {
            missing.push(format!("`{wanted}` in no pod"));
        }
        for wanted in &self.require_in_every_pod {
            let without: Vec<&str> = logs
                .iter()
                .filter(|log| !matches(log, wanted))
                .map(|log| log.pod.as_str())
                .collect();
            if !without.is_empty() {
                missing.push(format!("`{wanted}` not in {}", without.join(", ")));
            }
        }
        let forbidden: Vec<String> = logs
            .iter()
            .flat_map(|log| log.lines.iter().map(move |line| (log, line)))
            .filter(|(_, line)| self.forbid.iter().any(|bad| bad.is_match(line)))
            .filter(|(_, line)| !self.except.iter().any(|good| good.is_match(line)))
            .map(|(log, line)| {
                format!(
                    "{}: {}",
                    log.pod,
                    line.chars().take(300).collect::<String>()
                )
            })
            .collect();
        let silent: Vec<&str> = logs
            .iter()
            .filter(|log| log.lines.len() < self.params.min_lines)
            .map(|log| log.pod.as_str())
            .collect();
        let (pods, min) = (logs.len(), self.params.min_pods);
        let (verdict, reason) = if !forbidden.is_empty() {
            let quoted: Vec<&str> = forbidden.iter().take(QUOTED).map(String::as_str).collect();
            (
                Verdict::Fail,
                format!(
                    "{} forbidden lines of {lines}, for example {}",
                    forbidden.len(),
                    quoted.join(" | ")
                ),
            )
        } else if pods < min {
            (
                Verdict::Inconclusive,
                format!("{pods} pods {}, at least {min} are needed", self.choice()),
            )
        } else if !silent.is_empty() {
            let least = self.params.min_lines;
            (
                Verdict::Inconclusive,
                format!("fewer than {least} lines from {}", silent.join(", ")),
            )
        } else if !missing.is_empty() {
            (
                Verdict::Fail,
                format!("not found among {lines} lines: {}", missing.join("; ")),
            )
        } else {
            let looked = self.require.len() + self.require_in_every_pod.len();
            (
                Verdict::Pass,
                format!(
                    "{lines} lines of {pods} pods: {looked} required expressions found, no line of {} forbidden ones",
                    self.forbid.len()
                ),
            )
        };
        let forbidden = forbidden.into_iter().take(100).collect();
        (
            Output {
                pods,
                lines,
                forbidden,
                missing,
            },
            verdict,
            reason,
        )
    }
}
