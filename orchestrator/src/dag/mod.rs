//! The graph of a plan: who needs whom. Pure.
//!
//! A [`Dag`] in hand is acyclic, because a plan's steps stand in topological order and
//! `RunState::start` refuses any other. [`compile`](compile()) is the way from a workflow to a plan.

pub mod compile;
pub mod difference;
pub mod render;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use flowctl_workflows::plan::{Plan, PlanNeed, PlanStep};
use flowctl_workflows::policy::OnFailure;
use flowctl_workflows::result::Outcome;

pub use compile::compile;
pub use difference::differences;

/// A plan with its edges in both directions.
#[derive(Debug, Clone)]
pub struct Dag {
    plan: Arc<Plan>,
    /// For each step, the steps that need it.
    dependents: Vec<Vec<u32>>,
}

impl Dag {
    /// The graph of this plan.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let mut dependents = vec![Vec::new(); plan.steps.len()];
        for (place, step) in (0u32..).zip(&plan.steps) {
            for need in &step.needs {
                if let Some(list) = dependents.get_mut(need.step as usize) {
                    list.push(place);
                }
            }
        }
        Self { plan, dependents }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How many steps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plan.steps.len()
    }

    /// Whether there are no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.steps.is_empty()
    }

    /// The step at this place.
    #[must_use]
    pub fn step(&self, place: u32) -> &PlanStep {
        &self.plan.steps[place as usize]
    }

    /// The steps that need this one.
    #[must_use]
    pub fn dependents(&self, place: u32) -> &[u32] {
        &self.dependents[place as usize]
    }

    /// Whether this need lets its dependent start when the step it names ended so.
    #[must_use]
    pub fn satisfied(&self, need: &PlanNeed, outcome: Outcome) -> bool {
        if need.is.is_empty() {
            outcome == Outcome::Succeeded
                || (outcome == Outcome::Failed
                    && self.step(need.step).on_failure == OnFailure::Continue)
        } else {
            need.is.contains(&outcome)
        }
    }
}
