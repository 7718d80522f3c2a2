//! The raw shapes of the documents: what stands there, before anything is resolved. Their JSON Schema is what editors complete with.
//!
//! Every mapping refuses keys that it does not know. There is no `untagged` and no `flatten` in here: both destroy messages.
//! The types refuse whatever the schema refuses, so that the schema is asked only for the words to a document that is refused.

pub mod bounds;
pub mod failover_plan;
pub mod hooks;
pub mod libvirt;
pub mod names;
pub mod policy;
pub mod ready;
pub mod replica;
pub mod runbook;
pub mod site;
pub mod store;
pub mod words;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A name and labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique among the documents of its kind.
    pub name: String,
    /// Labels, to select by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

macro_rules! documents {
    ($($(#[$doc:meta])* $document:ident $kind:ident $spec:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields, rename_all = "camelCase")]
            pub struct $document {
                /// The version of the documents' language.
                #[schemars(schema_with = "version")]
                pub api_version: String,
                /// What the document describes.
                #[schemars(schema_with = "kind")]
                pub kind: String,
                /// Its name and labels.
                pub metadata: Metadata,
                /// What it says.
                pub spec: $spec,
            }
        )*

        /// A document's raw values, by its kind.
        #[derive(Debug, Clone)]
        pub enum Shape {
            $(#[doc = concat!("A `", stringify!($kind), "`.")] $kind(Box<$document>),)*
        }
    };
}

documents! {
    /// A place where machines live.
    SiteDocument Site site::SiteSpec;
    /// One protected machine.
    ReplicaDocument Replica replica::ReplicaSpec;
    /// A set of replicas with their order, waits and limits.
    FailoverPlanDocument FailoverPlan failover_plan::FailoverPlanSpec;
    /// A named desired end state.
    RunbookDocument Runbook runbook::RunbookSpec;
    /// What must hold of every plan in the workspace.
    PolicyDocument Policy policy::PolicySpec;
    /// Where runs are kept.
    StoreDocument Store store::StoreSpec;
}

fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "const": "lifeboat/v1" })
}

fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// A selection of replicas; exactly one of the two.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Those whose labels have all these values.
    pub labels: Option<BTreeMap<String, String>>,
    /// Those of these names. `*` stands for any characters, `?` for one.
    pub names: Option<Vec<String>>,
}
