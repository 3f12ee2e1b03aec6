//! The expressions and templates of a workflow, each distinct text compiled once.

use std::collections::HashMap;
use std::rc::Rc;

use crate::expr::{Expression, SyntaxError};
use crate::load::DraftStep;
use crate::reference::Reference;
use crate::template::{Template, is_template};
use crate::yaml::{Content, Node};

/// What a text mentions, or why it cannot be read.
pub(super) type Compiled = Rc<Result<Vec<Reference>, SyntaxError>>;

/// What was compiled so far.
#[derive(Default)]
pub(super) struct Texts {
    expressions: HashMap<String, Compiled>,
    templates: HashMap<String, Compiled>,
}

impl Texts {
    /// Those of these steps. A text that is not among them is compiled when it is asked for.
    pub(super) fn of(steps: &[DraftStep]) -> Self {
        let mut texts = Self::default();
        for step in steps {
            let spec = &step.spec;
            let verify = spec.verify.as_ref().map(|probe| &probe.expect);
            let by = spec.undo.as_ref().and_then(|undo| undo.by.as_ref());
            let expectations = [Some(&spec.expect), verify, by.map(|by| &by.expect)];
            let others = [&spec.when, &spec.inapplicable];
            let expressions = expectations.into_iter().flatten().flatten();
            for text in expressions.chain(others.into_iter().flatten()) {
                texts.expression(text);
            }
            texts.templates_in(&step.node);
        }
        texts
    }

    fn templates_in(&mut self, node: &Node) {
        match &node.content {
            Content::String(text) if is_template(text) => drop(self.template(text)),
            Content::List(items) => items.iter().for_each(|item| self.templates_in(item)),
            Content::Map(entries) => {
                (entries.iter()).for_each(|entry| self.templates_in(&entry.value));
            }
            _ => {}
        }
    }

    /// What this expression mentions.
    pub(super) fn expression(&mut self, text: &str) -> Compiled {
        once(&mut self.expressions, text, |text| {
            Expression::compile(text).map(|expression| expression.references().to_vec())
        })
    }

    /// What this template mentions.
    pub(super) fn template(&mut self, text: &str) -> Compiled {
        once(&mut self.templates, text, |text| {
            Template::compile(text).map(|template| template.references().to_vec())
        })
    }
}

fn once(
    known: &mut HashMap<String, Compiled>,
    text: &str,
    compile: impl FnOnce(&str) -> Result<Vec<Reference>, SyntaxError>,
) -> Compiled {
    if let Some(compiled) = known.get(text) {
        return Rc::clone(compiled);
    }
    let compiled = Rc::new(compile(text));
    known.insert(text.to_owned(), Rc::clone(&compiled));
    compiled
}
