//! What a deployed release proves: which chart and values Flux says it deployed, whether Helm's own
//! record holds these values, and which of them no template reads.

use flowctl_workflows::result::{Finding, Verdict};
use serde_json::{Value, json};

use super::helm::{self, Recorded};
use super::progress::target;
use super::{Applied, Output, Unread, unread};
use crate::clients::kube::{Kube, Resource, object};
use crate::context::StepContext;
use crate::error::StepError;
use crate::finding::{finding, number};
use crate::step::Output as StepOutput;

/// What was found out about the values.
#[derive(Debug, PartialEq, Eq)]
struct Values {
    verdict: Verdict,
    reason: String,
    unread: Vec<String>,
}

/// The findings and the output of a deployed release, with its evidence.
pub(super) async fn report(
    cx: &StepContext,
    kube: &Kube,
    release: &Value,
    wanted: &Value,
    objects: Vec<Applied>,
    unread_values: Unread,
) -> Result<StepOutput, StepError> {
    let newest = release
        .pointer("/status/history/0")
        .cloned()
        .unwrap_or(Value::Null);
    let mut evidence = vec![
        cx.evidence_json("release.json", &object::showable(release))
            .await?
            .sha256,
    ];
    let recorded = recorded(kube, release, &newest).await;
    if let Ok(recorded) = &recorded {
        let rendered: Vec<Value> = recorded.objects.iter().map(object::showable).collect();
        evidence.push(
            cx.evidence_json("rendered.json", &Value::Array(rendered))
                .await?
                .sha256,
        );
    }
    let values = judge_values(wanted, &recorded, unread_values);
    let text = |pointer: &str| object::text(&newest, pointer).to_owned();
    let generation = object::number(release, "/metadata/generation").unwrap_or(0);
    let revision = object::number(&newest, "/version").unwrap_or(0);

    let mut deployed = deployed(release, &newest);
    deployed.numbers = vec![count("generation", generation), count("revision", revision)];
    deployed.evidence.clone_from(&evidence);
    let mut arrived = finding(
        format!("values of {}", object::title(release)),
        values.verdict,
        values.reason,
    );
    arrived.evidence = evidence;

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
        objects,
    };
    Ok(StepOutput {
        value: json!(output),
        findings: vec![deployed, arrived],
    })
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
async fn recorded(kube: &Kube, release: &Value, newest: &Value) -> Result<Recorded, String> {
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
fn judge_values(
    wanted: &Value,
    recorded: &Result<Recorded, String>,
    unread_values: Unread,
) -> Values {
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
    let missing = helm::not_given(wanted, &recorded.values);
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
    let rendered = recorded.objects.len();
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
