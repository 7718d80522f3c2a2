//! `kind: Policy`.

use super::reader::Reader;
use crate::document::Key;
use crate::document::shape::PolicyDocument;
use crate::model::Policy;

/// Reads a policy.
pub fn resolve(reader: &mut Reader<'_>, raw: &PolicyDocument) -> Option<Policy> {
    let name = reader.own_name(&raw.metadata);
    let spec = &raw.spec;
    let max_loss =
        reader.maybe_duration(spec.max_loss.as_deref(), &[Key::Name("spec"), Key::Name("maxLoss")]);
    let policy = Policy {
        name: name?,
        because: spec.because.clone(),
        require_rpo: spec.require.rpo,
        require_rto: spec.require.rto,
        max_loss,
        enforce_rpo: spec.enforce.rpo,
        enforce_rto: spec.enforce.rto,
        forbid_permanent: spec.forbid.permanent,
        groups: spec.groups.clone(),
    };
    reader.sound().then_some(policy)
}
