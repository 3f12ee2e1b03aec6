//! Text to tree, within a budget: no input makes it slow, deep or large beyond it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag, options};

use super::node::{Content, Entry, Node, Spot};
use super::scalar;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::place::SourceText;

/// How much one file may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Values, with those behind aliases counted each time.
    pub(crate) values: usize,
    /// Aliases.
    pub(crate) aliases: usize,
    /// Lists and mappings inside each other.
    pub(crate) depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            values: 2_000_000,
            aliases: 10_000,
            depth: 100,
        }
    }
}

/// Reads the one document of a file. The tree is there if the text could be read to its end, even when some
/// of it is wrong (a key that stands twice counts once).
pub(crate) fn read(
    source: &Arc<SourceText>,
    budget: Budget,
) -> (Option<Arc<Node>>, Vec<Diagnostic>) {
    let mut reader = Reader {
        source,
        budget,
        anchors: HashMap::new(),
        values: 0,
        aliases: 0,
        problems: Vec::new(),
    };
    match reader.document() {
        Ok(root) => (Some(root), reader.problems),
        Err(fatal) => {
            reader.problems.push(*fatal);
            (None, reader.problems)
        }
    }
}

type Fatal = Box<Diagnostic>;
type Events<'a> = Parser<'a, StrInput<'a>>;

/// An anchored value and how many values it stands for.
struct Anchor {
    node: Arc<Node>,
    weight: usize,
}

struct Reader<'a> {
    source: &'a Arc<SourceText>,
    budget: Budget,
    anchors: HashMap<usize, Anchor>,
    values: usize,
    aliases: usize,
    problems: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Arc<Node>, Fatal> {
        let options = options! { emit_comments: false };
        let mut events = Parser::new_from_str_with_options(self.source.text(), options);
        let mut root = None;
        loop {
            let (event, span) = self.next(&mut events)?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) => {
                    if root.is_some() {
                        let problem = Diagnostic::new(
                            code::MULTIPLE_DOCUMENTS,
                            "a second YAML document begins here",
                        )
                        .help("keep one document in a file; `include:` joins files");
                        return Err(Box::new(
                            problem.at(self.spot(span).place(self.source), "second document"),
                        ));
                    }
                    let (event, span) = self.next(&mut events)?;
                    root = Some(self.value(event, span, &mut events, 0)?);
                }
                // Cannot happen between documents.
                _ => {}
            }
        }
        Ok(root.unwrap_or_else(|| {
            Arc::new(Node {
                spot: Spot::new(0, 0),
                content: Content::Null,
            })
        }))
    }

    fn next(&self, events: &mut Events<'a>) -> Result<(Event<'a>, Span), Fatal> {
        match events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let offset = error
                    .marker()
                    .byte_offset()
                    .unwrap_or(0)
                    .min(self.source.text().len());
                let spot = Spot::new(offset, 0);
                let problem = Diagnostic::new(
                    code::YAML_SYNTAX,
                    format!("this is not YAML: {}", error.info()),
                )
                .at(spot.place(self.source), "here");
                Err(Box::new(problem))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(
        &mut self,
        event: Event<'a>,
        span: Span,
        events: &mut Events<'a>,
        depth: usize,
    ) -> Result<Arc<Node>, Fatal> {
        let before = self.values;
        self.count(1, span)?;
        if depth > self.budget.depth {
            return Err(
                self.too_complex(span, format!("nesting deeper than {}", self.budget.depth))
            );
        }
        let mut spot = self.spot(span);
        let (content, anchor) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                let content = self.scalar(&text, style, tag.as_deref(), spot);
                (content, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &["seq"], spot);
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next(events)?;
                    if matches!(event, Event::SequenceEnd) {
                        spot = self.first_line(spot, span);
                        break;
                    }
                    items.push(self.value(event, span, events, depth + 1)?);
                }
                (Content::List(items), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &["map"], spot);
                let (entries, end) = self.entries(events, depth)?;
                spot = self.first_line(spot, end);
                (Content::Map(entries), anchor)
            }
            _ => {
                let problem = Diagnostic::new(code::YAML_SYNTAX, "a value is missing here");
                return Err(Box::new(problem.at(spot.place(self.source), "here")));
            }
        };
        let node = Arc::new(Node { spot, content });
        if anchor != 0 {
            self.anchors.insert(
                anchor,
                Anchor {
                    node: Arc::clone(&node),
                    weight: self.values - before,
                },
            );
        }
        Ok(node)
    }

    fn entries(
        &mut self,
        events: &mut Events<'a>,
        depth: usize,
    ) -> Result<(Vec<Entry>, Span), Fatal> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Spot> = HashMap::new();
        loop {
            let (event, span) = self.next(events)?;
            if matches!(event, Event::MappingEnd) {
                entries.shrink_to_fit();
                return Ok((entries, span));
            }
            let spot = self.spot(span);
            let key = match event {
                Event::Scalar(text, ScalarStyle::Plain, ..) if &*text == "<<" => {
                    self.feature(
                        spot,
                        "merge keys (`<<`) are not part of the language",
                        "write the keys out, or use `foreach:`",
                    );
                    None
                }
                Event::Scalar(text, ..) => Some(text.into_owned()),
                other => {
                    let node = self.value(other, span, events, depth + 1)?;
                    let text = node.text().map(str::to_owned);
                    if text.is_none() {
                        self.feature(spot, "a key must be text", "write the key as a plain word");
                    }
                    text
                }
            };
            let (event, span) = self.next(events)?;
            let value = self.value(event, span, events, depth + 1)?;
            let Some(key) = key else { continue };
            if let Some(first) = seen.get(&key) {
                let problem = Diagnostic::new(
                    code::DUPLICATE_KEY,
                    format!("the key `{key}` stands twice here"),
                )
                .at(spot.place(self.source), "again")
                .at(first.place(self.source), "first")
                .help("keep one of the two");
                self.problems.push(problem);
                continue;
            }
            seen.insert(key.clone(), spot);
            entries.push(Entry {
                key: key.into(),
                spot,
                value,
            });
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Arc<Node>, Fatal> {
        self.aliases += 1;
        let spot = self.spot(span);
        if self.aliases > self.budget.aliases {
            let message = format!("more than {} aliases in one file", self.budget.aliases);
            return Err(self.too_many_aliases(spot, message));
        }
        let Some(anchor) = self.anchors.get(&id) else {
            // An alias inside the value that it names: the anchor is complete only at its end.
            return Err(self.too_many_aliases(
                spot,
                "this alias stands inside the value that it repeats".to_owned(),
            ));
        };
        let (node, weight) = (Arc::clone(&anchor.node), anchor.weight);
        self.values = self.values.saturating_add(weight);
        if self.values > self.budget.values {
            let message = format!(
                "the aliases of this file expand to more than {} values",
                self.budget.values
            );
            return Err(self.too_many_aliases(spot, message));
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, spot: Spot) -> Content {
        if tag.is_some_and(|tag| is_core(tag, &["str"])) {
            return Content::String(text.to_owned());
        }
        self.refuse_tag(tag, &["int", "float", "bool", "null"], spot);
        match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Content::String(text.to_owned()),
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, allowed: &[&str], spot: Spot) {
        if tag.is_some_and(|tag| !is_core(tag, allowed)) {
            self.feature(
                spot,
                "this tag is not part of the language",
                "leave the tag out",
            );
        }
    }

    fn feature(&mut self, spot: Spot, message: &str, help: &str) {
        let problem = Diagnostic::new(code::YAML_FEATURE, message)
            .at(spot.place(self.source), "here")
            .help(help);
        self.problems.push(problem);
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), Fatal> {
        self.values = self.values.saturating_add(values);
        if self.values > self.budget.values {
            return Err(self.too_complex(
                span,
                format!("more than {} values in one file", self.budget.values),
            ));
        }
        Ok(())
    }

    fn too_complex(&self, span: Span, message: String) -> Fatal {
        let problem = Diagnostic::new(code::TOO_COMPLEX, message)
            .at(self.spot(span).place(self.source), "here");
        Box::new(problem.help("split the file and join the parts by `include:`"))
    }

    fn too_many_aliases(&self, spot: Spot, message: String) -> Fatal {
        let problem =
            Diagnostic::new(code::TOO_MANY_ALIASES, message).at(spot.place(self.source), "here");
        Box::new(problem.help("write the values out, or make them parameters"))
    }

    fn spot(&self, span: Span) -> Spot {
        let length = self.source.text().len();
        let start = span.start.byte_offset().unwrap_or(0).min(length);
        let end = span.end.byte_offset().unwrap_or(start).clamp(start, length);
        // The parser's block scalars end behind the line break.
        let trimmed = self
            .source
            .text()
            .get(start..end)
            .map_or(end - start, |text| text.trim_end().len());
        Spot::new(start, trimmed)
    }

    /// From the start of a collection to the end of its first line, or of itself if that comes first.
    fn first_line(&self, start: Spot, end: Span) -> Spot {
        let end = end
            .end
            .byte_offset()
            .unwrap_or(start.offset())
            .clamp(start.offset(), self.source.text().len());
        let text = self.source.text().get(start.offset()..end).unwrap_or("");
        let line = text.split('\n').next().unwrap_or("").trim_end();
        Spot::new(start.offset(), line.len())
    }
}

fn is_core(tag: &Tag, names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| tag.to_string() == format!("tag:yaml.org,2002:{name}"))
}

#[cfg(test)]
mod tests;
