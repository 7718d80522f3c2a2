//! `kind: Store`.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where runs are kept; one in a workspace, in `lifeboat.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StoreSpec {
    /// The address: `file:FOLDER`, `postgres://USER@HOST/DATABASE` or `etcd://HOST:2379/PREFIX`, with `lease=` and `grace=` after a `?`. No
    /// password stands in it.
    pub url: String,
}
