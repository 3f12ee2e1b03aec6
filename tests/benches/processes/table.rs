//! The figures of the rounds, and what is made of them: medians, spread, ratios, Markdown and JSON.

use serde_json::{Value, json};

use crate::cases::Case;
use crate::machine::Machine;
use crate::measure::Sample;

/// All samples of one case.
pub(crate) struct Row {
    name: &'static str,
    what: &'static str,
    contenders: Vec<(String, Vec<Sample>)>,
    wants: Vec<Want>,
}

/// One number of one contender.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    contender: &'static str,
    of: fn(&Sample) -> Option<f64>,
    share: f64,
}

impl Figure {
    /// Seconds of the whole process.
    pub(crate) fn wall(contender: &'static str) -> Self {
        Self {
            contender,
            of: |sample| Some(sample.wall),
            share: 1.0,
        }
    }

    /// Seconds from the run's first event to its last.
    pub(crate) fn inner(contender: &'static str) -> Self {
        Self {
            of: |sample| sample.inner,
            ..Self::wall(contender)
        }
    }

    /// For one of so many steps.
    pub(crate) fn each(self, steps: f64) -> Self {
        Self {
            share: 1.0 / steps,
            ..self
        }
    }

    fn median(&self, row: &Row) -> Option<f64> {
        let (_, samples) = row
            .contenders
            .iter()
            .find(|(name, _)| name == self.contender)?;
        let values: Vec<f64> = samples.iter().filter_map(self.of).collect();
        Some(median(&values)? * self.share)
    }
}

/// What must come out of a case.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    text: &'static str,
    figure: Figure,
    over: Over,
    bound: f64,
    at_least: bool,
}

#[derive(Clone, Copy)]
enum Over {
    Seconds,
    Bytes,
    /// The other's time over this one's is the ratio of the rates.
    RateOf(Figure),
    TimeOf(Figure),
    MoreThan(Figure),
    Steps(f64),
}

impl Want {
    fn new(text: &'static str, figure: Figure, over: Over, bound: f64) -> Self {
        let at_least = matches!(over, Over::RateOf(_) | Over::Steps(_));
        Self {
            text,
            figure,
            over,
            bound,
            at_least,
        }
    }

    pub(crate) fn at_most(text: &'static str, figure: Figure, seconds: f64) -> Self {
        Self::new(text, figure, Over::Seconds, seconds)
    }

    pub(crate) fn at_most_bytes(text: &'static str, contender: &'static str, bytes: f64) -> Self {
        let figure = Figure {
            contender,
            of: |sample| Some(sample.rss as f64),
            share: 1.0,
        };
        Self::new(text, figure, Over::Bytes, bytes)
    }

    pub(crate) fn over(text: &'static str, figure: Figure, other: Figure, bound: f64) -> Self {
        Self::new(text, figure, Over::TimeOf(other), bound)
    }

    pub(crate) fn more(text: &'static str, figure: Figure, other: Figure, seconds: f64) -> Self {
        Self::new(text, figure, Over::MoreThan(other), seconds)
    }

    pub(crate) fn rate_over(text: &'static str, figure: Figure, other: Figure, bound: f64) -> Self {
        Self::new(text, figure, Over::RateOf(other), bound)
    }

    pub(crate) fn rate(text: &'static str, figure: Figure, steps: f64, bound: f64) -> Self {
        Self::new(text, figure, Over::Steps(steps), bound)
    }

    fn value(&self, row: &Row) -> Option<f64> {
        let figure = self.figure.median(row)?;
        Some(match self.over {
            Over::Seconds | Over::Bytes => figure,
            Over::RateOf(other) => other.median(row)? / figure,
            Over::TimeOf(other) => figure / other.median(row)?,
            Over::MoreThan(other) => figure - other.median(row)?,
            Over::Steps(steps) => steps / figure,
        })
    }

    fn is_met(&self, value: f64) -> bool {
        if self.at_least {
            value >= self.bound
        } else {
            value <= self.bound
        }
    }

    fn show(&self, value: f64) -> String {
        match self.over {
            Over::Seconds | Over::MoreThan(_) => seconds(value),
            Over::Bytes => megabytes(value),
            Over::RateOf(_) | Over::TimeOf(_) => format!("{value:.2} ×"),
            Over::Steps(_) => format!("{value:.0} steps/s"),
        }
    }
}

impl Row {
    pub(crate) fn of(case: &Case) -> Self {
        Self {
            name: case.name,
            what: case.what,
            contenders: case
                .contenders
                .iter()
                .map(|contender| (contender.name.clone(), Vec::new()))
                .collect(),
            wants: case.wants.clone(),
        }
    }

    pub(crate) fn add(&mut self, place: usize, sample: Sample) {
        if let Some((_, samples)) = self.contenders.get_mut(place) {
            samples.push(sample);
        }
    }
}

/// One case as a table of its contenders.
pub(crate) fn case(row: &Row) -> String {
    let mut text = format!("\n### {}\n\n{}.\n\n", row.name, capital(row.what));
    text.push_str("| | wall (lowest-highest) | processor | peak RSS | the run alone | state |\n|---|---|---|---|---|---|\n");
    for (name, samples) in &row.contenders {
        let of = |value: fn(&Sample) -> Option<f64>| -> Vec<f64> {
            samples.iter().filter_map(value).collect()
        };
        let wall = of(|sample| Some(sample.wall));
        let show = |values: &[f64], as_text: fn(f64) -> String| {
            median(values).map_or_else(|| "-".to_owned(), as_text)
        };
        text.push_str(&format!(
            "| {name} | {} ({}-{}) | {} | {} | {} | {} |\n",
            show(&wall, seconds),
            seconds(wall.iter().copied().fold(f64::INFINITY, f64::min)),
            seconds(wall.iter().copied().fold(0.0, f64::max)),
            show(&of(|sample| Some(sample.cpu)), seconds),
            show(&of(|sample| Some(sample.rss as f64)), megabytes),
            show(&of(|sample| sample.inner), seconds),
            show(&of(|sample| sample.bytes.map(|b| b as f64)), megabytes),
        ));
    }
    text
}

/// What must come out, and what came out.
pub(crate) fn wanted(rows: &[Row]) -> String {
    let mut text = String::from("\n| work | must be | measured | |\n|---|---|---|---|\n");
    for row in rows {
        for want in &row.wants {
            let (value, met) = match want.value(row) {
                Some(value) => (
                    want.show(value),
                    if want.is_met(value) {
                        "met"
                    } else {
                        "**not met**"
                    },
                ),
                None => ("-".to_owned(), "**not measured**"),
            };
            text.push_str(&format!(
                "| {} | {} | {value} | {met} |\n",
                row.name, want.text
            ));
        }
    }
    text
}

/// The whole page.
pub(crate) fn markdown(machine: &Machine, rounds: usize, rows: &[Row]) -> String {
    let mut text = format!(
        "# Benchmarks\n\nWritten by `make bench` (`tests/benches/processes/`). {}\nEach figure is the median of {rounds} rounds, in each of \
         which every contender runs once. make, ninja, xargs and the bare spawn loop keep nothing; all that flowctl does is durable \
         (fdatasync) before it goes on. \"The run alone\" is from a run's first event to its last; the rest of the wall time is reading the \
         workflow, opening the state and writing the report. Where the time goes: [profiles.md](profiles.md).\n",
        machine.text()
    );
    text.push_str(&wanted(rows));
    for row in rows {
        text.push_str(&case(row));
    }
    text
}

/// The same with every sample.
pub(crate) fn json(machine: &Machine, rounds: usize, rows: &[Row]) -> Value {
    let cases: Vec<Value> = rows
        .iter()
        .map(|row| {
            let wants: Vec<Value> = row
                .wants
                .iter()
                .map(|want| {
                    let value = want.value(row);
                    json!({"text": want.text, "bound": want.bound, "value": value, "met": value.map(|value| want.is_met(value))})
                })
                .collect();
            let contenders: Vec<Value> = row
                .contenders
                .iter()
                .map(|(name, samples)| json!({"name": name, "samples": samples}))
                .collect();
            json!({"name": row.name, "what": row.what, "wants": wants, "contenders": contenders})
        })
        .collect();
    json!({"machine": machine, "rounds": rounds, "cases": cases})
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle - 1)? + sorted.get(middle)?) / 2.0),
    }
}

fn seconds(value: f64) -> String {
    if value < 0.1 {
        format!("{:.2} ms", value * 1e3)
    } else {
        format!("{value:.2} s")
    }
}

fn megabytes(value: f64) -> String {
    format!("{:.1} MB", value / (1024.0 * 1024.0))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
