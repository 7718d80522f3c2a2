//! What copies tell of themselves: how many bytes they moved, and what the next ones are expected to take.

use crate::lab::Lab;
use crate::machine::{Blank, virsh, write};
use crate::stories::{BLANK, Test};
use crate::workspace::Workspace;

/// The stories.
pub const TESTS: [Test; 1] = [("a_copy_tells_how_many_bytes_it_moved_and_how_long_that_took", bytes)];

const MIB: u64 = 1 << 20;

/// The bytes that the steps of the last run with this word in their names moved, in their order.
pub fn moved(workspace: &Workspace, word: &str) -> Vec<u64> {
    let report = workspace.json(&["report", "latest"]);
    let events = report["events"].as_array().cloned().unwrap_or_default();
    let of = |event: &serde_json::Value| {
        let named = event["step"].as_str().is_some_and(|step| step.contains(word));
        event["event"]["moved"]["bytes"].as_u64().filter(|_| named)
    };
    events.iter().filter_map(of).collect()
}

fn bytes(lab: &Lab) -> Result<(), String> {
    let vm = Blank { name: "copy1", number: 60 };
    let workspace = Workspace::new(lab, &[vm.name], BLANK);
    let (a, b) = (&lab.production, &lab.recovery);
    vm.start(a);
    write(a, vm.name, 0, (1, 0, 40));
    write(a, vm.name, 1, (2, 0, 8));
    workspace.replicate();
    let full = moved(&workspace, "create-point");
    assert_eq!(full, [48 * MIB], "the first copy moves what is there");
    write(a, vm.name, 0, (3, 20, 16));
    write(a, vm.name, 1, (0, 4, 1));
    workspace.replicate();
    let changes = moved(&workspace, "create-point");
    assert!(matches!(changes[..], [bytes] if (17 * MIB..18 * MIB).contains(&bytes)), "{changes:?}");
    workspace.lifeboat(&["report", "latest", "--steps"]).ends(0).says("17 MiB, ");
    // What was measured is what the next one is expected to take.
    let plan = workspace.json(&["plan", "evacuate"]);
    let steps = plan["steps"].as_array().cloned().unwrap_or_default();
    let copy = steps.iter().find(|s| s["name"].as_str().is_some_and(|n| n.contains("create-point")));
    let typical = copy.and_then(|c| c["typical"].as_str()).unwrap_or("?");
    assert!(
        typical.ends_with("ms") || typical == "1s",
        "20 s are expected of a machine that was never copied: {typical}"
    );
    workspace.apply("evacuate");
    write(b, &vm.replica(), 0, (4, 50, 12));
    workspace.apply("go-back");
    let back = moved(&workspace, "send-changes");
    assert!(
        matches!(back[..], [bytes, rest] if (12 * MIB..13 * MIB).contains(&bytes) && rest < MIB),
        "{back:?}"
    );
    workspace.apply("commit");
    write(a, vm.name, 0, (5, 60, 4));
    workspace.replicate();
    let next = moved(&workspace, "create-point");
    assert!(matches!(next[..], [bytes] if (4 * MIB..17 * MIB).contains(&bytes)), "changes alone: {next:?}");
    virsh(a, &["destroy", vm.name]);
    Ok(())
}
