//! What is wrong with a run's journal, told from its bytes: which record was changed, removed, put in or moved. Reading stops at the
//! first fault, for nothing may be built on it; this goes on, for an auditor wants to know them all.

mod backbone;
mod fault;
mod lines;
mod places;
#[cfg(test)]
mod tests;

pub use fault::{Fault, Stranger};

use crate::base::Digest;
use crate::journal::record::{Record, VERSION};
use crate::journal::{Raw, Tip};
use crate::plan::Plan;
use crate::run::Progress;
use backbone::{Bone, Sorted, sort};
use lines::{Is, Piece, pieces};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// Everything that is wrong, by its line; the frozen plan first, what is missing at the end last.
    pub faults: Vec<Fault>,
    /// The records that are sound and can be read, in the order of their positions.
    pub records: Vec<Record>,
    /// The digest of the frozen plan.
    pub root: Digest,
    /// The digests of the first and the last record.
    pub ends: Option<(Digest, Digest)>,
    /// Whether the last line was cut off by a kill; that is normal, and it never counted.
    pub torn: bool,
    /// A format that this version does not know: it cannot tell anything then.
    pub unknown: Option<u32>,
}

/// Examines a journal beside its frozen plan.
#[must_use]
pub fn verify(raw: &Raw, plan: Option<&Plan>, tip: Option<&Tip>) -> Diagnosis {
    let root = Digest::of(&raw.plan);
    let (pieces, torn) = pieces(&raw.journal);
    let Sorted { bones, strangers } = sort(&pieces, root, tip);
    let unknown = bones.iter().map(|b| b.sound.head.v).find(|v| *v != VERSION);
    let mut found = Found { bones: &bones, tip, faults: Vec::new(), suspect: BTreeSet::new() };
    let broken = Broken::new(&pieces, &bones);
    found.spoilt();
    found.gaps(&broken);
    found.links(root);
    found.tip(root);
    found.faults.extend(places::moved(&bones));
    let strange = strange(&pieces, &bones, &strangers, found.is_ended());
    found.faults.extend(strange);
    found.events(plan);
    let mut faults = found.faults;
    faults.sort_by_key(Fault::order);
    let ends = bones.first().zip(bones.last()).map(|(a, b)| (a.sound.sum, b.sound.sum));
    let records = bones.iter().filter_map(|b| b.sound.record.clone()).collect();
    Diagnosis { faults, records, root, ends, torn, unknown }
}

/// The broken lines by the gap that they stand in, which is named by the record before it; 0 before the first one.
struct Broken {
    gaps: BTreeMap<u64, Vec<(u64, Option<u64>)>>,
}

impl Broken {
    fn new(pieces: &[Piece], bones: &[Bone<'_>]) -> Self {
        let by_place: BTreeMap<usize, u64> = bones.iter().map(|b| (b.at, b.seq())).collect();
        let mut gaps: BTreeMap<u64, Vec<(u64, Option<u64>)>> = BTreeMap::new();
        for (at, piece) in pieces.iter().enumerate() {
            if let Is::Broken(claims) = &piece.is {
                let before = by_place.range(..at).next_back().map_or(0, |(_, seq)| *seq);
                gaps.entry(before).or_default().push((piece.line, *claims));
            }
        }
        Self { gaps }
    }

    fn after(&self, seq: u64) -> &[(u64, Option<u64>)] {
        self.gaps.get(&seq).map(Vec::as_slice).unwrap_or_default()
    }
}

struct Found<'a> {
    bones: &'a [Bone<'a>],
    tip: Option<&'a Tip>,
    faults: Vec<Fault>,
    /// Records that a fault was said of.
    suspect: BTreeSet<u64>,
}

impl Found<'_> {
    /// Whether nothing may follow the last record.
    fn is_ended(&self) -> bool {
        let last = self.bones.last();
        let read = last.and_then(|b| b.sound.record.as_ref());
        let kept = self.tip.filter(|tip| tip.over && last.is_some_and(|b| b.seq() >= tip.seq));
        kept.is_some() || read.is_some_and(|record| record.event.ends_for_good())
    }

    fn changed(&mut self, record: u64, line: u64) {
        if self.suspect.insert(record) {
            self.faults.push(Fault::Changed { record, line });
        }
    }

    /// Records whose text is whole and whose line does not end with them.
    fn spoilt(&mut self) {
        for bone in self.bones.iter().filter(|b| b.sound.spoilt) {
            self.changed(bone.seq(), bone.line);
        }
    }

    /// Positions that no record has: what stands there instead was changed, and where nothing stands it was removed.
    fn gaps(&mut self, broken: &Broken) {
        let mut before = 0;
        for bone in self.bones {
            self.gap(before + 1..bone.seq(), broken.after(before), bone.line, false);
            before = bone.seq();
        }
        let there = if self.is_ended() { &[] } else { broken.after(before) };
        // Without a known end a broken line is a record that was, however many lines it was broken into.
        let claimed: BTreeSet<u64> = there.iter().filter_map(|(_, c)| *c).filter(|c| *c > before).collect();
        let least =
            if there.is_empty() { 0 } else { u64::try_from(claimed.len()).unwrap_or_default().max(1) };
        let end = self.tip.map_or(0, |tip| tip.seq).max(before + least);
        let line = self.bones.last().map_or(1, |b| b.line + 1);
        self.gap(before + 1..end + 1, there, line, true);
    }

    /// The positions of a gap, with the broken lines that stand in it.
    fn gap(&mut self, gap: std::ops::Range<u64>, there: &[(u64, Option<u64>)], line: u64, at_end: bool) {
        let claimed: BTreeMap<u64, u64> = there
            .iter()
            .rev()
            .filter_map(|(line, claims)| claims.filter(|c| gap.contains(c)).map(|c| (c, *line)))
            .collect();
        let own = |(line, claims): &&(u64, Option<u64>)| claims.is_none_or(|c| claimed.get(&c) != Some(line));
        let mut nameless = there.iter().filter(own).map(|(line, _)| *line);
        let mut missing: Option<(u64, u64)> = None;
        for seq in gap {
            match claimed.get(&seq).copied().or_else(|| nameless.next()) {
                Some(line) => self.changed(seq, line),
                None => {
                    self.suspect.insert(seq);
                    missing = match missing {
                        Some((first, last)) if last + 1 == seq => Some((first, seq)),
                        Some((first, last)) => {
                            self.faults.push(Fault::Removed { first, last, line, at_end });
                            Some((seq, seq))
                        }
                        None => Some((seq, seq)),
                    };
                }
            }
        }
        self.faults.extend(missing.map(|(first, last)| Fault::Removed { first, last, line, at_end }));
    }

    /// Records whose positions fit and whose digests do not: one of the two has a digest that was made anew.
    fn links(&mut self, root: Digest) {
        let bones = self.bones;
        let tip = self.tip.map(|tip| tip.tip);
        let vouched = |i: usize| {
            bones.get(i).is_some_and(|b| {
                tip == Some(b.sound.sum) || bones.get(i + 1).is_some_and(|next| next.follows(b))
            })
        };
        let torn_from = |i: usize| match i.checked_sub(1).and_then(|before| bones.get(before)) {
            Some(before) => bones.get(i).is_some_and(|b| b.seq() == before.seq() + 1 && !b.follows(before)),
            None => bones.first().is_some_and(|b| b.seq() == 1 && b.sound.head.prev != root),
        };
        let mut index = 0;
        while let Some(bone) = bones.get(index) {
            if torn_from(index) {
                let before = index.checked_sub(1).and_then(|i| bones.get(i));
                let (seq, line) = (bone.seq(), bone.line);
                let is_not_the_tip = self.tip.is_some_and(|tip| tip.seq == seq && tip.tip != bone.sound.sum);
                if torn_from(index + 1) || is_not_the_tip {
                    self.changed(seq, line);
                    index += 1;
                } else if let Some(before) = before {
                    if vouched(index) || self.suspect.contains(&before.seq()) {
                        self.changed(before.seq(), before.line);
                    } else {
                        self.suspect.extend([before.seq(), seq]);
                        self.faults.push(Fault::Apart { one: before.seq(), line });
                    }
                } else {
                    self.suspect.insert(0);
                    self.faults.push(Fault::Root { sure: vouched(index) });
                }
            }
            index += 1;
        }
    }

    /// What is kept of the end outside of the journal.
    fn tip(&mut self, root: Digest) {
        let Some(tip) = self.tip else { return };
        if tip.seq == 0 {
            if tip.tip != root && self.suspect.insert(0) {
                self.faults.push(Fault::Root { sure: true });
            }
            return;
        }
        let Some(bone) = self.bones.iter().find(|b| b.seq() == tip.seq) else { return };
        if bone.sound.sum != tip.tip && !self.suspect.contains(&tip.seq) {
            self.changed(tip.seq, bone.line);
        }
    }

    /// What the records say, as long as nothing before them is in question.
    fn events(&mut self, plan: Option<&Plan>) {
        let Some(plan) = plan.filter(|_| !self.suspect.contains(&0)) else { return };
        let mut progress = Progress::new(Arc::new(plan.clone()));
        let mut token = 0;
        for (seq, bone) in (1..).zip(self.bones) {
            if bone.seq() != seq || self.suspect.contains(&seq) {
                return;
            }
            let (record, line) = (seq, bone.line);
            let Some(read) = &bone.sound.record else {
                self.faults.push(Fault::Unread { record, line });
                return;
            };
            if read.token < token {
                let why = format!("its token is {}, after {token}", read.token);
                self.faults.push(Fault::Impossible { record, line, why });
            }
            token = read.token.max(token);
            if let Err(why) = progress.apply(&read.event, read.at) {
                self.faults.push(Fault::Impossible { record, line, why: why.to_string() });
            }
        }
    }
}

/// Lines that are no records of this run, each with the record that it stands behind; those of one kind that stand together are one.
fn strange(
    pieces: &[Piece],
    bones: &[Bone<'_>],
    strangers: &BTreeMap<usize, Option<u64>>,
    ended: bool,
) -> Vec<Fault> {
    let by_place: BTreeMap<usize, u64> = bones.iter().map(|b| (b.at, b.seq())).collect();
    let there: BTreeSet<u64> = bones.iter().map(Bone::seq).collect();
    let last = bones.last().map_or(0, Bone::seq);
    let mut found: Vec<Fault> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let after = by_place.range(..at).next_back().map_or(0, |(_, seq)| *seq);
        let what = match (&piece.is, strangers.get(&at)) {
            (Is::Sound(_), Some(Some(record))) => Stranger::Copy(*record),
            (Is::Sound(_), Some(None)) => Stranger::Record,
            (Is::Sound(_), None) => continue,
            // Where a record is missing, a broken line is what is left of it.
            (Is::Broken(_), _)
                if (after == last && !ended) || after < last && !there.contains(&(after + 1)) =>
            {
                continue;
            }
            (Is::Broken(_), _) => Stranger::NoRecord,
        };
        let line = piece.line;
        match found.last_mut() {
            Some(Fault::Inserted { after: same, last, what: kind, .. })
                if *same == after && *kind == what && *last + 1 == line =>
            {
                *last = line;
            }
            _ => found.push(Fault::Inserted { after, line, last: line, what }),
        }
    }
    found
}
