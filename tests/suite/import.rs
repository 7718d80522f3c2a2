//! What an import writes is read back by Lifeboat as it was meant, whatever the machines are called.

use crate::program::Place;
use lifeboat::domain::VmRef;
use lifeboat::port::{
    Attached, NetworkKind, Survey, SurveyedHost, SurveyedReplica, SurveyedSite, SurveyedVm,
};
use lifeboat::report::import::{Documents, Import, documents};
use proptest::prelude::*;
use serde_json::Value;

const NETWORK: Option<NetworkKind> = Some(NetworkKind::Network);

fn site(name: &str, address: &str, machines: Vec<SurveyedVm>, networks: &[&str]) -> SurveyedSite {
    let networks = networks.iter().map(|n| (*n).to_owned()).collect();
    let uri = format!("qemu+ssh://root@{address}/system");
    let has = Survey { machines, networks, host: Some(SurveyedHost::default()) };
    SurveyedSite { name: name.parse().unwrap(), uri, address: address.parse().ok(), has }
}

fn attached(network: &str, kind: Option<NetworkKind>) -> Attached {
    Attached { network: network.to_owned(), kind }
}

fn vm(name: &str) -> SurveyedVm {
    SurveyedVm {
        name: name.to_owned(),
        uuid: format!("uuid of {name}"),
        on: true,
        disks: vec![("vda".to_owned(), "qcow2".to_owned())],
        networks: vec![attached("lan", NETWORK)],
        ..SurveyedVm::default()
    }
}

/// A machine of the recovery site that is the replica of one.
fn replica_of(
    name: &str,
    source: (&str, &str),
    points: usize,
    mapped: &[(&str, &str)],
) -> Option<Result<SurveyedReplica, String>> {
    Some(Ok(SurveyedReplica {
        name: name.parse().unwrap(),
        source: VmRef { site: source.0.parse().unwrap(), vm: source.1.parse().unwrap() },
        points,
        networks: vec![attached("lan", NETWORK)],
        mapped: mapped.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
    }))
}

fn import(sites: &[SurveyedSite]) -> Documents {
    documents(&Import { sites, recovery: "recovery".parse().unwrap(), workspace: None })
}

/// The workspace that an import of these hosts makes.
fn place(sites: &[SurveyedSite]) -> (Place, Documents) {
    let (place, made) = (Place::empty(), import(sites));
    place.write("lifeboat.yaml", &made.whole());
    (place, made)
}

/// Without the marks before its lines, a document that waits for a person's word counts.
fn uncommented(text: &str) -> String {
    let bare = |document: &str| match document.split_once("without the marks before the lines:\n") {
        Some((_, lines)) => {
            lines.lines().map(|l| format!("{}\n", l.strip_prefix("# ").unwrap_or(l))).collect()
        }
        None => document.to_owned(),
    };
    text.split("---\n").map(bare).collect::<Vec<String>>().join("---\n")
}

fn shown(place: &Place, kind: &str) -> Value {
    let said = place.run(&["show", kind, "--format", "json"]).ends(0);
    serde_json::from_str::<Value>(&said.out).unwrap()["documents"].clone()
}

/// What is said of one replica.
fn replica(place: &Place, name: &str) -> Value {
    shown(place, "replicas")[name].clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_machine_is_written_so_that_it_is_read_back(
        names in proptest::collection::btree_set(hostile(), 1..6), networks in proptest::collection::btree_set(hostile(), 1..3),
        on in any::<bool>(), uri in "[!-~]{0,12}", words in hostile()
    ) {
        let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
        let one = |name: &String| SurveyedVm {
            on,
            uuid: words.clone(),
            disks: vec![(words.clone(), words.clone())],
            networks: networks.iter().map(|n| attached(n, NETWORK)).collect(),
            ..vm(name)
        };
        let odd = SurveyedVm { unfit: Some(words.clone()), ..vm(&words) };
        let lost = SurveyedVm { replica: Some(Err(words.clone())), uuid: "other".to_owned(), ..vm("lost") };
        let machines = names.iter().filter(|n| **n != words).map(one).chain([odd]).collect();
        let mut production = site("production", "192.0.2.1", machines, &networks);
        production.uri = format!("qemu+ssh://root@192.0.2.1/system?{uri}");
        let sites = [production, site("recovery", "192.0.2.2", vec![lost], &networks)];
        let made = import(&sites);
        prop_assert_eq!(made.open, 0);
        let place = Place::empty();
        place.write("lifeboat.yaml", &uncommented(&made.whole()));
        let said = place.run(&["show", "--format", "json"]);
        prop_assert_eq!(said.code, 0, "{}\n{}", said.err, made.whole());
        let all = &serde_json::from_str::<Value>(&said.out).unwrap()["documents"];
        prop_assert_eq!(&all["sites"]["production"]["provider"]["libvirt"]["uri"], &sites[0].uri);
        let read: Vec<&Value> = all["replicas"].as_object().unwrap().values().collect();
        prop_assert_eq!(read.len(), names.iter().filter(|n| **n != words).count());
        for vm in sites[0].has.machines.iter().filter(|vm| vm.unfit.is_none()) {
            let found = read.iter().find(|r| r["source"]["vm"] == vm.name.as_str());
            let found = found.unwrap_or_else(|| panic!("{} is not in {all}", vm.name));
            prop_assert_eq!(&found["replica"]["vm"], &format!("{}_replica", vm.name));
            let pairs: Vec<[&str; 2]> = networks.iter().map(|n| [*n, *n]).collect();
            prop_assert_eq!(&found["networks"], &serde_json::json!(pairs));
        }
    }
}

/// Names that hosts take, the worst of them more often than they come.
fn hostile() -> impl Strategy<Value = String> {
    let odd = [
        "no",
        "~",
        "---",
        "...",
        "- a",
        "a: b",
        "# c",
        "{",
        "*a",
        "%TAG",
        "null",
        "1e3",
        "0x1",
        "'",
        "\"\\",
        "\u{2028}",
        "\u{feff}",
        "\u{202e}x",
        "\u{10ffff}",
        "<<",
        "a\u{a0}#b",
        " a ",
        "=",
        "01:02",
    ];
    prop_oneof!["[^\\p{Cc}]{1,40}", proptest::sample::select(odd.map(str::to_owned).to_vec())]
}

#[test]
fn what_must_be_decided_stops_validation_there_and_nothing_else_does() {
    let mut odd = vm("odd one");
    odd.networks = vec![attached("dmz", NETWORK), attached("user", None)];
    let unfit = SurveyedVm { unfit: Some("its disk vda is of no use".to_owned()), ..vm("net") };
    let sites = [
        site("production", "192.0.2.1", vec![vm("db"), odd, unfit], &["lan", "dmz"]),
        site("recovery", "192.0.2.2", vec![vm("odd one_replica")], &["lan", "other"]),
    ];
    let (place, made) = place(&sites);
    let text = made.whole();
    assert!(text.contains("# production/net is left out: its disk vda is of no use"), "{text}");
    assert!(text.contains("{ from: dmz, to: \"\" }   # decide: one of lan, other"), "{text}");
    assert!(
        text.contains("# machines of recovery itself are not replicated anywhere: odd one_replica"),
        "{text}"
    );
    assert_eq!((made.open, made.replicas), (2, 2));
    let said = place.run(&["validate"]).ends(1);
    assert_eq!(said.err.matches("error[").count(), 2, "{}", said.err);
    place.edit("lifeboat.yaml", "to: \"\"", "to: other");
    place.edit("lifeboat.yaml", "vm: \"\"", "vm: odd-replica");
    place.run(&["validate"]).ends(0);
    assert_eq!(
        replica(&place, "odd-one")["networks"],
        serde_json::json!([["dmz", "other"], ["user", "user"]])
    );
}

/// Machines that may be others than they seem are documents only once somebody says so.
#[test]
fn what_may_be_wrong_stands_there_as_a_comment() {
    let off = SurveyedVm { on: false, ..vm("template") };
    let other = SurveyedVm { uuid: "uuid of copied".to_owned(), ..vm("elsewhere") };
    let sites = [
        site("production", "192.0.2.1", vec![vm("db"), vm("copied"), off, vm("web")], &["lan"]),
        site("recovery", "192.0.2.2", vec![vm("db"), other], &["lan"]),
    ];
    let (place, made) = place(&sites);
    let text = made.whole();
    for why in [
        "# decide: recovery/db has the same name and is no replica of Lifeboat's",
        "# decide: recovery/elsewhere has the same UUID and is no replica",
        "# decide: it is off",
        "    # - { replica: template, delay: 0s }",
    ] {
        assert!(text.contains(why), "{why}: {text}");
    }
    place.run(&["validate"]).ends(0);
    assert_eq!(shown(&place, "replicas").as_object().unwrap().keys().collect::<Vec<_>>(), ["web"]);
    place.write("lifeboat.yaml", &uncommented(&text));
    place.run(&["validate"]).ends(0);
    assert_eq!(shown(&place, "replicas").as_object().unwrap().len(), 4);
}

#[test]
fn networks_belong_together_by_name_or_where_there_is_no_other() {
    let on = |networks: &[(&str, Option<NetworkKind>)]| SurveyedVm {
        networks: networks.iter().map(|(n, kind)| attached(n, *kind)).collect(),
        ..vm("db")
    };
    let (bridge, card) = (Some(NetworkKind::Bridge), Some(NetworkKind::Device));
    let all = on(&[("prod", NETWORK), ("br0", bridge), ("eth0", card), ("user", None)]);
    let host = |bridges: &[&str], cards: &[&str]| {
        let text = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect();
        Some(SurveyedHost { bridges: text(bridges), cards: text(cards), ..SurveyedHost::default() })
    };
    let mut sites = [
        site("production", "192.0.2.1", vec![all], &["prod"]),
        site("recovery", "192.0.2.2", Vec::new(), &["dr"]),
    ];
    sites[0].has.host = host(&["br0"], &["eth0", "lo"]);
    sites[1].has.host = host(&["br7"], &["eth0", "lo"]);
    let expected = serde_json::json!([["br0", "br7"], ["eth0", "eth0"], ["prod", "dr"], ["user", "user"]]);
    let (first, _) = place(&sites);
    let mut found = replica(&first, "db")["networks"].as_array().unwrap().clone();
    found.sort_by_key(ToString::to_string);
    assert_eq!(Value::Array(found), expected);
    // Where there is a second one, or it cannot be told, nobody but a person knows.
    sites[0].has.networks.push("default".to_owned());
    sites[1].has.host = None;
    let made = import(&sites);
    let text = made.whole();
    assert_eq!(made.open, 3);
    for line in [
        "{ from: prod, to: \"\" }   # decide: one of dr",
        "{ from: br0, to: \"\" }   # decide: a bridge of its host, on which no command could be run",
        "{ from: eth0, to: \"\" }   # decide: a card of its host",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn the_address_for_the_data_is_assumed_only_where_there_is_no_other() {
    let with = |name: &str, addresses: &[&str]| {
        let mut site = site(name, "kvm.example", Vec::new(), &[]);
        let host = SurveyedHost {
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            ..SurveyedHost::default()
        };
        (site.has.host, site.address) = (Some(host), None);
        site
    };
    let line = |sites: &[SurveyedSite]| {
        let text = import(sites).whole();
        text.lines().find(|l| l.trim().starts_with("data:")).unwrap().trim().to_owned()
    };
    let other = || with("recovery", &["192.0.2.2"]);
    assert!(
        line(&[with("production", &["192.0.2.1", "fd00::1"]), other()])
            .starts_with("data: { address: 192.0.2.1 }")
    );
    let two = line(&[with("production", &["192.0.2.1", "10.0.0.1"]), other()]);
    assert!(
        two.starts_with("data: { address: \"\" }") && two.ends_with("decide: one of 192.0.2.1, 10.0.0.1"),
        "{two}"
    );
    // Seen from the same outside, or on one machine.
    assert!(line(&[with("production", &["192.0.2.2"]), other()]).starts_with("data: { address: \"\" }"));
    assert!(line(&[with("production", &[]), other()]).ends_with("decide: it is not known"));
    let (place, made) = place(&[with("production", &["192.0.2.1", "10.0.0.1"]), other()]);
    assert_eq!(made.open, 1);
    assert_eq!(place.run(&["validate"]).ends(1).err.matches("error[").count(), 1);
    place.edit("lifeboat.yaml", "address: \"\"", "address: 10.0.0.1");
    place.run(&["validate"]).ends(0);
}

#[test]
fn replicas_that_are_there_get_their_documents_back() {
    let replica_vm = |name: &str, replica| SurveyedVm { replica, on: false, ..vm(name) };
    // A machine that is called like a replica comes first, and the source of one is gone.
    let sites = [
        site("production", "192.0.2.1", vec![vm("database"), vm("db")], &["lan", "dmz"]),
        site(
            "recovery",
            "192.0.2.2",
            vec![
                replica_vm(
                    "db at the other site",
                    replica_of("database", ("production", "db"), 12, &[("lan", "dr")]),
                ),
                replica_vm("gone_replica", replica_of("gone", ("production", "gone"), 2, &[])),
                replica_vm("copy of gone", replica_of("gone", ("production", "gone"), 2, &[])),
                replica_vm("broken", Some(Err("it is damaged".to_owned()))),
            ],
            &["lan", "dr"],
        ),
    ];
    let (place, made) = place(&sites);
    place.run(&["validate"]).ends(0);
    let text = made.whole();
    let known = replica(&place, "database");
    assert_eq!(
        (&known["source"]["vm"], &known["replica"]["vm"]),
        (&"db".into(), &"db at the other site".into())
    );
    assert_eq!((&known["networks"], &known["retention"]), (&serde_json::json!([["lan", "dr"]]), &12.into()));
    assert_eq!(replica(&place, "gone")["source"]["vm"], "gone");
    assert_eq!(replica(&place, "database-2")["source"]["vm"], "database");
    for words in [
        "its source is not there",
        "and another machine is called so",
        "recovery/broken is a replica that cannot be told: it is damaged",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// The recovery host alone tells which replicas it has; where their sources are reached is to be said.
#[test]
fn a_site_that_nobody_asked_is_a_document_to_be_filled_in() {
    let lone = SurveyedVm { replica: replica_of("db", ("kvm-a", "db"), 2, &[]), ..vm("db_replica") };
    let recovery = site("recovery", "192.0.2.2", vec![lone], &["lan"]);
    let (place_of, made) = place(std::slice::from_ref(&recovery));
    assert_eq!(made.open, 1);
    let said = place_of.run(&["validate"]).ends(1);
    assert!(said.err.matches("error[").count() == 1 && said.err.contains("is no URI"), "{}", said.err);
    place_of.edit("lifeboat.yaml", "uri: \"\"", "uri: qemu+ssh://root@192.0.2.1/system");
    place_of.run(&["validate"]).ends(0);
    // Asked under another name, its machine is perhaps that source: nobody makes a second replica of it.
    let production = site("production", "192.0.2.1", vec![vm("db")], &["lan"]);
    let text = import(&[production, recovery]).whole();
    assert!(text.contains("where that is this host, import it as kvm-a=URI"), "{text}");
    // And production alone has nowhere to go yet.
    let (place, made) = place(&[site("production", "192.0.2.1", vec![vm("db")], &["lan"])]);
    assert_eq!(made.open, 2);
    assert_eq!(place.run(&["validate"]).ends(1).err.matches("error[").count(), 2);
}

#[test]
fn what_is_no_host_and_a_file_that_is_there_are_refused() {
    let place = Place::empty();
    for (arguments, code, words) in [
        (["nowhere", "qemu:///system"], "LB0207", "no URI of libvirt"),
        (["qemu+sch://a/system", "qemu:///system"], "LB0207", "no URI of libvirt"),
        (["a b=qemu:///system", "qemu:///system"], "LB0209", "no name of a site"),
        (["recovery=qemu:///system", "qemu:///session"], "LB0301", "two sites are named `recovery`"),
        (["qemu:///system", "--recovery=dr"], "LB0816", "none of the hosts is the site `dr`"),
    ] {
        let said = place.run(&[&["import"], &arguments[..]].concat()).ends(1);
        assert!(said.err.contains(words) && said.err.contains(code), "{}", said.err);
    }
    place.write("there.yaml", "");
    for out in ["there.yaml", "."] {
        let said = place.run(&["import", "qemu:///a", "qemu:///b", "--out", out]).ends(1);
        assert!(
            said.err.contains("LB0813") && said.err.contains("there is such a file already"),
            "{}",
            said.err
        );
    }
    assert_eq!(std::fs::read_to_string(place.path().join("there.yaml")).unwrap(), "");
}

#[test]
fn a_workspace_of_simulated_sites_has_no_host_to_look_at() {
    let place = Place::example("single");
    let said = place.run(&["import"]).ends(1);
    assert!(said.err.contains("LB0816"), "{}", said.err);
}
