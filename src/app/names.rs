//! Names before anything begins: what their records say now, whether their servers answer, and whether what they say may be changed.

use super::world::World;
use crate::base::EntryName;
use crate::diag::{Code, Finding, Severity};
use crate::domain::{Cutover, OperationKind};
use crate::plan::{Node, NodeId, Plan, Purpose, Work};
use crate::port::Names;
use std::collections::{BTreeMap, BTreeSet};
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

/// What a server said of one name, which somebody asked for under a key.
type Said<K> = (K, Cutover, Result<Vec<String>, String>);

/// Asks the name servers of a plan. One that does not answer is asked no more.
pub async fn of_plan(world: &World, names: &Arc<dyn Names>, plan: &Plan) -> Asked {
    let mut servers: BTreeMap<EntryName, Vec<(NodeId, Cutover)>> = BTreeMap::new();
    let mut weights: BTreeMap<EntryName, Weight> = BTreeMap::new();
    for (id, node) in plan.node_ids().zip(&plan.nodes) {
        if let Work::Cutover(cutover) = &node.work {
            let server = cutover.server.name.clone();
            let weight = weights.entry(server.clone()).or_default();
            *weight = (*weight).max(Weight::of(plan, node, cutover));
            servers.entry(server).or_default().push((id, (**cutover).clone()));
        }
    }
    let heard = heard(names, servers).await;
    let mut asked = Asked::default();
    let mut unfit: BTreeSet<EntryName> = BTreeSet::new();
    let now = world.clock().now().clock();
    for (node, cutover, said) in heard {
        let about = format!("replica {}, asked {now}", cutover.replica);
        match said {
            Ok(says) => {
                if !cutover.is_own(&says) {
                    let weight = plan.node(node).map(|node| Weight::of(plan, node, &cutover));
                    asked.findings.push(taken(&cutover, &says, weight.unwrap_or_default()).about(about));
                }
                asked.says.insert(node, says);
            }
            Err(why) => {
                let server = cutover.server.name.clone();
                let weight = weights.get(&server).copied().unwrap_or_default();
                if unfit.insert(server) {
                    asked.findings.push(silent(names.as_ref(), &cutover, (&why, weight)).about(about));
                }
            }
        }
    }
    asked
}

/// Asks all servers at once; in the order of the keys. A server that does not answer is asked no more.
pub async fn heard<K: Copy + Ord + Send + Sync + 'static>(
    names: &Arc<dyn Names>,
    servers: BTreeMap<EntryName, Vec<(K, Cutover)>>,
) -> Vec<Said<K>> {
    let mut all = JoinSet::new();
    for wanted in servers.into_values() {
        let names = Arc::clone(names);
        all.spawn(async move { of_server(names.as_ref(), wanted).await });
    }
    let mut heard: Vec<Said<K>> = Vec::new();
    while let Some(some) = all.join_next().await {
        heard.extend(some.unwrap_or_default());
    }
    heard.sort_by_key(|(key, ..)| *key);
    heard
}

/// What a name means for a plan that is about to begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Everything goes on without it.
    #[default]
    Optional,
    /// The run fails there, and nothing is refused for it: a way back, and a failover from what is lost.
    Later,
    /// It is mended before anything begins.
    Before,
}

impl Weight {
    fn of(plan: &Plan, node: &Node, cutover: &Cutover) -> Self {
        let kind = node.leg.and_then(|leg| plan.leg(leg)).map(|leg| leg.operation.kind());
        let is_back = matches!(plan.purpose, Purpose::Abort(_));
        match cutover.required {
            false => Self::Optional,
            true if is_back || kind == Some(OperationKind::Failover) => Self::Later,
            true => Self::Before,
        }
    }
}

async fn of_server<K: Copy + Sync>(names: &dyn Names, wanted: Vec<(K, Cutover)>) -> Vec<Said<K>> {
    let mut heard = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE) {
        let each = some
            .iter()
            .map(|(key, cutover)| async move { (*key, cutover.clone(), names.says(cutover).await) });
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

fn taken(cutover: &Cutover, says: &[String], weight: Weight) -> Finding {
    let message =
        format!("{} says {}, which is no machine of `{}`", cutover.name, says.join(", "), cutover.replica);
    let mut finding = Finding::new(Code::NameTaken, message)
        .help(format!("it is not changed as long as it says so; where that is right, name it in the replica: `dns: [{{ name: {}, source: … }}]`", cutover.name))
        .help(format!("or let {} say one of {} by hand, and plan again", cutover.name, own(cutover)));
    if weight != Weight::Before {
        finding.severity = Severity::Warning;
    }
    if weight == Weight::Later {
        finding = finding.help("the machines go their way all the same, and the run fails at this name");
    }
    finding
}

fn own(cutover: &Cutover) -> String {
    let all: Vec<&str> = cutover.from.iter().chain([&cutover.to]).map(String::as_str).collect();
    all.join(", ")
}

/// A server that does not tell. It may be one of those that the plan brings up, so that nothing is held up for it; but what is missing here is
/// missing then as well. The heaviest of its names counts.
fn silent(names: &dyn Names, cutover: &Cutover, (why, weight): (&str, Weight)) -> Finding {
    let missing = names.ready(cutover).err();
    let finding =
        Finding::new(Code::NameServerUnfit, format!("it is not known what {} says: {why}", cutover.name));
    match (missing, weight) {
        (Some(_), _) => {
            let mut finding = finding.help("put the key where the document says that it is: `key: { secret: { env: … } }`, or `file: …`");
            if weight == Weight::Before {
                finding.severity = Severity::Error;
            }
            finding
        }
        (None, Weight::Optional) => finding.help("the plan goes on all the same, and then without the name"),
        (None, Weight::Later | Weight::Before) => finding
            .help("the plan goes on all the same; where the server does not answer when the name is changed, the run fails there, and `resume` tries again")
            .help("`required: false` at the name makes that an exception"),
    }
}
