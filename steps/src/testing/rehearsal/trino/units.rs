//! Sizes and durations as Trino reads and writes them. Pure.

use std::time::Duration;

/// Units of time, the shortest first, with their nanoseconds.
const TIMES: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
    ("d", 8.64e13),
];

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim().trim_matches('\'');
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

/// A duration with one unit: `12s`, `1.50m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let (_, nanos) = TIMES.iter().find(|(known, _)| *known == unit)?;
    Duration::try_from_secs_f64(number * nanos / 1e9).ok()
}

/// The same with two decimals, as messages and SHOW SESSION have it.
pub(super) fn shown(text: &str) -> Option<String> {
    let (number, unit) = number_and_unit(text)?;
    duration(text).map(|_| format!("{number:.2}{unit}"))
}

/// A size in bytes: `24G` as the JVM, `20GB` as Trino writes it.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let each: u64 = match unit.trim_end_matches('B') {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    Some((number * each as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_written_as_trino_does() {
        assert_eq!(duration("'400ms'"), Some(Duration::from_millis(400)));
        assert_eq!(duration("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("5 parsecs"), None);
        assert_eq!(shown("24h").unwrap(), "24.00h");
        assert_eq!(shown("12s").unwrap(), "12.00s");
        assert_eq!(bytes("24G"), Some(24 << 30));
        assert_eq!(bytes("20GB"), Some(20 << 30));
        assert_eq!(bytes("512M"), Some(512 << 20));
        assert_eq!(bytes("1TB"), Some(1 << 40));
        assert_eq!(bytes("0.5GB"), Some(1 << 29));
        assert_eq!(bytes("a lot"), None);
    }
}
