//! What Prometheus answers, parsed. Pure; shapes as version 2.42 gives them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The labels of a series, an alert or a target.
pub type Labels = BTreeMap<String, String>;

/// The series that a query gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// One for each set of labels; a scalar is one without labels.
    pub series: Vec<Series>,
    /// As it came.
    pub raw: Value,
}

/// A series with its samples, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, the name among them.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// A value at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Seconds since 1970.
    pub at: f64,
    /// The value; not a number when a division by nothing made it so.
    pub value: f64,
}

impl Reading {
    /// Parses `data` of a query; `None` when it is of another form.
    #[must_use]
    pub fn parse(data: Value) -> Option<Self> {
        let result = &data["result"];
        let series = match data["resultType"].as_str()? {
            "vector" => parsed(result, |entry| Some(vec![sample(&entry["value"])?]))?,
            "matrix" => parsed(result, |entry| {
                entry["values"].as_array()?.iter().map(sample).collect()
            })?,
            "scalar" => vec![Series {
                labels: Labels::new(),
                samples: vec![sample(result)?],
            }],
            _ => return None,
        };
        Some(Self { series, raw: data })
    }

    /// The values of all series that are numbers.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(Series::values)
    }
}

impl Series {
    /// The values that are numbers, oldest first.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.samples
            .iter()
            .map(|sample| sample.value)
            .filter(|value| !value.is_nan())
    }

    /// As PromQL writes it.
    #[must_use]
    pub fn name(&self) -> String {
        display(&self.labels)
    }
}

/// Labels as PromQL writes them: `up{job="x"}`.
#[must_use]
pub fn display(labels: &Labels) -> String {
    let name = labels.get("__name__").map_or("", String::as_str);
    let others: Vec<String> = labels
        .iter()
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect();
    format!("{name}{{{}}}", others.join(", "))
}

fn parsed(result: &Value, samples: impl Fn(&Value) -> Option<Vec<Sample>>) -> Option<Vec<Series>> {
    result
        .as_array()?
        .iter()
        .map(|entry| {
            Some(Series {
                labels: serde_json::from_value(entry["metric"].clone()).ok()?,
                samples: samples(entry)?,
            })
        })
        .collect()
}

/// `[seconds, "value"]`; values are text, because JSON has no word for infinity.
fn sample(pair: &Value) -> Option<Sample> {
    Some(Sample {
        at: pair[0].as_f64()?,
        value: pair[1].as_str()?.parse().ok()?,
    })
}

/// An alerting rule that is loaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The alert's name.
    pub name: String,
    /// Its expression.
    pub query: String,
    /// `inactive`, `pending` or `firing`: the gravest of its alerts.
    pub state: AlertState,
    /// Its `for:`, in seconds.
    #[serde(default)]
    pub duration: f64,
    /// The labels that it adds.
    #[serde(default)]
    pub labels: Labels,
    /// The alerts that are pending or firing.
    #[serde(default)]
    pub alerts: Vec<ActiveAlert>,
    /// `ok`, `err` or `unknown`.
    #[serde(default)]
    pub health: String,
    /// Why it could not be evaluated.
    #[serde(default)]
    pub last_error: String,
    /// When it was last evaluated; the year 1 before the first time.
    pub last_evaluation: Timestamp,
}

/// Where an alert is on its way.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// The expression gives nothing.
    Inactive,
    /// It gives something, but not for long enough.
    Pending,
    /// It has for long enough.
    Firing,
}

impl AlertState {
    /// The word that Prometheus uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert that is pending or firing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveAlert {
    /// All its labels.
    pub labels: Labels,
    /// Pending or firing.
    pub state: AlertState,
    /// Since when it is not inactive.
    pub active_at: Timestamp,
    /// What the expression gave.
    #[serde(default)]
    pub value: String,
}

impl Rule {
    /// All alerting rules of an answer; `None` when it is of another form.
    #[must_use]
    pub fn parse_all(data: &Value) -> Option<Vec<Self>> {
        let mut all = Vec::new();
        for group in data["groups"].as_array()? {
            for rule in group["rules"].as_array()? {
                // An older server ignores that only these were asked for.
                if rule["type"] == "alerting" {
                    all.push(serde_json::from_value(rule.clone()).ok()?);
                }
            }
        }
        Some(all)
    }

    /// Whether it was evaluated since it was loaded.
    #[must_use]
    pub fn was_evaluated(&self) -> bool {
        self.last_evaluation > Timestamp::UNIX_EPOCH
    }
}

/// A target that is scraped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeTarget {
    /// Its labels, `job` and `instance` among them.
    pub labels: Labels,
    /// Where it is scraped.
    pub scrape_url: String,
    /// `up`, `down` or `unknown`.
    pub health: String,
    /// Why it is not up.
    #[serde(default)]
    pub last_error: String,
    /// When it was last scraped; the year 1 before the first time.
    pub last_scrape: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_three_forms_of_a_result_are_read() {
        let vector = json!({"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "a"}, "value": [17.5, "1"]}]});
        let reading = Reading::parse(vector).unwrap();
        assert_eq!(reading.series[0].name(), "up{job=\"a\"}");
        assert_eq!(
            reading.series[0].samples,
            [Sample {
                at: 17.5,
                value: 1.0
            }]
        );
        let matrix = json!({"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "NaN"], [2, "+Inf"], [3, "-2.5e-1"]]}]});
        let values: Vec<f64> = Reading::parse(matrix).unwrap().values().collect();
        assert_eq!(values, [f64::INFINITY, -0.25]);
        let scalar = json!({"resultType": "scalar", "result": [1.5, "3"]});
        assert_eq!(
            Reading::parse(scalar).unwrap().series[0].samples[0].value,
            3.0
        );
    }

    #[test]
    fn another_form_is_not_guessed_at() {
        for data in [
            json!({"resultType": "string", "result": [1, "x"]}),
            json!({"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}),
            json!({"resultType": "vector"}),
            json!([]),
        ] {
            assert_eq!(Reading::parse(data.clone()), None, "{data}");
        }
    }

    #[test]
    fn a_rule_that_was_never_evaluated_says_so() {
        let data = |last: &str| {
            json!({"groups": [{"rules": [
                {"type": "recording", "name": "r"},
                {"type": "alerting", "name": "A", "query": "up == 0", "state": "firing", "duration": 3, "health": "ok",
                 "labels": {}, "lastEvaluation": last,
                 "alerts": [{"labels": {"job": "a"}, "state": "firing", "activeAt": "2026-11-23T13:33:40.699054056Z", "value": "9e+00"}]}
            ]}]})
        };
        let rules = Rule::parse_all(&data("0001-01-01T00:00:00Z")).unwrap();
        assert_eq!((rules.len(), rules[0].was_evaluated()), (1, false));
        assert_eq!(rules[0].alerts[0].state, AlertState::Firing);
        let rules = Rule::parse_all(&data("2026-11-23T13:33:36.699944098Z")).unwrap();
        assert!(rules[0].was_evaluated());
        assert_eq!(Rule::parse_all(&json!({"groups": 1})), None);
    }
}
