//! Names before anything begins: what their records say now, whether their servers answer, and whether what they say may be changed.

use super::world::World;
use crate::base::EntryName;
use crate::diag::{Code, Finding, Severity};
use crate::domain::Cutover;
use crate::plan::{NodeId, Plan, Work};
use crate::port::Names;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// So many records of one server are asked for at once.
const AT_ONCE: usize = 16;

/// What was heard of the names of a plan.
#[derive(Debug, Default)]
pub struct Asked {
    /// What the records say, by the node that changes them.
    pub says: BTreeMap<NodeId, Vec<String>>,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
}

/// What a server said of one name.
type Said = (NodeId, Cutover, Result<Vec<String>, String>);

/// Asks the name servers of a plan. One that does not answer is asked no more.
pub async fn of_plan(world: &World, names: &Arc<dyn Names>, plan: &Plan) -> Asked {
    let mut servers: BTreeMap<EntryName, Vec<(NodeId, Cutover)>> = BTreeMap::new();
    for (id, node) in plan.node_ids().zip(&plan.nodes) {
        if let Work::Cutover(cutover) = &node.work {
            servers.entry(cutover.server.name.clone()).or_default().push((id, cutover.clone()));
        }
    }
    let mut all = JoinSet::new();
    for wanted in servers.into_values() {
        let names = Arc::clone(names);
        all.spawn(async move { of_server(names.as_ref(), wanted).await });
    }
    let mut heard: Vec<Said> = Vec::new();
    while let Some(some) = all.join_next().await {
        heard.extend(some.unwrap_or_default());
    }
    heard.sort_by_key(|(node, ..)| *node);
    let mut asked = Asked::default();
    let mut unfit: BTreeMap<EntryName, usize> = BTreeMap::new();
    let now = world.clock().now().clock();
    for (node, cutover, said) in heard {
        let about = format!("replica {}, asked {now}", cutover.replica);
        match said {
            Ok(says) => {
                if !cutover.is_own(&says) {
                    asked.findings.push(taken(&cutover, &says).about(about));
                }
                asked.says.insert(node, says);
            }
            Err(why) => {
                let server = cutover.server.name.clone();
                let seen = unfit.entry(server).or_default();
                *seen += 1;
                if *seen == 1 {
                    asked.findings.push(silent(names.as_ref(), &cutover, &why).about(about));
                }
            }
        }
    }
    asked
}

async fn of_server(names: &dyn Names, wanted: Vec<(NodeId, Cutover)>) -> Vec<Said> {
    let mut heard = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE) {
        let each = some
            .iter()
            .map(|(node, cutover)| async move { (*node, cutover.clone(), names.says(cutover).await) });
        let some = together(each).await;
        let gone = some.iter().all(|(_, _, said)| said.is_err());
        heard.extend(some);
        if gone {
            break;
        }
    }
    heard
}

/// Waits for all of some answers, which are on their way side by side.
async fn together<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut open: Vec<_> = all.map(|one| (Some(Box::pin(one)), None)).collect();
    std::future::poll_fn(|context| {
        for (one, said) in &mut open {
            if let Some(std::task::Poll::Ready(done)) = one.as_mut().map(|one| one.as_mut().poll(context)) {
                (*one, *said) = (None, Some(done));
            }
        }
        if open.iter().all(|(one, _)| one.is_none()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    open.into_iter().filter_map(|(_, said)| said).collect()
}

fn taken(cutover: &Cutover, says: &[String]) -> Finding {
    let message =
        format!("{} says {}, which is no machine of `{}`", cutover.name, says.join(", "), cutover.replica);
    let mut finding = Finding::new(Code::NameTaken, message)
        .help(format!("it is not changed as long as it says so; where that is right, name it in the replica: `dns: [{{ name: {}, source: … }}]`", cutover.name))
        .help(format!("or let {} say one of {} by hand, and plan again", cutover.name, own(cutover)));
    if !cutover.required {
        finding.severity = Severity::Warning;
    }
    finding
}

fn own(cutover: &Cutover) -> String {
    let all: Vec<&str> = cutover.from.iter().chain([&cutover.to]).map(String::as_str).collect();
    all.join(", ")
}

/// A server that does not tell. It may be one of those that the plan brings up, so that nothing is held up for it; but what is missing here is
/// missing then as well.
fn silent(names: &dyn Names, cutover: &Cutover, why: &str) -> Finding {
    let missing = names.ready(cutover).err();
    let finding =
        Finding::new(Code::NameServerUnfit, format!("it is not known what {} says: {why}", cutover.name));
    match missing {
        Some(_) => {
            let mut finding = finding.help("put the key where the document says that it is: `key: { secret: { env: … } }`, or `file: …`");
            if cutover.required {
                finding.severity = Severity::Error;
            }
            finding
        }
        None if cutover.required => finding
            .help("the plan goes on all the same; where the server does not answer when the name is changed, the run fails there, and `resume` tries again")
            .help("`required: false` at the name makes that an exception"),
        None => finding.help("the plan goes on all the same, and then without the name"),
    }
}
