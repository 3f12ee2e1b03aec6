//! The tree: JSON values with their places.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::place::{Place, SourceText};

/// A range of bytes in the file that the tree was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    offset: u32,
    length: u32,
}

impl Spot {
    /// The range from `offset` on. A file is far shorter than what fits here: the reader's budget sees to it.
    #[must_use]
    pub(crate) fn new(offset: usize, length: usize) -> Self {
        let fit = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            offset: fit(offset),
            length: fit(length),
        }
    }

    /// Where it begins.
    #[must_use]
    pub(crate) fn offset(self) -> usize {
        self.offset as usize
    }

    /// How long it is.
    #[must_use]
    pub(crate) fn length(self) -> usize {
        self.length as usize
    }

    /// The same range with its file.
    #[must_use]
    pub(crate) fn place(self, source: &Arc<SourceText>) -> Place {
        Place {
            source: Arc::clone(source),
            offset: self.offset(),
            length: self.length(),
        }
    }
}

/// A value and where it stands. Behind an alias, the value that was anchored.
#[derive(Debug, PartialEq)]
pub(crate) struct Node {
    /// The whole scalar; of a list or mapping its first line.
    pub(crate) spot: Spot,
    /// The value.
    pub(crate) content: Content,
}

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a finite float.
    Number(Number),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Arc<Node>>),
    /// A mapping, in the order of the file, without duplicate keys.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: Box<str>,
    /// Where the key stands.
    pub(crate) spot: Spot,
    /// The value.
    pub(crate) value: Arc<Node>,
}

impl Node {
    /// The entries, if it is a mapping.
    #[must_use]
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub(crate) fn items(&self) -> &[Arc<Node>] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            _ => None,
        }
    }

    /// The entry of a mapping.
    #[must_use]
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key == key)
    }

    /// The value of a key, if it is a mapping that has it.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &*entry.value)
    }

    /// The value at a path of keys and indexes; as deep as the path can be followed.
    #[must_use]
    pub(crate) fn follow<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> &Node {
        let mut node = self;
        for part in path {
            let next = match &node.content {
                Content::Map(_) => node.get(part),
                Content::List(items) => part
                    .parse()
                    .ok()
                    .and_then(|at: usize| items.get(at))
                    .map(|item| &**item),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// The value at a path of keys, if it is there.
    #[must_use]
    pub(crate) fn follow_exactly(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The value without its places.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::String(value) => Value::String(value.clone()),
            Content::List(items) => Value::Array(items.iter().map(|item| item.to_json()).collect()),
            Content::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.key.to_string(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<String, Value>>())
            }
        }
    }
}
