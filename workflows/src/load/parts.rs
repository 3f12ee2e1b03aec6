//! The workflow's file and those that it includes, each held against its schema.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::files::Files;
use super::kinds::Ahead;
use super::prune::{self, Damage};
use super::shape::{Shape, Subject};
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::place::{Place, SourceText};
use crate::schema;
use crate::source::{folder_of, normalize};
use crate::yaml::{self, Budget, Node};

/// A file of the workflow, without what is wrong in it.
pub(super) struct Part {
    /// Its text.
    pub(super) source: Arc<SourceText>,
    /// The folder that its paths are relative to.
    pub(super) folder: String,
    /// The tree with places.
    pub(super) node: Arc<Node>,
    /// The tree without them, and without what does not fit the schema.
    pub(super) value: Value,
    /// What does not fit.
    pub(super) damage: Damage,
    /// Whether it is the workflow's own file.
    pub(super) main: bool,
}

/// Reads the workflow's file and all that it includes, included ones first, and names the kinds in them `ahead`. `None` when the file itself cannot
/// be read.
pub(super) fn read(
    path: &str,
    files: &mut Files<'_>,
    ahead: Ahead,
    problems: &mut Vec<Diagnostic>,
) -> Option<Vec<Part>> {
    let mut reader = Reader {
        files,
        ahead,
        problems,
        seen: HashSet::new(),
        open: Vec::new(),
        texts: Vec::new(),
    };
    // The workflow's own directory is the root of the source; the caller sees to that.
    reader.file(path, None);
    let texts = reader.texts;
    // Only now, because another thread makes the schemas meanwhile.
    let parts: Vec<Part> = (texts.into_iter())
        .filter_map(|text| text.check(problems))
        .collect();
    parts.iter().any(|part| part.main).then_some(parts)
}

/// Makes the schemas of files, which takes as long as to read them.
pub(super) fn make_shapes() {
    let _ = (shape(true), shape(false));
}

/// The schema of a workflow's own file, or that of one which it includes. Made once: that takes longer than to hold a file
/// against it.
fn shape(main: bool) -> &'static Result<Shape, String> {
    static MAIN: OnceLock<Result<Shape, String>> = OnceLock::new();
    static PART: OnceLock<Result<Shape, String>> = OnceLock::new();
    let (made, schema) = match main {
        true => (&MAIN, schema::workflow as fn() -> &'static Value),
        false => (&PART, schema::part as fn() -> &'static Value),
    };
    made.get_or_init(|| Shape::document(Arc::new(schema().clone())))
}

struct Reader<'a, 'f> {
    files: &'a mut Files<'f>,
    ahead: Ahead,
    problems: &'a mut Vec<Diagnostic>,
    seen: HashSet<String>,
    /// The files that are being read, outermost first.
    open: Vec<String>,
    texts: Vec<Text>,
}

/// A file that was read and not held against its schema yet.
struct Text {
    source: Arc<SourceText>,
    folder: String,
    node: Arc<Node>,
    main: bool,
}

impl Text {
    fn check(self, problems: &mut Vec<Diagnostic>) -> Option<Part> {
        let Self {
            source,
            folder,
            node,
            main,
        } = self;
        let mut value = node.to_json();
        let flaws = match shape(main) {
            Ok(shape) => shape.check(Subject {
                value: &value,
                node: &node,
                source: &source,
            }),
            Err(reason) => {
                // Only a mistake in flowctl itself leads here; it must not pass for a good file.
                problems.push(Diagnostic::new(
                    code::BAD_VALUE,
                    format!("the schema cannot be used: {reason}"),
                ));
                return None;
            }
        };
        let damage = prune::prune(&mut value, &flaws);
        problems.extend(flaws.into_iter().map(|flaw| flaw.diagnostic));
        Some(Part {
            source,
            folder,
            node,
            value,
            damage,
            main,
        })
    }
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &str, mention: Option<&Place>) {
        let source = match self.files.read(path, mention) {
            Ok(source) => source,
            Err(problem) => return self.problems.push(*problem),
        };
        self.seen.insert(path.to_owned());
        let (node, found) = yaml::read(&source, Budget::default());
        self.problems.extend(found);
        let Some(node) = node else { return };
        self.ahead.uses_in(&node);
        let main = mention.is_none();
        let folder = folder_of(path).to_owned();
        self.open.push(path.to_owned());
        for include in node.get("include").map(Node::items).unwrap_or_default() {
            self.include(&folder, include, &source);
        }
        self.open.pop();
        self.texts.push(Text {
            source,
            folder,
            node,
            main,
        });
    }

    fn include(&mut self, folder: &str, include: &Node, source: &Arc<SourceText>) {
        // What is no text was reported by the schema.
        let Some(path) = include.text() else { return };
        let place = include.spot.place(source);
        let Some(path) = normalize(folder, path) else {
            let problem = Diagnostic::new(
                code::BAD_PATH,
                format!("`{path}` leads out of the workflow's surroundings"),
            );
            return self.problems.push(
                problem
                    .at(place, "here")
                    .help("use a path relative to this file"),
            );
        };
        if let Some(start) = self.open.iter().position(|open| *open == path) {
            let circle: Vec<&str> = self.open[start..]
                .iter()
                .map(String::as_str)
                .chain([path.as_str()])
                .collect();
            let problem = Diagnostic::new(
                code::INCLUDE_CYCLE,
                format!("files include each other: {}", circle.join(" -> ")),
            );
            return self.problems.push(
                problem
                    .at(place, "closes the circle")
                    .help("drop one of the includes"),
            );
        }
        if !self.seen.contains(&path) {
            self.file(&path, Some(&place));
        }
    }
}
