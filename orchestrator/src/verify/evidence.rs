//! The raw records against their hashes: every one that the report names is there and is what it was.

use std::collections::{BTreeMap, BTreeSet};

use super::folder::{Folder, Record};
use super::outcome::{Disagreement, Verification};
use crate::report::Report;

/// A record that a report names.
#[derive(Default)]
struct Named {
    /// What it is called, and how long it was when it was kept.
    kept: Option<(String, u64)>,
    /// What rests on it.
    rests: BTreeSet<String>,
}

/// Looks at every record that one of these reports names, and at every file that neither they nor the events name.
pub(super) fn check(
    folder: &Folder,
    reports: &[&Report],
    of_events: &BTreeSet<String>,
    found: &mut Verification,
) {
    if reports.is_empty() {
        found.not_checked.push(
            "neither report.json nor the events can be read, so it is not known which raw records there should be"
                .to_owned(),
        );
        return;
    }
    let mut named: BTreeMap<&str, Named> = BTreeMap::new();
    for report in reports {
        collect(report, &mut named);
    }
    let mut disagreements = Vec::new();
    for (hash, of) in &named {
        disagreements.extend(examine(folder, hash, of, &named));
    }
    found.check(
        "raw records against their hashes",
        named.len(),
        disagreements,
    );
    let mut hashes: BTreeSet<&str> = named.keys().copied().collect();
    // An earlier rendering of the run may have put those there.
    hashes.extend(of_events.iter().map(String::as_str));
    let (files, foreign) = folder.foreign(&hashes);
    let foreign = foreign.into_iter().map(|file| Disagreement {
        file,
        place: String::new(),
        expected: "no such file".to_owned(),
        found: "a file that the report does not name".to_owned(),
        means: "nothing rests on it; it was not put there with this report".to_owned(),
        rests: Vec::new(),
    });
    found.check("files that the report names", files, foreign.collect());
}

fn collect<'a>(report: &'a Report, named: &mut BTreeMap<&'a str, Named>) {
    for step in &report.steps {
        for evidence in &step.evidence {
            let of = named.entry(&evidence.sha256).or_default();
            of.kept = Some((evidence.name.clone(), evidence.bytes));
            of.rests.insert(format!("step {}", step.id));
        }
    }
    for criterion in &report.criteria {
        for finding in &criterion.findings {
            for hash in &finding.evidence {
                let of = named.entry(hash).or_default();
                of.rests.insert(format!("criterion {}", criterion.id));
                of.rests.insert(format!("step {}", finding.step));
            }
        }
    }
}

fn examine(
    folder: &Folder,
    hash: &str,
    of: &Named,
    named: &BTreeMap<&str, Named>,
) -> Option<Disagreement> {
    let wanted = match &of.kept {
        Some((name, bytes)) => format!("{name}, {bytes} bytes"),
        None => "a record that no step says it kept".to_owned(),
    };
    let (found, means) = match folder.record(hash) {
        Record::Whole(content) => match &of.kept {
            Some((_, bytes)) if *bytes == content.len() as u64 => return None,
            Some(_) => (
                format!("{} bytes", content.len()),
                "the record is what its hash says, but not as long as it was when it was kept",
            ),
            None => (
                format!("{} bytes", content.len()),
                "a finding names a record that its step does not list",
            ),
        },
        Record::Missing(what) => (what, "what rests on it cannot be shown"),
        Record::Changed { sha256, bytes } => {
            let means = match (named.get(sha256.as_str()), &of.kept) {
                (Some(_), _) => "another record of this report lies in its place",
                (None, Some((_, kept))) if bytes < *kept => "it was cut off, or changed",
                _ => "it was changed",
            };
            let other = named
                .get(sha256.as_str())
                .and_then(|other| other.kept.as_ref())
                .map_or_else(String::new, |(name, _)| {
                    format!(", which is that of {name}")
                });
            (
                format!("{bytes} bytes with the hash {sha256}{other}"),
                means,
            )
        }
    };
    Some(Disagreement {
        file: format!("evidence/{hash}"),
        place: String::new(),
        expected: wanted,
        found,
        means: means.to_owned(),
        rests: of.rests.iter().cloned().collect(),
    })
}
