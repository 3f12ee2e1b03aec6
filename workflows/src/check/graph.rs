//! Which step needs which: every name exists, nothing goes in a circle, and who is upstream of whom.

use std::collections::{HashMap, HashSet, VecDeque};

use indexmap::IndexMap;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::code;
use crate::diagnostic::{Diagnostic, nearest, suggest};
use crate::ids::StepId;
use crate::load::Draft;
use crate::model::Need;

/// The steps by index into [`Draft::steps`] and what each needs.
pub(crate) struct Graph {
    index: IndexMap<StepId, usize>,
    needs: Vec<Vec<usize>>,
    teardown: Vec<bool>,
    /// Not all that these need is known, so anything may be upstream of them.
    open: Vec<bool>,
    /// Groups of steps that need each other (nearly always one step), what is needed first.
    order: Vec<Vec<usize>>,
}

/// Reads `needs:`, fills it into the steps and reports circles.
pub(super) fn build(draft: &mut Draft, problems: &mut Vec<Diagnostic>) -> Graph {
    let index: IndexMap<StepId, usize> = draft
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.spec.id.clone(), at))
        .collect();
    let teardown: Vec<bool> = draft.steps.iter().map(|step| step.teardown).collect();
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); draft.steps.len()];
    let mut open: Vec<bool> = draft.steps.iter().map(|step| step.open).collect();
    for (at, step) in draft.steps.iter_mut().enumerate() {
        for (number, (name, is)) in std::mem::take(&mut step.needs).into_iter().enumerate() {
            let place = || step.at(&["needs", &number.to_string()]);
            match index.get_key_value(name.as_str()) {
                Some((_, needed)) if teardown[*needed] && !step.teardown => {
                    let problem = Diagnostic::new(
                        code::NEEDS_TEARDOWN,
                        format!("`{name}` runs in teardown, after all other steps"),
                    );
                    problems.push(
                        problem
                            .at(place(), "needed here")
                            .help("move one of the two steps"),
                    );
                }
                Some((id, needed)) => {
                    needs[at].push(*needed);
                    step.spec.needs.push(Need {
                        step: id.clone(),
                        is,
                    });
                }
                _ if draft.lost_steps.contains(&name) => open[at] = true,
                _ => {
                    // What was probably meant counts as needed, so that one slip is one diagnostic.
                    match nearest(&name, index.keys().map(StepId::as_str))
                        .and_then(|near| index.get(near))
                    {
                        Some(near) if *near != at && (step.teardown || !teardown[*near]) => {
                            needs[at].push(*near)
                        }
                        _ => open[at] = true,
                    }
                    let problem =
                        Diagnostic::new(code::UNKNOWN_STEP, format!("there is no step `{name}`"));
                    problems.push(
                        problem
                            .at(place(), "needed here")
                            .maybe_help(suggest(&name, index.keys().map(StepId::as_str))),
                    );
                }
            }
        }
    }
    let order = components(&needs);
    let graph = Graph {
        index,
        needs,
        teardown,
        open,
        order,
    };
    graph.report_circles(draft, problems);
    graph
}

/// Groups of steps that need each other, what is needed first. Not Tarjan's algorithm: petgraph's recurses, and
/// a chain of ten thousand steps would exhaust the stack.
fn components(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(needs.len(), needs.len());
    for _ in needs {
        graph.add_node(());
    }
    for (step, needed) in needs.iter().enumerate() {
        for needed in needed {
            graph.add_edge(NodeIndex::new(step), NodeIndex::new(*needed), ());
        }
    }
    let groups = kosaraju_scc(&graph).into_iter();
    groups
        .map(|group| group.into_iter().map(NodeIndex::index).collect())
        .collect()
}

impl Graph {
    /// The step of this name.
    pub(crate) fn step(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// Every step's name.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(StepId::as_str)
    }

    fn report_circles(&self, draft: &Draft, problems: &mut Vec<Diagnostic>) {
        for group in &self.order {
            let Some(start) = group.iter().min().copied() else {
                continue;
            };
            if group.len() == 1 && !self.needs[start].contains(&start) {
                continue;
            }
            let circle = self.circle(start, &group.iter().copied().collect());
            let names: Vec<&str> = circle
                .iter()
                .map(|step| draft.steps[*step].spec.id.as_str())
                .collect();
            let mut problem = Diagnostic::new(
                code::CYCLE,
                format!("steps need each other in a circle: {}", names.join(" -> ")),
            );
            for pair in circle.windows(2) {
                let (step, needed) = (&draft.steps[pair[0]], &draft.steps[pair[1]].spec.id);
                let number = step
                    .spec
                    .needs
                    .iter()
                    .position(|need| need.step == *needed)
                    .unwrap_or(0);
                problem = problem.at(
                    step.at(&["needs", &number.to_string()]),
                    format!("`{}` needs `{needed}`", step.spec.id),
                );
            }
            problems.push(problem.help("drop one of these needs"));
        }
    }

    /// The shortest circle through `start`: it stands at both ends.
    fn circle(&self, start: usize, group: &HashSet<usize>) -> Vec<usize> {
        let mut from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(step) = queue.pop_front() {
            for needed in self.needs[step]
                .iter()
                .filter(|needed| group.contains(needed))
            {
                if *needed == start {
                    let mut circle = vec![start, step];
                    let mut at = step;
                    while let Some(before) = from.get(&at) {
                        circle.push(*before);
                        at = *before;
                    }
                    if circle.last() != Some(&start) {
                        circle.push(start);
                    }
                    circle.reverse();
                    return circle;
                }
                if !from.contains_key(needed) {
                    from.insert(*needed, step);
                    queue.push_back(*needed);
                }
            }
        }
        vec![start, start]
    }

    /// Whether, for each `(step, other)`, `other` is upstream of `step`: certainly ended before it starts.
    ///
    /// All at once, 64 others in one pass over the steps, so that ten thousand questions about ten thousand steps
    /// take milliseconds.
    pub(crate) fn upstream(&self, questions: &[(usize, usize)]) -> Vec<bool> {
        let mut answers: Vec<bool> = questions
            .iter()
            .map(|(step, other)| {
                self.open[*step]
                    || self.needs[*step].contains(other)
                    || (self.teardown[*step] && !self.teardown[*other])
            })
            .collect();
        let mut others: Vec<usize> = questions
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| !**answer)
            .map(|((_, other), _)| *other)
            .collect();
        others.sort_unstable();
        others.dedup();
        for chunk in others.chunks(64) {
            let bit: HashMap<usize, u64> = chunk
                .iter()
                .enumerate()
                .map(|(at, other)| (*other, 1 << at))
                .collect();
            let mut above = vec![0_u64; self.needs.len()];
            for group in &self.order {
                let mut mask = 0;
                for step in group {
                    if self.open[*step] {
                        mask = u64::MAX;
                    }
                    for needed in &self.needs[*step] {
                        mask |= above[*needed] | bit.get(needed).copied().unwrap_or(0);
                    }
                }
                for step in group {
                    above[*step] = mask;
                }
            }
            for ((step, other), answer) in questions.iter().zip(&mut answers) {
                *answer = *answer || bit.get(other).is_some_and(|bit| above[*step] & bit != 0);
            }
        }
        answers
    }
}
