//! A site: where machines live, and who speaks to it.

use crate::base::SiteName;
use crate::model::Fence;
use crate::port::ProviderSpec;
use serde::{Deserialize, Serialize};

/// A site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// Who speaks to it.
    pub provider: ProviderSpec,
    /// How many replicas may be started at once, over all plans.
    pub start_limit: Option<u32>,
    /// How many may be undone at once, over all plans.
    pub undo_limit: Option<u32>,
    /// How all its machines are taken away for sure while it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
}
