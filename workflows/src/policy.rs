//! How often, how long and how wide: retry, time limits and what a failure stops.
//! Plain data; the decisions are the engine's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::result::ErrorClass;

/// A duration as people write it: `250ms`, `1s`, `1m30s`, `2h`, `7d`. Stored as milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a duration: expected a number with a unit (ms, s, m, h, d), for example `90s` or `1m30s`"
)]
pub struct InvalidSpan(pub String);

impl Span {
    /// A span of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of so many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The same as a [`Duration`].
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl std::str::FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let bad = || InvalidSpan(text.to_owned());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let letters = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(bad()),
            };
            rest = &rest[letters..];
            total = number
                .checked_mul(unit)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(bad)?;
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, name) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1000, "s"),
            (1, "ms"),
        ] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(ms|s|m|h|d))+$",
            "description": "A duration: a number with a unit (ms, s, m, h, d), for example 90s or 1m30s."
        })
    }
}

/// When a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// How many attempts in all; 1 is no retry.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub attempts: u32,
    /// How long to wait between them.
    #[serde(default)]
    pub backoff: Backoff,
    /// Which classes of error are tried again.
    #[serde(default = "retried_by_default")]
    pub on: Vec<ErrorClass>,
    /// No new attempt is started later than this after the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Span>,
}

fn one() -> u32 {
    1
}

/// `Lost` is not among them: nobody knows whether the effect happened, and a second one may be one too many.
fn retried_by_default() -> Vec<ErrorClass> {
    vec![ErrorClass::Transient, ErrorClass::TimedOut]
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: Backoff::default(),
            on: retried_by_default(),
            budget: None,
        }
    }
}

/// Exponential waiting between attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// The longest first wait.
    pub initial: Span,
    /// By how much the wait grows each time.
    #[schemars(range(min = 1.0))]
    pub factor: f64,
    /// The longest wait.
    pub max: Span,
    /// How the wait is spread, so that many clients do not come back at once.
    pub jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Span::from_secs(1),
            factor: 2.0,
            max: Span::from_secs(30),
            jitter: Jitter::Full,
        }
    }
}

/// How a wait is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Uniform between zero and the wait.
    Full,
    /// The wait itself.
    None,
}

/// What a failed step stops.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The steps that need it run all the same.
    Continue,
    /// The steps that need it are skipped.
    #[default]
    StopDependents,
    /// No further step of the run is started.
    StopRun,
}

/// When an undo runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum UndoWhen {
    /// Only when a person asks for it.
    #[default]
    Never,
    /// When the run fails or is cancelled.
    Failure,
    /// At the end of every run.
    Always,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_the_same() {
        for (text, millis) in [
            ("250ms", 250),
            ("1s", 1000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.millis(), millis);
            assert_eq!(span.to_string(), text);
        }
    }

    #[test]
    fn a_bad_span_is_refused() {
        for bad in [
            "",
            "5",
            "s",
            "1 s",
            "-1s",
            "1.5s",
            "1w",
            "99999999999999999999d",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
