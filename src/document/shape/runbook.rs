//! `kind: Runbook`.

use super::Selection;
use super::words::{KeepWord, OtherwiseWord, StateWord, ViaWord};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A named desired end state.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookSpec {
    /// What shall be, on what terms.
    pub desired: Vec<Desired>,
}

/// A desired state of exactly one of `plan`, `replica` and `replicas`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Desired {
    /// Of all replicas of a failover plan, in its order.
    pub plan: Option<String>,
    /// Of one replica.
    pub replica: Option<String>,
    /// Of some replicas, without an order.
    pub replicas: Option<Selection>,
    /// Which state.
    pub state: StateWord,
    /// How a failover is done. Default planned.
    pub via: Option<ViaWord>,
    /// Which restore point an unplanned failover takes: `latest`, `{ at: TIME }` or `{ id: NAME }`. Default latest.
    #[serde(default)]
    #[schemars(schema_with = "point")]
    pub restore_point: Option<serde_json::Value>,
    /// Whose data survives, where the routes differ in that.
    pub keep: Option<KeepWord>,
    /// That what cannot be undone may be done. `state: Permanent` needs it.
    #[serde(default)]
    pub irreversible: bool,
    /// How a failback is done.
    pub failback: Option<Failback>,
}

fn point(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "const": "latest" },
        { "type": "object", "properties": { "at": { "type": "string" } }, "required": ["at"], "additionalProperties": false },
        { "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"], "additionalProperties": false }
    ] })
}

/// How a failback is done.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failback {
    /// Where to: `original`, `{ elsewhere: [...] }` or `{ recovered: [...] }`, the latter two with the machine for each replica. Default original.
    #[serde(default)]
    #[schemars(schema_with = "target")]
    pub target: Option<serde_json::Value>,
    /// When it switches over: `automatic`, `manual` or `{ at: TIME }`. Default automatic.
    #[serde(default)]
    #[schemars(schema_with = "switchover")]
    pub switchover: Option<serde_json::Value>,
    /// Whether the target is started at the end of the switchover. Default true.
    pub power_on: Option<bool>,
    /// What must hold before the commit.
    pub verify: Option<Verify>,
}

fn target(_: &mut SchemaGenerator) -> Schema {
    let machines = json_schema!({ "type": "array", "minItems": 1, "items": { "type": "object",
        "properties": { "replica": { "type": "string" }, "site": { "type": "string" }, "vm": { "type": "string" } },
        "required": ["replica", "site", "vm"], "additionalProperties": false } });
    json_schema!({ "anyOf": [
        { "const": "original" },
        { "type": "object", "properties": { "elsewhere": machines }, "required": ["elsewhere"], "additionalProperties": false },
        { "type": "object", "properties": { "recovered": machines }, "required": ["recovered"], "additionalProperties": false }
    ] })
}

fn switchover(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "enum": ["automatic", "manual"] },
        { "type": "object", "properties": { "at": { "type": "string" } }, "required": ["at"], "additionalProperties": false }
    ] })
}

/// What must hold before a failback is committed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Whether the target must be ready. Default true.
    pub ready: Option<bool>,
    /// How long it must go on so. Default 0s.
    pub quiet: Option<String>,
    /// What is done where it is not so. Default stop.
    pub otherwise: Option<OtherwiseWord>,
}
