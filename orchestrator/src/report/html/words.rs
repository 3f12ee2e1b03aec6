//! Numbers, times and verdicts in the words of the page.

use flowctl_workflows::plan::Objective;
use flowctl_workflows::result::{Number, Verdict};
use jiff::Timestamp;
use maud::{Markup, html};

/// How many characters of a hash tell records apart for a reader.
const SHORT_HASH: usize = 12;

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// From one moment to another, in seconds.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// A span of time in the unit that suits it.
pub(super) fn span(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        format!(
            "{:.0} min {:.0} s",
            (seconds / 60.0).floor(),
            seconds % 60.0
        )
    } else {
        format!(
            "{:.0} h {:.0} min",
            (seconds / 3600.0).floor(),
            seconds % 3600.0 / 60.0
        )
    }
}

/// A number without a tail of digits.
pub(super) fn figure(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return grouped(value);
    }
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A whole number in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if value < 0.0 {
        text.insert(0, '−');
    }
    text
}

/// A number with its unit; bytes also in the unit that suits them.
pub(super) fn amount(value: f64, unit: &str) -> String {
    match unit {
        "" => figure(value),
        "bytes" if value >= 1024.0 => {
            let mut scaled = value;
            let mut name = "bytes";
            for larger in ["KiB", "MiB", "GiB", "TiB"] {
                if scaled < 1024.0 {
                    break;
                }
                scaled /= 1024.0;
                name = larger;
            }
            format!("{scaled:.1} {name}")
        }
        unit => format!("{} {unit}", figure(value)),
    }
}

/// The interval of a number.
pub(super) fn interval(number: &Number) -> String {
    let Some(interval) = &number.interval else {
        return String::new();
    };
    let end = |end: Option<f64>| end.map_or_else(|| "unbounded".to_owned(), figure);
    format!(
        "{} to {} at {} %",
        end(interval.low),
        end(interval.high),
        figure(interval.confidence * 100.0)
    )
}

/// The class of a verdict in the style sheet.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Inapplicable => "inapplicable",
        Verdict::NotRun => "notrun",
    }
}

/// A verdict that can be told without its colour.
pub(super) fn badge(verdict: Verdict) -> Markup {
    let sign = match verdict {
        Verdict::Pass => "✓",
        Verdict::Fail => "✗",
        Verdict::Inconclusive => "?",
        Verdict::Inapplicable => "–",
        Verdict::NotRun => "○",
    };
    html! { span.badge.(class(verdict)) { (sign) " " (verdict) } }
}

/// The beginning of a hash.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..SHORT_HASH).unwrap_or(hash)
}

/// A link to a raw record beside the report. A hash that is none makes no link: it would lead anywhere.
pub(super) fn evidence(hash: &str, name: Option<&str>) -> Markup {
    let text = name.map_or_else(
        || short(hash).to_owned(),
        |name| format!("{name} {}", short(hash)),
    );
    if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        html! { a.mono href=(format!("evidence/{hash}")) { (text) } }
    } else {
        html! { span.mono { (text) } }
    }
}

/// An objective's name. Its id is said only where it is a number of the document.
pub(super) fn objective(objective: &Objective) -> String {
    if objective
        .id
        .starts_with(|first: char| first.is_ascii_digit())
    {
        format!("{} {}", objective.id, objective.title)
    } else {
        objective.title.clone()
    }
}

/// A link to a step's row.
pub(super) fn step(id: &str) -> Markup {
    html! { a href=(format!("#step-{id}")) { code { (id) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, unit, text) in [
            (0.0, "", "0"),
            (1_234_567.0, "rows", "1\u{202f}234\u{202f}567 rows"),
            (-1234.0, "", "−1\u{202f}234"),
            (12.345, "ms", "12.3 ms"),
            (1.5, "s", "1.5 s"),
            (0.004_56, "", "0.0046"),
            (900.0, "bytes", "900 bytes"),
            (5_368_709_120.0, "bytes", "5.0 GiB"),
        ] {
            assert_eq!(amount(value, unit), text);
        }
        assert_eq!(span(0.25), "250 ms");
        assert_eq!(span(59.0), "59.0 s");
        assert_eq!(span(192.0), "3 min 12 s");
        assert_eq!(span(7320.0), "2 h 2 min");
    }

    #[test]
    fn only_a_hash_makes_a_link() {
        assert!(
            evidence("00ff", None)
                .into_string()
                .contains("href=\"evidence/00ff\"")
        );
        assert!(!evidence("../../x", None).into_string().contains("href"));
    }
}
