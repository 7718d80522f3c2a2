//! Documents are made from what hosts have, and work; and they come back from the records beside the replicas.

use crate::lab::Lab;
use crate::lab::run::run;
use crate::machine::{Blank, layer, same, virsh, write};
use crate::stories::Test;
use crate::workspace::Workspace;
use serde_json::Value;

/// The stories.
pub const TESTS: [Test; 1] = [("an_import_is_a_workspace_that_works", import)];

const VMS: [Blank; 2] = [Blank { name: "im-1", number: 91 }, Blank { name: "im 2 (old): #1", number: 92 }];
const DOCUMENTS: [&str; 2] = ["im-1", "im-2-old-1"];
const OFF: Blank = Blank { name: "im-off", number: 93 };

/// Whether a document speaks of a machine of this story: other stories have theirs at the same sites.
fn ours(document: &&str) -> bool {
    VMS.iter().chain([&OFF]).any(|vm| document.contains(vm.name))
}

/// What an import finds of this story.
#[track_caller]
fn found(workspace: &Workspace) -> Vec<String> {
    let said = workspace.lifeboat(&["import"]).ends(0);
    // The last lines are about machines that have no document, and the plan is about all.
    let documents =
        said.text.split("---\n").filter(|d| !d.contains("kind: FailoverPlan") && !d.starts_with("# p"));
    documents.filter(ours).map(str::to_owned).collect()
}

fn import(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    let raw = a.image("im-1.raw").display().to_string();
    run(&["qemu-img", "create", "-q", "-f", "raw", &raw, "64M"])?;
    VMS[0].start_with(a, &[("vda".to_owned(), a.sees("im-1.raw"), "raw")]);
    VMS[1].start(a);
    OFF.start(a);
    virsh(a, &["destroy", OFF.name]);
    virsh(a, &["autostart", VMS[0].name]);
    for vm in VMS {
        write(a, vm.name, 0, (vm.number, 10, 4));
    }
    let workspace = Workspace::sites(lab);
    let documents = found(&workspace);
    assert_eq!(documents.len(), 3, "{documents:#?}");
    let of = |words: &str| {
        documents.iter().find(|d| d.contains(words)).unwrap_or_else(|| panic!("{words}: {documents:#?}"))
    };
    of(
        "# im-1 at production: vda (raw, read whole for each restore point); starts with its host\napiVersion",
    );
    of("# decide: it is off");
    of("name: im-2-old-1 }");
    let mapped = documents.iter().all(|d| d.contains("{ from: prod, to: dr }"));
    assert_eq!(mapped, a.networked(), "{documents:#?}");
    // A machine without a guest does not hear that it shall shut down; all else is as it was written.
    let text = documents.join("---\n").replace("\n  source:", "\n  shutdown: { within: 1s }\n  source:");
    let file = workspace.path("replicas.yaml");
    std::fs::write(&file, &text).map_err(|e| e.to_string())?;
    let names = DOCUMENTS.join(", ");
    workspace.runbook(
        "evacuate",
        &format!("{{ replicas: {{ names: [{names}] }}, state: Failover, via: planned }}"),
    );
    workspace.lifeboat(&["validate"]).ends(0);
    workspace.lifeboat(&["validate", "--sites"]).ends(0);
    workspace.replicate();
    // What is there is not written again; the machine that is off still waits for a word.
    let missing = found(&workspace);
    assert!(missing.len() == 1 && missing[0].contains("# decide: it is off"), "{missing:#?}");
    workspace.apply("evacuate");
    for ((vm, name), (disk, dev)) in
        VMS.into_iter().zip(DOCUMENTS).zip([("im-1.raw".to_owned(), "vda"), (VMS[1].disk("vda"), "vda")])
    {
        assert_eq!(workspace.state(name), "Failover");
        let point = workspace.points(name).pop().unwrap();
        same((a, &disk), (b, &layer(name, dev, &point)), vm.name);
    }
    restored(&workspace, a.networked())?;
    by_uri(lab)?;
    for vm in VMS {
        virsh(b, &["destroy", &vm.replica()]);
    }
    Ok(())
}

/// The documents are lost; the records beside the replicas know what they said.
fn restored(workspace: &Workspace, networked: bool) -> Result<(), String> {
    let all = |workspace: &Workspace| {
        let shown = workspace.json(&["show", "replicas"])["documents"].clone();
        let one =
            |name: &str| ["source", "replica", "networks", "retention"].map(|key| shown[name][key].clone());
        DOCUMENTS.map(one)
    };
    let before: [[Value; 4]; 2] = all(workspace);
    assert_eq!(
        before[0][2],
        if networked { serde_json::json!([["prod", "dr"]]) } else { serde_json::json!([]) }
    );
    let failed = |e: std::io::Error| e.to_string();
    for file in ["replicas.yaml", "evacuate.yaml"] {
        std::fs::remove_file(workspace.path(file)).map_err(failed)?;
    }
    let documents = found(workspace);
    let back: Vec<&String> =
        documents.iter().filter(|d| d.contains("from the record beside recovery/im")).collect();
    assert_eq!(back.len(), 2, "{documents:#?}");
    let file = workspace.path("replicas.yaml");
    std::fs::write(&file, documents.join("---\n")).map_err(failed)?;
    workspace.lifeboat(&["validate"]).ends(0);
    assert_eq!(all(workspace), before);
    for name in DOCUMENTS {
        assert_eq!(workspace.state(name), "Failover");
    }
    Ok(())
}

/// From their URIs alone: both hosts are seen from the same outside here, so that which address is whose is for a person to say.
fn by_uri(lab: &Lab) -> Result<(), String> {
    let empty = Workspace::of(&[]);
    let folder = empty.path("new").display().to_string();
    let hosts = [format!("recovery={}", lab.recovery.uri()), format!("production={}", lab.production.uri())];
    let import = ["import", &hosts[0], &hosts[1], "--out", &folder];
    empty.lifeboat(&import).ends(0).says("new/sites.yaml").says("which stops at ");
    let stopped = empty.lifeboat(&["validate"]).ends(1).text;
    assert_eq!(stopped.matches("error[LB0212]").count(), 2, "{stopped}");
    let replicas = std::fs::read_to_string(empty.path("new/replicas.yaml")).map_err(|e| e.to_string())?;
    assert!(replicas.contains("# from the record beside recovery/im-1_replica"), "{replicas}");
    empty.lifeboat(&import).ends(1).says("there is such a file already");
    Ok(())
}
