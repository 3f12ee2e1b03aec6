//! From what was measured to findings and numbers. Pure.

use flowctl_workflows::CriterionId;
use flowctl_workflows::result::{Finding, Interval, Number, Verdict};

use super::output::{ExperimentOutput, HypothesisOutput, MetricOutput, Summary};
use super::params::{Claim, Params};
use super::samples::{Ended, Measured};
use super::statistics::{
    BOTH_ENDS, Blocks, Effect, Estimate, LEAST_BLOCKS, Variant, estimate, outliers, shown,
};

/// What the measurement comes to. `evidence` is the hash of the record of all samples.
pub(super) fn conclude(
    params: &Params,
    measured: &Measured,
    restored: Option<String>,
    evidence: &str,
) -> (ExperimentOutput, Vec<Finding>) {
    let metrics: Vec<MetricOutput> = params
        .metrics
        .iter()
        .map(|metric| MetricOutput {
            name: metric.name.clone(),
            unit: metric.unit.clone(),
            a: summary(params, measured, &metric.name, Variant::A),
            b: summary(params, measured, &metric.name, Variant::B),
        })
        .collect();
    let (equality, equal) = results(params, measured);
    let (activity, proven) = manipulation(params, measured);
    let mut findings = vec![equality, activity];
    let mut hypotheses = Vec::new();
    for claim in &params.hypotheses {
        let estimate = effect_of(params, measured, claim);
        let (verdict, reason) = judge(measured, claim, &estimate);
        findings.push(finding_of(
            params, claim, &metrics, &estimate, verdict, &reason,
        ));
        hypotheses.push(HypothesisOutput {
            metric: claim.metric.clone(),
            effect: claim.effect,
            op: claim.op,
            threshold: claim.threshold,
            verdict,
            reason,
            value: estimate.value.filter(|value| value.is_finite()),
            low: estimate.low,
            high: estimate.high,
            confidence: BOTH_ENDS,
            detectable: estimate.detectable,
        });
    }
    for finding in &mut findings {
        finding.evidence.push(evidence.to_owned());
    }
    let output = ExperimentOutput {
        a: params.variants.a.name.clone(),
        b: params.variants.b.name.clone(),
        order: params.order,
        samples_taken: measured.samples.len() as u64,
        blocks_planned: u64::from(params.blocks),
        blocks_complete: complete_blocks(params, measured) as u64,
        proven,
        equal,
        metrics,
        hypotheses,
        ended_early: measured
            .ended
            .as_ref()
            .map(|ended| reason_of(ended).to_owned()),
        restored,
    };
    (output, findings)
}

fn effect_of(params: &Params, measured: &Measured, claim: &Claim) -> Estimate {
    let points = measured.points(&claim.metric, params.samples as usize);
    estimate(&Blocks::of(&points), claim.effect)
}

fn complete_blocks(params: &Params, measured: &Measured) -> usize {
    let metric = params.metrics.first().map_or("", |metric| &metric.name);
    Blocks::of(&measured.points(metric, params.samples as usize)).count()
}

fn reason_of(ended: &Ended) -> &str {
    match ended {
        Ended::NotProven { reason }
        | Ended::Wrong { reason }
        | Ended::Nothing { reason }
        | Ended::Budget { reason } => reason,
    }
}

fn summary(params: &Params, measured: &Measured, metric: &str, variant: Variant) -> Summary {
    let points = measured.points(metric, params.samples as usize);
    let own = points.iter().filter(|point| point.variant == variant);
    let values: Vec<(u64, f64)> = own.map(|point| (point.block as u64, point.value)).collect();
    let plain: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    let blocks = Blocks::of(&points);
    let far = outliers(&plain);
    Summary {
        samples: plain.len() as u64,
        median: blocks.median(variant, &vec![1; blocks.count()]),
        min: plain.iter().copied().min_by(f64::total_cmp),
        max: plain.iter().copied().max_by(f64::total_cmp),
        outliers: far.into_iter().map(|place| plain[place]).collect(),
        values,
    }
}

/// Whether all samples gave the same, warm-ups too: a wrong result is wrong however soon it comes.
fn results(params: &Params, measured: &Measured) -> (Finding, Option<bool>) {
    let found = measured.results();
    let total =
        |variant: Variant| -> usize { found.iter().map(|(_, of)| of[variant as usize]).sum() };
    let both = total(Variant::A) > 0 && total(Variant::B) > 0;
    let names = [&params.variants.a.name, &params.variants.b.name];
    let (verdict, reason, equal) = if let Some(Ended::Wrong { reason }) = &measured.ended {
        (Verdict::Fail, reason.clone(), Some(false))
    } else if found.len() > 1 {
        let shares: Vec<String> = found
            .iter()
            .take(4)
            .map(|(result, [a, b])| {
                let text: String = result.to_string().chars().take(80).collect();
                format!("{text} ({a} of `{}`, {b} of `{}`)", names[0], names[1])
            })
            .collect();
        let reason = format!(
            "{} samples gave {} different results: {}",
            measured.samples.len(),
            found.len(),
            shares.join(", ")
        );
        (Verdict::Fail, reason, Some(false))
    } else if let Some(Ended::Nothing { reason }) = &measured.ended {
        (Verdict::Inconclusive, reason.clone(), None)
    } else if both {
        let reason = format!(
            "all {} samples of `{}` and `{}` gave the same result",
            measured.samples.len(),
            names[0],
            names[1]
        );
        (Verdict::Pass, reason, Some(true))
    } else {
        let reason = "there are not samples of both variants to compare".to_owned();
        (Verdict::Inconclusive, reason, None)
    };
    let about = format!("results of {} and {}", names[0], names[1]);
    (finding(params, about, verdict, reason), equal)
}

/// Whether the variants' settings were active.
fn manipulation(params: &Params, measured: &Measured) -> (Finding, bool) {
    let seen = |variant| {
        measured
            .looks
            .iter()
            .any(|look| look.holds && look.variant == variant)
    };
    let (verdict, reason) = match &measured.ended {
        Some(Ended::NotProven { reason }) => (
            Verdict::Inconclusive,
            format!("manipulation not proven: {reason}"),
        ),
        _ if Variant::BOTH.into_iter().all(seen) => {
            let reason = format!(
                "the settings were seen to be active all {} times",
                measured.looks.len()
            );
            (Verdict::Pass, reason)
        }
        _ => (
            Verdict::Inconclusive,
            "manipulation not proven: nobody looked at both variants".to_owned(),
        ),
    };
    let about = "manipulation check".to_owned();
    (
        finding(params, about, verdict, reason),
        verdict == Verdict::Pass,
    )
}

fn judge(measured: &Measured, claim: &Claim, estimate: &Estimate) -> (Verdict, String) {
    match &measured.ended {
        Some(Ended::NotProven { reason }) => {
            let reason = format!("manipulation not proven, so no sample counts: {reason}");
            (Verdict::Inconclusive, reason)
        }
        Some(ended @ (Ended::Wrong { .. } | Ended::Nothing { .. })) => {
            let reason = format!("no sample counts: {}", reason_of(ended));
            (Verdict::Inconclusive, reason)
        }
        Some(Ended::Budget { reason }) if estimate.blocks < LEAST_BLOCKS => {
            let reason = format!(
                "{reason} after {} complete blocks, and {LEAST_BLOCKS} are needed",
                estimate.blocks
            );
            (Verdict::Inconclusive, reason)
        }
        None | Some(Ended::Budget { .. }) => claim.hypothesis().judge(estimate),
    }
}

fn finding_of(
    params: &Params,
    claim: &Claim,
    metrics: &[MetricOutput],
    estimate: &Estimate,
    verdict: Verdict,
    reason: &str,
) -> Finding {
    let Claim { metric, effect, .. } = claim;
    let target = format!("{} {}", claim.op.symbol(), shown(claim.threshold));
    let mut numbers = Vec::new();
    let of_metric = metrics.iter().find(|one| one.name == *metric);
    let unit = of_metric.map_or("", |one| one.unit.as_str());
    if let Some(value) = estimate.value.filter(|value| value.is_finite()) {
        numbers.push(Number {
            name: format!("{} of {metric}", effect.name()),
            value,
            unit: effect.unit(unit).to_owned(),
            interval: Some(Interval {
                low: estimate.low,
                high: estimate.high,
                confidence: BOTH_ENDS,
            }),
            target: Some(target.clone()),
            samples: Some(estimate.samples as u64),
        });
    }
    let mut beside = |name: String, value: Option<f64>, unit: &str, samples: Option<u64>| {
        if let Some(value) = value {
            numbers.push(Number {
                name,
                value,
                unit: unit.to_owned(),
                interval: None,
                target: None,
                samples,
            });
        }
    };
    for variant in Variant::BOTH {
        if let Some(of) = of_metric.map(|one| one.of(variant)) {
            let name = format!("median {metric}, {}", params.variants.of(variant).name);
            beside(name, of.median, unit, Some(of.samples));
        }
    }
    let least = format!("smallest {} told from none", effect.name());
    beside(least, estimate.detectable, effect.unit(unit), None);
    beside(
        "complete blocks".to_owned(),
        Some(estimate.blocks as f64),
        "",
        None,
    );
    let far = of_metric.map(|one| one.a.outliers.len() + one.b.outliers.len());
    beside(
        "outliers, counted like all".to_owned(),
        far.map(|far| far as f64),
        "",
        None,
    );
    let (a, b) = (&params.variants.a.name, &params.variants.b.name);
    let of = match effect {
        Effect::Speedup | Effect::Reduction => format!("{b} against {a}"),
        Effect::Difference => format!("{b} less {a}"),
    };
    Finding {
        about: format!("{metric}: {} of {of} {target}", effect.name()),
        proves: claim.criteria(),
        verdict,
        reason: reason.to_owned(),
        numbers,
        evidence: Vec::new(),
    }
}

/// A finding about the experiment as a whole: it bears on every criterion that a claim proves.
fn finding(params: &Params, about: String, verdict: Verdict, reason: String) -> Finding {
    let mut proves: Vec<CriterionId> = Vec::new();
    for criterion in params.hypotheses.iter().flat_map(Claim::criteria) {
        if !proves.contains(&criterion) {
            proves.push(criterion);
        }
    }
    Finding {
        about,
        proves,
        verdict,
        reason,
        numbers: Vec::new(),
        evidence: Vec::new(),
    }
}
