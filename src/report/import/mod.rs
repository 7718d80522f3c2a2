//! The documents of an import: what hosts have, as a person would write it down. Where a person must decide, the text says so: either
//! `validate` stops at that place, or the document stands there as a comment. Nothing is guessed that would pass unseen.
//!
//! | module | does |
//! |---|---|
//! | [`gather`] | which machines become documents, and what stands in them |
//! | [`write`] | the documents as text |
//! | [`yaml`] | single values, whatever stands in them |

mod gather;
mod write;
mod yaml;

use crate::base::SiteName;
use crate::model::Workspace;
use crate::port::SurveyedSite;

/// What every file begins with.
const TITLE: &str = "# Written by `lifeboat import`. Where it says `decide`, a person knows better; `validate` stops where nothing could be assumed.\n";

/// What documents are made from.
#[derive(Debug)]
pub struct Import<'a> {
    /// The hosts that were looked at.
    pub sites: &'a [SurveyedSite],
    /// The site that machines of the others are replicated to.
    pub recovery: SiteName,
    /// The documents that are there already, where these are its sites.
    pub workspace: Option<&'a Workspace>,
}

/// The documents.
#[derive(Debug, Default)]
pub struct Documents {
    /// The texts, each with the name of its file where each gets its own.
    pub parts: Vec<(&'static str, String)>,
    /// How many documents of sites and replicas there are in them.
    pub count: usize,
    /// How many replicas.
    pub replicas: usize,
    /// At how many places `validate` stops.
    pub open: usize,
    /// What has no document, with the reason.
    pub left_out: Vec<String>,
}

impl Documents {
    /// All of them as one text.
    #[must_use]
    pub fn whole(&self) -> String {
        file(&self.parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("---\n"))
    }

    /// Each part as a text of its own, with its file's name.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.parts.iter().map(|(name, text)| (*name, file(text)))
    }
}

fn file(text: &str) -> String {
    format!("{TITLE}{text}")
}

/// Makes the documents.
#[must_use]
pub fn documents(import: &Import<'_>) -> Documents {
    write::all(import, &gather::gather(import))
}
