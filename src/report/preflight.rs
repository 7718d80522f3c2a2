//! What stands in the way at the sites, as findings: what it is, why it matters, and the command that mends it.

use crate::base::Timestamp;
use crate::diag::{Code, Finding, Severity, Span};
use crate::model::{Key, Kind, Origins};
use crate::port::{FolderWhy, Hitch, NetworkKind, Obstacle, Room};
use crate::report::words;

/// So many names are listed at most.
const LISTED: usize = 8;

/// All of it. `origins` are those of the documents, where there are any; `asked` is when the sites were asked.
#[must_use]
pub fn findings(hitches: &[Hitch], origins: Option<&Origins>, asked: Timestamp) -> Vec<Finding> {
    hitches.iter().map(|hitch| finding(hitch, origins, asked)).collect()
}

fn finding(hitch: &Hitch, origins: Option<&Origins>, asked: Timestamp) -> Finding {
    let Hitch { site, replica, what, fatal, mend } = hitch;
    let mut finding = Finding::new(code(what), message(what, site.as_str()));
    // What would not fail now may be lawful, and is worth knowing.
    finding.severity = if *fatal { Severity::Error } else { Severity::Warning };
    let at = |(key, label): (&str, &str)| (place(hitch, origins, key), label.to_owned());
    let (span, label) = at(label(what));
    let about = match replica {
        Some(replica) => format!("replica {replica}, {site} asked {}", asked.clock()),
        None => format!("site {site}, asked {}", asked.clock()),
    };
    let finding = finding.at(span, label).about(about);
    let finding = mend.iter().map(|command| mended(what, command)).fold(finding, Finding::help);
    help(what).into_iter().fold(finding, Finding::help)
}

/// The code of each obstacle.
#[must_use]
pub const fn code(what: &Obstacle) -> Code {
    match what {
        Obstacle::Silent { .. } => Code::SiteSilent,
        Obstacle::Version { .. } => Code::HostTooOld,
        Obstacle::NoBackups => Code::NoBackups,
        Obstacle::Tool { .. } => Code::ToolMissing,
        Obstacle::Folder { .. } => Code::FolderUnusable,
        Obstacle::Space { .. } => Code::LittleRoom,
        Obstacle::Address { .. } | Obstacle::Ports { .. } => Code::DataPathUnusable,
        Obstacle::Network { .. } => Code::NetworkDown,
        Obstacle::Unfit { .. } => Code::MachineUnfit,
        Obstacle::Answers { .. } => Code::AddressAnswers,
        Obstacle::MachineType { .. } => Code::KindUnknown,
        Obstacle::Job { .. } | Obstacle::Snapshots { .. } | Obstacle::Checkpoints { .. } => Code::OthersWork,
        Obstacle::Clock { .. } => Code::ClockOff,
        Obstacle::Unknown { .. } => Code::CannotTell,
    }
}

/// The key of the document that says it, and why here. Keys of a site are below its provider, those of a replica below `spec`.
const fn label(what: &Obstacle) -> (&'static str, &'static str) {
    match what {
        Obstacle::Silent { .. } => ("uri", "this is how it is reached"),
        Obstacle::Version { .. } | Obstacle::NoBackups => ("uri", "this libvirt was asked"),
        Obstacle::Tool { .. } => ("run", "programs are run in this way"),
        Obstacle::Folder { .. } | Obstacle::Space { .. } => ("folder", "this folder is meant"),
        Obstacle::Address { .. } | Obstacle::Ports { .. } => ("data", "disks are served here"),
        Obstacle::Network { .. } => ("networks", "networks are mapped here"),
        Obstacle::Answers { .. } => ("addresses", "it gets its address here"),
        Obstacle::Unfit { .. }
        | Obstacle::Job { .. }
        | Obstacle::Snapshots { .. }
        | Obstacle::Checkpoints { .. } => ("source", "this machine"),
        Obstacle::MachineType { .. } => ("replica", "it shall run here"),
        Obstacle::Clock { .. } => ("uri", "the clock of this host"),
        Obstacle::Unknown { .. } => ("replica", "this was asked"),
    }
}

fn place(hitch: &Hitch, origins: Option<&Origins>, key: &str) -> Option<Span> {
    let origins = origins?;
    let (kind, name, above) = match &hitch.replica {
        Some(replica) => (Kind::Replica, replica.as_str(), &[Key::Name("spec")][..]),
        None => {
            let path = &[Key::Name("spec"), Key::Name("provider"), Key::Name("libvirt")][..];
            (Kind::Site, hitch.site.as_str(), path)
        }
    };
    let found = origins.at(kind, name, &[above, &[Key::Name(key)]].concat());
    // Where the key is left out, the whole mapping would be shown: its name says as much.
    let found = found.filter(|f| Some(*f) != origins.at(kind, name, above));
    // Where the replica says nothing of addresses, its site does.
    let of_site = || {
        let at = |path: &[Key<'_>]| origins.at(Kind::Site, hitch.site.as_str(), path);
        let around = at(&[Key::Name("spec")]);
        let mappings = at(&[Key::Name("spec"), Key::Name("mappings")]);
        mappings.filter(|f| key == "addresses" && Some(*f) != around)
    };
    found.or_else(of_site).or_else(|| origins.name(kind, name))
}

fn message(what: &Obstacle, site: &str) -> String {
    match what {
        Obstacle::Silent { why } => format!("site {site} does not answer: {why}"),
        Obstacle::Version { program, found, least } => {
            format!("{program} at {site} is {found}; {least} is the oldest that will do")
        }
        Obstacle::NoBackups => format!("QEMU at {site} cannot serve the disks of a machine while it runs"),
        Obstacle::Tool { program, why } => format!("{program} cannot be run at {site}: {why}"),
        Obstacle::Folder { path, why } => {
            let why = match why {
                FolderWhy::ReadOnly => "its file system takes no writes",
                FolderWhy::NoRight => "there is no right to write into it",
                FolderWhy::NoFolder => "it is no folder",
            };
            format!("{path} at {site} cannot be written: {why}")
        }
        Obstacle::Space { path, free, wanted, what } => {
            let what = match what {
                Room::FirstCopies => "first copies",
                Room::Changes => "what changes",
                Room::Scratch => "what guests overwrite while they are copied",
            };
            format!("{path} at {site} has {} free; {what} may want {}", bytes(*free), bytes(*wanted))
        }
        Obstacle::Address { address, .. } => format!("{address} is no address of the host of {site}"),
        Obstacle::Ports { range: (first, last), taken, copies } => {
            let all = usize::from(last.saturating_sub(*first)) + 1;
            format!(
                "of the ports {first} to {last} of {site} {} are free, and {copies} copies may be made at once",
                all.saturating_sub(taken.len())
            )
        }
        Obstacle::Network { network, kind, exists, vm, .. } => {
            let kind = match kind {
                NetworkKind::Network => "network",
                NetworkKind::Bridge => "bridge",
                NetworkKind::Device => "device",
            };
            let how = if *exists { "is not active" } else { "does not exist" };
            format!("{vm} cannot be started: {kind} {network} {how} at {site}")
        }
        Obstacle::Answers { vm, address, network, by } => {
            let on = network.as_ref().map_or_else(String::new, |n| format!(" on network {n}"));
            let who = by.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
            format!("{vm} would get {address}{on}, and {who} answers there")
        }
        Obstacle::Unfit { vm, why } => format!("{vm} cannot be replicated: {why}"),
        Obstacle::MachineType { vm, what } => format!("{vm} cannot be run: the host of {site} has no {what}"),
        Obstacle::Job { vm, what } => {
            format!("{vm} cannot be copied: somebody else's job runs on it, {what}")
        }
        Obstacle::Snapshots { vm, names } => {
            format!("{vm} has snapshots of somebody else's: {}", list(names))
        }
        Obstacle::Checkpoints { vm, names } => {
            format!("{vm} has checkpoints of somebody else's: {}", list(names))
        }
        Obstacle::Clock { by, ahead } => {
            let way = if *ahead { "ahead of" } else { "behind" };
            format!("the clock of {site} is {} {way} the one of this machine", words::span(*by))
        }
        Obstacle::Unknown { what, why } => format!("{site} does not tell {what}: {why}"),
    }
}

/// The command, with the words that it needs.
fn mended(what: &Obstacle, command: &str) -> String {
    match what {
        Obstacle::Version { .. } | Obstacle::NoBackups | Obstacle::Tool { .. } => {
            format!("`{command}`, or what your system calls that package")
        }
        Obstacle::Space { .. } => format!("`{command}` shows who has the room"),
        Obstacle::Ports { .. } => format!("`{command}` shows who listens there"),
        Obstacle::Unfit { .. } if command.contains(" convert ") => {
            format!("shut the machine down, `{command}`, and name the new file in its description")
        }
        Obstacle::Unfit { .. } => format!("`{command}` takes it out of the machine at its next start"),
        Obstacle::Network { kind: NetworkKind::Bridge, .. } => {
            format!("`{command}`, until the host's own configuration makes it")
        }
        Obstacle::Silent { .. }
        | Obstacle::Folder { .. }
        | Obstacle::Address { .. }
        | Obstacle::Network { .. }
        | Obstacle::MachineType { .. }
        | Obstacle::Answers { .. }
        | Obstacle::Job { .. }
        | Obstacle::Snapshots { .. }
        | Obstacle::Checkpoints { .. }
        | Obstacle::Clock { .. }
        | Obstacle::Unknown { .. } => format!("`{command}`"),
    }
}

/// What else there is to say.
fn help(what: &Obstacle) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match what {
        Obstacle::Silent { .. } => one("`virsh -c` with its URI, and ssh by hand, show more"),
        Obstacle::Space { what: Room::Scratch, .. } => one("make room there, or name another `folder`"),
        Obstacle::Space { .. } => one("make room there, lower `retention`, or name another `folder`"),
        Obstacle::Address { own, .. } => {
            let own: Vec<String> = own.iter().map(ToString::to_string).collect();
            vec![format!("say one of its own as `data.address`: {}", list(&own))]
        }
        Obstacle::Ports { .. } => one("or name another range: `data: { first, last }`"),
        Obstacle::Network { exists: false, active, .. } => {
            vec![format!("make it there, or map to one that is: {}", list(active))]
        }
        Obstacle::MachineType { .. } => {
            one("or give the source a kind of machine that both hosts know, with `virsh edit`")
        }
        Obstacle::Answers { by: Some(by), .. } => vec![
            format!("stop {by} first, or give the replica another prefix under `addresses`"),
            "two machines at one address break each other's connections, and two copies that serve diverge".to_owned(),
        ],
        Obstacle::Answers { .. } => vec![
            "see who it is: `arping` or `ssh` to the address; stop it first, or give the replica another prefix under `addresses`".to_owned(),
            "two machines at one address break each other's connections, and two copies that serve diverge".to_owned(),
        ],
        Obstacle::Job { .. } => one("or wait for its end"),
        Obstacle::Snapshots { .. } => {
            one("whoever reverts to one changes the disks behind replication's back; compare afterwards")
        }
        Obstacle::Checkpoints { .. } => one(
            "two programs that make backups of one machine should know of each other; this one minds none",
        ),
        Obstacle::Clock { .. } => one("restore points are named by this machine's clock"),
        Obstacle::Version { .. }
        | Obstacle::NoBackups
        | Obstacle::Tool { .. }
        | Obstacle::Folder { .. }
        | Obstacle::Network { .. }
        | Obstacle::Unfit { .. }
        | Obstacle::Unknown { .. } => Vec::new(),
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    match (shown.is_empty(), names.len().saturating_sub(LISTED)) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Bytes with the unit that people use for so many.
fn bytes(count: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(bits, _)| count >= 1 << bits) {
        Some((bits, unit)) => {
            let tenths = (u128::from(count) * 10) >> bits;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::VmRef;

    fn said(what: Obstacle, fatal: bool, mend: Option<&str>) -> Finding {
        let hitch = Hitch {
            site: "recovery".parse().unwrap(),
            replica: Some("db".parse().unwrap()),
            what,
            fatal,
            mend: mend.map(str::to_owned),
        };
        finding(&hitch, None, "2026-01-01T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn what_would_fail_is_an_error_and_the_command_comes_first() {
        let vm = VmRef { site: "recovery".parse().unwrap(), vm: "db_replica".parse().unwrap() };
        let network = Obstacle::Network {
            network: "dr".parse().unwrap(),
            kind: NetworkKind::Network,
            exists: false,
            active: vec!["lan".to_owned(), "dmz".to_owned()],
            vm,
        };
        let found = said(network.clone(), true, Some("virsh net-start dr"));
        assert_eq!((found.code, found.severity), (Code::NetworkDown, Severity::Error));
        assert_eq!(
            found.message,
            "recovery/db_replica cannot be started: network dr does not exist at recovery"
        );
        assert_eq!(found.help, ["`virsh net-start dr`", "make it there, or map to one that is: lan, dmz"]);
        assert_eq!(found.object.as_deref(), Some("replica db, recovery asked 12:00:00Z"));
        assert_eq!(said(network, false, None).severity, Severity::Warning);
    }

    #[test]
    fn room_is_told_in_units_of_people() {
        let room = Obstacle::Space {
            path: "/srv".to_owned(),
            free: 1_610_612_736,
            wanted: 3 << 40,
            what: Room::FirstCopies,
        };
        let found = said(room, true, Some("df -h /srv"));
        assert_eq!(found.message, "/srv at recovery has 1.5 GiB free; first copies may want 3.0 TiB");
        assert_eq!(found.help[0], "`df -h /srv` shows who has the room");
        assert_eq!((bytes(0), bytes(2048)), ("0 bytes".to_owned(), "2.0 KiB".to_owned()));
    }
}
