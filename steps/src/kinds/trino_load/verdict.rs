//! The verdict on a load. Pure.

use flowctl_workflows::result::{Finding, Number, Verdict};

use super::{LoadOutput, Params, Ran, Reading, overlap};
use crate::statistics::Percentile;

/// FAIL when a query did not end well; INCONCLUSIVE when the queries were not proven to overlap; else PASS.
pub(super) fn judge(
    params: &Params,
    ran: &[Ran],
    readings: &[Reading],
    wall_millis: u64,
    forwarded: bool,
) -> (Finding, LoadOutput) {
    let output = summary(params, ran, readings, wall_millis, forwarded);
    let wanted = u64::from(params.overlap.map_or(params.clients, |overlap| overlap.min));
    let proven = output.peak_executing.max(output.peak_running_sampled);
    let failures: Vec<&str> = ran
        .iter()
        .filter_map(|ran| ran.failure.as_deref())
        .collect();
    let (verdict, mut reason) = if let Some(first) = failures.first() {
        (
            Verdict::Fail,
            format!(
                "{} of {} queries failed; the first: {first}",
                failures.len(),
                ran.len()
            ),
        )
    } else if proven < wanted {
        let reason = format!(
            "all {} queries succeeded but did not overlap: peak {proven} of {wanted}; let them take longer, or send more of them",
            ran.len()
        );
        (Verdict::Inconclusive, reason)
    } else {
        (
            Verdict::Pass,
            format!(
                "all {} queries succeeded, up to {proven} in execution at once",
                ran.len()
            ),
        )
    };
    if forwarded {
        reason.push_str("; Trino was reached through a port-forward, which is no way for load");
    }
    let finding = Finding {
        about: format!("{} clients at once", params.clients),
        proves: Vec::new(),
        verdict,
        reason,
        numbers: numbers(ran, &output, wanted),
        evidence: Vec::new(),
    };
    (finding, output)
}

fn summary(
    params: &Params,
    ran: &[Ran],
    readings: &[Reading],
    wall_millis: u64,
    forwarded: bool,
) -> LoadOutput {
    let peak = |of: &dyn Fn(&Reading) -> u64| readings.iter().map(of).max().unwrap_or_default();
    LoadOutput {
        clients: params.clients,
        queries: ran.len() as u64,
        succeeded: ran.iter().filter(|ran| ran.failure.is_none()).count() as u64,
        peak_executing: overlap::peak(ran),
        peak_running_sampled: peak(&|reading| reading.in_state("RUNNING")),
        peak_queued_sampled: peak(&|reading| {
            reading.in_state("QUEUED") + reading.in_state("WAITING_FOR_RESOURCES")
        }),
        peak_memory_sampled_bytes: peak(&|reading| reading.memory_bytes),
        queued_max_millis: ran
            .iter()
            .map(|ran| ran.stats.queued_time_millis)
            .max()
            .unwrap_or_default(),
        run_time_p50_millis: Percentile::of(&run_times(ran), 0.5).map(|median| median.estimate),
        run_time_max_millis: ran
            .iter()
            .map(|ran| ran.stats.run_time_millis())
            .max()
            .unwrap_or_default(),
        wall_millis,
        port_forwarded: forwarded,
    }
}

/// Run times of the queries that ended well, in ascending order.
fn run_times(ran: &[Ran]) -> Vec<f64> {
    let good = ran.iter().filter(|ran| ran.failure.is_none());
    let mut times: Vec<f64> = good.map(|ran| ran.stats.run_time_millis() as f64).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn numbers(ran: &[Ran], output: &LoadOutput, wanted: u64) -> Vec<Number> {
    let number = |name: &str, value: u64, unit: &str, target: Option<String>| Number {
        name: name.to_owned(),
        value: value as f64,
        unit: unit.to_owned(),
        interval: None,
        target,
        samples: None,
    };
    let mut numbers = vec![
        number(
            "succeeded",
            output.succeeded,
            "",
            Some(format!("= {}", output.queries)),
        ),
        number(
            "peak in execution",
            output.peak_executing,
            "",
            Some(format!(">= {wanted}")),
        ),
        number(
            "peak RUNNING when asked",
            output.peak_running_sampled,
            "",
            None,
        ),
        number(
            "peak waiting when asked",
            output.peak_queued_sampled,
            "",
            None,
        ),
        number("longest in queue", output.queued_max_millis, "ms", None),
        number("longest run time", output.run_time_max_millis, "ms", None),
        number("wall", output.wall_millis, "ms", None),
    ];
    let times = run_times(ran);
    let percentiles = [0.5, 0.95]
        .into_iter()
        .filter_map(|p| Some(Percentile::of(&times, p)?.number("ms", None)));
    numbers.extend(percentiles);
    numbers
}
