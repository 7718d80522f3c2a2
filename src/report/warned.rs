//! The words of a plan's warnings: what is lawful and worth a look.

use crate::base::ReplicaName;
use crate::diag::{Code, Finding, Severity};
use crate::plan::{NotServing, Plan, Warning};
use crate::report::words;

/// What is lawful and worth a look.
#[must_use]
pub fn warning(warning: &Warning, plan: &Plan) -> Finding {
    match warning {
        Warning::SourceLeftRunning(replica) => Finding::new(
            Code::SourceLeftRunning,
            format!("the source of {replica} is seen running and is left so while its replica serves"),
        )
        .help("`source: power-off` in the failover plan stops it first"),
        Warning::SourceUnseen(replica) => Finding::new(
            Code::SourceUnseen,
            format!("the source of {replica} cannot be seen; it may be running while its replica serves"),
        ),
        Warning::MayBothServe(replica, network) => Finding::new(
            Code::SourceUnseen,
            format!(
                "the source of {replica} cannot be seen; where it runs still, both will be on network {network} at once"
            ),
        )
        .help("`source: fence` in the failover plan takes it away first, with a proof"),
        Warning::FencesOthers { site, replicas } => {
            let names: Vec<&str> = replicas.iter().take(4).map(ReplicaName::as_str).collect();
            let more = replicas.len().checked_sub(4).filter(|n| *n > 0);
            let more = more.map_or_else(String::new, |n| format!(" and {n} more"));
            let names = names.join(", ");
            Finding::new(
                Code::FencesOthers,
                format!("the fence of site {site} also takes down what this plan does not bring up: {names}{more}"),
            )
            .help("fail these over in the same runbook, or give the replicas fences of their own")
        }
        Warning::LosesData(replica) => {
            let member = plan.members.iter().find(|m| m.replica == *replica);
            let loses = member.map_or_else(String::new, |m| losses(&m.loses));
            Finding::new(Code::LosesData, format!("{replica} loses {loses}"))
        }
        Warning::OlderPoint(replica) => Finding::new(
            Code::OlderPoint,
            format!("{replica} starts from an older restore point than its latest"),
        ),
        Warning::SourceMoved(replica) => {
            let source = plan.placements.get(replica).map_or_else(String::new, |p| p.source.to_string());
            Finding::new(
                Code::SourceMoved,
                format!("{replica} is replicated from {source}, which is not what its document says"),
            )
            .help(
                "a failback to another machine was committed; name that machine as `source` in the document",
            )
        }
        Warning::SourceStaysOff(replica) => Finding::new(
            Code::SourceStaysOff,
            format!("the source of {replica} stays off: its site does not answer"),
        )
        .help("start it by hand when the site is back"),
        Warning::SourceNotServing { replica, why } => not_serving(replica, *why),
        Warning::NameLeftOut { replica, name, role } => {
            let role = words::role(*role);
            let message =
                format!("{name} stays as it is: the address of {role} of {replica}, where it shall lead, is not known");
            Finding { severity: Severity::Warning, ..Finding::new(Code::NameNowhere, message) }
        }
        Warning::RtoMissed(name) => Finding::new(
            Code::RtoMissed,
            format!("{name} is predicted to take {}", words::span(plan.forecast.total)),
        ),
    }
}

fn not_serving(replica: &ReplicaName, why: NotServing) -> Finding {
    let (what, way) = match why {
        NotServing::Unseen => {
            ("cannot be seen, and nothing here starts it", "look whether it runs: a fence has left it off")
        }
        NotServing::Off => {
            ("stays off: nothing here starts it", "start it by hand; until then nothing serves")
        }
        NotServing::Gone => {
            ("is not there any more", "undo this only where nothing needs to serve; a failback restores it")
        }
    };
    Finding::new(Code::SourceStaysOff, format!("the source of {replica} {what}")).help(way)
}

/// Several losses in one phrase.
#[must_use]
pub fn losses(loses: &[crate::domain::Loss]) -> String {
    loses.iter().map(words::loss).collect::<Vec<_>>().join(" and ")
}
