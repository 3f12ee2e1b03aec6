//! How long loading takes: ten thousand steps, and a workflow of your own.
//!
//!     cargo run --release -p flowctl-workflows --example load_time [DIRECTORY FILE]
//!
//! Step kinds are not known here, so their parameters are not checked.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it measures and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use flowctl_workflows::source::{Disk, Memory, Source};
use flowctl_workflows::{KindCatalog, load};
use serde_json::{Value, json};

/// Any kind, with any parameters.
struct AnyKind;

impl KindCatalog for AnyKind {
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn params_schema(&self, _: &str) -> Option<Arc<Value>> {
        let file = json!({"type": "string", "format": "flowctl-file"});
        Some(Arc::new(
            json!({"type": "object", "properties": {"file": file, "argv": {"type": "array"}}}),
        ))
    }

    fn measures(&self, _: &str) -> bool {
        true
    }
}

fn measure(what: &str, source: &dyn Source, path: &str) {
    let mut times = Vec::new();
    let mut steps = Ok(0);
    for _ in 0..5 {
        let start = Instant::now();
        steps = load(source, path, &AnyKind).map(|workflow| workflow.all_steps().count());
        times.push(start.elapsed());
    }
    times.sort();
    match steps {
        Ok(steps) => println!("{what}: {steps} steps, median of five {:.1?}", times[2]),
        Err(problems) => println!(
            "{what}: {} mistakes, median of five {:.1?}",
            problems.len(),
            times[2]
        ),
    }
}

/// The steps that a step needs, by number.
type Needs = fn(usize) -> String;

fn main() {
    let head = "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: w}\nparams: {n: {type: integer, default: 1}}\nsteps:\n";
    let shapes: [(&str, Needs); 3] = [
        ("chain", |at| format!("s{}", at - 1)),
        ("fan-out", |_| "s0".to_owned()),
        ("layers of 100", |at| {
            let layer = at.saturating_sub(1) / 100 * 100;
            (0..3)
                .map(|n| format!("s{}", layer.saturating_sub((at + n) % 100)))
                .collect::<Vec<_>>()
                .join(", ")
        }),
    ];
    for (name, needs) in shapes {
        let step = |at: usize| {
            let needed = needs(at);
            let first = needed.split(',').next().unwrap_or("");
            format!(
                "  - {{id: s{at}, uses: shell, needs: [{needed}], when: params.n < {at}, with: {{argv: [echo, '{{{{ steps.{first}.output.x }}}}']}}}}\n"
            )
        };
        let text: String = (1..10_000).map(step).collect();
        let text = format!("{head}  - {{id: s0, uses: noop}}\n{text}");
        measure(name, &Memory::new("", [("w.yaml", text)]), "w.yaml");
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [directory, file] = &arguments[..] {
        measure(file, &Disk::new(directory), file);
    }
}
