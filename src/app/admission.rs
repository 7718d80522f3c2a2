//! What let a run begin, examined again by whoever verifies it: without a tool whether the approvals are for its plan and are enough, and
//! with `ssh-keygen` whether the signatures are those of the people who were allowed then.

use super::verify::Examined;
use crate::domain::approval::{Approval, taken_apart};
use crate::journal::Frozen;
use crate::plan::Need;
use crate::provider::signer::{Checked, check};
use crate::run::Admission;
use serde_json::json;

/// Examines it; what is wrong is a fault of the run.
pub async fn verify(examined: &mut Examined, at: &str) {
    let Some(frozen) = &examined.frozen else { return };
    let mut faults: Vec<String> = strange(frozen).into_iter().collect();
    if let Some(admission) = frozen.admission.clone().filter(|a| !a.approvals.is_empty()) {
        match signatures(&admission).await {
            Ok(forged) => {
                examined.verified.signatures = Some(Ok(admission.approvals.len() - forged.len()));
                faults.extend(forged);
            }
            Err(why) => examined.verified.signatures = Some(Err(why)),
        }
    }
    for what in faults {
        examined.fault(what, at.to_owned(), json!({ "type": "approvals" }));
    }
}

/// What cannot be so in what let a run begin.
fn strange(frozen: &Frozen) -> Option<String> {
    let wanted = || frozen.plan.needs.iter().filter(|need| !need.warns);
    let Some(admission) = &frozen.admission else {
        return wanted()
            .next()
            .map(|need| format!("the plan needs approvals by rule {}, and none are recorded", need.rule));
    };
    // Today's documents may ask for more or fewer people by the same rule; that it was asked at all is what is looked at.
    let asked =
        |need: &Need| admission.needs.iter().any(|n| (&n.policy, &n.rule) == (&need.policy, &need.rule));
    if let Some(need) = wanted().find(|need| !asked(need)) {
        return Some(format!("the plan needs approvals by rule {}, and the run began without it", need.rule));
    }
    if admission.glass.is_none() && admission.missing().next().is_some() {
        return Some("the run began with too few approvals, and nobody broke the glass".to_owned());
    }
    let fits = |approval: &Approval| {
        let text = [approval.statement.as_str(), approval.signature.as_str()].concat();
        taken_apart(&text).is_ok_and(|(said, statement, _)| {
            statement == approval.statement
                && Some(said.plan) == frozen.seal
                && said.by == approval.by
                && said.until == approval.until
                && said.because == approval.because
                && said.until > admission.at
        })
    };
    let other = admission.approvals.iter().find(|approval| !fits(approval))?;
    Some(format!("the approval by {} is not one of this plan at the time at which the run began", other.by))
}

/// The approvals whose signatures are not what they were, in words.
async fn signatures(admission: &Admission) -> Result<Vec<String>, String> {
    let mut forged = Vec::new();
    for approval in &admission.approvals {
        let signers = admission.signers.as_deref().unwrap_or_default();
        let by = (approval.by.as_str(), admission.at);
        let found =
            check(&approval.statement, &approval.signature, by, signers).await.map_err(|e| e.to_string())?;
        if found != Checked::Good(approval.key.clone()) {
            forged.push(format!(
                "the signature of the approval by {} is not one of an allowed signer",
                approval.by
            ));
        }
    }
    Ok(forged)
}
