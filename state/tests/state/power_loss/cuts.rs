//! The power is cut at many moments of several lives, and nothing that was promised is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flowctl_state::LogError;
use flowctl_state::codec::sha256;
use flowctl_state::directory::StateDirectory;
use flowctl_state::event::{Epoch, Event, Seq};
use flowctl_state::hold::Hold;
use flowctl_state::log::EventLog;
use flowctl_workflows::RunId;

use super::child::{self, event, evidence};
use super::disk::{Disk, Fate, Left, put_down};
use super::life::{live, scratch};
use super::trace::{Deed, compile_shim};
use crate::random::Random;
use crate::support::{moment, run};

/// What a process does whose power is cut.
pub(super) struct Work {
    /// The test that is this process.
    pub(super) child: &'static str,
    /// What every run has at each place.
    pub(super) event: fn(Seq) -> Event,
    /// How often it begins anew on what is left.
    pub(super) lives: u64,
    /// After so many deeds of the first life the power is cut after each.
    pub(super) first: usize,
}

/// In the first deeds of the first life everything is made.
const FIRST: usize = 60;
const SHORT: Work = Work {
    child: "power_loss::child::child",
    event,
    lives: 4,
    first: FIRST,
};

/// What the process was promised so far.
#[derive(Debug, Clone, Default)]
struct Promised {
    epoch: Epoch,
    stored: BTreeMap<RunId, Seq>,
    evidence: BTreeSet<u64>,
    said: String,
}

impl Promised {
    fn hear(&mut self, text: &str) {
        self.said.push_str(text);
        while let Some((line, rest)) = self.said.split_once('\n') {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["epoch", number] => self.epoch = number.parse().unwrap(),
                ["stored", name, last] => {
                    self.stored.insert(run(name), last.parse().unwrap());
                }
                ["evidence", number] => {
                    self.evidence.insert(number.parse().unwrap());
                }
                _ => {}
            }
            self.said = rest.to_owned();
        }
    }
}

/// Which syncs the disk is told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Heeded {
    All,
    NoneOfAppends,
    NoneOfDirectories,
}

impl Heeded {
    /// `opened`: the state was opened, so that what is synced now belongs to appends.
    fn heeds(self, deed: &Deed, opened: bool) -> bool {
        let Deed::Sync { name, .. } = deed else {
            return true;
        };
        let is_directory = |name: &Path| {
            !matches!(name.file_name().and_then(|name| name.to_str()), Some(name) if
                name == "events.redb" || name == "heads" || name == "epoch" || name == "holder.json"
                    || name.starts_with(".tmp") || name.ends_with(".gz"))
        };
        match self {
            Heeded::All => true,
            Heeded::NoneOfAppends => !opened || !name.ends_with("events.redb"),
            Heeded::NoneOfDirectories => !is_directory(name),
        }
    }
}

/// Cuts the power `cuts` times in each of the lives; the first broken promise, or how many were kept.
pub(super) fn cut_power(
    work: &Work,
    cuts: u64,
    seed: u64,
    heeded: Heeded,
) -> Result<usize, String> {
    let tools = scratch();
    let shim = compile_shim(tools.path());
    let mut random = Random(seed);
    let mut disk = Disk::new();
    let mut promised = Promised::default();
    let mut done = 0;
    for life in 0..work.lives {
        let start = disk.after(Fate::Everything, &mut random);
        let (deeds, end) = live(&shim, &start, work.child, life);
        disk.next_life();
        let mut moments: BTreeSet<usize> = (0..cuts)
            .map(|_| usize::try_from(random.below(deeds.len() as u64 + 1)).unwrap())
            .collect();
        if life == 0 {
            moments.extend(0..work.first);
        }
        let last = usize::try_from(random.below(deeds.len() as u64)).unwrap();
        let mut next = None;
        let mut opened = false;
        for place in 0..=deeds.len() {
            if moments.contains(&place) {
                for fate in fates(&mut random) {
                    let left = disk.after(fate, &mut random);
                    keeps(&left, &promised, work).map_err(|broken| {
                        format!(
                            "seed {seed}, life {life}, deed {place} of {}, {fate:?}: {broken}",
                            deeds.len()
                        )
                    })?;
                    done += 1;
                }
            }
            if place == last {
                // The next life begins after a power cut, or after a kill that left all in the page cache.
                let after = match random.below(2) {
                    0 => Disk::holding(&disk.after(fates(&mut random)[1], &mut random)),
                    _ => disk.clone(),
                };
                next = Some((after, promised.clone()));
            }
            let Some(deed) = deeds.get(place) else { break };
            if heeded.heeds(deed, opened) {
                disk.play(deed);
            }
            if let Deed::Say(text) = deed {
                promised.hear(text);
                opened |= text.starts_with("epoch");
            }
        }
        let believed = disk.after(Fate::Everything, &mut random);
        assert!(
            believed == end,
            "the shim did not see all: {:?}",
            different(&believed, &end)
        );
        (disk, promised) = next.unwrap();
        promised.said.clear();
    }
    Ok(done)
}

pub(crate) fn fates(random: &mut Random) -> [Fate; 2] {
    let sector = [512, 4096][usize::try_from(random.below(2)).unwrap()];
    let kept = [10, 50, 90, 98][usize::try_from(random.below(4)).unwrap()];
    [Fate::Nothing, Fate::Some { sector, kept }]
}

pub(crate) fn different(a: &Left, b: &Left) -> Vec<String> {
    let names: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let unequal = names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name));
    unequal.map(|name| name.display().to_string()).collect()
}

/// Opens what is left and asks for all that was promised; then goes on from there, and asks again.
fn keeps(left: &Left, promised: &Promised, work: &Work) -> Result<(), String> {
    let root = scratch();
    put_down(left, root.path());
    let path = child::state(root.path());
    let told = |error: LogError| format!("{error} ({error:?})");
    let directory = StateDirectory::create(&path).map_err(told)?;
    let mut expected = promised.stored.clone();
    for again in [false, true] {
        let hold = Hold::to_write(&directory, "a test", moment(0)).map_err(told)?;
        let epoch = hold.epoch().unwrap();
        if epoch <= promised.epoch {
            return Err(format!("epoch {epoch} was given before"));
        }
        has(&hold, promised, &expected, work, again)?;
        for (run, last) in hold.log().heads().map_err(told)? {
            let more = (last + 1..last + 3).map(work.event).collect();
            hold.log()
                .append(&run, last + 1, moment(0), more)
                .map_err(told)?;
            expected.insert(run, last + 2);
        }
    }
    Ok(())
}

fn has(
    hold: &Hold,
    promised: &Promised,
    expected: &BTreeMap<RunId, Seq>,
    work: &Work,
    again: bool,
) -> Result<(), String> {
    let told = |error: LogError| format!("{error} ({error:?})");
    let log = hold.log();
    let mut there: BTreeSet<RunId> = log.noted_runs().into_iter().collect();
    there.extend(log.heads().map_err(told)?.into_iter().map(|(run, _)| run));
    there.extend(expected.keys().cloned());
    for run in there {
        let events = log.read(&run).map_err(told)?;
        let end = events.last().unwrap().seq;
        if let Some(last) = expected.get(&run)
            && end < *last
        {
            return Err(format!(
                "{run} was acknowledged up to {last} and ends at {end} (again: {again})"
            ));
        }
        if let Some(wrong) = events.iter().find(|one| one.event != (work.event)(one.seq)) {
            return Err(format!("{run} has another event at {}", wrong.seq));
        }
    }
    for number in &promised.evidence {
        hold.evidence()
            .get(&sha256(&evidence(*number)))
            .map_err(told)?;
    }
    Ok(())
}

#[test]
fn no_promise_is_broken_by_a_power_cut() {
    let cuts = Random::asked("FLOWCTL_POWER_CUTS", 8);
    let seed = Random::asked("FLOWCTL_POWER_SEED", 20_261_123);
    let kept = cut_power(&SHORT, cuts, seed, Heeded::All).unwrap();
    assert!(kept >= 2 * FIRST, "the power was cut {kept} times");
    println!("after {kept} power cuts every promise was kept");
}

#[test]
fn a_log_that_is_not_synced_is_found_out() {
    let broken = cut_power(&SHORT, 8, 1, Heeded::NoneOfAppends).unwrap_err();
    assert!(broken.contains("there is no run"), "{broken}");
}

#[test]
fn directories_that_are_not_synced_are_found_out() {
    let broken = cut_power(&SHORT, 8, 1, Heeded::NoneOfDirectories).unwrap_err();
    println!("{broken}");
}
