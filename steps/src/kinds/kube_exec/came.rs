//! What a program came to, from the records alone. Pure.

use flowctl_workflows::result::{Finding, Verdict};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{Output, Params};
use crate::again::{self, Again, NotJudged, Records};
use crate::finding::{finding, number};

pub(super) const STDOUT: &str = "stdout.txt";
pub(super) const STDERR: &str = "stderr.txt";
pub(super) const HOW: &str = "ended.json";
/// So much of each stream stands in the output.
const SHOWN: usize = 64 << 10;

/// What the program came to, as the records have it: what follows is worked out from this alone.
pub(super) struct Came {
    pub(super) how: How,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Where it ran and how it ended; its streams are records of their own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct How {
    pub(super) pod: String,
    pub(super) exit_code: i32,
}

pub(super) fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let text = |name: &str| {
        let record = records.bytes(name, |kept| kept == name)?;
        let text = String::from_utf8_lossy(&record.value).into_owned();
        Ok((text, record.sha256.to_owned()))
    };
    let how = records.json::<How>(HOW, |name| name == HOW)?;
    let ((stdout, of_stdout), (stderr, of_stderr)) = (text(STDOUT)?, text(STDERR)?);
    if !params.success.contains(&how.value.exit_code) {
        return Err(NotJudged::Wrong(format!(
            "its record says exit code {}, which is no success",
            how.value.exit_code
        )));
    }
    let wanted = params.wanted().map_err(NotJudged::Wrong)?;
    let came = Came {
        how: how.value,
        stdout,
        stderr,
    };
    let (mut found, output) = params.conclude(wanted.as_ref(), &came);
    found.evidence = vec![of_stdout, of_stderr, how.sha256.to_owned()];
    Ok(Again {
        findings: vec![found],
        value: again::output(output)?,
    })
}

impl Params {
    /// What standard output must match.
    pub(super) fn wanted(&self) -> Result<Option<Regex>, String> {
        let wanted = self.stdout.as_deref().map(Regex::new).transpose();
        wanted.map_err(|error| error.to_string())
    }

    /// What it comes to. Pure.
    pub(super) fn conclude(&self, wanted: Option<&Regex>, came: &Came) -> (Finding, Output) {
        let show = |text: &str| {
            text[..text.floor_char_boundary(SHOWN)]
                .trim_end()
                .to_owned()
        };
        let How { pod, exit_code } = &came.how;
        let output = Output {
            pod: pod.clone(),
            exit_code: *exit_code,
            stdout: show(&came.stdout),
            stderr: show(&came.stderr),
        };
        let mut found = finding(
            format!("{} in pod {pod}", self.argv[0]),
            Verdict::Pass,
            format!("exit code {exit_code}"),
        );
        if let Some(wanted) = wanted {
            let (verdict, how) = if wanted.is_match(&output.stdout) {
                (Verdict::Pass, "matches")
            } else {
                (Verdict::Fail, "does not match")
            };
            found.verdict = verdict;
            found.reason = format!("exit code {exit_code}, standard output {how} `{wanted}`");
        }
        found.numbers = vec![number("exit code", f64::from(*exit_code), "")];
        (found, output)
    }
}
