//! The records that belong together: each names the digest of the one before it, which nobody can make fit without writing all that follow
//! anew. What stands apart from them was put in, or is all that is left on the other side of a gap.

use super::lines::{Piece, Sound};
use crate::base::Digest;
use crate::journal::Tip;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A record of the backbone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bone<'a> {
    /// Its position among the pieces.
    pub at: usize,
    /// Its line.
    pub line: u64,
    pub sound: &'a Sound,
}

impl Bone<'_> {
    pub fn seq(&self) -> u64 {
        self.sound.head.seq
    }

    pub fn follows(&self, before: &Self) -> bool {
        self.sound.head.prev == before.sound.sum && self.seq() == before.seq() + 1
    }
}

/// The records of the run by their positions, and the pieces that are records of none; each with whether it is a copy.
pub(super) struct Sorted<'a> {
    pub bones: Vec<Bone<'a>>,
    pub strangers: BTreeMap<usize, Option<u64>>,
}

/// Tells them apart.
pub(super) fn sort<'a>(pieces: &'a [Piece], root: Digest, tip: Option<&Tip>) -> Sorted<'a> {
    let all: Vec<Bone<'a>> = (0..)
        .zip(pieces)
        .filter_map(|(at, piece)| Some(Bone { at, line: piece.line, sound: piece.sound()? }))
        .collect();
    let mut strangers = BTreeMap::new();
    let kept = without_copies(&all, root, &mut strangers);
    let mut chains = chains(&kept, tip);
    let weight = |chain: &Vec<Bone<'_>>| {
        let tipped = tip.is_some_and(|tip| chain.iter().any(|b| b.sound.sum == tip.tip));
        let rooted = chain.first().is_some_and(|b| b.sound.head.prev == root);
        (tipped, chain.len(), rooted)
    };
    chains.sort_by(|a, b| {
        weight(b).cmp(&weight(a)).then(a.first().map(|b| b.at).cmp(&b.first().map(|b| b.at)))
    });
    let owner: HashMap<usize, usize> =
        (0..).zip(&chains).flat_map(|(n, chain)| chain.iter().map(move |b| (b.at, n))).collect();
    let mut out = BTreeSet::new();
    // The shortest first: what they are wedged into may itself be nothing.
    for (number, chain) in (0..).zip(&chains).skip(1).collect::<Vec<_>>().into_iter().rev() {
        if wedged(chain, number, &kept, &owner, &out) {
            out.insert(number);
        }
    }
    let mut bones: BTreeMap<u64, Bone<'a>> = BTreeMap::new();
    for (number, chain) in (0..).zip(chains) {
        if out.contains(&number) || chain.iter().any(|b| bones.contains_key(&b.seq())) {
            strangers.extend(chain.iter().map(|b| (b.at, None)));
        } else {
            bones.extend(chain.into_iter().map(|b| (b.seq(), b)));
        }
    }
    Sorted { bones: bones.into_values().collect(), strangers }
}

/// Of records that are there several times the one is kept that stands where it belongs.
fn without_copies<'a>(
    all: &[Bone<'a>],
    root: Digest,
    strangers: &mut BTreeMap<usize, Option<u64>>,
) -> Vec<Bone<'a>> {
    let mut same: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (index, bone) in all.iter().enumerate() {
        same.entry(bone.sound.sum).or_default().push(index);
    }
    let at_home = |index: usize| {
        let bone = all.get(index)?;
        let before = index.checked_sub(1).and_then(|i| all.get(i)).map_or(root, |b| b.sound.sum);
        let after = all.get(index + 1).is_some_and(|b| b.sound.head.prev == bone.sound.sum);
        Some((bone.sound.head.prev == before, after))
    };
    let mut kept = Vec::new();
    for (index, bone) in all.iter().enumerate() {
        let copies = same.get(&bone.sound.sum).map(Vec::as_slice).unwrap_or_default();
        // The first one where several are equally at home.
        let best = copies.iter().copied().rev().max_by_key(|i| at_home(*i));
        if best == Some(index) {
            kept.push(*bone);
        } else {
            strangers.insert(bone.at, Some(bone.seq()));
        }
    }
    kept
}

/// Records that follow each other. Where two follow one, the chain goes on with the one that leads to the known end, or further.
fn chains<'a>(kept: &[Bone<'a>], tip: Option<&Tip>) -> Vec<Vec<Bone<'a>>> {
    let mut after: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (index, bone) in kept.iter().enumerate() {
        after.entry(bone.sound.head.prev).or_default().push(index);
    }
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(kept.get(*i).map(Bone::seq)));
    let mut worth: Vec<(bool, usize)> = vec![(false, 0); kept.len()];
    let mut next: Vec<Option<usize>> = vec![None; kept.len()];
    let mut begun: Vec<bool> = vec![true; kept.len()];
    for index in order {
        let Some(bone) = kept.get(index) else { continue };
        let followers = after.get(&bone.sound.sum).into_iter().flatten().copied();
        let followers = followers.filter(|f| kept.get(*f).is_some_and(|f| f.follows(bone)));
        let best = followers.rev().max_by_key(|f| worth.get(*f).copied());
        let (tipped, length) = best.and_then(|b| worth.get(b).copied()).unwrap_or_default();
        let is_tip = tip.is_some_and(|tip| tip.tip == bone.sound.sum);
        if let (Some(worth), Some(next)) = (worth.get_mut(index), next.get_mut(index)) {
            (*worth, *next) = ((tipped || is_tip, length + 1), best);
        }
        if let Some(begun) = best.and_then(|b| begun.get_mut(b)) {
            *begun = false;
        }
    }
    let heads = begun.iter().enumerate().filter(|(_, begun)| **begun).map(|(index, _)| index);
    let follow = |head: usize| {
        std::iter::successors(Some(head), |i| next.get(*i).copied().flatten())
            .filter_map(|i| kept.get(i).copied())
            .collect()
    };
    heads.map(follow).collect()
}

/// Whether a chain stands between two records that follow each other without it.
fn wedged(
    chain: &[Bone<'_>],
    number: usize,
    kept: &[Bone<'_>],
    owner: &HashMap<usize, usize>,
    out: &BTreeSet<usize>,
) -> bool {
    let place = |bone: &Bone<'_>| kept.partition_point(|k| k.at < bone.at);
    let (Some(first), Some(last)) = (chain.iter().map(place).min(), chain.iter().map(place).max()) else {
        return false;
    };
    let stays = |bone: &&Bone<'_>| owner.get(&bone.at).is_some_and(|o| *o != number && !out.contains(o));
    let before = kept.get(..first).and_then(|b| b.iter().rev().find(stays));
    let after = kept.get(last + 1..).and_then(|b| b.iter().find(stays));
    before.zip(after).is_some_and(|(before, after)| after.follows(before))
}
