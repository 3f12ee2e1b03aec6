//! The value of an expression at a moment. Pure: whoever asks says what series there are.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::expression::{Expression, Function, Operator};

/// Labels, the name among them.
pub(super) type Labels = BTreeMap<String, String>;

/// A series' value at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vec<Sample>),
}

/// What series a metric has.
pub(super) trait Series {
    /// At a moment.
    fn at(&self, name: &str, at: Timestamp) -> Vec<Sample>;

    /// The newest that each had within a span up to a moment.
    fn last_within(&self, name: &str, span: SignedDuration, at: Timestamp) -> Vec<Sample>;
}

/// The value of an expression.
///
/// # Errors
/// In words, when its parts do not fit together.
pub(super) fn evaluate(
    expression: &Expression,
    series: &dyn Series,
    at: Timestamp,
) -> Result<Value, String> {
    Ok(match expression {
        Expression::Number(number) => Value::Scalar(*number),
        Expression::Selector { name, labels } => Value::Vector(chosen(series.at(name, at), labels)),
        Expression::Call {
            function: Function::LastOverTime,
            of: Some(of),
            range: Some(range),
        } => {
            let Expression::Selector { name, labels } = &**of else {
                return Err("last_over_time needs a selector".to_owned());
            };
            let span = SignedDuration::from_secs_f64(*range);
            Value::Vector(chosen(series.last_within(name, span, at), labels))
        }
        Expression::Call { function, of, .. } => {
            let of = match of {
                Some(of) => evaluate(of, series, at)?,
                None => Value::Scalar(f64::NAN),
            };
            call(*function, of, at)?
        }
        Expression::Binary {
            operator,
            left,
            right,
        } => {
            let left = evaluate(left, series, at)?;
            binary(*operator, left, evaluate(right, series, at)?)?
        }
    })
}

fn chosen(samples: Vec<Sample>, labels: &[(String, String)]) -> Vec<Sample> {
    let has = |sample: &Sample| {
        labels
            .iter()
            .all(|(label, value)| sample.labels.get(label).unwrap_or(&String::new()) == value)
    };
    samples.into_iter().filter(has).collect()
}

/// Seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

fn call(function: Function, of: Value, at: Timestamp) -> Result<Value, String> {
    let samples = match (function, of) {
        (Function::Time, _) => return Ok(Value::Scalar(seconds(at))),
        (Function::Vector, Value::Scalar(value)) => {
            let labels = Labels::new();
            return Ok(Value::Vector(vec![Sample { labels, value }]));
        }
        (Function::Vector, Value::Vector(_)) | (_, Value::Scalar(_)) => {
            return Err(format!("{function:?} has an argument of another type"));
        }
        (_, Value::Vector(samples)) => samples,
    };
    if function == Function::Timestamp {
        let stamped = samples.into_iter().map(|sample| Sample {
            labels: without_name(&sample.labels),
            value: seconds(at),
        });
        return Ok(Value::Vector(stamped.collect()));
    }
    let values = samples.iter().map(|sample| sample.value);
    let value = match function {
        Function::Count => Some(samples.len() as f64).filter(|count| *count > 0.0),
        Function::Sum => values.reduce(|a, b| a + b),
        Function::Min => values.reduce(f64::min),
        Function::Max => values.reduce(f64::max),
        Function::Time | Function::Vector | Function::Timestamp | Function::LastOverTime => None,
    };
    let one = value.map(|value| Sample {
        labels: Labels::new(),
        value,
    });
    Ok(Value::Vector(one.into_iter().collect()))
}

fn without_name(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.remove("__name__");
    labels
}

fn binary(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    Ok(match (left, right) {
        (Value::Vector(left), Value::Vector(right)) if operator == Operator::Or => {
            let known: Vec<Labels> = left.iter().map(|own| without_name(&own.labels)).collect();
            let more = right
                .into_iter()
                .filter(|other| !known.contains(&without_name(&other.labels)));
            Value::Vector(left.iter().cloned().chain(more).collect())
        }
        (left, right) if operator == Operator::Or => {
            return Err(format!("`or` stands between {left:?} and {right:?}"));
        }
        (Value::Scalar(left), Value::Scalar(right)) => match applied(operator, left, right) {
            Applied::Number(number) => Value::Scalar(number),
            Applied::Holds(_) => return Err("two numbers are compared without bool".to_owned()),
        },
        (Value::Vector(left), Value::Scalar(right)) => Value::Vector(
            left.into_iter()
                .filter_map(|own| kept(operator, &own, own.value, right, own.value))
                .collect(),
        ),
        (Value::Scalar(left), Value::Vector(right)) => Value::Vector(
            right
                .into_iter()
                .filter_map(|own| kept(operator, &own, left, own.value, own.value))
                .collect(),
        ),
        (Value::Vector(left), Value::Vector(right)) => {
            let partner = |own: &Sample| {
                let labels = without_name(&own.labels);
                right
                    .iter()
                    .find(|other| without_name(&other.labels) == labels)
            };
            let joined = left
                .iter()
                .filter_map(|own| kept(operator, own, own.value, partner(own)?.value, own.value));
            Value::Vector(joined.collect())
        }
    })
}

enum Applied {
    Number(f64),
    Holds(bool),
}

fn applied(operator: Operator, left: f64, right: f64) -> Applied {
    match operator {
        Operator::Plus => Applied::Number(left + right),
        Operator::Minus => Applied::Number(left - right),
        Operator::Times => Applied::Number(left * right),
        Operator::By => Applied::Number(left / right),
        Operator::Equal => Applied::Holds(left == right),
        Operator::NotEqual => Applied::Holds(left != right),
        Operator::AtLeast => Applied::Holds(left >= right),
        Operator::AtMost => Applied::Holds(left <= right),
        Operator::Above => Applied::Holds(left > right),
        Operator::Below => Applied::Holds(left < right),
        Operator::Or => Applied::Holds(true),
    }
}

/// A sample of a vector after an operation: a comparison leaves it or takes it away, a calculation takes its name.
fn kept(operator: Operator, own: &Sample, left: f64, right: f64, value: f64) -> Option<Sample> {
    match applied(operator, left, right) {
        Applied::Number(value) => Some(Sample {
            labels: without_name(&own.labels),
            value,
        }),
        Applied::Holds(holds) => holds.then(|| Sample {
            labels: own.labels.clone(),
            value,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::expression::parse;
    use super::*;

    /// Two workers, one of which is down; a pool with its reservation.
    struct Few;

    impl Series for Few {
        fn at(&self, name: &str, _: Timestamp) -> Vec<Sample> {
            let one = |label: &str, text: &str, value: f64| Sample {
                labels: [("__name__", name), (label, text)]
                    .map(|(label, text)| (label.to_owned(), text.to_owned()))
                    .into(),
                value,
            };
            match name {
                "up" => vec![one("pod", "a", 1.0), one("pod", "b", 0.0)],
                "reserved" => vec![one("pod", "a", 30.0)],
                "total" => vec![one("pod", "a", 40.0), one("pod", "b", 40.0)],
                _ => Vec::new(),
            }
        }

        fn last_within(&self, name: &str, _: SignedDuration, at: Timestamp) -> Vec<Sample> {
            self.at(name, at)
        }
    }

    fn values(expression: &str) -> Vec<f64> {
        let at = Timestamp::from_second(100).unwrap();
        match evaluate(&parse(expression).unwrap(), &Few, at).unwrap() {
            Value::Scalar(value) => vec![value],
            Value::Vector(samples) => samples.iter().map(|sample| sample.value).collect(),
        }
    }

    #[test]
    fn expressions_come_to_what_prometheus_makes_of_them() {
        for (expression, expected) in [
            ("time()", vec![100.0]),
            ("time() - max(timestamp(up))", vec![0.0]),
            ("up", vec![1.0, 0.0]),
            (r#"up{pod="b"}"#, vec![0.0]),
            ("up == 1", vec![1.0]),
            ("count(up == 1)", vec![1.0]),
            ("count(nothing)", vec![]),
            ("count(nothing) or vector(0)", vec![0.0]),
            ("(count(up == 1) or vector(0)) < 2", vec![1.0]),
            ("(count(up == 7) or vector(0)) < 2", vec![0.0]),
            ("(count(up) or vector(0)) < 2", vec![]),
            ("reserved / total", vec![0.75]),
            ("reserved / total > 0.9", vec![]),
            ("reserved / total > 0.7", vec![0.75]),
            ("sum(nothing or total * 0)", vec![0.0]),
            ("sum(total)", vec![80.0]),
            ("min(up) + 2", vec![2.0]),
            ("max(last_over_time(up[5s]))", vec![1.0]),
            ("2 * 3", vec![6.0]),
        ] {
            assert_eq!(values(expression), expected, "{expression}");
        }
    }

    #[test]
    fn a_comparison_keeps_the_name_and_a_calculation_takes_it() {
        let at = Timestamp::UNIX_EPOCH;
        let labels = |expression: &str| match evaluate(&parse(expression).unwrap(), &Few, at) {
            Ok(Value::Vector(samples)) => samples[0].labels.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(labels("up == 1")["__name__"], "up");
        assert_eq!(labels("up * 2").get("__name__"), None);
        assert_eq!(labels("reserved / total")["pod"], "a");
    }
}
