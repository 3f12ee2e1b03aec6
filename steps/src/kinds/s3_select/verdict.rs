//! What follows from the measurement. Pure.

use flowctl_workflows::result::{Finding, Interval, Number, Verdict};

use super::measure::Measured;
use super::{Params, Saves, Speedup};
use crate::clients::s3::Place;
use crate::finding::number;
use crate::statistics::{CONFIDENCE, Percentile};

pub(super) fn judge(params: &Params, place: &Place, measured: &Measured) -> Vec<Finding> {
    let mut findings = vec![judge_rows(params, place, measured)];
    findings.extend(
        params
            .saves
            .as_ref()
            .map(|saves| judge_saving(saves, place, measured)),
    );
    findings.extend(
        params
            .speedup
            .as_ref()
            .map(|speedup| judge_speedup(speedup, place, measured)),
    );
    findings
}

/// Whether both ways give the same rows.
pub(super) fn equal(measured: &Measured) -> bool {
    measured.rows.count == measured.expected.rows.count
        && measured.rows.fingerprint() == measured.expected.rows.fingerprint()
}

/// The share of the bytes that was saved; `None` where there were no bytes.
pub(super) fn saved(measured: &Measured) -> Option<f64> {
    let whole = measured.plain_bytes;
    (whole > 0).then(|| 1.0 - measured.selection.selected.wire_bytes as f64 / whole as f64)
}

fn judge_rows(params: &Params, place: &Place, measured: &Measured) -> Finding {
    // Of an answer that is a number of rows, what counts is that number.
    let count = measured.expected.matching;
    let (verdict, reason) = if measured.expected.lines == 0 {
        (Verdict::Inconclusive, format!("{place} holds no rows"))
    } else if !equal(measured) {
        (Verdict::Fail, difference(measured))
    } else if !measured.unsteady.is_empty() {
        let runs: Vec<String> = measured.unsteady.iter().map(u32::to_string).collect();
        (
            Verdict::Fail,
            format!(
                "the same select gave other bytes in run {}",
                runs.join(", ")
            ),
        )
    } else {
        let both = format!(
            "{count} rows, the same as of the {} lines of {place}",
            measured.expected.lines
        );
        match params.rows {
            Some(bounds) if bounds.hold(count) => {
                (Verdict::Pass, format!("{both}, asked for {bounds}"))
            }
            Some(bounds) => (Verdict::Fail, format!("{both}, asked for {bounds}")),
            None if count == 0 => (
                Verdict::Inconclusive,
                format!("no row is selected of {place}: two empty answers are no evidence"),
            ),
            None => (Verdict::Pass, both),
        }
    };
    let target = params.rows.map(|bounds| bounds.to_string());
    let mut numbers = vec![
        Number {
            target,
            ..number("rows selected", measured.rows.count as f64, "rows")
        },
        number(
            "rows of the plain GET",
            measured.expected.rows.count as f64,
            "rows",
        ),
        number("lines that match", count as f64, "lines"),
        number(
            "lines of the object",
            measured.expected.lines as f64,
            "lines",
        ),
    ];
    numbers.extend(transfer(measured));
    numbers.extend(times(measured));
    finding(
        format!("rows of S3 Select and of a plain GET of {place}"),
        verdict,
        reason,
        numbers,
    )
}

/// Where two results differ, by an example where one is kept.
fn difference(measured: &Measured) -> String {
    let (rows, expected) = (&measured.rows, &measured.expected.rows);
    let mut text = format!(
        "the select gives {} rows, the object itself {}",
        rows.count, expected.count
    );
    let show = |row: &Vec<String>| {
        let row: String = format!("{row:?}").chars().take(120).collect();
        row
    };
    if let Some(row) = rows.beyond(expected) {
        text.push_str(&format!("; only the select has {}", show(row)));
    }
    if let Some(row) = expected.beyond(rows) {
        text.push_str(&format!("; only the object has {}", show(row)));
    }
    text
}

fn transfer(measured: &Measured) -> Vec<Number> {
    let mut numbers = vec![
        number(
            "bytes on the wire, select",
            measured.selection.selected.wire_bytes as f64,
            "bytes",
        ),
        number(
            "bytes on the wire, plain GET",
            measured.plain_bytes as f64,
            "bytes",
        ),
    ];
    if let Some(stats) = measured.selection.stats {
        for (name, bytes) in [
            ("bytes scanned, says the gateway", stats.bytes_scanned),
            ("bytes processed, says the gateway", stats.bytes_processed),
            ("bytes returned, says the gateway", stats.bytes_returned),
        ] {
            numbers.push(number(name, bytes as f64, "bytes"));
        }
    }
    numbers
}

fn median(samples: &[f64]) -> Option<Percentile> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Percentile::of(&sorted, 0.5)
}

fn times(measured: &Measured) -> Vec<Number> {
    [
        ("time of the select, median", &measured.select_ms),
        ("time of the plain GET, median", &measured.plain_ms),
    ]
    .into_iter()
    .filter_map(|(name, samples)| {
        Some(Number {
            name: name.to_owned(),
            ..median(samples)?.number("ms", None)
        })
    })
    .collect()
}

fn judge_saving(saves: &Saves, place: &Place, measured: &Measured) -> Finding {
    let Some(saved) = saved(measured) else {
        let reason = format!("{place} is empty");
        return proving(
            saves.proves.list(),
            finding(
                about("transfer", place),
                Verdict::Inconclusive,
                reason,
                Vec::new(),
            ),
        );
    };
    let (least, is) = (percent(saves.share), percent(saved));
    let reason = format!(
        "{} bytes of the select in place of {}: {is} saved, at least {least} asked for",
        measured.selection.selected.wire_bytes, measured.plain_bytes
    );
    // A saving with other rows is none.
    let (verdict, reason) = if !equal(measured) {
        (
            Verdict::Fail,
            format!("{reason}, but the rows are not the same"),
        )
    } else if measured.expected.matching == 0 {
        (
            Verdict::Inconclusive,
            format!("{reason}, but no row was selected"),
        )
    } else if saved >= saves.share {
        (Verdict::Pass, reason)
    } else {
        (Verdict::Fail, reason)
    };
    let mut numbers = vec![Number {
        target: Some(format!(">= {least}")),
        ..number("transfer saved", saved * 100.0, "%")
    }];
    numbers.extend(transfer(measured));
    proving(
        saves.proves.list(),
        finding(about("transfer", place), verdict, reason, numbers),
    )
}

fn judge_speedup(speedup: &Speedup, place: &Place, measured: &Measured) -> Finding {
    let Speedup { factor, proves } = speedup;
    let (Some(select), Some(plain)) = (median(&measured.select_ms), median(&measured.plain_ms))
    else {
        let reason = "nothing was timed".to_owned();
        return proving(
            proves.list(),
            finding(
                about("time", place),
                Verdict::Inconclusive,
                reason,
                Vec::new(),
            ),
        );
    };
    let estimate = plain.estimate / select.estimate;
    // The ends of two medians, each sure by itself, divided crosswise.
    let low = plain
        .low
        .zip(select.high)
        .map(|(plain, select)| plain / select);
    let high = plain
        .high
        .zip(select.low)
        .map(|(plain, select)| plain / select);
    let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), |end| format!("{end:.2}"));
    let reason = format!(
        "the select is {estimate:.2} times as fast as the plain GET in {} pairs, within {} to {}, {factor} asked for",
        select.samples,
        end(low),
        end(high)
    );
    let (verdict, reason) = if !equal(measured) {
        (
            Verdict::Fail,
            format!("{reason}, but the rows are not the same"),
        )
    } else if low.is_some_and(|low| low >= *factor) {
        (Verdict::Pass, reason)
    } else if high.is_some_and(|high| high < *factor) {
        (Verdict::Fail, reason)
    } else {
        (Verdict::Inconclusive, reason)
    };
    let interval = Interval {
        low,
        high,
        // Four ends, each wrong as seldom as that.
        confidence: 1.0 - 4.0 * (1.0 - CONFIDENCE),
    };
    let mut numbers = vec![Number {
        interval: Some(interval),
        target: Some(format!(">= {factor}")),
        samples: Some(select.samples as u64),
        ..number("speedup, ratio of medians", estimate, "")
    }];
    numbers.extend(times(measured));
    proving(
        proves.list(),
        finding(about("time", place), verdict, reason, numbers),
    )
}

fn about(what: &str, place: &Place) -> String {
    format!("{what} of S3 Select and of a plain GET of {place}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn finding(about: String, verdict: Verdict, reason: String, numbers: Vec<Number>) -> Finding {
    Finding {
        numbers,
        ..crate::finding::finding(about, verdict, reason)
    }
}

fn proving(proves: Vec<flowctl_workflows::CriterionId>, finding: Finding) -> Finding {
    Finding { proves, ..finding }
}
