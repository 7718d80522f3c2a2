//! `provider: { libvirt: … }` of a `Site`: what is not said follows from the URI.

use super::reader::Reader;
use crate::base::Duration;
use crate::diag::{Code, Finding};
use crate::document::Key;
use crate::document::shape::bounds::Bounded;
use crate::document::shape::libvirt::{Data, Libvirt, Way};
use crate::port::{DataPath, LibvirtSpec, RunOn, SshSpec};
use std::net::IpAddr;

const HERE: [Key<'static>; 3] = [Key::Name("spec"), Key::Name("provider"), Key::Name("libvirt")];

/// Where libvirt keeps images; hosts with AppArmor or SELinux let QEMU read and write below it.
const FOLDER: &str = "/var/lib/libvirt/images/lifeboat";
/// Longer than a link that flaps, much shorter than a person's patience.
const SILENCE: Duration = Duration::from_secs(60);
/// The port that is registered for NBD, and as many more as there may be copies at once, with some to spare.
const FIRST: u32 = 10_809;
const PORTS: u32 = 64;

/// Reads the settings of a host.
pub fn resolve(reader: &mut Reader<'_>, raw: &Libvirt) -> Option<LibvirtSpec> {
    let key = |name: &'static str| [&HERE[..], &[Key::Name(name)]].concat();
    let Some(uri) = Uri::read(&raw.uri) else {
        reader.find(
            Finding::new(Code::UnknownValue, format!("`{}` is no URI of libvirt's QEMU driver", raw.uri))
                .at(Some(reader.at(&key("uri"))), "here")
                .help("write it like qemu:///system or qemu+ssh://root@kvm-a.example/system"),
        );
        return None;
    };
    let run = match &raw.run {
        None => uri.way(),
        Some(Way::Local) => RunOn::Local,
        Some(Way::Prefix(words)) => RunOn::Prefix(words.clone()),
        Some(Way::Ssh(ssh)) => RunOn::Ssh(SshSpec {
            to: ssh.to.clone(),
            port: ssh.port.and_then(|p| u16::try_from(p.get()).ok()),
            key: ssh.key.clone(),
            known_hosts: ssh.known_hosts.clone(),
        }),
    };
    if let RunOn::Ssh(SshSpec { to, .. }) = &run
        && (to.is_empty() || to.starts_with('-'))
    {
        let finding = Finding::new(Code::UnknownValue, format!("`{to}` is no destination of ssh"));
        reader.find(finding.at(Some(reader.at(&key("run"))), "here").help("write it like root@kvm-a"));
    }
    let folder = raw.folder.clone().unwrap_or_else(|| FOLDER.to_owned());
    if !folder.starts_with('/') || folder.ends_with('/') {
        let finding = Finding::new(Code::UnknownValue, format!("`{folder}` is no absolute path of a folder"));
        reader.find(
            finding
                .at(Some(reader.at(&key("folder"))), "here")
                .help("write it from / on, without a / at its end"),
        );
    }
    let silence = reader.duration(raw.silence.as_deref(), SILENCE, &key("silence"));
    let data = data(reader, &raw.data, &uri)?;
    let copies = raw.copies.map_or(4, Bounded::get);
    reader.sound().then(|| LibvirtSpec { uri: raw.uri.clone(), run, data, folder, silence, copies })
}

fn data(reader: &mut Reader<'_>, raw: &Data, uri: &Uri) -> Option<DataPath> {
    let key = |name: &'static str| [&HERE[..], &[Key::Name("data"), Key::Name(name)]].concat();
    let first = raw.first.map_or(FIRST, Bounded::get);
    let last = raw.last.map_or((first + PORTS - 1).min(65_535), Bounded::get);
    if last < first {
        let finding =
            Finding::new(Code::OutOfRange, format!("the last port {last} is below the first, {first}"));
        reader.find(finding.at(Some(reader.at(&key("last"))), "here").help("leave it out for 64 ports"));
    }
    let address = match (&raw.address, uri.host.as_deref().map(str::parse::<IpAddr>)) {
        (Some(text), _) => reader.address(text, &key("address"))?,
        (None, Some(Ok(address))) => address,
        (None, _) => {
            reader.find(
                Finding::new(Code::MissingKey, "where the other host reaches this one's disks is not said")
                    .at(Some(reader.at(&HERE)), "`data.address` is missing")
                    .help(
                        "add `data: { address: … }` with this host's address on the network for replication",
                    ),
            );
            return None;
        }
    };
    Some(DataPath { address, first: u16::try_from(first).ok()?, last: u16::try_from(last).ok()? })
}

/// What a URI tells of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Where a command runs that shall run on it.
    pub run: RunOn,
    /// Its address, where the URI has it.
    pub address: Option<IpAddr>,
}

/// Reads a URI of libvirt's QEMU driver; `None` where it is none.
#[must_use]
pub fn reached(uri: &str) -> Option<Reached> {
    let uri = Uri::read(uri)?;
    Some(Reached { run: uri.way(), address: uri.host.as_deref().and_then(|host| host.parse().ok()) })
}

/// The parts of a libvirt URI that matter here (libvirt: "Connection URIs").
struct Uri {
    user: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    key: Option<String>,
    known_hosts: Option<String>,
}

impl Uri {
    /// `qemu[+transport]://[user@][host][:port]/path[?parameters]`
    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let transport = scheme.strip_prefix("qemu")?;
        let known = ["", "+unix", "+ssh", "+libssh", "+libssh2", "+tcp", "+tls"].contains(&transport);
        let printable = text.chars().all(|c| c.is_ascii_graphic());
        let (authority, path) = rest.split_once('/')?;
        if !known || !printable || path.is_empty() {
            return None;
        }
        let (user, place) = match authority.split_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        let host = (!host.is_empty()).then(|| host.to_owned());
        // The port of another transport is not that of ssh.
        let port = port.filter(|_| transport.contains("ssh"));
        let far = !matches!(transport, "" | "+unix");
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let parameter = |name: &str| {
            let found = query.split('&').filter_map(|p| p.split_once('=')).find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned())
        };
        let (key, known_hosts) = (parameter("keyfile"), parameter("known_hosts"));
        (far == host.is_some()).then_some(Self { user, host, port, key, known_hosts })
    }

    /// Where a command runs that shall run on the same host.
    fn way(&self) -> RunOn {
        match &self.host {
            None => RunOn::Local,
            Some(host) => {
                let to = self.user.as_ref().map_or_else(|| host.clone(), |user| format!("{user}@{host}"));
                let (key, known_hosts) = (self.key.clone(), self.known_hosts.clone());
                RunOn::Ssh(SshSpec { to, port: self.port, key, known_hosts })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_tells_the_way_to_its_host() {
        let way = |text: &str| Uri::read(text).map(|uri| uri.way());
        let spec = |to: &str, port| SshSpec { to: to.to_owned(), port, key: None, known_hosts: None };
        let ssh = |to: &str, port| Some(RunOn::Ssh(spec(to, port)));
        assert_eq!(way("qemu:///system"), Some(RunOn::Local));
        assert_eq!(way("qemu+unix:///system?socket=/run/a"), Some(RunOn::Local));
        assert_eq!(way("qemu+ssh://root@kvm-a/system"), ssh("root@kvm-a", None));
        let (key, known_hosts) = (Some("/k".to_owned()), Some("/h".to_owned()));
        let with_files = SshSpec { key, known_hosts, ..spec("kvm-a", Some(2222)) };
        let uri = "qemu+libssh://kvm-a:2222/system?keyfile=/k&known_hosts=/h";
        assert_eq!(way(uri), Some(RunOn::Ssh(with_files)));
        assert_eq!(way("qemu+ssh://root@[fd00::7]:22/system"), ssh("root@fd00::7", Some(22)));
        assert_eq!(way("qemu+tls://kvm-a:16514/system"), ssh("kvm-a", None));
        for bad in [
            "",
            "qemu",
            "xen:///system",
            "qemu+ssh:///system",
            "qemu://kvm-a/system",
            "qemu+ssh://a b/system",
        ] {
            assert_eq!(way(bad), None, "{bad}");
        }
    }
}
