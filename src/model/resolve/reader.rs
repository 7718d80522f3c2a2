//! Reads single values of a document; what is wrong becomes a finding at the value's place.

use super::Labels;
use crate::base::{Duration, NameError, ReplicaName, SiteName, TimeError, Timestamp, VmName, glob};
use crate::diag::{Applicability, Code, Edit, Finding, Sources, Span};
use crate::document::check::nearest;
use crate::document::shape::{Metadata, Selection};
use crate::document::{Document, Key, Kind, Node, Value};
use crate::domain::VmRef;
use crate::model::Origins;
use std::collections::BTreeSet;
use std::str::FromStr;

/// How durations are written.
const UNITS: &str = "write it with its unit: 90s, 15m, 1h30m";

/// Reads one document.
pub struct Reader<'a> {
    /// The document.
    pub document: &'a Document,
    /// All documents, to look references up.
    pub origins: &'a Origins,
    sources: &'a Sources,
    findings: &'a mut Vec<Finding>,
    sound: bool,
}

impl<'a> Reader<'a> {
    /// A reader of a document.
    pub fn new(
        document: &'a Document,
        origins: &'a Origins,
        sources: &'a Sources,
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        Self { document, origins, sources, findings, sound: true }
    }

    /// Whether nothing was wrong so far.
    pub const fn sound(&self) -> bool {
        self.sound
    }

    /// The place at a path.
    pub fn at(&self, path: &[Key<'_>]) -> Span {
        self.document.at(path)
    }

    /// Notes a finding. An error makes the document unsound.
    pub fn find(&mut self, finding: Finding) {
        self.sound &= finding.severity != crate::diag::Severity::Error;
        self.findings.push(finding);
    }

    /// The document's own name; its labels are looked at as well.
    pub fn own_name<T: FromStr<Err = NameError>>(&mut self, metadata: &Metadata) -> Option<T> {
        for (key, value) in &metadata.labels {
            self.watch_word(value, &[Key::Name("metadata"), Key::Name("labels"), Key::Name(key)]);
        }
        self.name(&metadata.name, &[Key::Name("metadata"), Key::Name("name")])
    }

    /// A name.
    pub fn name<T: FromStr<Err = NameError>>(&mut self, text: &str, path: &[Key<'_>]) -> Option<T> {
        self.watch_word(text, path);
        match text.parse() {
            Ok(name) => Some(name),
            Err(why) => {
                let finding = Finding::new(Code::BadName, format!("`{text}` is no name: {why}"));
                self.find(finding.at(Some(self.at(path)), "here"));
                None
            }
        }
    }

    /// Words that are text here and something else to readers of older YAML.
    fn watch_word(&mut self, text: &str, path: &[Key<'_>]) {
        let word = text.len() <= 3
            && ["yes", "no", "on", "off", "y", "n"].iter().any(|w| text.eq_ignore_ascii_case(w));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let time = text.contains(':') && text.split(':').all(digits);
        if !word && !time {
            return;
        }
        if let Some(Node { span, value: Value::Text(_, true) }) = self.document.root().find(path) {
            let (span, what) = (*span, if word { "true or false" } else { "a number in base 60" });
            self.find(
                Finding::new(
                    Code::AmbiguousText,
                    format!("`{text}` is text here, and {what} to older YAML readers"),
                )
                .at(Some(span), "not quoted")
                .help(format!("write \"{text}\""))
                .fix(Applicability::MachineApplicable, vec![Edit { span, text: format!("\"{text}\"") }]),
            );
        }
    }

    /// A duration, or its default.
    pub fn duration(&mut self, text: Option<&str>, default: Duration, path: &[Key<'_>]) -> Duration {
        self.maybe_duration(text, path).unwrap_or(default)
    }

    /// A duration, where one is said.
    pub fn maybe_duration(&mut self, text: Option<&str>, path: &[Key<'_>]) -> Option<Duration> {
        let text = text?;
        let (message, help) = match Duration::said(text) {
            Ok(duration) => return Some(duration),
            Err(TimeError::Negative(_)) => (format!("the duration `{text}` is below zero"), UNITS),
            Err(TimeError::TooLong(_)) => {
                (format!("the duration `{text}` is longer than ten years"), "ten years, 87600h, are the most")
            }
            Err(TimeError::Duration(_) | TimeError::Timestamp(_)) => {
                (format!("`{text}` is no duration"), UNITS)
            }
        };
        let finding = Finding::new(Code::BadDuration, message);
        self.find(finding.at(Some(self.at(path)), "here").help(help));
        None
    }

    /// A time.
    pub fn time(&mut self, text: &str, path: &[Key<'_>]) -> Option<Timestamp> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.find(
                Finding::new(Code::BadTime, format!("`{text}` is no time with a zone"))
                    .at(Some(self.at(path)), "here")
                    .help("write it like 2026-11-22T03:00:00Z or 2026-11-22T04:00:00+01:00"),
            );
        }
        parsed
    }

    /// An address.
    pub fn address(&mut self, text: &str, path: &[Key<'_>]) -> Option<std::net::IpAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let finding = Finding::new(Code::BadAddress, format!("`{text}` is no address"));
            self.find(finding.at(Some(self.at(path)), "here").help("write it like 10.1.0.7 or fd00::7"));
        }
        parsed
    }

    /// Exactly one of some keys; which one.
    pub fn one_of(&mut self, present: &[(&'static str, bool)], path: &[Key<'_>]) -> Option<&'static str> {
        let said: Vec<&'static str> = present.iter().filter(|(_, p)| *p).map(|(k, _)| *k).collect();
        if let [one] = said.as_slice() {
            return Some(one);
        }
        let keys = present.iter().map(|(k, _)| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        let message = if said.is_empty() {
            format!("one of {keys} must stand here")
        } else {
            format!("only one of {keys} may stand here")
        };
        let mut finding = Finding::new(Code::OneOf, message);
        match said.split_first() {
            None => finding = finding.at(Some(self.at(path)), "none of them stands here"),
            Some((first, more)) => {
                let of = |key: &'static str| self.at(&[path, &[Key::KeyOf(key)]].concat());
                for key in more {
                    finding = finding.at(Some(of(key)), "and this one");
                }
                finding = finding.at(Some(of(first)), "this one");
            }
        }
        self.find(finding);
        None
    }

    /// A reference to a document of a kind. A document that is declared and not sound is no error here, nor is one that may hide in
    /// what could not be read, unless it looks like a slip of the pen.
    pub fn refers(&mut self, kind: Kind, name: &str, path: &[Key<'_>]) -> bool {
        if self.origins.declares(kind, name) {
            return true;
        }
        let near = nearest(name, self.origins.names(kind)).map(str::to_owned);
        if near.is_none() && self.origins.may_declare(kind) {
            self.sound = false;
            return false;
        }
        let code = match kind {
            Kind::Site => Code::UnknownSite,
            Kind::Replica => Code::UnknownReplica,
            Kind::FailoverPlan => Code::UnknownPlan,
            Kind::Runbook | Kind::Policy | Kind::Store => Code::UnknownRunbook,
        };
        let message = format!("no {} is named `{name}`", kind.word());
        let finding = Finding::new(code, message).at(Some(self.at(path)), "not declared");
        let finding = match near {
            Some(near) => {
                let document = self.origins.document(kind, &near);
                let file = document.and_then(|d| self.sources.get(d.file)).map_or("", |f| f.name.as_str());
                finding.help(format!("a {} with a similar name is declared in {file}: {near}", kind.word()))
            }
            None => {
                finding.help(format!("{} {}s are declared", self.origins.names(kind).count(), kind.word()))
            }
        };
        self.find(finding);
        false
    }

    /// A machine at a site.
    pub fn machine(&mut self, site: &str, vm: &str, path: &[Key<'_>]) -> Option<VmRef> {
        let place = [path, &[Key::Name("site")]].concat();
        let known = self.refers(Kind::Site, site, &place);
        let site: Option<SiteName> = SiteName::new(site).ok();
        let vm: Option<VmName> = self.name(vm, &[path, &[Key::Name("vm")]].concat());
        Some(VmRef { site: site.filter(|_| known)?, vm: vm? })
    }

    /// A replica by its name.
    pub fn replica(&mut self, name: &str, path: &[Key<'_>]) -> Option<ReplicaName> {
        self.refers(Kind::Replica, name, path).then(|| ReplicaName::new(name).ok()).flatten()
    }

    /// The replicas of a selection, by name.
    pub(super) fn select(
        &mut self,
        selection: &Selection,
        labels: &Labels<'_>,
        path: &[Key<'_>],
    ) -> Vec<ReplicaName> {
        let present = [("labels", selection.labels.is_some()), ("names", selection.names.is_some())];
        match self.one_of(&present, path) {
            Some("labels") => {
                let wanted = selection.labels.clone().unwrap_or_default();
                let found = labels.select(&wanted);
                if found.is_empty() && !labels.may_be_more() {
                    let said = wanted.iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", ");
                    self.find(
                        Finding::new(Code::EmptySelection, format!("no replica has the labels {{ {said} }}"))
                            .at(Some(self.at(&[path, &[Key::Name("labels")]].concat())), "selects nothing")
                            .help("labels stand in a replica's metadata.labels"),
                    );
                }
                found
            }
            Some(_) => {
                let names = selection.names.clone().unwrap_or_default();
                if names.is_empty() {
                    let place = self.at(&[path, &[Key::Name("names")]].concat());
                    self.find(
                        Finding::new(Code::EmptySelection, "the list of names is empty")
                            .at(Some(place), "selects nothing"),
                    );
                }
                let base = [path, &[Key::Name("names")]].concat();
                let mut all: Vec<ReplicaName> = Vec::new();
                for (position, name) in names.iter().enumerate() {
                    let here = [base.as_slice(), &[Key::Index(position)]].concat();
                    all.extend(self.named(name, labels, &here));
                }
                let mut met = BTreeSet::new();
                // A name may fit two patterns; one that is written twice is the document's own fault, and said where it matters.
                all.retain(|name| met.insert(name.clone()) || names.iter().all(|n| !glob::is_pattern(n)));
                all
            }
            None => Vec::new(),
        }
    }

    /// The replica of a name, or those that fit a pattern.
    fn named(&mut self, name: &str, labels: &Labels<'_>, path: &[Key<'_>]) -> Vec<ReplicaName> {
        if !glob::is_pattern(name) {
            return self.replica(name, path).into_iter().collect();
        }
        let found = labels.named(name);
        if found.is_empty() && !labels.may_be_more() {
            let finding = Finding::new(Code::EmptySelection, format!("no replica's name fits `{name}`"));
            self.find(finding.at(Some(self.at(path)), "selects nothing"));
        }
        found
    }
}
