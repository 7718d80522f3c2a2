//! One thing that is wrong with a journal, and its sentence.

use serde::Serialize;
use std::fmt;

/// What was put into a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stranger {
    /// One of its own records, once more.
    Copy(u64),
    /// A record of something else.
    Record,
    /// A line that is no record.
    NoRecord,
}

/// Something that is wrong. Records are named by their positions, which for the records of an untouched journal are their lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Fault {
    /// The frozen plan is not the one that the first record names.
    Root {
        /// Whether the first record is vouched for by the one that follows it; otherwise it may be that one.
        sure: bool,
    },
    /// A record was changed.
    Changed {
        /// The record.
        record: u64,
        /// Its line.
        line: u64,
    },
    /// Records are missing.
    Removed {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
        /// The line at which they would stand.
        line: u64,
        /// Whether nothing follows them.
        at_end: bool,
    },
    /// Something was put in.
    Inserted {
        /// The record that it stands behind; 0 before the first one.
        after: u64,
        /// Its line.
        line: u64,
        /// Its last line.
        last: u64,
        /// What it is.
        what: Stranger,
    },
    /// Two records stand in each other's place.
    Swapped {
        /// The one that belongs before.
        one: u64,
        /// The other one.
        other: u64,
        /// The first line of the two.
        line: u64,
    },
    /// A record stands elsewhere than where it belongs.
    Moved {
        /// The record.
        record: u64,
        /// The record that it stands behind; 0 before the first one.
        after: u64,
        /// Its line.
        line: u64,
    },
    /// Two records do not fit each other, and nothing tells which of them is the one that was written.
    Apart {
        /// The first one; the other is the next.
        one: u64,
        /// The line of the other.
        line: u64,
    },
    /// An event that cannot have happened there: a record that fits was written by somebody else than Lifeboat.
    Impossible {
        /// The record.
        record: u64,
        /// Its line.
        line: u64,
        /// Why.
        why: String,
    },
    /// A record that fits and that this version cannot read.
    Unread {
        /// The record.
        record: u64,
        /// Its line.
        line: u64,
    },
}

impl Fault {
    /// Where it stands in the journal; `None` where it is the plan's.
    #[must_use]
    pub const fn line(&self) -> Option<u64> {
        match self {
            Self::Root { .. } => None,
            Self::Changed { line, .. }
            | Self::Removed { line, .. }
            | Self::Inserted { line, .. }
            | Self::Swapped { line, .. }
            | Self::Moved { line, .. }
            | Self::Apart { line, .. }
            | Self::Impossible { line, .. }
            | Self::Unread { line, .. } => Some(*line),
        }
    }

    /// The plan first, then by line, and what is missing at the end last.
    pub(super) const fn order(&self) -> (bool, Option<u64>) {
        (matches!(self, Self::Removed { at_end: true, .. }), self.line())
    }
}

fn records(first: u64, last: u64) -> String {
    if first == last { format!("record {first} was") } else { format!("records {first} to {last} were") }
}

fn behind(after: u64) -> String {
    if after == 0 { "before the first record".to_owned() } else { format!("after record {after}") }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { sure: true } => {
                f.write_str("the plan is not the one that the run began with: the first record names another")
            }
            Self::Root { sure: false } => {
                f.write_str("the plan or record 1 was changed: the record names another plan")
            }
            Self::Changed { record, .. } => write!(f, "record {record} was changed after it was written"),
            Self::Removed { first, last, at_end: false, .. } => {
                write!(f, "{} removed", records(*first, *last))
            }
            Self::Removed { first, last, at_end: true, .. } => {
                write!(f, "{} removed from the end", records(*first, *last))
            }
            Self::Inserted { after, line, last, what } => {
                let many = last - line + 1;
                let what = match what {
                    Stranger::Copy(record) => format!("a copy of record {record} was"),
                    Stranger::Record if many == 1 => "a record that is not of this run was".to_owned(),
                    Stranger::Record => format!("{many} records that are not of this run were"),
                    Stranger::NoRecord if many == 1 => "a line that is no record was".to_owned(),
                    Stranger::NoRecord => format!("{many} lines that are no records were"),
                };
                write!(f, "{what} inserted {}", behind(*after))
            }
            Self::Swapped { one, other, .. } => write!(f, "records {one} and {other} have changed places"),
            Self::Moved { record, after, .. } => {
                write!(f, "record {record} is not in its place: it stands {}", behind(*after))
            }
            Self::Apart { one, .. } => {
                write!(f, "record {one} or {} was changed: they do not fit each other", one + 1)
            }
            Self::Impossible { record, why, .. } => {
                write!(f, "record {record} tells what cannot have happened: {why}")
            }
            Self::Unread { record, .. } => {
                write!(f, "record {record} is of a kind that this version does not know")
            }
        }
    }
}
