//! Whole processes beside their peers: flowctl, make, ninja, xargs, and the bare loops that no orchestrator can beat.
//!
//! `make bench` runs it. Peers take turns in each round, so that what else the machine does touches all of them; the
//! median of the rounds counts, and the lowest and the highest are shown. Nothing here is a test: no figure fails a build.
//!
//! Arguments: `--rounds N` (5), `--only WORD` (cases whose name holds it), `--write PATH` (writes PATH.md and PATH.json).
//! The binary is the one that `FLOWCTL_BIN` names.

mod bare;
mod cases;
mod contender;
mod engine;
mod machine;
mod measure;
mod plain_log;
mod shape;
mod table;
mod trino;

use std::path::PathBuf;

use cases::Case;
use table::Row;

/// Whatever stops a benchmark.
pub(crate) type Failure = Box<dyn std::error::Error>;

struct Options {
    rounds: usize,
    only: Vec<String>,
    write: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((role, rest)) if role == "measure" => measure::serve(rest),
        Some((role, rest)) if role == "append" => bare::append(rest),
        Some((role, rest)) if role == "spawn" => bare::spawn(rest),
        Some((role, rest)) if role == "engine" => engine::chain(rest),
        Some((role, rest)) if role == "trino" => trino::flowctl(rest),
        Some((role, rest)) if role == "trino-load" => trino::load(rest),
        Some((role, _)) if role == "trino-bare" => trino::bare(),
        _ => bench(&options(&arguments)?),
    }
}

fn options(arguments: &[String]) -> Result<Options, Failure> {
    let mut options = Options {
        rounds: 5,
        only: Vec::new(),
        write: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or(format!("{argument} needs a value"))
                .cloned()
        };
        match argument.as_str() {
            // What cargo itself adds.
            "--bench" => {}
            "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
            "--only" => options.only.push(value()?),
            "--write" => options.write = Some(value()?.into()),
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(options)
}

fn bench(options: &Options) -> Result<(), Failure> {
    let flowctl = flowctl()?;
    let before = machine::load();
    let mut rows: Vec<Row> = Vec::new();
    for case in cases::all(&flowctl)? {
        let wanted = options.only.is_empty() || options.only.iter().any(|w| case.name.contains(w));
        if wanted {
            let row = run(case, options.rounds)?;
            say(&table::case(&row));
            rows.push(row);
        }
    }
    let machine = machine::describe(&flowctl, before)?;
    let text = table::markdown(&machine, options.rounds, &rows);
    match &options.write {
        Some(path) => {
            std::fs::write(path.with_extension("md"), text)?;
            let json = serde_json::to_string_pretty(&table::json(&machine, options.rounds, &rows))?;
            std::fs::write(path.with_extension("json"), json + "\n")?;
        }
        None => say(&table::wanted(&rows)),
    }
    Ok(())
}

/// One case: all contenders in turn, so many rounds.
fn run(case: Case, rounds: usize) -> Result<Row, Failure> {
    let mut row = Row::of(&case);
    for round in 0..rounds {
        for (place, contender) in case.contenders.iter().enumerate() {
            // Everybody is first once.
            let place = (place + round) % case.contenders.len();
            let contender = case.contenders.get(place).unwrap_or(contender);
            let directory = tempfile::tempdir()?;
            let sample = contender
                .once(directory.path())
                .map_err(|error| format!("{}, {}: {error}", case.name, contender.name))?;
            row.add(place, sample);
        }
    }
    Ok(row)
}

fn flowctl() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("FLOWCTL_BIN").map(PathBuf::from);
    let path = named.ok_or("FLOWCTL_BIN must name the release binary; `make bench` does")?;
    Ok(std::fs::canonicalize(path)?)
}

fn say(text: &str) {
    // Whoever reads this may have gone; the files are written all the same.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}
