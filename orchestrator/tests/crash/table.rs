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
    points: usize,
    /// Runs to come.
    left: usize,
    runs: usize,
    deaths: usize,
    same: usize,
}

impl Table {
    pub(crate) fn add(&mut self, shape: Shape, failing: u32, points: usize, runs: usize) {
        self.0.push(Row {
            shape,
            failing,
            points,
            left: runs,
            runs: 0,
            deaths: 0,
            same: 0,
        });
    }

    /// Counts a run that was killed so many times. A row that is full is printed at once: all of them take a while.
    pub(crate) fn count(&mut self, row: usize, deaths: usize, same: bool) {
        let row = &mut self.0[row];
        row.runs += 1;
        row.deaths += deaths;
        row.same += usize::from(same);
        row.left -= 1;
        if row.left == 0 {
            println!("{}", row.line());
        }
    }

    /// Prints it, and writes it to where `FLOWCTL_CRASH_TABLE` says.
    pub(crate) fn publish(&self, title: &str, all: bool) {
        let mut text = String::from(
            "| shape | failing attempts | points | runs killed | kills | equal |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.0 {
            let _ = writeln!(text, "{}", row.line());
        }
        let sum = |of: fn(&Row) -> usize| self.0.iter().map(of).sum::<usize>();
        let _ = writeln!(
            text,
            "| all | | {} | {} | {} | {} |",
            sum(|row| row.points),
            sum(|row| row.runs),
            sum(|row| row.deaths),
            sum(|row| row.same)
        );
        if !all {
            text.push_str("\nA sample; `make crash` takes every point.\n");
        }
        print!("\n{title}\n\n{text}");
        publish(title, &text);
    }
}

impl Row {
    fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} |",
            self.shape.name(),
            self.failing,
            self.points,
            self.runs,
            self.deaths,
            self.same
        )
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
