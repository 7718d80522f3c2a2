//! The preflight of one site: programs, folder, room, clock, address and ports, and what its host knows of networks and kinds of machines.

use super::host::{Host, HostError};
use super::preflight_text::{
    Guests, Mount, backs_up, guests, interfaces, mount, older, skew, taken, version,
};
use super::sight::{POWER, Roll};
use crate::base::Duration;
use crate::port::{Clock, FolderWhy, Hitch, Obstacle, RunOn};
use std::collections::{BTreeMap, BTreeSet};

/// The oldest libvirt and QEMU that this was tried with.
const LEAST: [(&str, &str, &str); 2] =
    [("libvirt", "Running against daemon: ", "9.0"), ("QEMU", "Running hypervisor: QEMU ", "7.2")];
/// A clock may be off by this much: restore points are named by the second, and a run takes longer.
const SKEW: Duration = Duration::from_secs(5);

/// What is wanted of a site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Disks of machines there are read.
    pub reads: bool,
    /// Layers are written there.
    pub writes: bool,
    /// Machines are started there.
    pub starts: bool,
}

/// What was seen of a site.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Its machines.
    pub roll: Roll,
    /// Its networks that are active.
    pub active: BTreeSet<String>,
    /// Its networks that are not.
    pub inactive: BTreeSet<String>,
    /// Its host's cards and bridges; `None` where they cannot be told.
    pub cards: Option<BTreeSet<String>>,
    /// What it runs.
    pub guests: BTreeMap<String, Guests>,
    /// Where the folder is, or will be.
    pub mount: Option<Mount>,
    /// What stands in the way.
    pub hitches: Vec<Hitch>,
}

/// Something that concerns the whole site.
#[must_use]
pub fn hitch(host: &Host, what: Obstacle, fatal: bool, mend: Option<String>) -> Hitch {
    Hitch { site: host.site.clone(), replica: None, what, fatal, mend }
}

/// A question that was not answered.
#[must_use]
pub fn unanswered(host: &Host, what: &str, error: &HostError) -> Hitch {
    match error {
        // Over ssh it is the way to libvirt that is missing, and not the host.
        HostError::Unreachable { why, .. } if why.contains("virsh") && why.contains("No such file") => {
            let mend = host.typed(&["apt-get", "install", package("virsh")]);
            hitch(host, Obstacle::Tool { program: "virsh", why: why.clone() }, true, Some(mend))
        }
        HostError::Unreachable { why, .. } => hitch(host, Obstacle::Silent { why: why.clone() }, true, None),
        HostError::Failed { why, .. } => {
            let what = Obstacle::Unknown { what: what.to_owned(), why: why.clone() };
            hitch(host, what, false, None)
        }
    }
}

/// Looks at a site, asking only what matters for what is wanted of it.
pub async fn view(host: &Host, wanted: Wanted, clock: &dyn Clock) -> View {
    let Wanted { reads, writes, starts: _ } = wanted;
    let (mut view, tools, off, folder, path) = tokio::join!(
        of_libvirt(host, wanted),
        tools(host, writes),
        clock_off(host, clock),
        folder(host, reads || writes),
        data_path(host, wanted),
    );
    (view.mount, view.cards) = (folder.0, path.0);
    for found in [tools, off, folder.1, path.1] {
        view.hitches.extend(found);
    }
    view
}

/// What libvirt tells.
async fn of_libvirt(host: &Host, wanted: Wanted) -> View {
    let always: [&[&str]; 2] = [&["version", "--daemon"], &POWER];
    let more: [&[&str]; 4] = [
        &["domcapabilities"],
        &["capabilities"],
        &["net-list", "--name"],
        &["net-list", "--inactive", "--name"],
    ];
    let all = wanted.reads || wanted.starts;
    let more: &[&[&str]] = if all { &more } else { &[] };
    let asked = [&always, more].concat();
    let said = match host.ask_all(&asked).await {
        Ok(said) => said,
        Err(why) => {
            let hitches = vec![unanswered(host, "what its libvirt is", &why)];
            return View { hitches, ..View::default() };
        }
    };
    let answer = |n: usize| said.get(n).map_or("", String::as_str).trim();
    let mut hitches = versions(host, answer(0));
    if all && !answer(2).is_empty() && !backs_up(answer(2)) {
        let mend = host.typed(&["apt-get", "install", "--only-upgrade", package("QEMU")]);
        hitches.push(hitch(host, Obstacle::NoBackups, true, Some(mend)));
    }
    // A question that is answered by an error is a rare thing, and which error it was is not known.
    let kinds = [(0, "its versions"), (2, "whether machines can be copied there"), (3, "what it runs")];
    for (_, what) in kinds.into_iter().filter(|(n, _)| (*n == 0 || all) && answer(*n).is_empty()) {
        let why = "`virsh` answered by an error".to_owned();
        hitches.push(hitch(host, Obstacle::Unknown { what: what.to_owned(), why }, false, None));
    }
    let names = |n: usize| answer(n).lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
    View {
        roll: Roll::of(answer(1)),
        guests: guests(answer(3)),
        active: names(4),
        inactive: names(5),
        hitches,
        ..View::default()
    }
}

/// Asks where it matters.
async fn when<T>(matters: bool, asked: impl Future<Output = T>) -> Option<T> {
    if matters { Some(asked.await) } else { None }
}

fn versions(host: &Host, text: &str) -> Vec<Hitch> {
    let one = |(program, words, least): (&'static str, &str, &'static str)| {
        let found = version(text, words).filter(|found| older(found, least))?.to_owned();
        let mend = host.typed(&["apt-get", "install", "--only-upgrade", package(program)]);
        Some(hitch(host, Obstacle::Version { program, found, least }, true, Some(mend)))
    };
    LEAST.into_iter().filter_map(one).collect()
}

/// The Debian package that brings a program.
fn package(program: &str) -> &'static str {
    match program {
        "libvirt" => "libvirt-daemon-system",
        "QEMU" => "qemu-system-x86",
        "ip" | "ss" => "iproute2",
        "pgrep" => "procps",
        "virsh" => "libvirt-clients",
        _ => "qemu-utils",
    }
}

async fn tools(host: &Host, needed: bool) -> Vec<Hitch> {
    let (image, io, find) = tokio::join!(
        when(needed, host.look(&["qemu-img", "--version"])),
        when(needed, host.look(&["qemu-io", "--version"])),
        when(needed, host.look(&["pgrep", "--version"]))
    );
    let one = |(program, said): (&'static str, Option<Result<String, HostError>>)| {
        said?.err().map(|why| missing(host, program, &why, true))
    };
    [("qemu-img", image), ("qemu-io", io), ("pgrep", find)].into_iter().filter_map(one).collect()
}

fn missing(host: &Host, program: &'static str, error: &HostError, fatal: bool) -> Hitch {
    let HostError::Failed { why, .. } = error else { return unanswered(host, program, error) };
    let mend = host.typed(&["apt-get", "install", package(program)]);
    hitch(host, Obstacle::Tool { program, why: why.clone() }, fatal, Some(mend))
}

async fn clock_off(host: &Host, clock: &dyn Clock) -> Vec<Hitch> {
    let before = clock.now();
    // One that does not answer this says so at the other questions.
    let Ok(said) = host.look(&["date", "+%s"]).await else { return Vec::new() };
    match skew((before, clock.now()), &said) {
        Some((by, ahead)) if by > SKEW => {
            let mend = host.typed(&["timedatectl", "set-ntp", "true"]);
            vec![hitch(host, Obstacle::Clock { by, ahead }, false, Some(mend))]
        }
        _ => Vec::new(),
    }
}

/// Whether the folder can be written, or made; and the file system that it is on.
async fn folder(host: &Host, needed: bool) -> (Option<Mount>, Vec<Hitch>) {
    if !needed {
        return (None, Vec::new());
    }
    let own = host.spec.folder.as_str();
    let (path, said) = match nearest(host, own).await {
        Ok(found) => found,
        Err(why) => return (None, vec![unanswered(host, "its folder", &why)]),
    };
    let mount = file_system(host, &path).await;
    // Shells of some hosts say something first.
    let last = said.lines().last().unwrap_or_default();
    let why = match (&mount, last) {
        (Some(mount), _) if mount.read_only => FolderWhy::ReadOnly,
        (_, "d yes") => return (mount, Vec::new()),
        (_, "d no") => FolderWhy::NoRight,
        (_, other) if other.ends_with(" yes") || other.ends_with(" no") => FolderWhy::NoFolder,
        (_, other) => {
            let what =
                Obstacle::Unknown { what: "its folder".to_owned(), why: format!("`find` said `{other}`") };
            return (mount, vec![hitch(host, what, false, None)]);
        }
    };
    let mend = match (why, &mount) {
        (FolderWhy::ReadOnly, Some(mount)) => host.typed(&["mount", "-o", "remount,rw", &mount.at]),
        (FolderWhy::NoFolder, _) => host.typed(&["mv", &path, &format!("{path}.old")]),
        _ => host.typed(&["sudo", "install", "-d", "-o", user(host), own]),
    };
    (mount, vec![hitch(host, Obstacle::Folder { path, why }, true, Some(mend))])
}

/// Whom commands are run as, as far as that is said.
fn user(host: &Host) -> &str {
    match &host.spec.run {
        RunOn::Ssh(ssh) => ssh.to.split_once('@').map_or("root", |(user, _)| user),
        RunOn::Local | RunOn::Prefix(_) => "root",
    }
}

/// The folder, or the nearest one above it that is there: what it is, and whether it can be written.
async fn nearest(host: &Host, folder: &str) -> Result<(String, String), HostError> {
    let mut path = folder;
    loop {
        let command = ["find", "-H", path, "-maxdepth", "0"];
        let says = ["(", "-writable", "-printf", "%y yes", "-o", "-printf", "%y no", ")"];
        match host.look(&[&command[..], &says[..]].concat()).await {
            Ok(said) => return Ok((path.to_owned(), said)),
            Err(HostError::Failed { why, .. }) if path != "/" && gone(&why) => {
                path = path
                    .rsplit_once('/')
                    .map_or("/", |(above, _)| if above.is_empty() { "/" } else { above });
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether `find` says that there is nothing of that name.
fn gone(why: &str) -> bool {
    why.contains("No such file") || why.contains("Not a directory")
}

/// The file system that a path is on; `None` where that cannot be told.
pub async fn file_system(host: &Host, path: &str) -> Option<Mount> {
    let said = host.look(&["findmnt", "-nrb", "-o", "AVAIL,OPTIONS,TARGET", "-T", path]).await;
    mount(&said.ok()?)
}

/// The host's cards; and whether disks can be served at the address and the ports that the document names.
async fn data_path(host: &Host, wanted: Wanted) -> (Option<BTreeSet<String>>, Vec<Hitch>) {
    let Wanted { reads, starts, writes: _ } = wanted;
    let (cards, listening) = tokio::join!(
        when(reads || starts, host.look(&["ip", "address"])),
        when(reads, host.look(&["ss", "-Htln"]))
    );
    let data = &host.spec.data;
    let mut hitches = Vec::new();
    let cards = match cards {
        Some(Ok(text)) => {
            let (names, own) = interfaces(&text);
            if reads && !own.contains(&data.address) {
                let own = own.into_iter().filter(|a| !a.is_loopback()).collect();
                let address = Obstacle::Address { address: data.address, own };
                hitches.push(hitch(host, address, true, None));
            }
            Some(names)
        }
        Some(Err(why)) => {
            hitches.push(missing(host, "ip", &why, false));
            None
        }
        None => None,
    };
    match listening {
        Some(Ok(text)) => hitches.extend(ports(host, &text)),
        Some(Err(why)) => hitches.push(missing(host, "ss", &why, false)),
        None => {}
    }
    (cards, hitches)
}

/// Ports that are taken are passed over by a copy. That matters where there are not enough others.
fn ports(host: &Host, listening: &str) -> Option<Hitch> {
    let data = &host.spec.data;
    let range = (data.first, data.last);
    let taken = taken(listening, data.address, range);
    let free = (usize::from(range.1.saturating_sub(range.0)) + 1).saturating_sub(taken.len());
    if taken.is_empty() || free >= usize::try_from(host.spec.copies).unwrap_or(1) {
        return None;
    }
    let filter = format!("sport >= :{} and sport <= :{}", range.0, range.1);
    let mend = host.typed(&["ss", "-tlnp", &filter]);
    let what = Obstacle::Ports { range, taken, copies: host.spec.copies };
    Some(hitch(host, what, free == 0, Some(mend)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SiteName, Timestamp};
    use crate::port::{Busy, DataPath, Later, LibvirtSpec};
    use crate::provider::clock::SystemClock;

    /// A clock that is off.
    struct Off(Duration);

    impl Clock for Off {
        fn now(&self) -> Timestamp {
            SystemClock.now().after(self.0)
        }
        fn until(&self, at: Timestamp) -> Later<'_, ()> {
            SystemClock.until(at)
        }
        fn busy(&self) -> Busy {
            SystemClock.busy()
        }
    }

    fn host(run: RunOn, folder: &str, ports: (u16, u16)) -> Host {
        let data = DataPath { address: "192.0.2.7".parse().unwrap(), first: ports.0, last: ports.1 };
        let spec = LibvirtSpec {
            uri: "qemu:///system".to_owned(),
            run,
            data,
            folder: folder.to_owned(),
            silence: Duration::from_secs(5),
            copies: 2,
        };
        Host::new(SiteName::fixed("here"), spec)
    }

    #[tokio::test]
    async fn a_clock_that_is_off_is_said_and_one_that_is_right_is_not() {
        let host = host(RunOn::Local, "/", (1, 9));
        assert_eq!(clock_off(&host, &SystemClock).await, []);
        let found = clock_off(&host, &Off(Duration::from_mins(3))).await;
        let behind = |h: &Hitch| matches!(h.what, Obstacle::Clock { by, ahead: false } if by > Duration::from_secs(170));
        assert!(matches!(&found[..], [one] if behind(one) && !one.fatal), "{found:?}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named_with_its_package() {
        let prefix = RunOn::Prefix(vec!["no-such-program".to_owned()]);
        let found = tools(&host(prefix, "/", (1, 9)), true).await;
        let mends: Vec<_> = found.iter().filter_map(|h| h.mend.as_deref()).collect();
        let packages = ["qemu-utils", "qemu-utils", "procps"];
        assert_eq!(mends, packages.map(|package| format!("no-such-program apt-get install {package}")));
        assert!(found.iter().all(|h| h.fatal && matches!(h.what, Obstacle::Tool { .. })), "{found:?}");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_yet_counts_as_the_one_above_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let above = place.path().to_str().unwrap().to_owned();
        let (mount, found) = folder(&host(RunOn::Local, path.to_str().unwrap(), (1, 9)), true).await;
        assert!(mount.is_some_and(|m| m.free > 0) && found.is_empty(), "{found:?}");
        std::fs::write(place.path().join("a"), "").unwrap();
        let (_, found) = folder(&host(RunOn::Local, path.to_str().unwrap(), (1, 9)), true).await;
        let what = Obstacle::Folder { path: format!("{above}/a"), why: FolderWhy::NoFolder };
        assert_eq!(found.iter().map(|h| &h.what).collect::<Vec<_>>(), [&what]);
    }

    #[test]
    fn a_taken_port_matters_where_too_few_are_left() {
        let text = "LISTEN 0 10 192.0.2.7:10809 0.0.0.0:*\n";
        assert_eq!(ports(&host(RunOn::Local, "/", (10_809, 10_812)), text), None);
        let few = ports(&host(RunOn::Local, "/", (10_809, 10_810)), text).unwrap();
        assert!(!few.fatal);
        let none = ports(&host(RunOn::Local, "/", (10_809, 10_809)), text).unwrap();
        assert!(none.fatal && matches!(&none.what, Obstacle::Ports { taken, .. } if *taken == [10_809]));
    }
}
