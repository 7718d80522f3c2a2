//! A document as a tree in which every key and value knows its place.

use crate::diag::Span;

/// A value with its place. A value that stands behind an alias has the place of its anchor's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The place.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text; whether it stands there without quotes.
    Text(Box<str>, bool),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<Entry>),
    /// Something that a finding was made for already: nothing more is said about it.
    Broken,
}

/// A key, the key's place, and its value.
pub type Entry = (Box<str>, Span, Node);

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// Into a mapping, to the value.
    Name(&'a str),
    /// Into a list, from 0.
    Index(usize),
    /// Into a mapping, to the key itself; the last step of a path.
    KeyOf(&'a str),
}

impl Node {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _, _)| **k == *key).map(|(_, _, v)| v),
            _ => None,
        }
    }

    /// The value at the end of a path.
    #[must_use]
    pub fn find(&self, path: &[Key<'_>]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| match (key, &node.value) {
            (Key::Name(name), _) => node.get(name),
            (Key::Index(index), Value::List(items)) => items.get(*index),
            _ => None,
        })
    }

    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The place at the end of a path, or of the nearest part of it that is there. A mapping or list as the end gives the place of
    /// its key where there is one: the smallest thing that names it.
    #[must_use]
    pub fn at(&self, path: &[Key<'_>]) -> Span {
        let mut node = self;
        let mut named = self.small();
        for key in path {
            let next = match (key, &node.value) {
                (Key::Name(name) | Key::KeyOf(name), Value::Map(entries)) => {
                    let Some((_, place, value)) = entries.iter().find(|(k, _, _)| **k == **name) else {
                        break;
                    };
                    if matches!(key, Key::KeyOf(_)) {
                        return *place;
                    }
                    named = if value.is_leaf() { value.span } else { *place };
                    value
                }
                (Key::Index(index), Value::List(items)) => {
                    let Some(item) = items.get(*index) else { break };
                    named = item.small();
                    item
                }
                _ => break,
            };
            node = next;
        }
        named
    }

    const fn is_leaf(&self) -> bool {
        !matches!(self.value, Value::Map(_) | Value::List(_))
    }

    /// The place of a leaf, or of a mapping's first key: enough to find it, without painting the whole of it.
    fn small(&self) -> Span {
        match &self.value {
            Value::Map(entries) => entries.first().map_or(self.span, |(_, place, _)| *place),
            _ => self.span,
        }
    }

    /// Whether it is or holds a value that could not be read.
    #[must_use]
    pub fn hides_broken(&self) -> bool {
        match &self.value {
            Value::Broken => true,
            Value::List(items) => items.iter().any(Self::hides_broken),
            Value::Map(entries) => entries.iter().any(|(_, _, v)| v.hides_broken()),
            _ => false,
        }
    }

    /// The same as JSON, for the schema.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value as J;
        match &self.value {
            Value::Null | Value::Broken => J::Null,
            Value::Bool(b) => J::Bool(*b),
            Value::Int(i) => J::from(*i),
            Value::Float(f) => J::from(*f),
            Value::Text(text, _) => J::from(&**text),
            Value::List(items) => J::Array(items.iter().map(Self::json).collect()),
            Value::Map(entries) => {
                J::Object(entries.iter().map(|(k, _, v)| (k.to_string(), v.json())).collect())
            }
        }
    }

    /// How many values there are in it.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.value {
            Value::List(items) => items.iter().map(Self::count).sum::<usize>() + 1,
            Value::Map(entries) => entries.iter().map(|(_, _, v)| v.count()).sum::<usize>() + 1,
            _ => 1,
        }
    }
}
