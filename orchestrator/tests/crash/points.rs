//! Every point of every shape: the process dies there and the next one takes the run up.
//!
//! The plain suite takes a sample; with `FLOWCTL_CRASH_POINTS=all` all of them are taken, and the resume is killed as
//! well.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flowctl_state::run_state::Phase;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::check::{Findings, Part};
use crate::death::{has_records, holds_shown};
use crate::expected::{Expected, fold, is_in_order, is_same, summary};
use crate::flowctl::Place;
use crate::shape::{SHAPES, Shape};
use crate::table::Table;

/// How many points of each shape the plain suite takes.
const SAMPLE: usize = 5;
const SEED: u64 = 20_261_125;

/// Whether all is asked for.
pub(crate) fn all() -> bool {
    std::env::var_os("FLOWCTL_CRASH_POINTS").is_some_and(|which| which == "all")
}

/// A run that nobody stops.
pub(crate) struct Undisturbed {
    pub(crate) points: Vec<String>,
    summary: Vec<String>,
    code: Option<i32>,
}

pub(crate) fn undisturbed(shape: Shape, failing: u32) -> Undisturbed {
    let place = Place::new(shape, failing, None);
    let ended = place.flowctl(&["run", "w.yaml"], None);
    let mut findings = Findings::default();
    let events = place.events();
    let state = fold(&events, &mut findings).expect("a run");
    let expected = Expected::default().after(shape, failing, None);
    let summary = summary(&state);
    holds_shown(&ended.shown, &events, &mut findings);
    has_records(&place, shape, &events, &mut findings);
    is_same(&place, shape, &events, &summary, &expected, &mut findings);
    is_in_order(shape, &place.effects(), &mut findings);
    assert!(
        findings.0.is_empty(),
        "{} undisturbed:\n{findings}",
        shape.name()
    );
    Undisturbed {
        points: place.points(),
        summary,
        code: ended.code,
    }
}

/// Runs, dies at each of these points in turn, and runs to the end.
pub(crate) fn stopped(
    shape: Shape,
    failing: u32,
    deaths: &[u64],
    undisturbed: &Undisturbed,
    mutant: Option<&str>,
) -> (usize, Findings) {
    let place = Place::new(shape, failing, mutant);
    let mut findings = Findings::default();
    let mut expected = Expected::default().after(shape, failing, None);
    let mut died = 0;
    let mut run: Option<String> = None;
    for last in deaths.iter().map(|at| Some(*at)).chain([None]) {
        let ended = match &run {
            None => place.flowctl(&["run", "w.yaml"], last),
            Some(run) => place.flowctl(&["resume", run], last),
        };
        let events = place.events();
        holds_shown(&ended.shown, &events, &mut findings);
        has_records(&place, shape, &events, &mut findings);
        let state = fold(&events, &mut findings);
        let over = state
            .as_ref()
            .is_some_and(|state| matches!(state.phase, Phase::Finished { .. }));
        if !ended.died {
            findings.expect(Part::Same, ended.code == undisturbed.code, || {
                format!("it ended with {:?}: {}", ended.code, ended.stderr)
            });
            break;
        }
        died += 1;
        run = state.as_ref().map(|state| state.run.to_string());
        if over {
            break;
        }
        expected = expected.after(shape, failing, state.as_ref());
    }
    let events = place.events();
    is_same(
        &place,
        shape,
        &events,
        &undisturbed.summary,
        &expected,
        &mut findings,
    );
    is_in_order(shape, &place.effects(), &mut findings);
    (died, findings)
}

/// A run that is to die.
struct Job {
    row: usize,
    deaths: Vec<u64>,
}

type Row = (Shape, u32, Undisturbed);

#[test]
fn whatever_point_it_dies_at_the_run_comes_to_the_same() {
    let rows: Vec<Row> = SHAPES
        .into_iter()
        .flat_map(|shape| (0..=2).map(move |failing| (shape, failing)))
        .map(|(shape, failing)| (shape, failing, undisturbed(shape, failing)))
        .collect();
    let mut chance = StdRng::seed_from_u64(SEED);
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    for (row, (_, _, undisturbed)) in rows.iter().enumerate() {
        let count = undisturbed.points.len() as u64;
        let sample = |chance: &mut StdRng, size: usize| match all() {
            true => (1..=count).collect(),
            false => (0..size)
                .map(|_| chance.random_range(1..=count))
                .collect::<Vec<u64>>(),
        };
        for at in sample(&mut chance, SAMPLE) {
            let deaths = vec![at];
            once.push(Job { row, deaths });
        }
        for at in sample(&mut chance, 1) {
            // A resume has fewer points than a whole run; one that does not come to its point ends well.
            let deaths = vec![at, chance.random_range(1..=count / 2)];
            twice.push(Job { row, deaths });
        }
    }
    let mut amiss = killed("crash points", &rows, &once);
    amiss.extend(killed("crash points, and the resume killed", &rows, &twice));
    assert!(
        amiss.is_empty(),
        "{} runs were not the same:\n{}",
        amiss.len(),
        amiss.concat()
    );
}

/// Does these jobs, publishes their table and returns what was amiss.
fn killed(title: &str, rows: &[Row], jobs: &[Job]) -> Vec<String> {
    let mut table = Table::default();
    for (row, (shape, failing, undisturbed)) in rows.iter().enumerate() {
        let runs = jobs.iter().filter(|job| job.row == row).count();
        table.add(*shape, *failing, undisturbed.points.len(), runs);
    }
    let table = Mutex::new(table);
    let amiss = Mutex::new(Vec::new());
    on_all_cores(jobs, |job| {
        let (shape, failing, undisturbed) = &rows[job.row];
        let (died, findings) = stopped(*shape, *failing, &job.deaths, undisturbed, None);
        let same = findings.0.is_empty();
        table.lock().expect("the table").count(job.row, died, same);
        if !same {
            let shape = shape.name();
            let deaths = &job.deaths;
            let text = format!("{shape}, {failing} failing, dead at {deaths:?}:\n{findings}");
            println!("{text}");
            amiss.lock().expect("the list").push(text);
        }
    });
    let table = table.into_inner().expect("the table");
    table.publish(title, all());
    amiss.into_inner().expect("the list")
}

/// Does all the work, in no order.
pub(crate) fn on_all_cores<T: Sync>(jobs: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(job);
                }
            });
        }
    });
}
