//! The documents of a report against what its events come to: each is rendered again and compared to the last byte.

use flowctl_state::run_state::RunState;
use serde_json::Value;

use super::difference::{Difference, of_texts, of_values};
use super::folder::Folder;
use super::outcome::{Disagreement, Verification};
use crate::report::{self, FORMAT, Report};

/// `report.json` as it lies in the folder.
pub(super) struct Written {
    text: String,
    /// `Null` when it is no JSON.
    value: Value,
    /// `None` when it has not the shape of a report.
    pub(super) report: Option<Report>,
    wrong: Option<String>,
}

impl Written {
    /// Its format number; 0 when it has none.
    pub(super) fn format(&self) -> u64 {
        self.value["format"].as_u64().unwrap_or(0)
    }

    /// A text in it; empty when it has none of that name.
    pub(super) fn text(&self, name: &str) -> &str {
        self.value[name].as_str().unwrap_or("")
    }
}

/// Reads `report.json`.
pub(super) fn written(text: &[u8]) -> Written {
    let text = String::from_utf8_lossy(text).into_owned();
    let (value, wrong) = match serde_json::from_str::<Value>(&text) {
        Ok(value) => (value, None),
        Err(error) => (Value::Null, Some(format!("no JSON: {error}"))),
    };
    let mut shaped = value.clone();
    if value["format"] == 1 {
        // What an earlier flowctl wrote has no events, and one yet earlier knew no rehearsal.
        shaped["events"] = serde_json::json!({"count": 0, "sha256": ""});
        let rehearsal = value["rehearsal"].as_bool().unwrap_or_default();
        shaped["rehearsal"] = rehearsal.into();
    }
    Written {
        report: serde_json::from_value(shaped).ok(),
        text,
        value,
        wrong,
    }
}

/// Whether it has the shape that the schema says.
pub(super) fn check_shape(written: &Written, found: &mut Verification) {
    let means = "it is not what flowctl writes; `flowctl schema report` prints what that is";
    let wrong = |place: String, what: String| Disagreement {
        file: "report.json".to_owned(),
        place,
        expected: "what the schema of a report allows".to_owned(),
        found: what,
        means: means.to_owned(),
        rests: Vec::new(),
    };
    if let Some(what) = &written.wrong {
        found.check(
            "shape of report.json",
            1,
            vec![wrong(String::new(), what.clone())],
        );
        return;
    }
    if written.format() != u64::from(FORMAT) {
        return;
    }
    let disagreements = match jsonschema::validator_for(&report::schema()) {
        Ok(validator) => validator
            .iter_errors(&written.value)
            .map(|error| wrong(error.instance_path().to_string(), error.to_string()))
            .collect(),
        Err(error) => vec![wrong(String::new(), error.to_string())],
    };
    found.check("shape of report.json", 1, disagreements);
}

/// Compares every document with what the events come to.
pub(super) fn compare(
    folder: &Folder,
    written: &Written,
    state: &RunState,
    report: &Report,
    found: &mut Verification,
) {
    let means = meaning(report);
    let mut text = Vec::new();
    let rendered = report::json(report, &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut differences = match (rendered, serde_json::from_str::<Value>(&text)) {
        (Ok(()), Ok(value)) if !written.value.is_null() => of_values(&value, &written.value),
        _ => Vec::new(),
    };
    if differences.is_empty() && !written.value.is_null() {
        differences = of_texts(&text, &written.text);
    }
    // What follows from the findings by rule is told apart from what is only shown.
    let (judged, shown): (Vec<Difference>, Vec<Difference>) = differences
        .into_iter()
        .partition(|difference| is_judged(&difference.place));
    let judged = as_disagreements("report.json", judged, &means);
    found.check(
        "verdicts judged again from the events",
        report.criteria.len(),
        judged,
    );
    let mut all = as_disagreements("report.json", shown, &means);
    all.extend(document(
        folder,
        "report.md",
        &report::markdown(report),
        &means,
    ));
    all.extend(document(folder, "junit.xml", &junit(report), &means));
    let record = |hash: &str| folder.whole(hash);
    let page = report::html(state, report, &record);
    all.extend(document(folder, "report.html", &page, &means));
    found.check("documents rendered again from the events", 4, all);
}

/// Whether a place of `report.json` says what the criteria come to, and not what was found.
fn is_judged(place: &str) -> bool {
    let of_criterion = place.starts_with("criteria") && !place.contains(".findings[");
    of_criterion || place.starts_with("summary") || place == "exit_code" || place == "outcome"
}

/// Compares what can be rendered of a report of which the events are not there.
pub(super) fn compare_old(folder: &Folder, written: &Written, found: &mut Verification) {
    let Some(report) = &written.report else {
        return;
    };
    let means = "it is not what report.json renders to: one of the two was changed, or another version of flowctl wrote them";
    let mut all = document(folder, "report.md", &report::markdown(report), means);
    all.extend(document(folder, "junit.xml", &junit(report), means));
    found.check("documents rendered again from report.json", 2, all);
    found
        .not_checked
        .push("report.html is drawn from the run's events, which are not there".to_owned());
}

/// What a difference to the events means.
fn meaning(report: &Report) -> String {
    let mut means =
        "the run's events say otherwise: the document was changed after it was written".to_owned();
    let own = env!("CARGO_PKG_VERSION");
    if report.fingerprint.flowctl != own {
        means.push_str(&format!(
            ", or rendered by flowctl {}, which may draw it differently than this one, {own}",
            report.fingerprint.flowctl
        ));
    }
    means
}

fn junit(report: &Report) -> String {
    let mut text = Vec::new();
    match report::junit(report, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => error,
    }
}

fn document(folder: &Folder, name: &str, expected: &str, means: &str) -> Vec<Disagreement> {
    match folder.read(name) {
        None => vec![Disagreement::missing(name, "a report has this document")],
        Some(text) => {
            let differences = of_texts(expected, &String::from_utf8_lossy(&text));
            as_disagreements(name, differences, means)
        }
    }
}

fn as_disagreements(file: &str, differences: Vec<Difference>, means: &str) -> Vec<Disagreement> {
    differences
        .into_iter()
        .map(|difference| Disagreement {
            file: file.to_owned(),
            place: difference.place,
            expected: difference.expected,
            found: difference.found,
            means: means.to_owned(),
            rests: Vec::new(),
        })
        .collect()
}
