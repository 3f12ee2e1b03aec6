//! What a deployed release proves: which chart and values Flux says it deployed, whether Helm's own
//! record holds these values, and which of them no template reads.

use flowctl_workflows::result::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::helm::{self, Recorded};
use super::progress::target;
use super::{Applied, Output, Params, Unread, unread};
use crate::again::{self, Again, NotJudged, Records};
use crate::clients::kube::{Kube, Resource, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{finding, number};
use crate::step::Output as StepOutput;

/// What the record of a deployed release is called.
const RECORD: &str = "deployed.json";

/// What was found out about the values.
#[derive(Debug, PartialEq, Eq)]
struct Values {
    verdict: Verdict,
    reason: String,
    unread: Vec<String>,
}

/// A deployed release, as the record has it: what follows is worked out from this alone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The HelmRelease with its status.
    release: Value,
    /// The values of the manifest.
    wanted: Value,
    /// What Helm keeps of it, or why that could not be read.
    recorded: Result<Kept, String>,
    /// The objects that were applied.
    objects: Vec<Applied>,
}

/// What is kept of Helm's own record. Not the values: some may have come out of Secrets.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    status: String,
    /// Values of the manifest that Helm was given otherwise or not at all, by path.
    not_given: Vec<String>,
    templates: Vec<String>,
    subcharts: Vec<String>,
    rendered: Vec<Value>,
}

impl Kept {
    fn of(recorded: Recorded, wanted: &Value) -> Self {
        Self {
            not_given: helm::not_given(wanted, &recorded.values),
            status: recorded.status,
            templates: recorded.templates,
            subcharts: recorded.subcharts,
            rendered: recorded.objects.iter().map(object::showable).collect(),
        }
    }
}

/// The findings and the output of a deployed release, with its evidence.
pub(super) async fn report(
    cx: &StepContext,
    kube: &Kube,
    release: &Value,
    wanted: Value,
    objects: Vec<Applied>,
    unread_values: Unread,
) -> Result<StepOutput, StepError> {
    let recorded = recorded(kube, release).await;
    let seen = Seen {
        release: object::showable(release),
        recorded: recorded.map(|recorded| Kept::of(recorded, &wanted)),
        wanted,
        objects,
    };
    let evidence = cx.evidence_json(RECORD, &json!(seen)).await?;
    let (mut findings, output) = conclude(unread_values, &seen);
    for found in &mut findings {
        found.evidence = vec![evidence.sha256.clone()];
    }
    Ok(StepOutput {
        value: json!(output),
        findings,
    })
}

/// Judges again from the record.
///
/// # Errors
/// When there is none, or it is of another shape.
pub(super) fn judge_again(params: &Params, records: &Records<'_>) -> Result<Again, NotJudged> {
    let record = records.json::<Seen>(RECORD, |name| name == RECORD)?;
    let (mut findings, output) = conclude(params.unread_values, &record.value);
    for found in &mut findings {
        found.evidence = vec![record.sha256.to_owned()];
    }
    Ok(Again {
        findings,
        value: again::output(output)?,
    })
}

/// What a deployed release proves. Pure.
fn conclude(unread_values: Unread, seen: &Seen) -> (Vec<Finding>, Output) {
    let release = &seen.release;
    let newest = newest(release);
    let values = judge_values(&seen.wanted, &seen.recorded, unread_values);
    let text = |pointer: &str| object::text(newest, pointer).to_owned();
    let generation = object::number(release, "/metadata/generation").unwrap_or(0);
    let revision = object::number(newest, "/version").unwrap_or(0);

    let mut deployed = deployed(release, newest);
    deployed.numbers = vec![count("generation", generation), count("revision", revision)];
    let arrived = finding(
        format!("values of {}", object::title(release)),
        values.verdict,
        values.reason,
    );
    let output = Output {
        name: object::name(release).to_owned(),
        namespace: object::namespace(release).unwrap_or_default().to_owned(),
        generation,
        chart: text("/chartName"),
        chart_version: text("/chartVersion"),
        app_version: text("/appVersion"),
        revision,
        config_digest: text("/configDigest"),
        digest: text("/digest"),
        values_proven: values.verdict == Verdict::Pass,
        unread_values: values.unread,
        objects: seen.objects.clone(),
    };
    (vec![deployed, arrived], output)
}

/// The newest entry of the release's history; null: there is none.
fn newest(release: &Value) -> &Value {
    let newest = release.pointer("/status/history/0");
    newest.unwrap_or(&Value::Null)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "generations and revisions are far below 2^52"
)]
fn count(name: &str, value: i64) -> flowctl_workflows::result::Number {
    number(name, value as f64, "")
}

/// Whether the history's newest entry is a deployed release of the values that Flux last tried.
fn deployed(release: &Value, newest: &Value) -> Finding {
    let about = format!("{} is deployed", object::title(release));
    let status = object::text(newest, "/status");
    let (chart, version) = (
        object::text(newest, "/chartName"),
        object::text(newest, "/chartVersion"),
    );
    let digest = object::text(newest, "/configDigest");
    let tried = object::text(release, "/status/lastAttemptedConfigDigest");
    let (verdict, reason) = if newest.is_null() {
        (
            Verdict::Inconclusive,
            "Flux keeps no history of it, so nothing tells what was deployed".to_owned(),
        )
    } else if status != "deployed" {
        (Verdict::Fail, format!("the newest release is `{status}`"))
    } else if !tried.is_empty() && tried != digest {
        (
            Verdict::Fail,
            format!("values {tried} were tried last, but {digest} are deployed"),
        )
    } else {
        (
            Verdict::Pass,
            format!("chart {chart} {version} with values {digest}"),
        )
    };
    finding(about, verdict, reason)
}

/// Helm's record of the newest release.
async fn recorded(kube: &Kube, release: &Value) -> Result<Recorded, String> {
    let newest = newest(release);
    let revision = object::number(newest, "/version").ok_or("Flux names no revision")?;
    let (own, name) = target(release);
    let name = match object::text(newest, "/name") {
        "" => name,
        name => name.to_owned(),
    };
    let storage = match object::text(release, "/status/storageNamespace") {
        "" => own,
        storage => storage.to_owned(),
    };
    let secret = helm::secret_name(&name, revision);
    let found = kube
        .get(&Resource::secrets(), Some(&storage), &secret)
        .await
        .map_err(|error| error.message)?;
    let found =
        found.ok_or_else(|| format!("there is no Secret `{secret}` in namespace `{storage}`"))?;
    helm::decode(&found)
}

/// Whether the values arrived. Pure.
fn judge_values(wanted: &Value, recorded: &Result<Kept, String>, unread_values: Unread) -> Values {
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(why) => {
            let reason = format!("Helm's record of the release could not be read: {why}");
            return Values {
                verdict: Verdict::Inconclusive,
                reason,
                unread: Vec::new(),
            };
        }
    };
    let unread = unread::unread(wanted, &recorded.templates, &recorded.subcharts);
    let missing = &recorded.not_given;
    if recorded.status != "deployed" {
        let reason = format!("Helm's record of the release is `{}`", recorded.status);
        return Values {
            verdict: Verdict::Fail,
            reason,
            unread,
        };
    }
    if !missing.is_empty() {
        let reason = format!("Helm was given other values for {}", missing.join(", "));
        return Values {
            verdict: Verdict::Fail,
            reason,
            unread,
        };
    }
    let rendered = recorded.rendered.len();
    if rendered == 0 {
        let reason = "the chart rendered no object".to_owned();
        return Values {
            verdict: Verdict::Fail,
            reason,
            unread,
        };
    }
    let mut reason = format!("Helm was given every value and rendered {rendered} objects");
    let mut verdict = Verdict::Pass;
    if !unread.is_empty() {
        reason = format!(
            "{reason}; by their names no template reads {}",
            unread.join(", ")
        );
        if unread_values == Unread::Fail {
            verdict = Verdict::Fail;
        }
    }
    Values {
        verdict,
        reason,
        unread,
    }
}
