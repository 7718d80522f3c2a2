//! What an import writes is read back by Lifeboat as it was meant, whatever the machines are called.

use crate::program::Place;
use lifeboat::port::{Survey, SurveyedSite, SurveyedVm};
use lifeboat::report::import::documents;
use proptest::prelude::*;

fn site(name: &str, address: &str, machines: Vec<SurveyedVm>, networks: &[&str]) -> SurveyedSite {
    let networks = networks.iter().map(|n| (*n).to_owned()).collect();
    let uri = format!("qemu+ssh://root@{address}/system");
    SurveyedSite { name: name.parse().unwrap(), uri, has: Survey { machines, networks } }
}

fn vm(name: &str) -> SurveyedVm {
    SurveyedVm {
        name: name.to_owned(),
        uuid: format!("uuid of {name}"),
        on: true,
        agent: false,
        networks: vec!["lan".to_owned()],
        unfit: None,
        replica: None,
    }
}

/// The workspace that an import of these hosts makes.
fn place(production: &SurveyedSite, recovery: &SurveyedSite) -> (Place, String) {
    let place = Place::empty();
    let text = documents(production, recovery).0;
    place.write("lifeboat.yaml", &text);
    (place, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_machine_is_written_so_that_it_is_read_back(names in proptest::collection::btree_set("\\PC{1,40}", 1..6)) {
        let production = site("production", "192.0.2.1", names.iter().map(|n| vm(n)).collect(), &["lan"]);
        let (place, text) = place(&production, &site("recovery", "192.0.2.2", Vec::new(), &["lan"]));
        let said = place.run(&["show", "replicas", "--format", "json"]);
        prop_assert_eq!(said.code, 0, "{}\n{}", said.err, text);
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let text = json.to_string();
        for name in &names {
            let written = serde_json::to_string(name).unwrap();
            prop_assert!(text.contains(&written), "{written} is not in {text}");
        }
    }
}

#[test]
fn what_must_be_decided_stops_validation_there_and_nothing_else_does() {
    let mut odd = vm("odd one");
    odd.networks = vec!["dmz".to_owned()];
    let mut raw = vm("raw");
    raw.unfit = Some("its disk vda is of no use".to_owned());
    let mut twin = vm("db");
    twin.uuid = "uuid of db".to_owned();
    let production = site("production", "192.0.2.1", vec![vm("db"), odd, raw], &["lan", "dmz"]);
    let recovery = site("recovery", "192.0.2.2", vec![twin, vm("odd one_replica")], &["lan", "other"]);
    let (place, text) = place(&production, &recovery);
    assert!(text.contains("# production/raw is left out: its disk vda is of no use"), "{text}");
    assert!(text.contains("# recovery has a machine db with the same UUID"), "{text}");
    assert!(text.contains("# decide: one of lan, other"), "{text}");
    let said = place.run(&["validate"]).ends(1);
    assert_eq!(said.err.matches("error[").count(), 2, "{}", said.err);
    place.edit("lifeboat.yaml", "to: \"\"", "to: other");
    place.edit("lifeboat.yaml", "vm: \"\"", "vm: odd-replica");
    place.run(&["validate"]).ends(0);
}

#[test]
fn replicas_that_are_there_keep_their_names() {
    let mut replica = vm("db at the other site");
    let source = lifeboat::domain::VmRef { site: "production".parse().unwrap(), vm: "db".parse().unwrap() };
    replica.replica = Some(("database".parse().unwrap(), source));
    let production = site("production", "192.0.2.1", vec![vm("db"), vm("database")], &["lan"]);
    let (place, text) = place(&production, &site("recovery", "192.0.2.2", vec![replica], &["lan"]));
    place.run(&["validate"]).ends(0);
    let known = "name: \"database\" }\nspec:\n  source: { site: production, vm: \"db\" }\n  replica: { site: recovery, vm: \"db at the other site\" }";
    assert!(text.contains(known), "{text}");
}

#[test]
fn what_is_no_host_and_a_file_that_is_there_are_refused() {
    let place = Place::empty();
    for (hosts, words) in [
        (["nowhere", "qemu:///system"], "no URI of libvirt"),
        (["a b=qemu:///system", "qemu:///system"], "no name of a site"),
    ] {
        let said = place.run(&[&["import"], &hosts[..]].concat()).ends(1);
        assert!(said.err.contains(words), "{}", said.err);
    }
    place.write("there.yaml", "");
    let file = place.path().join("there.yaml");
    let said = place.run(&["import", "qemu:///a", "qemu:///b", "--out", file.to_str().unwrap()]).ends(1);
    assert!(said.err.contains("there is such a file already"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "");
}
