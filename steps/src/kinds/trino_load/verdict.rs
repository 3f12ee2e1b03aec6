//! The verdict on a load. Pure.

use flowctl_workflows::result::{Finding, Number, Verdict};

use super::{LoadOutput, Model, Params, Ran, Reading, overlap};
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
    let verdicts = [
        judge_outcomes(params, ran),
        judge_schedule(params, ran, &output),
        judge_overlap(params, ran, &output),
        judge_queue(params, readings, &output),
        judge_refusals(params, &output),
    ];
    let verdicts: Vec<(Verdict, String)> = verdicts.into_iter().flatten().collect();
    let verdict = verdicts
        .iter()
        .fold(Verdict::Pass, |worst, (verdict, _)| worst.worst(*verdict));
    // What does not bear on the verdict is not its reason.
    let reasons: Vec<String> = verdicts
        .into_iter()
        .filter(|(one, _)| *one == verdict)
        .map(|(_, reason)| reason)
        .collect();
    let mut reason = reasons.join("; ");
    if forwarded {
        reason.push_str("; Trino was reached through a port-forward, which is no way for load");
    }
    let finding = Finding {
        about: match params.schedule() {
            None => format!("{} clients at once", params.clients),
            Some(schedule) => format!(
                "a query every {} ms from {} clients",
                schedule.every.as_millis(),
                params.clients
            ),
        },
        proves: Vec::new(),
        verdict,
        reason,
        numbers: numbers(params, ran, &output),
        evidence: Vec::new(),
    };
    (finding, output)
}

fn wanted_overlap(params: &Params) -> u64 {
    let all = match params.model {
        Model::Closed => params.clients,
        // How many are under way at once is what a server makes of the schedule.
        Model::Open => 1,
    };
    u64::from(params.overlap.map_or(all, |overlap| overlap.min))
}

/// Whether the query ended with the very error that the server had to refuse some with.
fn refused(params: &Params, ran: &Ran) -> bool {
    let error = params.refusals.as_ref().map(|refusals| &refusals.error);
    error.is_some() && ran.error_name.as_ref() == error
}

fn judge_outcomes(params: &Params, ran: &[Ran]) -> Option<(Verdict, String)> {
    let failures = ran.iter().filter(|ran| !refused(params, ran));
    let failures: Vec<&str> = failures.filter_map(|ran| ran.failure.as_deref()).collect();
    let first = failures.first()?;
    let (failed, all) = (failures.len(), ran.len());
    Some((
        Verdict::Fail,
        format!("{failed} of {all} queries failed; the first: {first}"),
    ))
}

/// Whether the queries were sent when they were due: else it was another load.
fn judge_schedule(params: &Params, ran: &[Ran], output: &LoadOutput) -> Option<(Verdict, String)> {
    let schedule = params.schedule()?;
    let (late, most) = (output.late_p99_millis?, schedule.late.as_secs_f64() * 1e3);
    let sent = format!(
        "of {} queries, one due every {} ms, 99 % were sent at most {late:.1} ms late",
        ran.len(),
        schedule.every.as_millis()
    );
    Some(if late <= most {
        (Verdict::Pass, sent)
    } else {
        (
            Verdict::Inconclusive,
            format!(
                "{sent}, and at most {most} ms were allowed; take more clients, or send fewer queries"
            ),
        )
    })
}

/// In ascending order, milliseconds.
fn lateness(ran: &[Ran]) -> Vec<f64> {
    let late = ran.iter().filter_map(|ran| ran.late_micros);
    let mut late: Vec<f64> = late.map(|micros| micros as f64 / 1e3).collect();
    late.sort_by(f64::total_cmp);
    late
}

/// That the queries were sent at once is no proof that the server worked on them at once.
fn judge_overlap(params: &Params, ran: &[Ran], output: &LoadOutput) -> Option<(Verdict, String)> {
    let wanted = wanted_overlap(params);
    let proven = output.peak_executing.max(output.peak_running_sampled);
    let all = ran.len() as u64 - output.refused;
    if proven < wanted {
        return Some((
            Verdict::Inconclusive,
            format!(
                "{all} queries ended but did not overlap: peak {proven} of {wanted}; let them take longer, or send more of them"
            ),
        ));
    }
    let most = params.overlap.and_then(|overlap| overlap.max);
    if let Some(most) = most.map(u64::from).filter(|most| proven > *most) {
        return Some((
            Verdict::Fail,
            format!(
                "{proven} queries were in execution at once, where at most {most} were to be let in"
            ),
        ));
    }
    let limit = most.map_or_else(String::new, |most| format!(", never more than {most}"));
    Some((
        Verdict::Pass,
        format!(
            "{} of {all} queries succeeded, up to {proven} in execution at once{limit}",
            output.succeeded
        ),
    ))
}

fn judge_queue(
    params: &Params,
    readings: &[Reading],
    output: &LoadOutput,
) -> Option<(Verdict, String)> {
    let wanted = u64::from(params.queued?.min);
    let (seen, asked) = (output.peak_queued_sampled, readings.len());
    let seen_of =
        format!("up to {seen} waited in the queue when the server was asked {asked} times");
    Some(if seen >= wanted {
        (Verdict::Pass, seen_of)
    } else {
        (
            Verdict::Fail,
            format!("{seen_of}; there had to be {wanted}"),
        )
    })
}

fn judge_refusals(params: &Params, output: &LoadOutput) -> Option<(Verdict, String)> {
    let refusals = params.refusals.as_ref()?;
    let refused = format!("{} were refused with {}", output.refused, refusals.error);
    Some(if output.refused >= u64::from(refusals.min) {
        (Verdict::Pass, refused)
    } else {
        (
            Verdict::Fail,
            format!("{refused}; there had to be {}", refusals.min),
        )
    })
}

fn summary(
    params: &Params,
    ran: &[Ran],
    readings: &[Reading],
    wall_millis: u64,
    forwarded: bool,
) -> LoadOutput {
    let peak = |of: &dyn Fn(&Reading) -> u64| readings.iter().map(of).max().unwrap_or_default();
    let late = lateness(ran);
    let late = |p: f64| Percentile::of(&late, p).map(|late| late.estimate);
    LoadOutput {
        late_p50_millis: late(0.5),
        late_p99_millis: late(0.99),
        calibration: None,
        clients: params.clients,
        queries: ran.len() as u64,
        succeeded: ran.iter().filter(|ran| ran.failure.is_none()).count() as u64,
        peak_executing: overlap::peak(ran.iter().filter(|ran| !refused(params, ran))),
        refused: ran.iter().filter(|ran| refused(params, ran)).count() as u64,
        peak_running_sampled: peak(&Reading::in_execution),
        peak_blocked_sampled: peak(&|reading| reading.in_state("BLOCKED")),
        peak_queued_sampled: peak(&Reading::queued),
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
        probes: 0,
        probe_p50_millis: None,
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

fn numbers(params: &Params, ran: &[Ran], output: &LoadOutput) -> Vec<Number> {
    let most = params.overlap.and_then(|overlap| overlap.max);
    let most = most.map_or_else(String::new, |most| format!(", <= {most}"));
    let wanted = format!(">= {}{most}", wanted_overlap(params));
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
            Some(format!("= {}", output.queries - output.refused)),
        ),
        number("peak in execution", output.peak_executing, "", Some(wanted)),
        number(
            "peak RUNNING when asked",
            output.peak_running_sampled,
            "",
            None,
        ),
        number(
            "peak BLOCKED when asked",
            output.peak_blocked_sampled,
            "",
            None,
        ),
        number(
            "peak waiting when asked",
            output.peak_queued_sampled,
            "",
            params.queued.map(|queued| format!(">= {}", queued.min)),
        ),
        number("longest in queue", output.queued_max_millis, "ms", None),
        number("longest run time", output.run_time_max_millis, "ms", None),
        number("wall", output.wall_millis, "ms", None),
    ];
    let mut late = |name: &str, value: Option<f64>| {
        numbers.extend(value.map(|value| Number {
            value,
            ..number(name, 0, "ms", None)
        }));
    };
    late("late p50", output.late_p50_millis);
    late("late p99", output.late_p99_millis);
    let times = run_times(ran);
    if let Some(refusals) = &params.refusals {
        let target = Some(format!(">= {}", refusals.min));
        numbers.push(number("refused", output.refused, "", target));
    }
    let percentiles = [0.5, 0.95]
        .into_iter()
        .filter_map(|p| Some(Percentile::of(&times, p)?.number("ms", None)));
    numbers.extend(percentiles);
    numbers
}
