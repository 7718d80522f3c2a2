//! What the answers of a host's tools mean, for the preflight. All of it is read from texts, so that it can be tested on texts.

use super::xml::{Element, parse};
use crate::base::{Duration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The version that stands behind these words in what `virsh version --daemon` says.
#[must_use]
pub fn version<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|l| l.strip_prefix(words))?;
    line.rsplit(' ').next().filter(|v| v.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a version is older than another one; a text that is none is not.
#[must_use]
pub fn older(found: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').map_while(|n| n.parse().ok()).collect() };
    let found = numbers(found);
    !found.is_empty() && found < numbers(least)
}

/// Whether `virsh domcapabilities` says that disks can be backed up while their machine runs.
#[must_use]
pub fn backs_up(text: &str) -> bool {
    // A description of 140 KB, of which one word matters.
    text.contains("<backup supported='yes'/>")
}

/// What a host runs of one architecture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guests {
    /// The program that runs them.
    pub emulator: String,
    /// The kinds of virtualisation, as `kvm`.
    pub types: BTreeSet<String>,
    /// The machine types with their aliases, as `pc-q35-7.2` and `q35`.
    pub machines: BTreeSet<String>,
}

/// What `virsh capabilities` says a host runs, by architecture.
#[must_use]
pub fn guests(text: &str) -> BTreeMap<String, Guests> {
    let Ok(all) = parse(text) else { return BTreeMap::new() };
    let mut found: BTreeMap<String, Guests> = BTreeMap::new();
    for arch in all.elements().filter(|e| e.name == "guest").filter_map(|g| g.child("arch")) {
        let guests = found.entry(arch.attribute("name").unwrap_or_default().to_owned()).or_default();
        for element in arch.elements() {
            match element.name.as_str() {
                "emulator" => guests.emulator = element.text(),
                "machine" => know(guests, element),
                "domain" => {
                    guests.types.extend(element.attribute("type").map(str::to_owned));
                    element.elements().filter(|e| e.name == "machine").for_each(|m| know(guests, m));
                }
                _ => {}
            }
        }
    }
    found
}

fn know(guests: &mut Guests, machine: &Element) {
    guests.machines.insert(machine.text());
    guests.machines.extend(machine.attribute("canonical").map(str::to_owned));
}

/// The cards and the addresses of a host, as `ip address` lists them.
#[must_use]
pub fn interfaces(text: &str) -> (BTreeSet<String>, Vec<IpAddr>) {
    let (mut names, mut addresses) = (BTreeSet::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (line.starts_with(' '), words.next(), words.next()) {
            // `5: wan@if3: <…>`
            (false, Some(_), Some(name)) => {
                let name = name.trim_end_matches(':');
                names.insert(name.split_once('@').map_or(name, |(name, _)| name).to_owned());
            }
            (true, Some("inet" | "inet6"), Some(address)) => {
                let address = address.split_once('/').map_or(address, |(address, _)| address);
                addresses.extend(address.parse::<IpAddr>());
            }
            _ => {}
        }
    }
    (names, addresses)
}

/// The ports of a range at which somebody listens, as `ss -Htln` lists them: at that address, or at all.
#[must_use]
pub fn taken(text: &str, address: IpAddr, range: (u16, u16)) -> Vec<u16> {
    let port = |line: &str| {
        let (at, port) = line.split_whitespace().nth(3)?.rsplit_once(':')?;
        let at = at.trim_start_matches('[').trim_end_matches(']');
        let at = at.split_once('%').map_or(at, |(at, _)| at);
        let all = at == "*" || at.parse::<IpAddr>().is_ok_and(|a| a.is_unspecified() || a == address);
        port.parse::<u16>().ok().filter(|p| all && (range.0..=range.1).contains(p))
    };
    let taken: BTreeSet<u16> = text.lines().filter_map(port).collect();
    taken.into_iter().collect()
}

/// A file system, as `findmnt -nrb -o AVAIL,OPTIONS,TARGET` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// How much room there is, in bytes.
    pub free: u64,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// Where it is mounted.
    pub at: String,
}

/// Reads that.
#[must_use]
pub fn mount(text: &str) -> Option<Mount> {
    let mut words = text.lines().next()?.split(' ');
    let (free, options, at) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    Some(Mount { free, read_only: options.split(',').any(|o| o == "ro"), at: at.to_owned() })
}

/// How many bytes the disks of a machine hold, as `virsh domblkinfo --all` tells.
#[must_use]
pub fn holds(text: &str) -> u64 {
    let allocation = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    text.lines().filter_map(allocation).sum()
}

/// By how much at least a host's clock is off, and whether it is ahead: it said these seconds at some moment between the two of ours.
#[must_use]
pub fn skew(ours: (Timestamp, Timestamp), said: &str) -> Option<(Duration, bool)> {
    let seconds: i64 = said.trim().parse().ok()?;
    let first = Timestamp::from_millis(seconds.saturating_mul(1000));
    let last = first.after(Duration::from_millis(999));
    let (ahead, behind) = (first.since(ours.1), ours.0.since(last));
    match (ahead, behind) {
        (Duration::ZERO, Duration::ZERO) => None,
        (Duration::ZERO, behind) => Some((behind, false)),
        (ahead, _) => Some((ahead, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "Compiled against library: libvirt 11.3.0\nUsing library: libvirt 11.3.0\nUsing API: QEMU 11.3.0\n\
                           Running hypervisor: QEMU 7.1.0\nRunning against daemon: 8.10.0\n";
    const CAPABILITIES: &str = "<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
        <guest><os_type>hvm</os_type><arch name='x86_64'><wordsize>64</wordsize><emulator>/usr/bin/qemu-system-x86_64</emulator>
        <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine><machine maxCpus='288'>pc-q35-7.2</machine>
        <domain type='qemu'/><domain type='kvm'><machine>pc-q35-6.0</machine></domain></arch></guest>
        <guest><os_type>hvm</os_type><arch name='aarch64'><emulator>/usr/bin/qemu-system-aarch64</emulator>
        <machine maxCpus='1'>virt-7.2</machine><domain type='qemu'/></arch></guest></capabilities>";
    const ADDRESSES: &str =
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: wan@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether c2:c2:2c:c9:f3:41 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.99.0.1/24 scope global wan
    inet6 fe80::c0c2:2cff:fec9:f341/64 scope link
5: br-prod: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state UNKNOWN group default qlen 1000\n";
    const LISTENING: &str = "LISTEN 0      32        10.10.0.1:53         0.0.0.0:*
LISTEN 0      10        10.99.0.1:10809      0.0.0.0:*
LISTEN 0      10        10.10.0.1:10810      0.0.0.0:*
LISTEN 0      128         0.0.0.0:10811      0.0.0.0:*
LISTEN 0      128            [::]:10812         [::]:*
LISTEN 0      128               *:10813            *:*
LISTEN 0      128   127.0.0.53%lo:10814      0.0.0.0:*\n";

    #[test]
    fn versions_are_compared_as_numbers() {
        let (qemu, libvirt) =
            (version(VERSION, "Running hypervisor: QEMU "), version(VERSION, "Running against daemon: "));
        assert_eq!((qemu, libvirt), (Some("7.1.0"), Some("8.10.0")));
        assert_eq!(version(VERSION, "Running nothing: "), None);
        for (found, least, expected) in [
            ("7.1.0", "7.2", true),
            ("7.2.0", "7.2", false),
            ("10.0.2", "7.2", false),
            ("8.10.0", "9.0", true),
            ("9.0.0", "9.0", false),
            ("new", "9.0", false),
        ] {
            assert_eq!(older(found, least), expected, "{found} {least}");
        }
    }

    #[test]
    fn capabilities_tell_what_a_host_runs() {
        let found = guests(CAPABILITIES);
        let x86 = &found["x86_64"];
        assert_eq!(x86.emulator, "/usr/bin/qemu-system-x86_64");
        assert_eq!(x86.types.iter().collect::<Vec<_>>(), ["kvm", "qemu"]);
        assert_eq!(x86.machines.iter().collect::<Vec<_>>(), ["pc-q35-6.0", "pc-q35-7.2", "q35"]);
        assert!(!found["aarch64"].types.contains("kvm"));
        let says = |word: &str| {
            format!(
                "<domainCapabilities><features><backup supported='{word}'/></features></domainCapabilities>"
            )
        };
        assert!(backs_up(&says("yes")) && !backs_up(&says("no")) && !backs_up("<domainCapabilities/>"));
    }

    #[test]
    fn cards_addresses_and_ports_are_read() {
        let (names, addresses) = interfaces(ADDRESSES);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["br-prod", "lo", "wan"]);
        let address: IpAddr = "10.99.0.1".parse().unwrap();
        assert!(addresses.contains(&address) && addresses.len() == 3, "{addresses:?}");
        assert_eq!(taken(LISTENING, address, (10_809, 10_872)), [10_809, 10_811, 10_812, 10_813]);
        assert_eq!(taken(LISTENING, address, (53, 54)), [0u16; 0]);
    }

    #[test]
    fn room_and_sizes_are_read() {
        let text = "6399426560 rw,relatime,size=6291456k /var/lib/libvirt\n";
        let expected = Mount { free: 6_399_426_560, read_only: false, at: "/var/lib/libvirt".to_owned() };
        assert_eq!(mount(text), Some(expected));
        assert!(mount("0 ro,relatime /srv\n").is_some_and(|m| m.read_only));
        assert_eq!(mount(""), None);
        let text =
            " vda   134217728   8654848   8716288\n vdb   134217728   200704    196616\n sda   -   -   -\n";
        assert_eq!(holds(text), 8_855_552);
    }

    #[test]
    fn a_clock_is_off_by_what_cannot_be_the_way_there() {
        let at = Timestamp::from_millis;
        let seconds = Duration::from_secs;
        for (before, after, said, expected) in [
            (10_000, 10_200, "10", None),
            // Half a minute for a handshake tells nothing about the clock.
            (10_000, 40_000, "25", None),
            (10_999, 11_001, "10", None),
            (10_000, 10_200, "20", Some((Duration::from_millis(9_800), true))),
            (30_999, 31_000, "20", Some((seconds(10), false))),
            (10_000, 10_200, "soon", None),
        ] {
            assert_eq!(skew((at(before), at(after)), said), expected, "{said} between {before} and {after}");
        }
    }
}
