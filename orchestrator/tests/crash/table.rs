//! The table at the end, as Markdown.

use std::fmt::Write as _;

use crate::shape::Shape;

/// One row for each shape and number of failing attempts.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    shape: Shape,
    failing: u32,
    points: u64,
    runs: usize,
    deaths: usize,
    same: usize,
}

impl Table {
    pub(crate) fn add(&mut self, shape: Shape, failing: u32, points: u64) {
        self.0.push(Row {
            shape,
            failing,
            points,
            runs: 0,
            deaths: 0,
            same: 0,
        });
    }

    /// Counts a run that was killed so many times.
    pub(crate) fn count(&mut self, row: usize, deaths: usize, same: bool) {
        let row = &mut self.0[row];
        row.runs += 1;
        row.deaths += deaths;
        row.same += usize::from(same);
    }

    /// Prints it, and writes it to where `FLOWCTL_CRASH_TABLE` says.
    pub(crate) fn publish(&self, all: bool) {
        let mut text = String::from(
            "| shape | failing attempts | points | runs killed | kills | equal |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.0 {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                row.shape.name(),
                row.failing,
                row.points,
                row.runs,
                row.deaths,
                row.same
            );
        }
        let sum = |of: fn(&Row) -> usize| self.0.iter().map(of).sum::<usize>();
        let _ = writeln!(
            text,
            "| all | | {} | {} | {} | {} |",
            self.0.iter().map(|row| row.points).sum::<u64>(),
            sum(|row| row.runs),
            sum(|row| row.deaths),
            sum(|row| row.same)
        );
        if !all {
            text.push_str("\nA sample; `make crash` takes every point.\n");
        }
        print!("{text}");
        publish("crash points", &text);
    }
}

/// Adds a titled text to the file that the environment names.
pub(crate) fn publish(title: &str, text: &str) {
    use std::io::Write as _;
    let Some(path) = std::env::var_os("FLOWCTL_CRASH_TABLE") else {
        return;
    };
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| writeln!(file, "## {title}\n\n{text}"))
        .expect("the table can be written");
}
