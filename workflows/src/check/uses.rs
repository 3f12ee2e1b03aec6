//! Uses of step kinds: the kind exists, its parameters fit, and the files that they mention are there. The expressions
//! in them are collected for the check of names.

use std::sync::Arc;

use serde_json::Value;

use crate::code;
use crate::diagnostic::{Diagnostic, suggest};
use crate::kinds::{EXPRESSION_FORMAT, OTHER_NAMES, OUTPUT_OF};
use crate::load::{Draft, DraftStep, Files, Kind, Kinds, Subject};
use crate::model::UndoSpec;
use crate::place::{Place, SourceText};
use crate::policy::UndoWhen;
use crate::source::{folder_of, normalize};
use crate::template::is_template;
use crate::yaml::Node;

mod places;

use places::{Format, find_paths, visit};

/// A file that a step mentions, whose templates are rendered for that step.
pub(super) struct Mention {
    /// The step, by index.
    pub(super) step: usize,
    /// Where the step mentions it.
    pub(super) place: Place,
    /// Which use of a kind in the step.
    pub(super) role: Role,
    /// The file.
    pub(super) text: Arc<SourceText>,
}

/// An expression among the parameters of a kind, over the output of a step that the kind itself runs.
pub(super) struct Inner {
    /// The step, by index.
    pub(super) step: usize,
    /// Where it stands.
    pub(super) place: Place,
    pub(super) text: String,
    /// Whose output it sees, if that is known.
    pub(super) kind: Option<String>,
    /// What it sees besides.
    pub(super) names: Vec<String>,
}

/// What uses of kinds hold that must be checked further.
#[derive(Default)]
pub(super) struct Held {
    pub(super) mentions: Vec<Mention>,
    pub(super) expressions: Vec<Inner>,
}

/// Which use of a kind in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Main,
    Verify,
    Undo,
}

impl Role {
    /// The path of its key in the step, empty for the step itself.
    pub(super) fn prefix(self) -> &'static [&'static str] {
        match self {
            Role::Main => &[],
            Role::Verify => &["verify"],
            Role::Undo => &["undo"],
        }
    }
}

/// Checks every use and makes the paths in it relative to the workflow's directory.
pub(super) fn check(
    draft: &mut Draft,
    files: &mut Files<'_>,
    kinds: &Kinds<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Held {
    let mut uses = Uses {
        files,
        kinds,
        problems,
        held: Held::default(),
    };
    for (at, step) in draft.steps.iter_mut().enumerate() {
        let mut with = std::mem::take(&mut step.spec.with);
        uses.check(at, step, Role::Main, &step.spec.uses, &mut with);
        step.spec.with = with;
        if let Some(mut verify) = step.spec.verify.take() {
            uses.check(at, step, Role::Verify, &verify.uses, &mut verify.with);
            step.spec.verify = Some(verify);
        }
        if let Some(mut undo) = step.spec.undo.take() {
            if let Some(by) = &mut undo.by {
                uses.check(at, step, Role::Undo, &by.uses, &mut by.with);
            }
            step.spec.undo = Some(undo);
        } else {
            let on = kinds.catalog().undone(&step.spec.uses);
            let undo = UndoSpec { on, by: None };
            step.spec.undo = (on != UndoWhen::Never).then(|| undo.into());
        }
    }
    uses.held
}

struct Uses<'a, 'f> {
    files: &'a mut Files<'f>,
    kinds: &'a Kinds<'a>,
    problems: &'a mut Vec<Diagnostic>,
    held: Held,
}

impl Uses<'_, '_> {
    fn check(&mut self, at: usize, step: &DraftStep, role: Role, uses: &str, with: &mut Value) {
        let node = step.node.follow(role.prefix().iter().copied());
        let named = node
            .get("uses")
            .or_else(|| step.node.get("uses"))
            .unwrap_or(node);
        let given = node.get("with");
        self.check_use(
            at,
            step,
            role,
            Given { uses, named, given },
            with,
            Format::Step,
        );
    }

    fn check_use(
        &mut self,
        at: usize,
        step: &DraftStep,
        role: Role,
        Given { uses, named, given }: Given<'_>,
        with: &mut Value,
        format: Format,
    ) {
        let Some(kind) = self.kind(uses, &named.spot.place(&step.source)) else {
            return;
        };
        let empty = Value::Object(serde_json::Map::new());
        let subject = Subject {
            value: if with.is_null() { &empty } else { with },
            // What is missing is shown at the kind's name when there is no `with:`.
            node: given.unwrap_or(named),
            source: &step.source,
        };
        // What a part lacks stands elsewhere.
        let is_elsewhere = |diagnostic: &Diagnostic| {
            format == Format::StepPart && diagnostic.code == code::MISSING_KIND_PARAMETER
        };
        self.problems.extend(
            kind.shape
                .check(subject)
                .into_iter()
                .map(|flaw| flaw.diagnostic)
                .filter(|diagnostic| !is_elsewhere(diagnostic)),
        );
        self.expressions(at, step, &kind, with, given.unwrap_or(named));
        for (path, format) in find_paths(&kind.schema, with) {
            let place = given
                .map_or(named.spot, |given| {
                    given.follow(path.iter().map(String::as_str)).spot
                })
                .place(&step.source);
            let pointer: String = path
                .iter()
                .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
                .collect();
            if matches!(format, Format::Step | Format::StepPart) {
                let node = given.map(|given| given.follow(path.iter().map(String::as_str)));
                self.inner(at, step, role, with.pointer_mut(&pointer), node, format);
                continue;
            }
            let Some(Value::String(text)) = with.pointer_mut(&pointer) else {
                continue;
            };
            if let Some(normal) = self.files_at(at, role, text, format, &step.folder, &place) {
                *text = normal;
            }
        }
    }

    /// Collects the expressions among the parameters. One that a template makes is not known before the run.
    fn expressions(&mut self, at: usize, step: &DraftStep, kind: &Kind, with: &Value, node: &Node) {
        visit(&kind.schema, with, &mut |schema, value, path| {
            if schema.get("format").and_then(Value::as_str) != Some(EXPRESSION_FORMAT) {
                return;
            }
            let texts = |key: &str| {
                let texts = schema
                    .get(key)
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                texts.filter_map(Value::as_str)
            };
            let kind = texts(OUTPUT_OF).find_map(|pointer| with.pointer(pointer)?.as_str());
            let several = value.as_array().into_iter().flatten().enumerate();
            let several = several.map(|(number, text)| (text, Some(number.to_string())));
            for (text, number) in several.chain([(value, None)]) {
                let Some(text) = text.as_str().filter(|text| !is_template(text)) else {
                    continue;
                };
                let path = path.iter().chain(&number).map(String::as_str);
                self.held.expressions.push(Inner {
                    step: at,
                    place: node.follow(path).spot.place(&step.source),
                    text: text.to_owned(),
                    kind: kind.filter(|kind| !is_template(kind)).map(str::to_owned),
                    names: texts(OTHER_NAMES).map(str::to_owned).collect(),
                });
            }
        });
    }

    /// A use of a step kind inside the parameters of another.
    fn inner(
        &mut self,
        at: usize,
        step: &DraftStep,
        role: Role,
        value: Option<&mut Value>,
        node: Option<&Node>,
        format: Format,
    ) {
        let (Some(Value::Object(fields)), Some(node)) = (value, node) else {
            return;
        };
        let Some(uses) = fields
            .get("uses")
            .and_then(Value::as_str)
            .map(str::to_owned)
        else {
            return;
        };
        let given = Given {
            uses: &uses,
            named: node.get("uses").unwrap_or(node),
            given: node.get("with"),
        };
        let mut none = Value::Null;
        let with = fields.get_mut("with").unwrap_or(&mut none);
        self.check_use(at, step, role, given, with, format);
    }

    fn kind(&mut self, uses: &str, place: &Place) -> Option<Arc<Kind>> {
        match self.kinds.get(uses) {
            Some(Ok(kind)) => return Some(kind),
            None => self.unknown_kind(uses, place),
            Some(Err(reason)) => {
                let message = format!("the parameters of `{uses}` cannot be checked: {reason}");
                self.problems.push(
                    Diagnostic::new(code::BAD_KIND_PARAMETER, message).at(place.clone(), "here"),
                );
            }
        }
        None
    }

    fn unknown_kind(&mut self, uses: &str, place: &Place) {
        let problem = Diagnostic::new(
            code::UNKNOWN_KIND,
            format!("there is no step kind `{uses}`"),
        )
        .help("`flowctl kinds` lists them")
        .maybe_help(suggest(uses, self.kinds.catalog().names()));
        self.problems.push(problem.at(place.clone(), "used here"));
    }

    /// Reads what a path means; the path as seen from the workflow's directory.
    fn files_at(
        &mut self,
        step: usize,
        role: Role,
        text: &str,
        format: Format,
        folder: &str,
        place: &Place,
    ) -> Option<String> {
        let fixed = text.find("{{").map_or(text, |at| folder_of(&text[..at]));
        if is_template(text) && fixed.is_empty() {
            let problem = Diagnostic::new(
                code::BAD_PATH,
                format!("which files `{text}` may mean cannot be known before the run"),
            );
            self.problems.push(
                problem
                    .at(place.clone(), "here")
                    .help("begin the path with a folder: all files in it are taken along"),
            );
            return None;
        }
        let Some(normal) = normalize(folder, fixed) else {
            let problem = Diagnostic::new(
                code::BAD_PATH,
                format!("`{text}` leads out of the workflow's surroundings"),
            );
            self.problems.push(
                problem
                    .at(place.clone(), "here")
                    .help("use a path relative to this file"),
            );
            return None;
        };
        let paths = if is_template(text) || format == Format::Folder {
            match self.files.list(&normal, place) {
                Ok(paths) => paths,
                Err(problem) => {
                    self.problems.push(*problem);
                    return None;
                }
            }
        } else {
            vec![normal.clone()]
        };
        for path in paths {
            match self.files.read(&path, Some(place)) {
                Ok(text) => self.held.mentions.push(Mention {
                    step,
                    place: place.clone(),
                    role,
                    text,
                }),
                Err(problem) => self.problems.push(*problem),
            }
        }
        Some(format!("{normal}{}", &text[fixed.len()..]))
    }
}

/// A use of a step kind as it stands in a file.
#[derive(Clone, Copy)]
struct Given<'a> {
    uses: &'a str,
    /// Where the kind is named.
    named: &'a Node,
    /// Its parameters, if it has any.
    given: Option<&'a Node>,
}
