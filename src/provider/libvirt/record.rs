//! What stands beside a replica: its record, in the metadata of its own domain at the recovery host. Any runner finds it there, and
//! libvirt writes it whole or not at all.

use super::xml::{Element, Node};
use crate::base::{Duration, PointId, ReplicaName, Timestamp};
use crate::domain::{Facts, Relation, ReplicaDisk, RestorePoint, Role, Transfer, VmRef};
use crate::inventory::Typical;
use serde::{Deserialize, Serialize};

/// The XML namespace of the record.
pub const NAMESPACE: &str = "https://lifeboat.dev/xmlns/replica/1";
/// The prefix that libvirt writes before it.
pub const PREFIX: &str = "lifeboat";
/// The format that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is in a format of another version.
    #[error("the record beside the replica has format {0}, and this version knows {FORMAT}")]
    Format(u32),
    /// It is damaged.
    #[error("the record beside the replica cannot be read: {0}")]
    Damaged(String),
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The format's version.
    format: u32,
    /// Whose record it is.
    pub replica: ReplicaName,
    /// The relation to the source, with the operation under way.
    pub relation: Relation,
    /// The chain of restore points, oldest first.
    pub points: Vec<RestorePoint>,
    /// The layers of the replica's disks.
    pub disk: ReplicaDisk,
    /// Restore points that are being merged into the next one, oldest first: their files are not whole any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expired: Vec<PointId>,
    /// The checkpoint on the source since which its changes are known, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The source's description at the last replication: what the replica is rendered from when the source is gone.
    pub source_xml: String,
    /// The source's disk files as they were when it was off and in step with a restore point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still: Option<Still>,
    /// The machine that is on only so that its disks can be read, paused before its first cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Role>,
    /// Whether the source's guest may be frozen: a copy of it was about to begin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// Whether a checkpoint has followed the running delta since before the replica's first cycle.
    #[serde(default)]
    pub traced: bool,
    /// The failback target's own disks, while layers of ours are above them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetDisks>,
    /// The last copies of all of its data, and of changes, the latest last: what the next ones may take.
    #[serde(default, skip_serializing_if = "Copies::is_empty")]
    pub copies: Copies,
    /// Whether the source starts with its host, as of the last replication.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub starts: bool,
    /// Machines whose autostart we switched off, or would have, to be switched on again when they serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub autostart: Vec<VmRef>,
}

/// What a replica's last copies moved, and how long they took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The last one of everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Transfer>,
    /// The last ones of changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Transfer>,
}

/// So many copies of changes are remembered.
const REMEMBERED: usize = 5;

impl Copies {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes a copy in.
    pub fn add(&mut self, copy: Transfer, full: bool) {
        if full {
            self.full = Some(copy);
            return;
        }
        self.changes.push(copy);
        let excess = self.changes.len().saturating_sub(REMEMBERED);
        self.changes.drain(..excess);
    }

    /// How long things take for this replica: copies as they took of late, the middle one of an odd number; everything else as it is
    /// expected of any.
    #[must_use]
    pub fn typical(&self) -> Typical {
        let any = Typical::default();
        let mut took: Vec<Duration> = self.changes.iter().map(|c| c.took).collect();
        took.sort();
        let full = self.full.map(|c| c.took);
        let middle = took.get(took.len() / 2).copied();
        // A copy of changes takes no longer than one of everything.
        let sync = middle.unwrap_or_else(|| full.map_or(any.sync, |full| full.min(any.sync)));
        Typical { sync, full: full.unwrap_or(any.full), ..any }
    }
}

/// A checkpoint on the source: all that changed since that restore point, and perhaps more, is known by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The checkpoint's name.
    pub checkpoint: String,
    /// The restore point.
    pub point: PointId,
}

/// The source's disk files at a moment at which it was off and in step with a restore point. While they are as they were, only what
/// the replica writes can differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// The restore point.
    pub point: PointId,
    /// Inode, size and time of change of the files, in the order of the disks.
    pub files: Vec<String>,
}

/// The failback target's own disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetDisks {
    /// Whose they are.
    pub of: VmRef,
    /// The disks as the target has them without us.
    pub disks: Vec<DiskFile>,
    /// The checkpoint on the target from before its first cycle after the switchover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Whether the replica's guest had shut down when phase 2 read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clean: bool,
    /// When phase 2 read the replica, which had stopped: the moment that its layer holds as a restore point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Timestamp>,
}

/// A disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFile {
    /// The device in the machine, as `vda`.
    pub dev: String,
    /// The file or block device on its host.
    pub path: String,
    /// The image format, as `qcow2`.
    pub format: String,
}

impl DiskFile {
    /// Whether its image keeps track of what changes.
    #[must_use]
    pub fn tracks(&self) -> bool {
        self.format == "qcow2"
    }
}

impl Record {
    /// The record of a replica that nothing has happened to yet.
    #[must_use]
    pub fn new(replica: ReplicaName, source: VmRef) -> Self {
        Self {
            format: FORMAT,
            replica,
            relation: Relation::new(source),
            points: Vec::new(),
            disk: ReplicaDisk::default(),
            expired: Vec::new(),
            baseline: None,
            source_xml: String::new(),
            still: None,
            paused: None,
            frozen: false,
            traced: false,
            target: None,
            starts: false,
            autostart: Vec::new(),
            copies: Copies::default(),
        }
    }

    /// Takes over what an action did to the facts.
    pub fn follow(&mut self, facts: &Facts) {
        self.relation.clone_from(&facts.relation);
        self.points.clone_from(&facts.points);
        self.disk.clone_from(&facts.disk);
    }

    /// The element that holds it.
    #[must_use]
    pub fn element(&self) -> Element {
        // A record is made of texts, numbers and lists: writing it cannot fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        Element::new("replica").saying(text)
    }

    /// The element as it stands in a description.
    #[must_use]
    pub fn prefixed(&self) -> Element {
        let mut element = self.element();
        element.name = format!("{PREFIX}:replica");
        element.with(&format!("xmlns:{PREFIX}"), NAMESPACE)
    }

    /// The record in a domain's description; `None` where there is none.
    ///
    /// # Errors
    /// [`RecordError`]: damaged is never read as absent.
    pub fn of(domain: &Element) -> Result<Option<Self>, RecordError> {
        let Some(metadata) = domain.child("metadata") else { return Ok(None) };
        let Some(element) = metadata.elements().find(|e| is_ours(e)) else { return Ok(None) };
        let damaged = |e: serde_json::Error| RecordError::Damaged(e.to_string());
        let value: serde_json::Value = serde_json::from_str(&element.text()).map_err(damaged)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found != u64::from(FORMAT) => {
                Err(RecordError::Format(u32::try_from(found).unwrap_or(u32::MAX)))
            }
            _ => serde_json::from_value(value).map(Some).map_err(damaged),
        }
    }
}

/// Whether an element of a domain's metadata is a record.
#[must_use]
pub fn is_ours(element: &Element) -> bool {
    element.attributes.iter().any(|(name, value)| name.starts_with("xmlns") && value == NAMESPACE)
}

/// Puts a record into a description, in the place of the one that is there.
pub fn put(domain: &mut Element, record: &Record) {
    if domain.child("metadata").is_none() {
        domain.children.push(Node::Element(Element::new("metadata")));
    }
    if let Some(metadata) = domain.child_mut("metadata") {
        metadata.children.retain(|node| !matches!(node, Node::Element(e) if is_ours(e)));
        metadata.children.push(Node::Element(record.prefixed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::libvirt::xml::parse;

    fn record() -> Record {
        let source = VmRef { site: "a".parse().unwrap(), vm: "db <1>".parse().unwrap() };
        let mut record = Record::new("db".parse().unwrap(), source);
        record.source_xml = "<domain>\n  <name>a &amp; b</name>\n</domain>\n".to_owned();
        record
    }

    #[test]
    fn a_record_comes_back_from_a_description() {
        let mut domain = parse("<domain><metadata><x:y xmlns:x='other'/></metadata></domain>").unwrap();
        assert_eq!(Record::of(&domain), Ok(None));
        put(&mut domain, &record());
        put(&mut domain, &record());
        assert_eq!(domain.child("metadata").unwrap().elements().count(), 2);
        assert_eq!(Record::of(&parse(&domain.render()).unwrap()), Ok(Some(record())));
    }

    #[test]
    fn what_copies_took_of_late_is_what_they_are_expected_to_take() {
        let copy = |seconds| Transfer { bytes: 1, took: Duration::from_secs(seconds) };
        let mut copies = Copies::default();
        assert_eq!(copies.typical(), Typical::default());
        copies.add(copy(8), true);
        let expected =
            |c: &Copies| (c.typical().full.as_millis() / 1000, c.typical().sync.as_millis() / 1000);
        assert_eq!(expected(&copies), (8, 8));
        for seconds in [90, 90, 90, 3, 2, 60, 4, 5] {
            copies.add(copy(seconds), false);
        }
        assert_eq!(copies.changes.len(), REMEMBERED);
        assert_eq!(expected(&copies), (8, 4));
    }

    #[test]
    fn damaged_is_not_absent_and_another_format_is_named() {
        let of = |text: &str| {
            let text =
                format!("<d><metadata><l:replica xmlns:l='{NAMESPACE}'>{text}</l:replica></metadata></d>");
            Record::of(&parse(&text).unwrap())
        };
        assert!(matches!(of("{"), Err(RecordError::Damaged(_))));
        assert!(matches!(of("{}"), Err(RecordError::Damaged(_))));
        assert_eq!(of("{\"format\":2}"), Err(RecordError::Format(2)));
    }
}
