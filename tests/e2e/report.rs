//! `report.json` as the suite needs it, and the table of expected verdicts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::check::{Outcome, fail, must};

/// What the suite reads of a report.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    /// Which run.
    pub(crate) run: String,
    /// The exit code that the run had.
    pub(crate) exit_code: i32,
    /// How often it was taken up again.
    pub(crate) resumes: u32,
    /// The checkboxes.
    pub(crate) criteria: Vec<Criterion>,
    /// The steps.
    pub(crate) steps: Vec<Step>,
}

/// A checkbox.
#[derive(Debug, Deserialize)]
pub(crate) struct Criterion {
    /// Its id.
    pub(crate) id: String,
    /// What came out.
    pub(crate) verdict: String,
    /// Why.
    pub(crate) reason: String,
    /// What it rests on.
    pub(crate) findings: Vec<Finding>,
}

/// What a step found out.
#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    /// Hashes of raw records.
    pub(crate) evidence: Vec<String>,
}

/// A step.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    /// Its id.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) state: String,
    /// Tries.
    pub(crate) attempts: u32,
    /// When it began, as text.
    pub(crate) started: Option<String>,
    /// When it ended, as text.
    pub(crate) finished: Option<String>,
    /// What was put back.
    pub(crate) undone: Option<String>,
}

/// What a criterion may come to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    verdict: Option<String>,
    #[serde(default)]
    any_of: Vec<String>,
    #[serde(default)]
    because: String,
}

impl Report {
    /// Reads it.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("there is no report {}: {error}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("{} is no report: {error}", path.display()))
    }

    /// A criterion by its id.
    pub(crate) fn criterion(&self, id: &str) -> Outcome<&Criterion> {
        match self.criteria.iter().find(|criterion| criterion.id == id) {
            Some(criterion) => Ok(criterion),
            None => fail(format!("the report has no criterion `{id}`")),
        }
    }

    /// A step by its id.
    pub(crate) fn step(&self, id: &str) -> Outcome<&Step> {
        match self.steps.iter().find(|step| step.id == id) {
            Some(step) => Ok(step),
            None => fail(format!("the report has no step `{id}`")),
        }
    }

    /// The criterion must have this verdict, and its reason must say one of these words.
    pub(crate) fn must_say(&self, id: &str, verdict: &str, words: &[&str]) -> Outcome {
        let criterion = self.criterion(id)?;
        let said = words.iter().any(|word| {
            criterion
                .reason
                .to_lowercase()
                .contains(&word.to_lowercase())
        });
        must(criterion.verdict == verdict && said, || {
            format!(
                "`{id}` must be {verdict} and say {words:?}, but it is {}: {}",
                criterion.verdict, criterion.reason
            )
        })
    }

    /// Every criterion must have a verdict of the table, and the table must name every criterion.
    pub(crate) fn must_match(&self, table: &Path) -> Outcome {
        let text = std::fs::read_to_string(table)
            .map_err(|error| format!("{}: {error}", table.display()))?;
        let table: BTreeMap<String, Expected> = serde_saphyr::from_str(&text)
            .map_err(|error| format!("{}: {error}", table.display()))?;
        let mut wrong = Vec::new();
        for criterion in &self.criteria {
            match table.get(&criterion.id) {
                None => wrong.push(format!("`{}` is not in the table", criterion.id)),
                Some(expected) if expected.allows(&criterion.verdict) => {}
                Some(expected) => wrong.push(format!(
                    "`{}` is {}, expected {}: {}",
                    criterion.id,
                    criterion.verdict,
                    expected.words(),
                    criterion.reason
                )),
            }
            let bare = criterion.verdict == "PASS"
                && !criterion
                    .findings
                    .iter()
                    .any(|finding| !finding.evidence.is_empty());
            if bare {
                wrong.push(format!("`{}` is PASS without evidence", criterion.id));
            }
        }
        let missing = table.keys().filter(|id| self.criterion(id).is_err());
        wrong.extend(missing.map(|id| format!("the report says nothing of `{id}`")));
        let code = if self
            .criteria
            .iter()
            .any(|criterion| criterion.verdict == "FAIL")
        {
            1
        } else {
            3
        };
        if self.exit_code != code {
            wrong.push(format!(
                "the exit code is {}, and by the verdicts it must be {code}",
                self.exit_code
            ));
        }
        must(wrong.is_empty(), || wrong.join("\n"))
    }
}

impl Expected {
    fn allows(&self, verdict: &str) -> bool {
        self.verdict.as_deref() == Some(verdict) || self.any_of.iter().any(|one| one == verdict)
    }

    fn words(&self) -> String {
        match &self.verdict {
            Some(verdict) => verdict.clone(),
            None => format!("one of {} ({})", self.any_of.join(", "), self.because),
        }
    }
}
