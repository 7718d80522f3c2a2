//! Documents are made from what two hosts have, and work.

use crate::lab::Lab;
use crate::machine::{Blank, layer, same, virsh, write};
use crate::stories::Test;
use crate::workspace::Workspace;

/// The stories.
pub const TESTS: [Test; 1] = [("an_import_is_a_workspace_that_works", import)];

const VMS: [Blank; 2] = [Blank { name: "im-1", number: 91 }, Blank { name: "im 2 (old)", number: 92 }];

fn import(lab: &Lab) -> Result<(), String> {
    let (a, b) = (&lab.production, &lab.recovery);
    for vm in VMS {
        vm.start(a);
        write(a, vm.name, 0, (vm.number, 10, 4));
    }
    let hosts = [format!("production={}", a.uri()), format!("recovery={}", b.uri())];
    let empty = Workspace::of(&[]);
    let said = empty.lifeboat(&["import", &hosts[0], &hosts[1]]).ends(0);
    // Each document is by itself between two lines; others' machines and a plan over them are of no interest here.
    let wanted = |part: &&str| {
        part.contains("kind: Site") || VMS.iter().any(|vm| part.contains(&format!("vm: \"{}\"", vm.name)))
    };
    let parts: Vec<&str> = said.text.split("---\n").filter(wanted).collect();
    assert_eq!(parts.len(), 4, "{}", said.text);
    // What a person decides: where the hosts read each other's disks; and, in this lab, how commands are run there.
    let decide = |part: &&str| {
        let site = if part.contains("name: production") { a } else { b };
        let prefix = serde_json::to_string(&site.prefix()).unwrap();
        let data = format!("data: {{ address: {} }}\n      run: {{ prefix: {prefix} }}", site.design.address);
        let part = part.replace("# data: { address: 192.0.2.10 }", &data);
        // Without a guest nobody hears that the machine shall shut down.
        let part = part.replace("  source: {", "  shutdown: { within: 1s }\n  source: {");
        part.replace("to: \"\"", "to: dr")
    };
    let text = parts.iter().map(decide).collect::<Vec<_>>().join("---\n");
    let evacuate = "---\napiVersion: lifeboat/v1\nkind: Runbook\nmetadata: { name: evacuate }\n\
                    spec: { desired: [{ replicas: { names: [im-1, im-2--old] }, state: Failover, via: planned }] }\n";
    let workspace = Workspace::of(&[("lifeboat.yaml", text + evacuate)]);
    workspace.lifeboat(&["validate"]).ends(0);
    workspace.replicate();
    workspace.apply("evacuate");
    for (vm, name) in VMS.into_iter().zip(["im-1", "im-2--old"]) {
        assert_eq!(workspace.state(name), "Failover");
        let point = workspace.points(name).pop().unwrap();
        same((a, &vm.disk("vda")), (b, &layer(name, "vda", &point)), "after the evacuation");
    }
    // A second import knows the replicas by what stands beside them.
    let file = empty.path("again.yaml");
    let out = ["import", &hosts[0], &hosts[1], "--out", file.to_str().unwrap()];
    empty.lifeboat(&out).ends(0).says("Next: read it");
    let again = std::fs::read_to_string(&file).unwrap();
    assert!(again.contains("name: \"im-2--old\" }"), "{again}");
    assert!(!again.contains("im-1_replica_replica"), "{again}");
    for vm in VMS {
        virsh(b, &["destroy", &vm.replica()]);
    }
    Ok(())
}
