//! The record beside a replica, rebuilt where it was lost: from the names of layers and how they stand on each other, from the machines, and from
//! checkpoints. What cannot be known is said, and taken so that nothing can be lost by it.

use super::case::{Case, Hosts, Look, Trouble, host_of};
use super::host::{Host, HostError};
use super::machine::Machine;
use super::pull::checkpoints;
use super::record::{Record, RecordError};
use super::replicate::{owner, redefine};
use super::sight::{self, Layers, Roll};
use crate::base::{PointId, Timestamp};
use crate::domain::{Consistency, PointKind, Power, Replication, RestorePoint, Role, Sight, VmFacts};
use crate::port::{Doubt, Rebuilt, Subject};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The word in the running delta's name that stands where others have the restore point.
const RUNNING: &str = "~running";

/// A layer of one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    /// The file that it stands on, without its folder.
    below: Option<String>,
    /// When it was written last.
    written: Timestamp,
}

/// The layers of the replica's disks by device and by restore point.
type Files = BTreeMap<String, BTreeMap<String, File>>;

/// What the layers tell.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chain {
    /// The restore points that are whole on all disks, oldest first.
    points: Vec<PointId>,
    /// Those below them that are not: a merge that was begun left them.
    expired: Vec<PointId>,
    /// Files that stand in no chain, or not on all disks.
    stray: Vec<PointId>,
    /// The restore point that the running delta stands on.
    in_use: Option<PointId>,
}

/// Finds out what the record of a replica would be. `keep` is how many restore points it keeps.
///
/// # Errors
/// [`Trouble`]: it is there, or it cannot be told.
pub async fn rebuild<'a>(
    hosts: &'a Hosts,
    subject: &Subject,
    keep: u32,
) -> Result<(Case<'a>, Rebuilt), Trouble> {
    let (mut case, damaged) = without_record(hosts, subject).await?;
    let mut doubts: Vec<Doubt> = damaged.into_iter().map(Doubt::Damaged).collect();
    describe(&mut case, &mut doubts)?;
    let host = case.host(Role::Replica)?;
    let layers = case.layers()?;
    let devs = sight::devices(&case.record);
    let files = files(host, &layers, &devs).await?;
    let chain = chain(&devs, &files).map_err(Trouble::InTheWay)?;
    let merged = merged(&case, &layers);
    if !merged {
        take_over(&mut case, chain, &files, keep, &mut doubts);
    }
    let record = &mut case.record;
    record.relation.replication = match (merged, record.disk.delta) {
        (true, _) => Replication::Excluded,
        (false, true) => Replication::Held,
        (false, false) => Replication::Active,
    };
    record.disk.merged = merged;
    let delta = format!("{}.delta", owner(&case));
    if case.record.disk.delta && case.own.machine().is_some() {
        let name = case.placement.replica.vm.as_str().to_owned();
        case.record.traced = checkpoints(host, &name).await?.contains(&delta);
    }
    let defines = case.own.machine().is_none();
    let mut facts = case.facts();
    if defines {
        let links = facts.relation.source_links.clone();
        facts.replica = Sight::Present(VmFacts { power: Power::Off, links });
    }
    let rebuilt = Rebuilt { facts, expired: case.record.expired.clone(), defines, doubts };
    Ok((case, rebuilt))
}

/// Writes what was shown, where that is still what would be written.
///
/// # Errors
/// [`Trouble`].
pub async fn write(hosts: &Hosts, subject: &Subject, keep: u32, shown: &Rebuilt) -> Result<(), Trouble> {
    let (case, now) = rebuild(hosts, subject, keep).await?;
    if !now.writes_the_same(shown) {
        return Err(Trouble::InTheWay("what stands there changed meanwhile; look at it again".to_owned()));
    }
    if case.own.machine().is_some() {
        return case.write().await;
    }
    let links = case.record.relation.source_links.clone();
    redefine(&case, &links).await
}

/// The replica's machines, where there is no record that can be read; and why it cannot, where there is one.
async fn without_record<'a>(
    hosts: &'a Hosts,
    subject: &Subject,
) -> Result<(Case<'a>, Option<String>), Trouble> {
    let placement = &subject.placement;
    let recovery = host_of(hosts, &placement.replica)?;
    let own = Roll::call(recovery).await?.machine(recovery, placement.replica.vm.as_str()).await?;
    let found = own.as_ref().map_or(Ok(None), |machine| Record::of(&machine.tree));
    let damaged = match found {
        Ok(None) => None,
        Ok(Some(record)) if record.replica == subject.replica => {
            return Err(Trouble::InTheWay("its record is there and can be read".to_owned()));
        }
        Ok(Some(record)) => {
            let (vm, other) = (&placement.replica, record.replica);
            return Err(Trouble::InTheWay(format!("the machine {vm} belongs to the replica {other}")));
        }
        Err(error @ RecordError::Format(_)) => return Err(error.into()),
        Err(error @ RecordError::Damaged(_)) => Some(error.to_string()),
    };
    let layers = Layers::of(recovery, &subject.replica);
    let inside = format!("{}/", layers.folder);
    if own.as_ref().is_some_and(|m| m.disks().iter().any(|d| !d.path.starts_with(&inside))) {
        let vm = &placement.replica;
        return Err(Trouble::InTheWay(format!(
            "there is a machine {vm} with disks outside of {}: it is no replica of Lifeboat's",
            layers.folder
        )));
    }
    let seen = |machine: Option<Machine>| machine.map_or(Look::Absent, |m| Look::There(Box::new(m)));
    let source = match host_of(hosts, &placement.source) {
        Ok(host) => sight::machine(host, placement.source.vm.as_str()).await.map_or(Look::Unseen, seen),
        Err(_) => Look::Unseen,
    };
    let case = Case {
        replica: subject.replica.clone(),
        placement: placement.clone(),
        hosts,
        record: Record::new(subject.replica.clone(), placement.source.clone()),
        own: seen(own),
        source,
        target: None,
        meter: None,
        made: None,
        changed: false,
    };
    Ok((case, damaged))
}

/// Takes the description that the replica is rendered from.
fn describe(case: &mut Case<'_>, doubts: &mut Vec<Doubt>) -> Result<(), Trouble> {
    let from = match (case.source.machine(), case.own.machine()) {
        (Some(source), _) => source,
        (None, Some(own)) => {
            doubts.push(Doubt::SourceUnseen);
            own
        }
        (None, None) => {
            return Err(Trouble::InTheWay(
                "neither the source nor the replica's machine is there to take a description from".to_owned(),
            ));
        }
    };
    if let Some(disk) = from.disks().iter().find(|d| d.path.contains(".lifeboat-")) {
        return Err(Trouble::InTheWay(format!(
            "the source's disk {} is a layer of a failback that is not concluded, and how far that came only the record knew; {}",
            disk.dev, "give the source its own disks again by hand first, and end what serves twice"
        )));
    }
    let (links, xml) = (from.links(), from.tree.render());
    case.record.source_xml = xml;
    case.record.relation.source_links = links;
    Ok(())
}

/// Whether the replica was made permanent: its machine's disks are not the running delta's any more.
fn merged(case: &Case<'_>, layers: &Layers) -> bool {
    let own = case.own.machine().map(Machine::disks).unwrap_or_default();
    !own.is_empty() && own.iter().all(|d| d.path != layers.running(&d.dev))
}

/// Takes over what the layers tell.
fn take_over(case: &mut Case<'_>, chain: Chain, files: &Files, keep: u32, doubts: &mut Vec<Doubt>) {
    let Chain { mut points, mut expired, stray, in_use } = chain;
    let used = in_use.as_ref().and_then(|id| points.iter().position(|p| p == id)).unwrap_or(points.len());
    // Those beyond what is kept are the next to go; one of them may have been on its way.
    let excess = points.len().saturating_sub(keep as usize).min(used);
    expired.extend(points.drain(..excess));
    let mut unnamed = Vec::new();
    for id in points {
        let at = time(&id).unwrap_or_else(|| {
            unnamed.push(id.clone());
            let written = files.values().filter_map(|of| of.get(id.as_str())).map(|f| f.written);
            written.min().unwrap_or(Timestamp::from_millis(0))
        });
        // Nothing of it tells more than that it is a state of the disks.
        let (kind, consistency) = (PointKind::Regular, Consistency::Crash);
        case.record.points.push(RestorePoint { id, at, kind, consistency });
    }
    let record = &mut case.record;
    if let Some(point) = in_use {
        let at = record.points.iter().find(|p| p.id == point).map(|p| p.at);
        (record.disk.in_use, record.disk.delta) = (Some(point), true);
        record.relation.failed_over_at = at;
        doubts.extend([Doubt::SourceStopped, Doubt::Since]);
        if case.placement.target.is_some() {
            doubts.push(Doubt::OtherTarget);
        }
    }
    record.expired.clone_from(&expired);
    let some = |list: &Vec<PointId>| !list.is_empty();
    doubts.extend([Doubt::Baseline, Doubt::Kinds]);
    doubts.extend(Some(unnamed).filter(some).map(Doubt::Times));
    doubts.extend(Some(stray).filter(some).map(Doubt::NotWhole));
    doubts.extend(Some(expired).filter(some).map(Doubt::Merging));
}

/// The moment that a restore point's name tells.
fn time(id: &PointId) -> Option<Timestamp> {
    let text = id.as_str().strip_prefix('p')?;
    text.get(..=text.find('Z')?)?.parse().ok()
}

/// The layers in the replica's folder. A folder that is not there has none.
async fn files(host: &Host, layers: &Layers, devs: &[String]) -> Result<Files, Trouble> {
    let command = ["find", &layers.folder, "-maxdepth", "1", "-name", "*.qcow2", "-printf", "%T@ %f\n"];
    let listed = match host.look(&command).await {
        Ok(text) => text,
        Err(HostError::Failed { why, .. }) if why.contains("No such file") => String::new(),
        Err(error) => return Err(error.into()),
    };
    let mut files = Files::new();
    for line in listed.lines() {
        let Some((written, name)) = line.split_once(' ') else { continue };
        let Some((dev, point)) = apart(name, devs) else { continue };
        let seconds = written.split('.').next().and_then(|s| s.parse::<i64>().ok()).unwrap_or(0);
        let written = Timestamp::from_millis(seconds.saturating_mul(1000));
        let below = below(host, &format!("{}/{name}", layers.folder)).await?;
        files.entry(dev.to_owned()).or_default().insert(point.to_owned(), File { below, written });
    }
    Ok(files)
}

/// The device and the restore point in a layer's name.
fn apart<'a>(name: &'a str, devs: &[String]) -> Option<(&'a str, &'a str)> {
    let (dev, rest) = name.split_once('.')?;
    let point = rest.strip_suffix(".qcow2")?;
    (devs.iter().any(|d| d == dev) && !point.is_empty()).then_some((dev, point))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    backing_filename: Option<String>,
}

/// The file that a layer stands on.
async fn below(host: &Host, path: &str) -> Result<Option<String>, Trouble> {
    let text = host.look(&["qemu-img", "info", "-U", "--output=json", "-f", "qcow2", path]).await?;
    let info: Info = serde_json::from_str(&text)
        .map_err(|e| Trouble::InTheWay(format!("qemu-img does not tell what {path} stands on: {e}")))?;
    Ok(info.backing_filename)
}

/// How the layers stand on each other: from the one that stands on nothing upwards, on each disk.
fn chain(devs: &[String], files: &Files) -> Result<Chain, String> {
    let none = BTreeMap::new();
    let mut orders: Vec<Vec<&str>> = Vec::new();
    let mut all: BTreeSet<&str> = BTreeSet::new();
    for dev in devs {
        let of = files.get(dev).unwrap_or(&none);
        let points = || of.iter().filter(|(name, _)| *name != RUNNING);
        all.extend(points().map(|(name, _)| name.as_str()));
        let above = |below: Option<&str>| {
            let name = below.map(|point| Layers::name(dev, point));
            let mut found = points().filter(|(_, f)| f.below == name).map(|(point, _)| point.as_str());
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => {
                    Err(format!("two layers of {dev} stand on one, and only one can be right"))
                }
                (found, _) => Ok(found),
            }
        };
        let mut order: Vec<&str> = Vec::new();
        while let Some(next) = above(order.last().copied())? {
            order.push(next);
        }
        orders.push(order);
    }
    let whole = |point: &&str| orders.iter().all(|order| order.contains(point));
    let first = orders.first().map(Vec::as_slice).unwrap_or_default();
    let points: Vec<&str> = first.iter().copied().filter(whole).collect();
    let same = |order: &Vec<&str>| order.iter().copied().filter(whole).eq(points.iter().copied());
    if !orders.iter().all(same) {
        return Err("the layers of its disks stand in different orders".to_owned());
    }
    // What stands below the first whole one on some disk is what a merge had not come to yet.
    let bottom =
        |order: &&Vec<&str>| -> usize { order.iter().position(|p| points.first() == Some(p)).unwrap_or(0) };
    let longest = orders.iter().max_by_key(|order| bottom(order));
    let expired: Vec<&str> =
        longest.map_or(Vec::new(), |order| order.iter().copied().take(bottom(&order)).collect());
    let known = |point: &&str| !points.contains(point) && !expired.contains(point);
    let ids = |names: Vec<&str>| names.into_iter().filter_map(|n| PointId::new(n).ok()).collect();
    let stray = ids(all.into_iter().filter(known).collect());
    let in_use = in_use(devs, files, &points)?;
    Ok(Chain { points: ids(points), expired: ids(expired), stray, in_use })
}

/// The restore point that the running delta stands on; `None` where there is none, or none on some disk: that one was being made, or
/// dropped, and nothing was written to it.
fn in_use(devs: &[String], files: &Files, points: &[&str]) -> Result<Option<PointId>, String> {
    let found: Vec<(&String, &File)> =
        devs.iter().filter_map(|dev| Some((dev, files.get(dev)?.get(RUNNING)?))).collect();
    if found.is_empty() || found.len() < devs.len() {
        return Ok(None);
    }
    let on = |dev: &str, file: &File, point: &str| file.below == Some(Layers::name(dev, point));
    let stands = |point: &&&str| found.iter().all(|(dev, file)| on(dev, file, point));
    match points.iter().find(stands) {
        Some(point) => Ok(PointId::new(point).ok()),
        None => Err("its running delta stands on no restore point that is whole on all disks".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files by their names, each with what it stands on.
    fn files(all: &[(&str, Option<&str>)]) -> Files {
        let mut files = Files::new();
        for (name, below) in all {
            let (dev, point) = apart(name, &devs()).unwrap();
            let file = File { below: below.map(str::to_owned), written: Timestamp::from_millis(0) };
            files.entry(dev.to_owned()).or_default().insert(point.to_owned(), file);
        }
        files
    }

    fn devs() -> Vec<String> {
        ["vda", "vdb"].map(str::to_owned).to_vec()
    }

    fn ids(names: &[&str]) -> Vec<PointId> {
        names.iter().map(|n| n.parse().unwrap()).collect()
    }

    /// Two disks with three points, of which the last is older by its name than the one before: the chain counts.
    fn three() -> Vec<(&'static str, Option<&'static str>)> {
        vec![
            ("vda.p1.qcow2", None),
            ("vda.p3.qcow2", Some("vda.p1.qcow2")),
            ("vda.p2.qcow2", Some("vda.p3.qcow2")),
            ("vdb.p1.qcow2", None),
            ("vdb.p3.qcow2", Some("vdb.p1.qcow2")),
            ("vdb.p2.qcow2", Some("vdb.p3.qcow2")),
        ]
    }

    #[test]
    fn points_stand_in_the_order_of_their_layers() {
        let found = chain(&devs(), &files(&three())).unwrap();
        assert_eq!(found, Chain { points: ids(&["p1", "p3", "p2"]), ..Chain::default() });
        assert_eq!(chain(&devs(), &Files::new()), Ok(Chain::default()));
    }

    #[test]
    fn the_running_delta_tells_the_point_in_use_where_all_disks_have_one() {
        let mut all = three();
        all.push(("vda.~running.qcow2", Some("vda.p3.qcow2")));
        assert_eq!(chain(&devs(), &files(&all)).unwrap().in_use, None);
        all.push(("vdb.~running.qcow2", Some("vdb.p3.qcow2")));
        assert_eq!(chain(&devs(), &files(&all)).unwrap().in_use, Some("p3".parse().unwrap()));
        all.pop();
        all.push(("vdb.~running.qcow2", Some("vdb.p1.qcow2")));
        assert!(chain(&devs(), &files(&all)).is_err());
    }

    #[test]
    fn a_point_that_was_merged_on_one_disk_alone_is_the_next_to_go() {
        let mut all = three();
        // On vda p1 became p3 already.
        all.remove(0);
        all[0] = ("vda.p3.qcow2", None);
        let found = chain(&devs(), &files(&all)).unwrap();
        assert_eq!((found.points, found.expired), (ids(&["p3", "p2"]), ids(&["p1"])));
    }

    #[test]
    fn what_stands_on_nothing_that_is_there_does_not_count() {
        let mut all = three();
        all.push(("vda.p9.qcow2", Some("vda.p8.qcow2")));
        // A copy that came as far as one of two disks.
        all.push(("vda.p4.qcow2", Some("vda.p2.qcow2")));
        let found = chain(&devs(), &files(&all)).unwrap();
        assert_eq!((found.points, found.stray), (ids(&["p1", "p3", "p2"]), ids(&["p4", "p9"])));
        all.push(("vda.p5.qcow2", Some("vda.p2.qcow2")));
        assert!(chain(&devs(), &files(&all)).is_err());
    }

    #[test]
    fn names_tell_devices_points_and_times() {
        assert_eq!(apart("vda.p1.x.qcow2", &devs()), Some(("vda", "p1.x")));
        for none in ["vdc.p1.qcow2", "vda.qcow2", "vda.p1.qcow2.part", "x"] {
            assert_eq!(apart(none, &devs()), None, "{none}");
        }
        let at: Timestamp = "2026-01-01T12:30:00Z".parse().unwrap();
        for suffix in ["", "-1"] {
            assert_eq!(time(&PointId::made_at(at, suffix)), Some(at));
        }
        assert_eq!(time(&"nightly".parse().unwrap()), None);
    }
}
