//! How large a value can be: a bound from above, which is made of data or put together from other bounds.

use serde_json::Value;

/// What a value holds at most.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Elements of a list, entries of an object; 0 for anything else.
    pub(super) length: u64,
    /// The largest of them.
    pub(super) item: Option<Box<Shape>>,
    /// All values and bytes in it.
    pub(super) total: u64,
}

impl Shape {
    /// A single value.
    pub(super) const ONE: Self = Self {
        length: 0,
        item: None,
        total: 1,
    };

    /// A text of so many bytes.
    pub(super) fn text(bytes: usize) -> Self {
        Self {
            total: 1 + bytes as u64,
            ..Self::ONE
        }
    }

    /// What this value holds.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::ONE,
            Value::String(text) => Self::text(text.len()),
            Value::Array(items) => Self::holding(items.iter().map(Self::of)),
            Value::Object(fields) => Self::holding(
                fields
                    .iter()
                    .map(|(key, value)| Self::text(key.len()).and(Self::of(value))),
            ),
        }
    }

    /// A list of these, or an object with them.
    pub(super) fn holding(items: impl Iterator<Item = Self>) -> Self {
        items.fold(Self::ONE, |all, item| Self {
            length: all.length.saturating_add(1),
            total: all.total.saturating_add(item.total),
            item: larger(all.item, Some(Box::new(item))),
        })
    }

    /// One of the two.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            length: self.length.max(other.length),
            item: larger(self.item, other.item),
            total: self.total.max(other.total),
        }
    }

    /// Both joined.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            length: self.length.saturating_add(other.length),
            item: larger(self.item, other.item),
            total: self.total.saturating_add(other.total),
        }
    }

    /// So many of it, one behind the other.
    pub(super) fn times(self, count: u64) -> Self {
        Self {
            length: self.length.saturating_mul(count),
            total: self.total.saturating_mul(count),
            ..self
        }
    }

    /// An element. Of what has none that are known: nothing larger than itself.
    pub(super) fn element(&self) -> Self {
        match &self.item {
            Some(item) => (**item).clone(),
            None => Self {
                length: 0,
                ..self.clone()
            },
        }
    }
}

fn larger(one: Option<Box<Shape>>, other: Option<Box<Shape>>) -> Option<Box<Shape>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Box::new(one.or(*other))),
        (one, other) => one.or(other),
    }
}
