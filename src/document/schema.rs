//! The one JSON Schema of all kinds, made from the raw shapes, for editors and for `lifeboat schema`.

use super::Kind;
use super::shape::{
    FailoverPlanDocument, PolicyDocument, ReplicaDocument, RunbookDocument, SiteDocument, StoreDocument,
};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema of one kind, complete in itself.
pub(super) fn of_kind(kind: Kind) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = match kind {
        Kind::Site => generator.into_root_schema_for::<SiteDocument>(),
        Kind::Replica => generator.into_root_schema_for::<ReplicaDocument>(),
        Kind::FailoverPlan => generator.into_root_schema_for::<FailoverPlanDocument>(),
        Kind::Runbook => generator.into_root_schema_for::<RunbookDocument>(),
        Kind::Policy => generator.into_root_schema_for::<PolicyDocument>(),
        Kind::Store => generator.into_root_schema_for::<StoreDocument>(),
    };
    schema.to_value()
}

/// The schema of all kinds: `kind` selects which one counts.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let references = [
        generator.subschema_for::<SiteDocument>(),
        generator.subschema_for::<ReplicaDocument>(),
        generator.subschema_for::<FailoverPlanDocument>(),
        generator.subschema_for::<RunbookDocument>(),
        generator.subschema_for::<PolicyDocument>(),
        generator.subschema_for::<StoreDocument>(),
    ];
    let chosen = Kind::ALL.iter().zip(references).map(|(kind, reference)| {
        json!({
            "if": { "properties": { "kind": { "const": kind.name() } }, "required": ["kind"] },
            "then": reference.to_value(),
        })
    });
    let chosen: Vec<Value> = chosen.collect();
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lifeboat documents",
        "description": "Replicas, failover plans and desired end states for virtual machine disaster recovery.",
        "type": "object",
        "properties": {
            "apiVersion": { "const": "lifeboat/v1" },
            "kind": { "enum": Kind::ALL.iter().map(|k| k.name()).collect::<Vec<_>>() },
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "allOf": chosen,
        "$defs": definitions,
    })
}
