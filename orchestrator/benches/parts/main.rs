//! The parts of flowctl one by one, for whoever makes one of them faster. `make bench-parts` runs it; `make bench` measures
//! whole processes beside their peers. No figure fails a build.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]

mod engine;
mod language;
mod trino;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    engine::bench(&mut criterion);
    language::bench(&mut criterion);
    trino::bench(&mut criterion);
    criterion.final_summary();
}
