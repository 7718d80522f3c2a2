//! `kind: FailoverPlan`.

use super::Selection;
use super::bounds::Bounded;
use super::hooks::{Gate, Hooks};
use super::words::{IfFailedWord, IsWord, SlotWord, SourceWord, UndoOrderWord};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU32;

/// A set of replicas with their order, waits and limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FailoverPlanSpec {
    /// What is promised of it.
    #[serde(default)]
    pub objectives: Objectives,
    /// How many at once.
    #[serde(default)]
    pub limits: Limits,
    /// When a place under the start limit is free again. Default done.
    pub slot_free_at: Option<SlotWord>,
    /// In which order an undo goes. Default reverse.
    pub undo_order: Option<UndoOrderWord>,
    /// What happens to a running source in an unplanned failover. Default leave.
    pub source: Option<SourceWord>,
    /// Replicas that go back to one common moment in an unplanned failover, or not at all.
    #[serde(default)]
    pub consistency: Vec<Consistency>,
    /// How often an action is tried again, for all entries. Default twice, after 2s and 4s.
    pub retries: Option<Retries>,
    /// Programs that are run before and after the whole plan.
    #[serde(default)]
    pub hooks: Hooks,
    /// The entries. Each follows the one before it, its delay after that one's start, unless it says `after`.
    pub sequence: Vec<Entry>,
}

/// Replicas whose data belongs together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Consistency {
    /// Its name, for reports.
    pub name: String,
    /// Its replicas; all of them in this plan's sequence, and in no other group.
    pub replicas: Selection,
    /// How far the moments of their restore points may be apart.
    pub max_skew: String,
}

/// What is promised of a failover plan.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objectives {
    /// How long it may take (recovery time objective).
    pub rto: Option<String>,
    /// How much each of its replicas may lose, in time (recovery point objective). Of a replica's own and those of all its failover plans
    /// the shortest counts.
    pub rpo: Option<String>,
}

/// How many at once.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Started at once. Default 10.
    pub start: Option<NonZeroU32>,
    /// Undone at once. Default 5.
    pub undo: Option<NonZeroU32>,
    /// A group of undos starts no sooner than this after the one before. Default 10s.
    pub undo_every: Option<String>,
}

/// An entry: exactly one of `replica`, `group` and `gate`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    /// One replica.
    pub replica: Option<String>,
    /// The name of a group, whose replicas start at once.
    pub group: Option<String>,
    /// The group's replicas.
    pub replicas: Option<Selection>,
    /// A question to people. Without `after` it is asked when all entries before it are ready.
    pub gate: Option<Gate>,
    /// Programs that are run before and after its replicas.
    #[serde(default)]
    pub hooks: Hooks,
    /// From its start to the start of the next entry in the list. Default 60s.
    pub delay: Option<String>,
    /// What it waits for instead of the order of the list; an empty list for nothing.
    pub after: Option<Vec<After>>,
    /// What happens to what waits for this entry where it fails. Default block.
    pub on_failure: Option<IfFailedWord>,
    /// Whether the run fails where it fails. Without it, its failure is an exception, and what waits for it goes on. Default true.
    pub required: Option<bool>,
    /// Of a group: how many must come up. Once so many are, what waits for the group goes on. Default all.
    pub at_least: Option<NonZeroU32>,
    /// How often an action of it is tried again. Default what the plan says.
    pub retries: Option<Retries>,
}

/// How often an action is tried again that failed without an effect.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    /// How often at most.
    pub count: Bounded<0, 20>,
    /// How long it is waited before the first time. Default 2s.
    pub every: Option<String>,
    /// How many times as long each further pause is, up to 10m. Default 2.
    pub factor: Option<Bounded<1, 10>>,
}

/// An entry that is waited for: exactly one of `replica`, `group` and `gate`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct After {
    /// The entry of one replica.
    pub replica: Option<String>,
    /// The entry of a group.
    pub group: Option<String>,
    /// A gate: it is waited for until it is answered with yes.
    pub gate: Option<String>,
    /// What it waits for. Default ready.
    pub is: Option<IsWord>,
    /// How long after that. Default 0s.
    pub plus: Option<String>,
    /// What happens where that entry fails. Default: what that entry says.
    pub if_failed: Option<IfFailedWord>,
}
