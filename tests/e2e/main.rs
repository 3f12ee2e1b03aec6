//! The product from outside, on the lab: real Kubernetes, Flux, Trino, metastore and object store.
//!
//! Scenarios run one after the other on one platform, in the order of the list, and each puts back what it broke. Arguments
//! are words that a scenario's name must contain. Never reaches into a crate: it starts the binary, reads its reports, and
//! asks the platform itself whether they are true.
#![expect(
    clippy::print_stdout,
    reason = "a test suite of its own says what it does"
)]

mod alerts;
mod broken;
mod check;
mod clock;
mod dry_run;
mod flowctl;
mod http;
mod killed;
mod killed_everywhere;
mod lab;
mod paused;
mod report;
mod seeds;
mod toggled;
mod trino;
mod whole_run;

use check::Outcome;
use clock::Clock;
use flowctl::Flowctl;
use lab::Lab;

/// What a scenario has at hand.
struct World {
    /// The program under test.
    flowctl: Flowctl,
    /// The platform.
    lab: Lab,
}

/// A name and what it does.
type Scenario = (&'static str, fn(&World) -> Outcome);

/// In this order: the later ones need the deployment of the first.
const SCENARIOS: &[Scenario] = &[
    ("dry_run_writes_nothing", dry_run::writes_nothing),
    (
        "phase3_has_the_expected_verdicts",
        whole_run::has_the_expected_verdicts,
    ),
    (
        "a_rule_over_a_missing_metric",
        alerts::rule_over_a_missing_metric,
    ),
    (
        "a_run_killed_twice_is_resumed_whole",
        killed::while_seeding_and_while_measuring,
    ),
    (
        "a_selector_that_matches_nothing",
        broken::selector_that_matches_nothing,
    ),
    (
        "a_target_of_one_millisecond",
        broken::target_of_one_millisecond,
    ),
    ("a_flowctl_paused_past_its_lease", paused::past_its_lease),
    ("a_paused_flowctl_is_taken_over", paused::on_one_state),
    ("an_emptied_table", broken::emptied_table),
    ("a_lost_worker", broken::lost_worker),
    ("a_stopped_metastore", broken::stopped_metastore),
    ("wrong_keys_of_the_object_store", broken::wrong_keys),
];

/// Those that take long, or another Trino; run when they are asked for by name, as `make full` does. The last one leaves that Trino there.
const LONG: &[Scenario] = &[
    (
        "long_killed_in_every_kind_of_step",
        killed_everywhere::in_every_kind,
    ),
    (
        "long_toggle_killed_and_resumed",
        toggled::killed_and_resumed,
    ),
    (
        "long_toggle_killed_and_cancelled",
        toggled::killed_and_cancelled,
    ),
    (
        "long_phase3_has_the_expected_verdicts_on_368",
        whole_run::has_the_expected_verdicts_on_368,
    ),
];

/// So many lines of each failure are said again at the end.
const LINES_AT_THE_END: usize = 12;

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-') && word.parse::<u32>().is_err())
        .collect();
    let named = |name: &str| words.iter().any(|word| name.contains(word.as_str()));
    let short = SCENARIOS
        .iter()
        .filter(|(name, _)| words.is_empty() || named(name));
    let scenarios: Vec<&Scenario> = short
        .chain(LONG.iter().filter(|(name, _)| named(name)))
        .collect();
    let mut world = match World::find() {
        Ok(world) => world,
        Err(why) => {
            println!("the end-to-end suite cannot run: {why}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let clock = Clock::start();
    let mut failed = Vec::new();
    for (name, scenario) in scenarios {
        println!("[{:>4} s] {name} …", clock.seconds());
        match scenario(&world) {
            Ok(()) => println!("[{:>4} s] {name}: ok", clock.seconds()),
            Err(why) => {
                println!("[{:>4} s] {name}: FAILED\n{why}\n", clock.seconds());
                failed.push((*name, why));
            }
        }
    }
    if failed.is_empty() {
        println!("all scenarios passed after {} s", clock.seconds());
        return std::process::ExitCode::SUCCESS;
    }
    println!("the state is kept in {}", world.flowctl.keep_state());
    println!("failed after {} s, in this order:", clock.seconds());
    // Again, and together: of a long output often only the end is kept, and a later failure may follow from the first.
    for (name, why) in failed {
        let last: Vec<&str> = why.lines().rev().take(LINES_AT_THE_END).collect();
        println!("  {name}:");
        (last.iter().rev()).for_each(|line| println!("    {line}"));
    }
    std::process::ExitCode::FAILURE
}

/// What a scenario has to say beside whether it passed.
fn say(line: &str) {
    println!("         {line}");
}

impl World {
    fn find() -> Result<Self, String> {
        Ok(Self {
            flowctl: Flowctl::find()?,
            lab: Lab::find()?,
        })
    }
}
