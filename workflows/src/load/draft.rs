//! The parts joined into one workflow, typed but not yet checked. Whatever was readable is here, so that the
//! checks see as much as possible.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::parts::Part;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::document::{Metadata, ParamDocument, ScheduleDocument, StepDocument};
use crate::ids::{WorkflowName, is_snake_case};
use crate::model::{ParamSpec, Schedule, StepSpec};
use crate::place::{Place, SourceText};
use crate::plan::{Criterion, Objective};
use crate::policy::Span;
use crate::result::Outcome;
use crate::yaml::{Node, Spot};

mod finish;
mod step;

/// A workflow in the making.
pub(crate) struct Draft {
    pub(crate) name: Option<WorkflowName>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) params: IndexMap<String, ParamSpec>,
    /// Parameters that are declared in a way that cannot be read.
    pub(crate) lost_params: HashSet<String>,
    pub(crate) objectives: Vec<(Objective, Place)>,
    pub(crate) criteria: Vec<(Criterion, Place)>,
    pub(crate) locks: IndexMap<String, (u32, Place)>,
    /// With the places of the cron expression and the time zone.
    pub(crate) schedule: Option<(Schedule, Place, Place)>,
    pub(crate) timeout: Option<Span>,
    pub(crate) teardown_timeout: Option<Span>,
    /// All steps, those of `finally:` after the others.
    pub(crate) steps: Vec<DraftStep>,
    /// Ids of steps that cannot be read.
    pub(crate) lost_steps: HashSet<String>,
}

/// A step in the making.
pub(crate) struct DraftStep {
    /// What is ready; `needs`, `proves` and the paths in `with` are filled in by the checks.
    pub(crate) spec: StepSpec,
    /// As written: names and outcomes.
    pub(crate) needs: Vec<(String, Vec<Outcome>)>,
    /// As written.
    pub(crate) proves: Vec<String>,
    /// Whether it stands in `finally:`.
    pub(crate) teardown: bool,
    /// Whether what it needs is not all known, because of a mistake.
    pub(crate) open: bool,
    /// Its tree.
    pub(crate) node: Arc<Node>,
    /// Its file.
    pub(crate) source: Arc<SourceText>,
    /// The folder that its paths are relative to.
    pub(crate) folder: String,
}

impl DraftStep {
    /// The place of a part of it, or the next thing around it that exists.
    pub(crate) fn at(&self, path: &[&str]) -> Place {
        match path {
            [] => self.spec.place.clone(),
            path => self
                .node
                .follow(path.iter().copied())
                .spot
                .place(&self.source),
        }
    }
}

/// Joins the parts.
pub(super) fn assemble(parts: Vec<Part>, problems: &mut Vec<Diagnostic>) -> Draft {
    let draft = Draft {
        name: None,
        metadata: None,
        params: IndexMap::new(),
        lost_params: HashSet::new(),
        objectives: Vec::new(),
        criteria: Vec::new(),
        locks: IndexMap::new(),
        schedule: None,
        timeout: None,
        teardown_timeout: None,
        steps: Vec::new(),
        lost_steps: HashSet::new(),
    };
    let mut assembly = Assembly {
        draft,
        problems,
        defined: HashMap::new(),
        teardown: Vec::new(),
    };
    let main = parts
        .iter()
        .find(|part| part.main)
        .map(|part| part.node.spot.place(&part.source));
    for part in parts {
        assembly.part(part);
    }
    let Assembly {
        mut draft,
        problems,
        teardown,
        ..
    } = assembly;
    draft.steps.extend(teardown);
    if draft.steps.is_empty() && draft.lost_steps.is_empty() && problems.is_empty() {
        // A run of nothing would end well without having looked at anything.
        let problem = Diagnostic::new(code::MISSING_KEY, "the workflow has no steps")
            .help("add `steps:`, or `include:` a file that has them");
        problems.extend(main.map(|place| problem.at(place, "")));
    }
    draft
}

struct Assembly<'a> {
    draft: Draft,
    problems: &'a mut Vec<Diagnostic>,
    defined: HashMap<(&'static str, String), Place>,
    teardown: Vec<DraftStep>,
}

impl Assembly<'_> {
    fn part(&mut self, mut part: Part) {
        let mut value = std::mem::take(&mut part.value);
        let mut take = |key: &str| {
            value
                .as_object_mut()
                .and_then(|fields| fields.shift_remove(key))
        };
        if part.main {
            self.head(&part, &mut take);
        }
        self.draft
            .lost_params
            .extend(part.damage.lost_params.iter().cloned());
        for (name, value) in object(take("params")) {
            self.param(&part, name, value);
        }
        for (name, value) in object(take("locks")) {
            let place = key_place(&part, "locks", &name);
            if self.define("lock", &name, &place)
                && let Some(size) = self.read::<u32>(value, &place)
            {
                self.draft.locks.insert(name, (size, place));
            }
        }
        for (index, value) in list(take("objectives")) {
            let place = item_place(&part, "objectives", index);
            if let Some(objective) = self.read_unless_null::<Objective>(value, &place)
                && self.define("objective", &objective.id, &place)
            {
                self.draft.objectives.push((objective, place));
            }
        }
        for (index, value) in list(take("criteria")) {
            let place = item_place(&part, "criteria", index);
            if let Some(criterion) = self.read_unless_null::<Criterion>(value, &place)
                && self.define("criterion", criterion.id.as_str(), &place)
            {
                self.draft.criteria.push((criterion, place));
            }
        }
        for section in ["steps", "finally"] {
            let steps = list(take(section));
            self.draft.steps.reserve_exact(steps.len());
            for (index, value) in steps {
                self.step(&part, section, index, value);
            }
        }
    }

    fn head(&mut self, part: &Part, take: &mut impl FnMut(&str) -> Option<Value>) {
        let place = part.node.spot.place(&part.source);
        // What is wrong in it was reported by the schema.
        let metadata =
            take("metadata").and_then(|value| serde_json::from_value::<Metadata>(value).ok());
        self.draft.name = metadata
            .as_ref()
            .and_then(|metadata| WorkflowName::new(metadata.name.as_str()).ok());
        self.draft.metadata = metadata;
        self.draft.timeout = take("timeout").and_then(|value| self.read(value, &place));
        self.draft.teardown_timeout =
            take("teardown_timeout").and_then(|value| self.read(value, &place));
        let schedule = take("schedule")
            .and_then(|value| self.read::<Option<ScheduleDocument>>(value, &place))
            .flatten();
        self.draft.schedule = schedule.map(|schedule| {
            let timezone = schedule.timezone.unwrap_or_else(|| "UTC".to_owned());
            let at = |key| part.node.follow(["schedule", key]).spot.place(&part.source);
            (
                Schedule {
                    cron: schedule.cron,
                    timezone,
                },
                at("cron"),
                at("timezone"),
            )
        });
    }

    fn param(&mut self, part: &Part, name: String, value: Value) {
        let place = key_place(part, "params", &name);
        if !is_snake_case(&name) {
            let problem = Diagnostic::new(
                code::BAD_ID,
                format!("`{name}` is not a valid parameter name"),
            )
            .at(place.clone(), "here")
            .help("use lower-case letters, digits and `_`, beginning with a letter");
            self.problems.push(problem);
        }
        if !self.define("parameter", &name, &place) {
            return;
        }
        match self.read::<ParamDocument>(value, &place) {
            Some(param) => {
                let ParamDocument {
                    ty,
                    default,
                    description,
                    choices,
                } = param;
                self.draft.params.insert(
                    name,
                    ParamSpec {
                        ty,
                        default,
                        description,
                        choices,
                        place,
                    },
                );
            }
            None => {
                self.draft.lost_params.insert(name);
            }
        }
    }

    fn step(&mut self, part: &Part, section: &'static str, index: usize, value: Value) {
        let key = (section.to_owned(), index);
        let Some(node) = part
            .node
            .get(section)
            .and_then(|steps| steps.items().get(index))
        else {
            return;
        };
        let place = node
            .get("id")
            .map_or(node.spot, |id| id.spot)
            .place(&part.source);
        let id = node.get("id").and_then(Node::text).unwrap_or("").to_owned();
        let step = if part.damage.lost_steps.contains(&key) {
            None
        } else {
            self.read::<StepDocument>(value, &place)
        };
        let step = step.and_then(|document| {
            let open = part.damage.open_steps.contains(&key);
            step::convert(document, part, node, &place, section == "finally", open)
        });
        match step {
            Some(step) => {
                if self.define("step", &id, &place) {
                    if step.teardown {
                        self.teardown.push(step)
                    } else {
                        self.draft.steps.push(step)
                    }
                }
            }
            None => {
                self.draft.lost_steps.insert(id);
            }
        }
    }

    /// Whether it is the first of its name; the second is an error.
    fn define(&mut self, what: &'static str, id: &str, place: &Place) -> bool {
        if let Some(first) = self.defined.get(&(what, id.to_owned())) {
            let problem = Diagnostic::new(
                code::DUPLICATE_ID,
                format!("the {what} `{id}` is defined twice"),
            )
            .at(place.clone(), "again")
            .at(first.clone(), "first defined here")
            .help("rename or drop one of the two");
            self.problems.push(problem);
            return false;
        }
        self.defined.insert((what, id.to_owned()), place.clone());
        true
    }

    /// Reads what the schema let through; what is refused nevertheless is a number or duration out of range.
    fn read<T: DeserializeOwned>(&mut self, value: Value, place: &Place) -> Option<T> {
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(
                    Diagnostic::new(code::BAD_VALUE, error.to_string())
                        .at(place.clone(), "in this"),
                );
                None
            }
        }
    }

    fn read_unless_null<T: DeserializeOwned>(&mut self, value: Value, place: &Place) -> Option<T> {
        if value.is_null() {
            None
        } else {
            self.read(value, place)
        }
    }
}

fn object(value: Option<Value>) -> serde_json::Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

fn list(value: Option<Value>) -> impl ExactSizeIterator<Item = (usize, Value)> {
    let items = match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    items.into_iter().enumerate()
}

fn key_place(part: &Part, section: &str, key: &str) -> Place {
    let entry = part.node.get(section).and_then(|node| node.entry(key));
    entry
        .map_or(Spot::new(0, 0), |entry| entry.spot)
        .place(&part.source)
}

fn item_place(part: &Part, section: &str, index: usize) -> Place {
    let item = part
        .node
        .get(section)
        .and_then(|node| node.items().get(index));
    let spot = item.map(|item| item.get("id").map_or(item.spot, |id| id.spot));
    spot.unwrap_or(Spot::new(0, 0)).place(&part.source)
}
