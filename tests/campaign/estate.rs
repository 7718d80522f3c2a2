//! What is failed over and back in the campaign: some machines in five tiers, and every operation with what comes before it.

use std::fmt::Write;

/// A simulated estate.
pub struct Estate {
    /// How many machines it has.
    pub machines: usize,
    /// Its documents.
    pub documents: String,
}

/// An operation, as a command.
pub struct Operation {
    /// What it is called.
    pub name: &'static str,
    /// The runbooks that lead to where it begins.
    pub before: &'static [&'static str],
    /// Its own runbook; a replication where there is none.
    pub runbook: Option<&'static str>,
    /// The state that it ends in.
    pub state: &'static str,
    /// Whether the replicas have no restore points before it.
    pub fresh: bool,
}

const fn operation(
    name: &'static str,
    before: &'static [&'static str],
    runbook: &'static str,
    state: &'static str,
) -> Operation {
    Operation { name, before, runbook: Some(runbook), state, fresh: false }
}

/// Every operation of a replica's life.
pub const OPERATIONS: &[Operation] = &[
    Operation { name: "first replication", before: &[], runbook: None, state: "Ready", fresh: true },
    Operation { name: "replication", before: &[], runbook: None, state: "Ready", fresh: false },
    operation("failover", &[], "lost", "Failover"),
    operation("planned failover", &[], "evacuate", "Failover"),
    operation("undo failover", &["lost"], "undo", "Ready"),
    operation("permanent failover", &["evacuate"], "forever", "Permanent"),
    operation("failback, first phase", &["evacuate"], "begin", "ReadyToSwitch"),
    operation("switchover", &["evacuate", "begin"], "there", "Failback"),
    operation("commit failback", &["evacuate", "there"], "commit", "Ready"),
    operation("undo failback", &["evacuate", "there"], "stay", "Failover"),
    operation("undo failback before the switchover", &["evacuate", "begin"], "stay", "Failover"),
    operation("failback at one go", &["lost"], "return", "Ready"),
    operation("failback to recovered machines", &["evacuate"], "anew", "Ready"),
];

const RUNBOOKS: [(&str, &str); 10] = [
    ("lost", "state: Failover, via: unplanned"),
    ("evacuate", "state: Failover, via: planned"),
    ("undo", "state: Ready, keep: source"),
    ("forever", "state: Permanent, irreversible: true"),
    ("begin", "state: ReadyToSwitch, failback: { target: original, switchover: manual }"),
    ("there", "state: Failback, failback: { target: original, switchover: automatic }"),
    ("commit", "state: Ready"),
    ("stay", "state: Failover, keep: replica"),
    ("return", "state: Ready, keep: replica, failback: { target: original, switchover: automatic }"),
    (
        "anew",
        "state: Ready, keep: replica, failback: { target: { recovered: [ANEW] }, switchover: automatic }",
    ),
];

impl Estate {
    /// So many machines. The clock runs so fast that a run takes a second or less, and so slowly that a kill meets a step in its middle.
    pub fn new(machines: usize) -> Self {
        let speed = if machines > 10 { 200 } else { 100 };
        let mut text = format!(
            "apiVersion: lifeboat/v1\nkind: Site\nmetadata: {{ name: production }}\nspec:\n  provider:\n    simulator:\n      \
             clock: {{ speed: {speed} }}\n      defaults: {{ boot: 3s, shutdown: 2s, sync: 4s, blocks: 64, ports: [80] }}\n---\n\
             apiVersion: lifeboat/v1\nkind: Site\nmetadata: {{ name: recovery }}\nspec:\n  provider: {{ simulator: {{ points: POINTS, every: 15m }} }}\n  \
             limits: {{ start: 10 }}\n"
        );
        for n in 0..machines {
            write!(
                text,
                "---\napiVersion: lifeboat/v1\nkind: Replica\nmetadata: {{ name: vm-{n:02}, labels: {{ tier: t{} }} }}\nspec:\n  \
                 source: {{ site: production, vm: vm-{n:02} }}\n  replica: {{ site: recovery }}\n  retention: 4\n  \
                 networks: [{{ from: prod-lan, to: dr-lan }}]\n  ready: {{ all: [{{ tcp: {{ port: 80 }} }}], every: 1s, within: 5m }}\n",
                n % 5
            )
            .unwrap();
        }
        text.push_str(
            "---\napiVersion: lifeboat/v1\nkind: FailoverPlan\nmetadata: { name: all }\nspec:\n  sequence:\n",
        );
        let tiers = machines.min(5);
        for tier in 0..tiers {
            // After the last one comes nothing.
            let delay = if tier + 1 < tiers { ", delay: 1s" } else { "" };
            writeln!(text, "    - {{ group: t{tier}, replicas: {{ labels: {{ tier: t{tier} }} }}{delay} }}")
                .unwrap();
        }
        let one = |n| format!("{{ replica: vm-{n:02}, site: production, vm: vm-{n:02}-new }}");
        let anew = (0..machines).map(one).collect::<Vec<_>>().join(", ");
        for (name, desired) in RUNBOOKS {
            let desired = desired.replace("ANEW", &anew);
            write!(
                text,
                "---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: {{ name: {name} }}\nspec: {{ desired: [{{ plan: all, {desired} }}] }}\n"
            )
            .unwrap();
        }
        Self { machines, documents: text }
    }

    /// Its documents for an operation.
    pub fn documents(&self, fresh: bool) -> String {
        self.documents.replace("POINTS", if fresh { "0" } else { "3" })
    }
}
