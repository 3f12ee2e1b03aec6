//! A collection that is stopped anywhere leaves nothing that names what is gone, and the next one ends it.

use std::path::Path;

use flowctl_state::LogError;
use flowctl_state::check::check;
use flowctl_state::directory::StateDirectory;
use flowctl_state::gc::collect;
use flowctl_state::hold::Hold;
use flowctl_state::log::EventLog;
use flowctl_workflows::RunId;
use serde_json::json;

use super::cuts::{different, fates};
use super::disk::{Disk, Fate, Left, pick_up, put_down};
use super::life::{DIRECTORY, live, scratch};
use super::trace::compile_shim;
use crate::random::Random;
use crate::support::{measured, moment, run, started, succeeded};

const STAYING: &str = "staying";

/// Runs whose evidence is their own, and shared with the one that stays.
fn state() -> Left {
    let root = scratch();
    let directory = StateDirectory::create(&root.path().join("state")).unwrap();
    let hold = Hold::to_write(&directory, "a test", moment(0)).unwrap();
    let shared = hold.evidence().put(b"shared").unwrap();
    for name in ["first", STAYING, "second"] {
        let own = hold.evidence().put(name.as_bytes()).unwrap();
        let mut events = vec![
            started(),
            measured("one", 1.0, &own),
            measured("two", 2.0, &shared),
        ];
        if name != STAYING {
            events.extend((0..4).map(|_| succeeded("three", json!("x".repeat(30_000)))));
        }
        hold.log().append(&run(name), 0, moment(0), events).unwrap();
        let reports = directory.reports(&run(name));
        std::fs::create_dir_all(&reports).unwrap();
        std::fs::write(reports.join("report.md"), name).unwrap();
    }
    drop(hold);
    pick_up(root.path())
}

fn collect_all(root: &Path) -> Result<(), LogError> {
    let directory = StateDirectory::create(&root.join("state"))?;
    let hold = Hold::to_write(&directory, "a collection", moment(0))?;
    let heads = hold.log().heads()?.into_iter().map(|(run, _)| run);
    let old: Vec<RunId> = heads.filter(|run| run.as_str() != STAYING).collect();
    collect(hold, &old, false).map(drop)
}

/// One collection. Only the parent calls it, in a process of its own.
#[test]
fn child() {
    if let Ok(root) = std::env::var(DIRECTORY) {
        collect_all(Path::new(&root)).unwrap();
    }
}

/// Nothing dangles, and another collection comes to the end of it.
fn holds(left: &Left) -> Result<(), String> {
    let root = scratch();
    put_down(left, root.path());
    let told = |error: LogError| format!("{error} ({error:?})");
    let path = root.path().join("state");
    let Some(directory) = StateDirectory::existing(&path).map_err(told)? else {
        return Err("there is no state any more".to_owned());
    };
    let hold = Hold::to_read(&directory, "a test", moment(0)).map_err(told)?;
    let runs = check(hold.log().as_ref(), hold.evidence()).map_err(told)?;
    if let Some(bad) = runs.iter().find(|run| !run.is_whole()) {
        return Err(format!("{bad:?}"));
    }
    if runs.iter().all(|one| one.run.as_str() != STAYING) {
        return Err("the run that stays is gone".to_owned());
    }
    drop(hold);
    collect_all(root.path()).map_err(told)?;
    let left = pick_up(&path);
    let names: Vec<String> = left
        .keys()
        .map(|name| name.display().to_string())
        .filter(|name| name.matches('/').count() != 1)
        .filter(|name| !name.starts_with("evidence/"))
        .collect();
    if names
        != [
            "epoch",
            "evidence",
            "log",
            "reports",
            "reports/staying/report.md",
        ]
    {
        return Err(format!("this is left: {names:?}"));
    }
    let evidence = left
        .keys()
        .filter(|name| name.extension().is_some_and(|end| end == "gz"));
    match (
        evidence.count(),
        left[Path::new("log/events.redb")].as_ref().map(Vec::len),
    ) {
        (2, Some(length)) if length < 1024 * 1024 => Ok(()),
        other => Err(format!(
            "records of evidence and length of the log: {other:?}"
        )),
    }
}

#[test]
fn a_collection_may_be_stopped_anywhere() {
    let tools = scratch();
    let shim = compile_shim(tools.path());
    let start = state();
    let mut random = Random(Random::asked("FLOWCTL_POWER_SEED", 20_261_123));
    let every = Random::asked("FLOWCTL_POWER_EVERY", 16);
    let (deeds, end) = live(&shim, &start, "power_loss::collection::child", 0);
    let mut disk = Disk::holding(&start);
    disk.next_life();
    let mut tried = 0;
    for place in 0..=deeds.len() {
        if random.below(every) == 0 || place == deeds.len() {
            let [nothing, some] = fates(&mut random);
            for fate in [Fate::Everything, nothing, some] {
                let left = disk.after(fate, &mut random);
                if let Err(broken) = holds(&left) {
                    let before = &deeds[place.saturating_sub(12)..place];
                    panic!(
                        "deed {place} of {}, {fate:?}: {broken}, after {before:#?}",
                        deeds.len()
                    );
                }
                tried += 1;
            }
        }
        if let Some(deed) = deeds.get(place) {
            disk.play(deed);
        }
    }
    let believed = disk.after(Fate::Everything, &mut random);
    assert!(
        believed == end,
        "the shim did not see all: {:?}",
        different(&believed, &end)
    );
    assert!(tried >= 6, "it was stopped {tried} times");
    println!("a collection was stopped {tried} times and always ended by the next");
}
