//! The workflows that are killed: their files, and what a run of each comes to when nobody disturbs it.

use std::fmt::Write as _;
use std::path::Path;

/// A workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chain,
    Diamond,
    Foreach,
    /// The last step fails for good: what was changed is put back, then `finally:` runs.
    Undo,
    /// All is well, and what was changed for the time of the run is put back all the same.
    PutBack,
}

pub(crate) const SHAPES: [Shape; 5] = [
    Shape::Chain,
    Shape::Diamond,
    Shape::Foreach,
    Shape::Undo,
    Shape::PutBack,
];

/// How often a step is tried at most.
pub(crate) const TRIES: u32 = 3;
/// What a value is before anybody changes it.
pub(crate) const ORIGINAL: &str = "original";

/// What is known of a step of a shape without running it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) id: &'static str,
    pub(crate) needs: &'static [&'static str],
    /// It changes a value that is put back at the end.
    pub(crate) changes: bool,
    /// It fails however often it is tried.
    pub(crate) breaks: bool,
    pub(crate) teardown: bool,
    /// It is completed by the engine and has no effect.
    pub(crate) fan_in: bool,
    /// What it needs always fails, so it never runs.
    pub(crate) skipped: bool,
}

const fn step(id: &'static str, needs: &'static [&'static str]) -> Step {
    Step {
        id,
        needs,
        changes: false,
        breaks: false,
        teardown: false,
        fan_in: false,
        skipped: false,
    }
}

const fn changing(id: &'static str, needs: &'static [&'static str]) -> Step {
    Step {
        changes: true,
        ..step(id, needs)
    }
}

const fn cleaning(id: &'static str) -> Step {
    Step {
        teardown: true,
        ..step(id, &[])
    }
}

const CHAIN: &[Step] = &[step("a", &[]), step("b", &["a"]), step("c", &["b"])];
const DIAMOND: &[Step] = &[
    step("a", &[]),
    step("b", &["a"]),
    step("c", &["a"]),
    step("d", &["b", "c"]),
];
const FOREACH: &[Step] = &[
    step("a", &[]),
    step("each[x]", &["a"]),
    step("each[y]", &["a"]),
    step("each[z]", &["a"]),
    Step {
        fan_in: true,
        ..step("each", &["each[x]", "each[y]", "each[z]"])
    },
    step("last", &["each"]),
];
const UNDO: &[Step] = &[
    changing("first", &[]),
    changing("second", &["first"]),
    Step {
        breaks: true,
        ..changing("breaks", &["second"])
    },
    Step {
        skipped: true,
        ..step("beyond", &["breaks"])
    },
    cleaning("clean"),
];
const PUT_BACK: &[Step] = &[
    changing("first", &[]),
    changing("second", &["first"]),
    step("last", &["second"]),
    cleaning("clean"),
];

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Chain => "chain",
            Shape::Diamond => "diamond",
            Shape::Foreach => "foreach",
            Shape::Undo => "undo and finally, failed",
            Shape::PutBack => "undo and finally, succeeded",
        }
    }

    /// The steps in the order of the plan.
    pub(crate) fn steps(self) -> &'static [Step] {
        match self {
            Shape::Chain => CHAIN,
            Shape::Diamond => DIAMOND,
            Shape::Foreach => FOREACH,
            Shape::Undo => UNDO,
            Shape::PutBack => PUT_BACK,
        }
    }

    pub(crate) fn fails(self) -> bool {
        self.steps().iter().any(|step| step.breaks)
    }

    /// The workflow file. The first `failing` attempts of each step fail.
    pub(crate) fn workflow(self, world: &Path, failing: u32) -> String {
        let mut text =
            String::from("apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: w}\nsteps:\n");
        let mut teardown = false;
        for step in self.steps() {
            // The instances of a `foreach` and their fan-in are one step of the file.
            if step.id.contains('[') {
                continue;
            }
            if step.teardown && !teardown {
                text.push_str("finally:\n");
                teardown = true;
            }
            let fail = if step.breaks { 99 } else { failing };
            let _ = write!(
                text,
                "  - id: {}\n    uses: world\n    with: {{dir: {}, fail: {fail}, changes: {}}}\n    retry: {{attempts: {TRIES}, backoff: {{initial: 1ms, factor: 1, max: 1ms, jitter: none}}}}\n",
                step.id,
                world.display(),
                step.changes
            );
            if step.fan_in {
                text.push_str("    needs: [a]\n    foreach: {items: [x, y, z], as: item}\n");
            } else if !step.needs.is_empty() {
                let _ = writeln!(text, "    needs: [{}]", step.needs.join(", "));
            }
            if step.changes {
                let on = if self.fails() { "failure" } else { "always" };
                let _ = writeln!(text, "    undo: {{on: {on}}}");
            }
        }
        text
    }
}
