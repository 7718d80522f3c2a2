//! A simulated machine: power, a guest that boots, and a disk whose blocks tell who wrote them and when.

use crate::base::Timestamp;
use crate::domain::{Link, Power, Sight, VmFacts};
use crate::port::SimVm;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a block holds: the record with that number, written in that session of a machine. A session lasts from power-on to power-off, and
/// no two machines share one, so a block tells which machine wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The session; 0 for a block that nobody wrote.
    pub session: u64,
    /// The record's number in the session, from 1.
    pub record: u64,
}

/// The blocks of a disk.
pub type Blocks = Arc<Vec<Version>>;

/// A machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What it is like.
    pub spec: Arc<SimVm>,
    /// Its network cards.
    pub links: Vec<Link>,
    /// Since when it runs, in which session.
    pub running: Option<(Timestamp, u64)>,
    /// Its disk as of the last power-on.
    pub disk: Blocks,
    /// What its disk was under its working snapshots, oldest first.
    pub saved: Vec<Blocks>,
}

impl Machine {
    /// A machine that is off, with an empty disk.
    pub fn new(spec: Arc<SimVm>, links: Vec<Link>) -> Self {
        let disk = Arc::new(vec![Version::default(); spec.blocks.max(1) as usize]);
        Self { spec, links, running: None, disk, saved: Vec::new() }
    }

    /// The disk at a time. While it runs, the guest writes one record after the other, round the disk.
    pub fn blocks(&self, at: Timestamp) -> Blocks {
        let Some((since, session)) = self.running else { return Arc::clone(&self.disk) };
        let every = self.spec.writes.as_millis().max(1);
        written(&self.disk, session, at.since(since).as_millis() / every)
    }

    /// Powers it on or off at a time.
    pub fn power(&mut self, to: Power, at: Timestamp, session: u64) {
        match (to, self.running) {
            (Power::On, None) => self.running = Some((at, session)),
            (Power::Off, Some(_)) => {
                self.disk = self.blocks(at);
                self.running = None;
            }
            (Power::On, Some(_)) | (Power::Off, None) => {}
        }
    }

    /// Whether the guest is up at a time.
    pub fn booted(&self, at: Timestamp) -> bool {
        self.running.is_some_and(|(since, _)| at >= since.after(self.spec.boot))
    }

    /// What is seen of it.
    pub fn sight(&self) -> Sight {
        let power = if self.running.is_some() { Power::On } else { Power::Off };
        Sight::Present(VmFacts { power, links: self.links.clone() })
    }
}

/// A disk after so many records of a session. Only the last round can still be seen.
pub fn written(disk: &Blocks, session: u64, records: u64) -> Blocks {
    if records == 0 {
        return Arc::clone(disk);
    }
    let mut blocks = disk.as_ref().clone();
    let size = blocks.len().max(1) as u64;
    for record in records.saturating_sub(size) + 1..=records {
        if let Some(block) = usize::try_from(record % size).ok().and_then(|b| blocks.get_mut(b)) {
            *block = Version { session, record };
        }
    }
    Arc::new(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration;

    #[test]
    fn a_guest_writes_round_its_disk() {
        let spec = SimVm { blocks: 4, writes: Duration::from_secs(1), ..SimVm::default() };
        let mut machine = Machine::new(Arc::new(spec), Vec::new());
        let at = |seconds| Timestamp::from_millis(0).after(Duration::from_secs(seconds));
        machine.power(Power::On, at(0), 7);
        let records = |blocks: &Blocks| blocks.iter().map(|b| b.record).collect::<Vec<_>>();
        assert_eq!(records(&machine.blocks(at(3))), [0, 1, 2, 3]);
        assert_eq!(records(&machine.blocks(at(6))), [4, 5, 6, 3]);
        machine.power(Power::Off, at(6), 0);
        assert_eq!(records(&machine.blocks(at(100))), [4, 5, 6, 3]);
        machine.power(Power::On, at(100), 8);
        let blocks = machine.blocks(at(101));
        assert_eq!(blocks.iter().filter(|b| b.session == 8).count(), 1);
        assert_eq!(blocks.iter().filter(|b| b.session == 7).count(), 3);
    }
}
