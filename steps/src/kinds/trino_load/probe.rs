//! What the load does to others: a small query of another user, run again and again while the load lasts.
//!
//! Its whole time is judged, the queue included: to wait for a place is part of what a load does to others. A run that the
//! load's end overtook does not count.

use std::convert::Infallible;

use flowctl_workflows::result::{Finding, Number, Verdict};
use serde::{Deserialize, Serialize};

use super::super::trino_benchmark::reading;
use super::super::trino_query::session_of;
use super::{Params, Probe};
use crate::clients::trino::result::millis;
use crate::clients::trino::{QueryOptions, Statement, TrinoClient};
use crate::context::StepContext;
use crate::error::StepError;
use crate::statistics::Percentile;

/// The tag of its queries, by which the server's counts of the load leave them out, and by which a resource group can be told to take them.
pub(super) const PROBE: &str = "probe";

/// One run of the probe.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Probed {
    /// When it was sent, since the load began.
    pub at_millis: u64,
    /// The query's id, unless the server never took it.
    pub query_id: Option<String>,
    /// From its creation to its end on the server's clock, the queue included.
    pub elapsed_millis: u64,
    /// Of that, in the queue.
    pub queued_millis: u64,
    /// From the request to the last page, on this side.
    pub client_wall_millis: u64,
    /// Why it did not end well.
    pub failure: Option<String>,
}

/// The probe beside a load; none when none is asked for.
pub(super) struct Beside<'a> {
    cx: &'a StepContext,
    client: &'a TrinoClient,
    probe: Option<(&'a Probe, Statement, QueryOptions)>,
}

impl<'a> Beside<'a> {
    /// The probe that the parameters ask for.
    ///
    /// # Errors
    /// When its statement is none, or writes.
    pub(super) fn of(
        cx: &'a StepContext,
        client: &'a TrinoClient,
        params: &'a Params,
    ) -> Result<Self, StepError> {
        let probe = params.probe.as_ref().map(|probe| {
            let query = &probe.query;
            let (sql, file) = (query.sql.as_deref(), query.file.as_deref());
            let statement = reading(cx, &query.name, sql, file)?;
            let options = QueryOptions {
                catalog: params.catalog.clone(),
                schema: params.schema.clone(),
                session: session_of(&probe.session),
                user: probe.user.clone(),
                tags: vec![format!("query={}", query.name), PROBE.to_owned()],
                ..QueryOptions::default()
            };
            Ok::<_, StepError>((probe, statement, options))
        });
        Ok(Self {
            cx,
            client,
            probe: probe.transpose()?,
        })
    }

    /// Does the work, and probes meanwhile.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Probed>) {
        let mut probed = Vec::new();
        let Some((probe, statement, options)) = &self.probe else {
            return (work.await, probed);
        };
        let done = tokio::select! {
            done = work => done,
            never = self.keep_probing(probe, statement, options, &mut probed) => match never {},
        };
        (done, probed)
    }

    async fn keep_probing(
        &self,
        probe: &Probe,
        statement: &Statement,
        options: &QueryOptions,
        probed: &mut Vec<Probed>,
    ) -> Infallible {
        let begun = self.cx.clock.elapsed();
        loop {
            let at = self.cx.clock.elapsed() - begun;
            let mut one = self.once(probe, statement, options).await;
            one.at_millis = millis(at);
            probed.push(one);
            tokio::time::sleep(probe.every.duration()).await;
        }
    }

    async fn once(&self, probe: &Probe, statement: &Statement, options: &QueryOptions) -> Probed {
        let begun = self.cx.clock.elapsed();
        let outcome = self.client.outcome(self.cx, statement, options).await;
        let mut probed = Probed {
            client_wall_millis: millis(self.cx.clock.elapsed() - begun),
            ..Probed::default()
        };
        match outcome {
            Ok(Ok(result)) => {
                probed.elapsed_millis = result.stats.elapsed_time_millis;
                probed.queued_millis = result.stats.queued_time_millis;
                if !probe.query.rows.hold(result.row_count) {
                    probed.failure = Some(format!(
                        "query {} returned {} rows, asked for {}",
                        result.query_id, result.row_count, probe.query.rows
                    ));
                }
                probed.query_id = Some(result.query_id);
            }
            Ok(Err(refusal)) => {
                probed.query_id = Some(refusal.query_id);
                probed.failure = Some(refusal.error.message);
            }
            Err(error) => probed.failure = Some(error.message),
        }
        probed
    }

    /// The verdict on the probe, and the median of its time; none when there is no probe.
    pub(super) fn judge(&self, probed: &[Probed]) -> Option<(Finding, Option<f64>)> {
        let (probe, _, _) = self.probe.as_ref()?;
        Some(judge(probe, probed))
    }
}

/// FAIL when a run failed; INCONCLUSIVE when none ended while the load lasted; else as the targets say.
pub(super) fn judge(probe: &Probe, probed: &[Probed]) -> (Finding, Option<f64>) {
    let good = probed.iter().filter(|probed| probed.failure.is_none());
    let mut times: Vec<f64> = good.map(|probed| probed.elapsed_millis as f64).collect();
    times.sort_by(f64::total_cmp);
    let mut verdicts = Vec::new();
    if let Some(failure) = probed.iter().find_map(|probed| probed.failure.as_ref()) {
        verdicts.push((Verdict::Fail, failure.clone()));
    }
    for (p, target) in probe.sla.targets() {
        if let (Some(target), Some(percentile)) = (target, Percentile::of(&times, p)) {
            verdicts.push(percentile.judge(target, "ms"));
        }
    }
    if times.is_empty() {
        let reason = "no run of it ended while the load lasted".to_owned();
        verdicts.push((Verdict::Inconclusive, reason));
    } else if verdicts.is_empty() {
        let reason = format!(
            "{} runs while the load lasted; no target is set",
            times.len()
        );
        verdicts.push((Verdict::Pass, reason));
    }
    let verdict = verdicts
        .iter()
        .fold(Verdict::Pass, |worst, (verdict, _)| worst.worst(*verdict));
    let reasons: Vec<String> = verdicts
        .into_iter()
        .filter(|(one, _)| *one == verdict)
        .map(|(_, reason)| reason)
        .collect();
    let percentile = |p: f64| Percentile::of(&times, p);
    let mut numbers: Vec<Number> = probe
        .sla
        .targets()
        .into_iter()
        .filter_map(|(p, target)| Some(percentile(p)?.number("ms", target)))
        .collect();
    let queued = probed.iter().map(|probed| probed.queued_millis).max();
    numbers.extend(queued.map(|queued| Number {
        name: "longest in queue".to_owned(),
        value: queued as f64,
        unit: "ms".to_owned(),
        interval: None,
        target: None,
        samples: None,
    }));
    let finding = Finding {
        about: format!("{} beside the load", probe.query.name),
        proves: probe.proves.list(),
        verdict,
        reason: reasons.join("; "),
        numbers,
        evidence: Vec::new(),
    };
    (finding, percentile(0.5).map(|median| median.estimate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn probe(sla: serde_json::Value) -> Probe {
        let with = json!({"query": {"name": "small", "sql": "SELECT 1"}, "sla": sla});
        serde_json::from_value(with).unwrap()
    }

    fn took(millis: u64) -> Probed {
        Probed {
            elapsed_millis: millis,
            ..Probed::default()
        }
    }

    #[test]
    fn nothing_that_ended_meanwhile_is_no_evidence() {
        let (finding, median) = judge(&probe(json!({"p50": "1s"})), &[]);
        assert_eq!((finding.verdict, median), (Verdict::Inconclusive, None));
    }

    #[test]
    fn its_time_is_held_against_the_target() {
        let many = |millis: u64| vec![took(millis); 20];
        let verdict = |millis: u64| judge(&probe(json!({"p50": "1s"})), &many(millis)).0.verdict;
        assert_eq!(verdict(400), Verdict::Pass);
        assert_eq!(verdict(4000), Verdict::Fail);
        // Too few for the 95th percentile.
        let (finding, median) = judge(&probe(json!({"p95": "1s"})), &many(400));
        assert_eq!(
            (finding.verdict, median),
            (Verdict::Inconclusive, Some(400.0))
        );
    }

    #[test]
    fn a_run_that_fails_is_a_failure() {
        let mut all = vec![took(1); 20];
        all[3].failure = Some("query q failed".to_owned());
        let (finding, _) = judge(&probe(json!({"p50": "1s"})), &all);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.reason.contains("query q failed"));
    }
}
