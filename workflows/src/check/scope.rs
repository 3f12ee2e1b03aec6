//! What one name may mean at one place of a workflow.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::graph::Graph;
use crate::code;
use crate::context::{ROOTS, display_path};
use crate::diagnostic::suggest;
use crate::kinds::KindCatalog;
use crate::load::Draft;
use crate::reference::Reference;

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// The step, by index.
    pub(super) step: usize,
    /// The name of the item, in a `foreach`.
    pub(super) item: Option<&'a str>,
    /// In an `expect:`, the kind whose output is judged.
    pub(super) output: Option<&'a str>,
    /// Whether the step's own output is there already.
    pub(super) own_output: bool,
    /// Whether it must be known before the run: only parameters, the target and the item.
    pub(super) before_run: bool,
    /// Nothing but the output and these names is there.
    pub(super) only: Option<&'a [String]>,
}

/// What is wrong with a name.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// What a name comes to.
pub(super) enum Meaning {
    /// It is there.
    Good,
    /// It is the output of this step, if that is upstream.
    OutputOf(usize),
    /// It is not there.
    Bad(Mistake),
}

/// All that names can mean in a workflow.
pub(super) struct Scope<'a> {
    draft: &'a Draft,
    graph: &'a Graph,
    kinds: &'a dyn KindCatalog,
    params: HashSet<&'a str>,
    outputs: HashMap<String, Option<BTreeSet<String>>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(draft: &'a Draft, graph: &'a Graph, kinds: &'a dyn KindCatalog) -> Self {
        let params = draft
            .params
            .keys()
            .chain(&draft.lost_params)
            .map(String::as_str)
            .collect();
        Self {
            draft,
            graph,
            kinds,
            params,
            outputs: HashMap::new(),
        }
    }

    pub(super) fn meaning(&mut self, reference: &Reference, site: Site<'_>) -> Meaning {
        let part = |at: usize| reference.path.get(at).map(String::as_str);
        let root = reference.root();
        if let Some(names) = site.only {
            return self.only(reference, names, site);
        }
        if Some(root) == site.item {
            return Meaning::Good;
        }
        if site.before_run && !matches!(root, "params" | "target") {
            return bad(
                code::FOREACH_SOURCE,
                format!("`{reference}` is not known before the run"),
                Some(
                    "a `foreach` goes over parameters, the target or a written list, so that all steps are known before the run",
                ),
            );
        }
        match (root, part(1)) {
            ("params", Some(name)) if !self.params.contains(name) => {
                let help = suggest(name, self.params.iter().copied().collect::<BTreeSet<_>>());
                let message = format!("the parameter `{name}` is not declared");
                Meaning::Bad(Mistake {
                    code: code::UNKNOWN_PARAMETER,
                    message,
                    help,
                })
            }
            ("params" | "target", _) => Meaning::Good,
            ("run", Some("id")) | ("workflow", Some("name" | "dir")) | ("flowctl", Some("lab")) => {
                Meaning::Good
            }
            ("run", _) => self.unknown(reference, &["run.id"]),
            ("workflow", _) => self.unknown(reference, &["workflow.name", "workflow.dir"]),
            ("flowctl", _) => self.unknown(reference, &["flowctl.lab"]),
            ("steps", id) => self.step(reference, id, site),
            ("output", field) if site.output.is_some() => match (field, site.output) {
                (Some(field), Some(kind)) => self.field(reference, kind, field, &[]),
                _ => Meaning::Good,
            },
            (field, _) => match site.output {
                Some(kind) => self.field(reference, kind, field, ROOTS),
                None if field == "item" => bad(
                    code::UNKNOWN_NAME,
                    "`item` does not exist here".to_owned(),
                    Some(
                        "it is the item of a `foreach`; this step has none, or calls it otherwise by `as:`",
                    ),
                ),
                None => self.unknown(reference, ROOTS),
            },
        }
    }

    /// A name where nothing but an output and some names of its own is there.
    fn only(&mut self, reference: &Reference, names: &[String], site: Site<'_>) -> Meaning {
        let root = reference.root();
        let Some(kind) = site.output else {
            return Meaning::Good;
        };
        if names.iter().any(|name| name == root) {
            return Meaning::Good;
        }
        let also: Vec<&str> = names.iter().map(String::as_str).chain(["output"]).collect();
        match reference.path.get(1) {
            Some(field) if root == "output" => self.field(reference, kind, field, &[]),
            None if root == "output" => Meaning::Good,
            _ => self.field(reference, kind, root, &also),
        }
    }

    fn unknown(&self, reference: &Reference, known: &[&str]) -> Meaning {
        // As much of the name as the known ones have.
        let parts = known
            .first()
            .map_or(1, |name| name.matches('.').count() + 1);
        let given = display_path(reference.path.get(..parts).unwrap_or(&reference.path));
        let help = suggest(&given, known.iter().copied());
        Meaning::Bad(Mistake {
            code: code::UNKNOWN_NAME,
            message: format!("`{given}` does not exist here"),
            help,
        })
    }

    fn step(&mut self, reference: &Reference, id: Option<&str>, site: Site<'_>) -> Meaning {
        let Some(id) = id else {
            return bad(
                code::UNKNOWN_NAME,
                "a step must be named, not computed".to_owned(),
                Some("write `steps.ID.output`, so that it is known which step must run first"),
            );
        };
        let Some(step) = self.graph.step(id) else {
            if self.draft.lost_steps.contains(id) {
                return Meaning::Good;
            }
            let help = suggest(id, self.graph.ids());
            return Meaning::Bad(Mistake {
                code: code::UNKNOWN_STEP,
                message: format!("there is no step `{id}`"),
                help,
            });
        };
        match reference.path.get(2).map(String::as_str) {
            Some("output") => {}
            Some(other) => {
                return bad(
                    code::UNKNOWN_NAME,
                    format!("`steps.{id}.{other}` does not exist"),
                    Some("of a step, only its `output` can be asked for"),
                );
            }
            None => {
                return bad(
                    code::UNKNOWN_NAME,
                    format!("`steps.{id}` is not a value"),
                    Some("ask for its `output`"),
                );
            }
        }
        if step == site.step {
            return if site.own_output {
                Meaning::Good
            } else {
                bad(
                    code::NOT_UPSTREAM,
                    format!("`{id}` has no output yet when this is needed"),
                    Some("its own output can be asked for in `expect:` and `verify:`"),
                )
            };
        }
        let needed = &self.draft.steps[step].spec;
        // The output of a fan-in holds those of its instances, by key.
        if let (None, Some(field)) = (&needed.foreach, reference.path.get(3))
            && let meaning @ Meaning::Bad(_) = self.field(reference, &needed.uses, field, &[])
        {
            return meaning;
        }
        Meaning::OutputOf(step)
    }

    /// A field of a kind's output; `also`: other names that may have been meant.
    fn field(&mut self, reference: &Reference, kind: &str, field: &str, also: &[&str]) -> Meaning {
        if reference.optional {
            return Meaning::Good;
        }
        let kinds = self.kinds;
        let fields = self.outputs.entry(kind.to_owned()).or_insert_with(|| {
            kinds
                .output_schema(kind)
                .and_then(|schema| closed_fields(&schema))
        });
        match fields {
            Some(fields) if !fields.contains(field) => Meaning::Bad(Mistake {
                code: code::UNKNOWN_NAME,
                message: format!("the output of `{kind}` has no field `{field}`"),
                help: suggest(
                    field,
                    fields
                        .iter()
                        .map(String::as_str)
                        .chain(also.iter().copied()),
                ),
            }),
            _ => Meaning::Good,
        }
    }
}

fn bad(code: &'static str, message: String, help: Option<&str>) -> Meaning {
    Meaning::Bad(Mistake {
        code,
        message,
        help: help.map(str::to_owned),
    })
}

/// The fields of an object whose schema allows no others.
fn closed_fields(schema: &Value) -> Option<BTreeSet<String>> {
    let more = [
        "additionalProperties",
        "patternProperties",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
    ];
    let is_open = |keyword: &str| {
        schema
            .get(keyword)
            .is_some_and(|value| *value != Value::Bool(false))
    };
    if more.into_iter().any(is_open) {
        return None;
    }
    let fields = schema.get("properties")?.as_object()?;
    (!fields.is_empty()).then(|| fields.keys().cloned().collect())
}
