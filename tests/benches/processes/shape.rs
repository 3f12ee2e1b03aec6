//! The graphs that all contenders are given, the same one each.

use std::path::Path;

/// The program that a step of a process graph starts. By its path, so that no one searches for it.
pub(crate) const TRUE: &str = "/usr/bin/true";

/// Steps by number, each with the lower numbers that it needs.
pub(crate) struct Shape(pub(crate) Vec<Vec<usize>>);

impl Shape {
    /// Each step needs the one before it.
    pub(crate) fn chain(steps: usize) -> Self {
        Self(
            (0..steps)
                .map(|step| step.checked_sub(1).into_iter().collect())
                .collect(),
        )
    }

    /// No step needs another.
    pub(crate) fn fan(steps: usize) -> Self {
        Self(vec![Vec::new(); steps])
    }

    /// Layers of a hundred, each step needing five others of the layer before; always the same ones.
    pub(crate) fn layers(steps: usize) -> Self {
        const LAYER: usize = 100;
        const NEEDS: usize = 5;
        let mut chance = Lcg(7);
        let needs = |step: usize| {
            let Some(before) = (step / LAYER).checked_sub(1) else {
                return Vec::new();
            };
            let mut needs = Vec::with_capacity(NEEDS);
            while needs.len() < NEEDS {
                let need = before * LAYER + chance.below(LAYER);
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
            needs.sort_unstable();
            needs
        };
        Self((0..steps).map(needs).collect())
    }

    /// Writes the graph for flowctl. `uses` is what stands after `uses:`.
    pub(crate) fn flowctl(&self, path: &Path, uses: &str) -> std::io::Result<()> {
        let head = "apiVersion: flowctl/v1\nkind: Workflow\nmetadata: {name: bench}\nsteps:\n";
        write(path, head, &self.0, |step, needs| {
            let needs = match needs.is_empty() {
                true => String::new(),
                false => format!(", needs: [{}]", list(needs, ", ")),
            };
            format!("  - {{id: s{step}, uses: {uses}{needs}}}\n")
        })
    }

    /// Writes the graph for make: no target is a file, so make keeps no state.
    pub(crate) fn make(&self, path: &Path, command: &str) -> std::io::Result<()> {
        let all: Vec<usize> = (0..self.0.len()).collect();
        let all = list(&all, " ");
        let head = format!(".PHONY: all {all}\nall: {all}\n");
        write(path, &head, &self.0, |step, needs| {
            format!("s{step}: {}\n\t@{command}\n", list(needs, " "))
        })
    }

    /// Writes the graph for ninja: no output is ever made, so every step runs.
    pub(crate) fn ninja(&self, path: &Path, command: &str) -> std::io::Result<()> {
        let head = format!("rule step\n  command = {command}\n");
        write(path, &head, &self.0, |step, needs| {
            format!("build s{step}: step {}\n", list(needs, " "))
        })
    }

    /// Writes the graph for make and ninja with a file for each step.
    pub(crate) fn with_files(&self, makefile: &Path, ninja: &Path) -> std::io::Result<()> {
        let all: Vec<usize> = (0..self.0.len()).collect();
        let head = format!(".PHONY: all\nall: {}\n", list(&all, " "));
        write(makefile, &head, &self.0, |step, needs| {
            format!("s{step}: {}\n\t@touch s{step}\n", list(needs, " "))
        })?;
        let head = "rule step\n  command = touch $out\n";
        write(ninja, head, &self.0, |step, needs| {
            format!("build s{step}: step {}\n", list(needs, " "))
        })
    }
}

fn list(steps: &[usize], between: &str) -> String {
    let names: Vec<String> = steps.iter().map(|step| format!("s{step}")).collect();
    names.join(between)
}

fn write(
    path: &Path,
    head: &str,
    steps: &[Vec<usize>],
    line: impl Fn(usize, &[usize]) -> String,
) -> std::io::Result<()> {
    let mut text = head.to_owned();
    for (step, needs) in steps.iter().enumerate() {
        text.push_str(&line(step, needs));
    }
    std::fs::write(path, text)
}

/// A linear congruential generator: the graph must be the same on every machine and in every year.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}
