//! Short ways to say what was found out. Owns no judgement: the kinds judge.

use flowctl_workflows::result::{Evidence, Finding, Number, Verdict};

/// A finding without numbers, proving what the step's own `proves:` names.
pub(crate) fn finding(
    about: impl Into<String>,
    verdict: Verdict,
    reason: impl Into<String>,
) -> Finding {
    Finding {
        about: about.into(),
        proves: Vec::new(),
        verdict,
        reason: reason.into(),
        numbers: Vec::new(),
        evidence: Vec::new(),
    }
}

/// A measured number with its unit (empty: a count).
pub(crate) fn number(name: impl Into<String>, value: f64, unit: &str) -> Number {
    Number {
        name: name.into(),
        value,
        unit: unit.to_owned(),
        interval: None,
        target: None,
        samples: None,
    }
}

/// A count.
pub(crate) fn count(name: &str, value: usize) -> Number {
    // Counts of pods and lines are far below 2^52.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of pods and lines are far below 2^52"
    )]
    number(name, value as f64, "")
}

/// The hashes of raw records.
pub(crate) fn hashes(evidence: &[Evidence]) -> Vec<String> {
    evidence
        .iter()
        .map(|evidence| evidence.sha256.clone())
        .collect()
}
