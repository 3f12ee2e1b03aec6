//! Every expression and template compiles, and every name in it exists where it stands.

use super::graph::Graph;
use super::scope::{Meaning, Scope, Site};
use super::texts::Texts;
use super::uses::{Held, Inner, Mention, Role};
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::kinds::KindCatalog;
use crate::load::{Draft, DraftStep};
use crate::model::Items;
use crate::place::Place;
use crate::reference::Reference;
use crate::template::{Template, is_template};
use crate::yaml::{Content, Node};

/// Checks the steps and the files that they mention; a `foreach` over a template becomes one over an expression.
pub(super) fn check(
    draft: &mut Draft,
    graph: &Graph,
    held: &Held,
    texts: Texts,
    kinds: &dyn KindCatalog,
    problems: &mut Vec<Diagnostic>,
) {
    let mut rewritten = Vec::new();
    {
        let scope = Scope::new(draft, graph, kinds);
        let mut names = Names {
            scope,
            graph,
            problems,
            texts,
            questions: Vec::new(),
        };
        for (at, step) in draft.steps.iter().enumerate() {
            rewritten.extend(names.step(at, step).map(|items| (at, items)));
        }
        for mention in &held.mentions {
            names.file(&draft.steps[mention.step], mention);
        }
        held.expressions.iter().for_each(|inner| names.inner(inner));
        names.answer(draft);
    }
    for (at, items) in rewritten {
        if let Some(foreach) = &mut draft.steps[at].spec.foreach {
            foreach.items = Items::Expression(items);
        }
    }
}

/// Whether `other` is upstream of `step`, asked for at a place.
struct Question {
    step: usize,
    other: usize,
    name: String,
    place: Place,
    mention: Option<Place>,
}

struct Names<'a> {
    scope: Scope<'a>,
    graph: &'a Graph,
    problems: &'a mut Vec<Diagnostic>,
    texts: Texts,
    questions: Vec<Question>,
}

/// The name of a step's item; also when its `foreach` cannot be read for another reason.
fn item(step: &DraftStep) -> Option<&str> {
    let foreach = step.node.get("foreach")?;
    Some(foreach.get("as").and_then(Node::text).unwrap_or("item"))
}

impl Names<'_> {
    /// Checks a step; gives the expression that its `foreach` is over, if that was written as a template.
    fn step(&mut self, at: usize, step: &DraftStep) -> Option<String> {
        let spec = &step.spec;
        let item = item(step);
        let site = Site {
            step: at,
            item,
            output: None,
            own_output: false,
            before_run: false,
            only: None,
        };
        let before_run = Site {
            before_run: true,
            item: None,
            ..site
        };
        let mut items = None;
        if let Some(foreach) = &spec.foreach {
            match &foreach.items {
                Items::Expression(text) if is_template(text) => {
                    items = self.template_items(text, &step.at(&["foreach", "items"]), before_run);
                }
                Items::Expression(text) => {
                    self.expression(text, &step.at(&["foreach", "items"]), before_run)
                }
                Items::List(_) => {
                    self.templates_below(step.node.follow(["foreach", "items"]), step, before_run)
                }
            }
            if let Some(key) = &foreach.key {
                self.expression(
                    key,
                    &step.at(&["foreach", "key"]),
                    Site {
                        before_run: true,
                        ..site
                    },
                );
            }
        }
        if let Some(when) = &spec.when {
            self.expression(when, &step.at(&["when"]), site);
        }
        if let Some(approval) = &spec.approval {
            self.template(
                &approval.message,
                &step.at(&["approval", "message"]),
                site,
                None,
            );
        }
        let judged = Site {
            output: Some(&spec.uses),
            own_output: true,
            ..site
        };
        self.expectations(&spec.expect, step, Role::Main, judged);
        if let Some(inapplicable) = &spec.inapplicable {
            self.expression(inapplicable, &step.at(&["inapplicable"]), judged);
        }
        let verify = Site {
            own_output: true,
            ..site
        };
        if let Some(probe) = &spec.verify {
            self.expectations(
                &probe.expect,
                step,
                Role::Verify,
                Site {
                    output: Some(&probe.uses),
                    ..verify
                },
            );
        }
        if let Some(by) = spec.undo.as_ref().and_then(|undo| undo.by.as_ref()) {
            self.expectations(
                &by.expect,
                step,
                Role::Undo,
                Site {
                    output: Some(&by.uses),
                    ..site
                },
            );
        }
        for (role, site) in [
            (Role::Main, site),
            (Role::Verify, verify),
            (Role::Undo, site),
        ] {
            if let Some(with) = step
                .node
                .follow_exactly(role.prefix())
                .and_then(|node| node.get("with"))
            {
                self.templates_below(with, step, site);
            }
        }
        items
    }

    fn expectations(&mut self, texts: &[String], step: &DraftStep, role: Role, site: Site<'_>) {
        for (number, text) in texts.iter().enumerate() {
            let number = number.to_string();
            let path: Vec<&str> = role
                .prefix()
                .iter()
                .copied()
                .chain(["expect", &number])
                .collect();
            self.expression(text, &step.at(&path), site);
        }
    }

    fn expression(&mut self, text: &str, place: &Place, site: Site<'_>) {
        match &*self.texts.expression(text) {
            Ok(references) => self.references(references, text, place, site, None),
            // CEL may hold two braces in a text, so only what cannot be read is taken for a template.
            Err(_) if is_template(text) => {
                let message = "this is CEL, where templates are not rendered";
                let problem = Diagnostic::new(code::BAD_EXPRESSION, message)
                    .at(place.clone(), "here")
                    .help("write the name without the braces");
                self.problems.push(problem);
            }
            Err(error) => {
                let problem = Diagnostic::new(
                    code::BAD_EXPRESSION,
                    format!("this is no CEL expression: {}", error.message),
                )
                .maybe_help(
                    error
                        .message
                        .contains("'=")
                        .then(|| "compare with `==`".to_owned()),
                );
                self.problems
                    .push(problem.at(place.within(text, error.offset, 0), "here"));
            }
        }
    }

    fn template(&mut self, text: &str, place: &Place, site: Site<'_>, mention: Option<&Place>) {
        match &*self.texts.template(text) {
            Ok(references) => self.references(references, text, place, site, mention),
            Err(error) => {
                let problem = Diagnostic::new(
                    code::BAD_TEMPLATE,
                    format!("this is no template: {}", error.message),
                )
                .at(place.within(text, error.offset, 0), "here")
                .help(r"`{{ params.x }}` is replaced; write `\{{` where two braces are meant");
                self.problems.push(problem);
            }
        }
    }

    /// A `foreach` over a template that is exactly one name, as an expression.
    fn template_items(&mut self, text: &str, place: &Place, site: Site<'_>) -> Option<String> {
        self.template(text, place, site, None);
        let template = Template::compile(text).ok()?;
        let name = template.whole_name();
        if name.is_none() {
            let problem = Diagnostic::new(
                code::FOREACH_SOURCE,
                "a `foreach` needs a list, and this template gives text",
            );
            self.problems.push(
                problem
                    .at(place.clone(), "here")
                    .help("write `items: params.NAME`"),
            );
        }
        name
    }

    fn templates_below(&mut self, node: &Node, step: &DraftStep, site: Site<'_>) {
        match &node.content {
            Content::String(text) if is_template(text) => {
                self.template(text, &node.spot.place(&step.source), site, None)
            }
            Content::List(items) => items
                .iter()
                .for_each(|item| self.templates_below(item, step, site)),
            Content::Map(entries) if !matches!(&entries[..], [only] if &*only.key == "secret") => {
                for entry in entries {
                    if is_template(&entry.key) {
                        self.template(&entry.key, &entry.spot.place(&step.source), site, None);
                    }
                    self.templates_below(&entry.value, step, site);
                }
            }
            _ => {}
        }
    }

    /// An expression over the output of a step that the kind itself runs sees that, and not what is around the step.
    fn inner(&mut self, inner: &Inner) {
        let site = Site {
            step: inner.step,
            item: None,
            output: inner.kind.as_deref(),
            own_output: false,
            before_run: false,
            only: Some(&inner.names),
        };
        self.expression(&inner.text, &inner.place, site);
    }

    fn file(&mut self, step: &DraftStep, mention: &Mention) {
        let text = mention.text.text();
        if !is_template(text) {
            return;
        }
        let item = item(step);
        let own_output = mention.role == Role::Verify;
        let site = Site {
            step: mention.step,
            item,
            output: None,
            own_output,
            before_run: false,
            only: None,
        };
        let whole = Place {
            source: std::sync::Arc::clone(&mention.text),
            offset: 0,
            length: text.len(),
        };
        self.template(text, &whole, site, Some(&mention.place));
    }

    fn references(
        &mut self,
        references: &[Reference],
        text: &str,
        place: &Place,
        site: Site<'_>,
        mention: Option<&Place>,
    ) {
        for reference in references {
            match self.scope.meaning(reference, site) {
                Meaning::Good => {}
                Meaning::OutputOf(other) => {
                    let place = place.within(text, reference.offset, reference.length);
                    let (name, mention) = (reference.to_string(), mention.cloned());
                    self.questions.push(Question {
                        step: site.step,
                        other,
                        name,
                        place,
                        mention,
                    });
                }
                Meaning::Bad(mistake) => {
                    let place = place.within(text, reference.offset, reference.length);
                    let mut problem = Diagnostic::new(mistake.code, mistake.message)
                        .at(place, "here")
                        .maybe_help(mistake.help);
                    if let Some(mention) = mention {
                        problem = problem.at(mention.clone(), "the file is used here");
                    }
                    self.problems.push(problem);
                }
            }
        }
    }

    fn answer(&mut self, draft: &Draft) {
        let questions = std::mem::take(&mut self.questions);
        let pairs: Vec<(usize, usize)> = questions
            .iter()
            .map(|question| (question.step, question.other))
            .collect();
        for (question, upstream) in questions.into_iter().zip(self.graph.upstream(&pairs)) {
            if upstream {
                continue;
            }
            let (step, other) = (
                &draft.steps[question.step].spec.id,
                &draft.steps[question.other].spec.id,
            );
            let message = format!(
                "`{}` may not be there: `{other}` is not upstream of `{step}`",
                question.name
            );
            let mut problem = Diagnostic::new(code::NOT_UPSTREAM, message)
                .at(question.place, "here")
                .help(format!("add `{other}` to the `needs:` of `{step}`"));
            if let Some(mention) = question.mention {
                problem = problem.at(mention, "the file is used here");
            }
            self.problems.push(problem);
        }
    }
}
