//! XML as a tree that can be changed and written again: libvirt's descriptions are rendered from it, never patched as text.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};

/// Why a text is no XML, in the reader's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no XML: {0}")]
pub struct XmlError(String);

/// An element. Names keep their prefix, and declarations of namespaces are attributes like all others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, as `disk` or `qemu:commandline`.
    pub name: String,
    /// Its attributes in their order.
    pub attributes: Vec<(String, String)>,
    /// What stands in it.
    pub children: Vec<Node>,
}

/// What stands in an element. Comments are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, with its references resolved.
    Text(String),
}

impl Element {
    /// An element of that name without anything in it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The same with one attribute more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// The same with a child more.
    #[must_use]
    pub fn and(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// The same with a text more.
    #[must_use]
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Gives an attribute a value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.attributes.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name.to_owned(), value)),
        }
    }

    /// The child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The child elements, to change them.
    pub fn elements_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child element of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.elements().find(|e| e.name == name)
    }

    /// The same, to change it.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.elements_mut().find(|e| e.name == name)
    }

    /// The attribute of a child.
    #[must_use]
    pub fn of(&self, child: &str, attribute: &str) -> Option<&str> {
        self.child(child)?.attribute(attribute)
    }

    /// Takes the child elements of that name away.
    pub fn remove(&mut self, name: &str) {
        self.children.retain(|node| !matches!(node, Node::Element(e) if e.name == name));
    }

    /// Puts a child element in the place of those of its name.
    pub fn replace(&mut self, child: Self) {
        self.remove(&child.name);
        self.children.push(Node::Element(child));
    }

    /// The text in it, without that of its children.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect()
    }

    /// The element as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push_str(&format!(" {name}=\"{}\"", escape(value.as_str())));
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out),
                Node::Text(text) => out.push_str(&escape(text.as_str())),
            }
        }
        out.push_str(&format!("</{}>", self.name));
    }
}

/// Reads the element that a text consists of.
///
/// # Errors
/// A text that is no XML, or that has no element.
pub fn parse(text: &str) -> Result<Element, XmlError> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let wrong = |why: String| XmlError(why);
    loop {
        match reader.read_event().map_err(|e| wrong(e.to_string()))? {
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => put(&mut open, Node::Element(element(&start)?)),
            Event::End(_) => {
                let done = open.pop().ok_or_else(|| wrong("an end without a beginning".to_owned()))?;
                put(&mut open, Node::Element(done));
            }
            Event::Text(text) => say(&mut open, &text),
            Event::CData(text) => say(&mut open, &text),
            Event::GeneralRef(reference) => {
                let text = quick_xml::escape::unescape(&format!("&{};", &*reference))
                    .map_err(|e| wrong(e.to_string()))?
                    .into_owned();
                say(&mut open, &text);
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) => {
            root.elements().next().cloned().ok_or_else(|| wrong("there is no element".to_owned()))
        }
        _ => Err(wrong("an element is not closed".to_owned())),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut element = Element::new(start.name().as_ref());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| XmlError(e.to_string()))?;
        let value =
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| XmlError(e.to_string()))?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn put(open: &mut [Element], node: Node) {
    if let Some(inner) = open.last_mut() {
        inner.children.push(node);
    }
}

/// Adds text to the innermost element. White space between elements says nothing and is left out.
fn say(open: &mut [Element], text: &str) {
    let Some(inner) = open.last_mut() else { return };
    match inner.children.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ if text.trim().is_empty() => {}
        _ => inner.children.push(Node::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_libvirt_writes_is_read_and_written_again() {
        let text = "<?xml version='1.0'?>\n<!-- note -->\n<domain type='kvm' xmlns:qemu='http://libvirt.org/x'>\n  <name>a &amp; b &#x41;</name>\n  \
                    <qemu:commandline><qemu:arg value='-s &lt;1'/></qemu:commandline>\n</domain>";
        let domain = parse(text).unwrap();
        assert_eq!(domain.child("name").unwrap().text(), "a & b A");
        assert_eq!(domain.child("qemu:commandline").unwrap().of("qemu:arg", "value"), Some("-s <1"));
        assert_eq!(parse(&domain.render()), Ok(domain));
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for bad in ["", "words", "<a>", "<a></b>", "<a b=c/>", "<a>&nothing;</a>", "</a>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_any_value_comes_back(text in "[a-z<>&\"' ü]{0,20}", value in "[a-z<>&\"'\\\\{}]{0,20}") {
            let element = Element::new("r").with("v", value).saying(format!("x{text}"));
            prop_assert_eq!(parse(&element.render()), Ok(element));
        }
    }
}
