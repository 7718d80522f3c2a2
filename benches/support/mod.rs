//! Workspaces of any size, written as a user would write them.

use std::fmt::Write as _;
use std::path::Path;

/// How the replicas of the one failover plan depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each waits for the one before it.
    Chain,
    /// Ten layers; each replica waits for two of the layer before.
    Layers,
}

impl Shape {
    /// The shape's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Layers => "layers",
        }
    }
}

/// The documents: two simulated sites on a virtual clock, `count` replicas, the plan `all`, the runbook `evacuate`.
pub fn documents(shape: Shape, count: usize) -> String {
    let mut text = String::from(
        "apiVersion: lifeboat/v1\nkind: Site\nmetadata: { name: production }\nspec: { provider: { simulator: { clock: virtual } } }\n---\n\
         apiVersion: lifeboat/v1\nkind: Site\nmetadata: { name: recovery }\nspec: { provider: { simulator: {} } }\n",
    );
    for i in 0..count {
        let tier = i % 10;
        let _ = write!(
            text,
            "---\napiVersion: lifeboat/v1\nkind: Replica\nmetadata: {{ name: vm-{i:06}, labels: {{ app: estate, tier: t{tier} }} }}\nspec:\n  \
             source: {{ site: production, vm: vm-{i:06} }}\n  replica: {{ site: recovery, vm: vm-{i:06}_replica }}\n  retention: 7\n  \
             objectives: {{ rpo: 15m }}\n  networks: [{{ from: prod-lan, to: dr-lan }}]\n  ready: {{ all: [{{ guest: {{}} }}] }}\n"
        );
    }
    text.push_str(
        "---\napiVersion: lifeboat/v1\nkind: FailoverPlan\nmetadata: { name: all }\nspec:\n  limits: { start: 100 }\n  sequence:\n",
    );
    for i in 0..count {
        let after =
            parents(shape, count, i).iter().map(|p| format!("{{ replica: vm-{p:06} }}")).collect::<Vec<_>>();
        let _ = writeln!(text, "    - {{ replica: vm-{i:06}, after: [{}] }}", after.join(", "));
    }
    text.push_str(
        "---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: evacuate }\nspec:\n  desired: [{ plan: all, state: Failover, via: unplanned }]\n",
    );
    text
}

fn parents(shape: Shape, count: usize, i: usize) -> Vec<usize> {
    match shape {
        Shape::Chain => i.checked_sub(1).into_iter().collect(),
        Shape::Layers => {
            let width = (count / 10).max(1);
            let (layer, k) = (i / width, i % width);
            let Some(above) = layer.checked_sub(1) else { return Vec::new() };
            let mut found = vec![above * width + k, above * width + (k + 1) % width];
            found.dedup();
            found
        }
    }
}

/// Writes them into a folder.
pub fn write(folder: &Path, shape: Shape, count: usize) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("estate.yaml"), documents(shape, count))
}
