//! Where runs are kept, as far as that needs no server: which place counts, and what is done where it does not answer.

use crate::program::Place;

/// Nobody listens there.
const GONE: &str = "postgres://dr@127.0.0.1:1/runs?sslmode=disable";

#[test]
fn a_store_that_is_gone_hides_the_runs_and_not_the_replicas() {
    let place = Place::example("shop");
    let said = place.run(&["status", "--store", GONE]).ends(74);
    assert!(said.out.contains("5 replicas.\nWhich runs are under way is not known."), "{}", said.out);
    assert!(said.err.starts_with("error[LB0818]") && said.err.contains("Connection refused"), "{}", said.err);
    let json = place.run(&["status", "--store", GONE, "--format", "json"]).ends(74);
    assert_eq!(json.codes(), ["LB0818"]);
    assert!(json.out.contains("\"web-02\""), "{}", json.out);
    place.run(&["plan", "evacuate-shop", "--store", GONE]).ends(0);
    let refused =
        place.run(&["apply", "evacuate-shop", "--confirm", "evacuate-shop", "--store", GONE]).ends(74);
    assert!(refused.err.contains("nothing was begun that is not recorded"), "{}", refused.err);
    place.all_are("Ready");
}

#[test]
fn the_runs_are_where_the_command_line_the_environment_or_the_workspace_says() {
    let place = Place::example("shop");
    let document =
        "apiVersion: lifeboat/v1\nkind: Store\nmetadata: { name: runs }\nspec: { url: \"file:kept\" }\n";
    place.write("lifeboat.yaml", document);
    place.run(&["validate"]).ends(0);
    place.apply("evacuate-shop");
    assert!(place.path().join("kept/runs").is_dir() && !place.path().join(".lifeboat/runs").exists());
    let none = place.run(&["history", "--store", "file:other"]).ends(0);
    assert!(!none.out.contains("evacuate-shop"), "{}", none.out);
    let runs = place.run(&["status", "--format", "json"]).ends(0);
    assert!(runs.out.contains("\"runs\": []"), "{}", runs.out);
    place.edit("lifeboat.yaml", "file:kept", "redis://cache");
    for command in [["history"].as_slice(), &["validate"], &["lock"]] {
        let said = place.run(&[command, &["--format", "json"]].concat()).ends(1);
        assert_eq!(said.codes(), ["LB0817"], "{command:?}");
    }
}
