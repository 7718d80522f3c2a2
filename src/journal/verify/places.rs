//! Records that are all there, and not in their order.

use super::Fault;
use super::backbone::Bone;

/// Which records stand elsewhere than where they belong: as few as explain the order that was found.
pub(super) fn moved(bones: &[Bone<'_>]) -> Vec<Fault> {
    let mut found: Vec<&Bone<'_>> = bones.iter().collect();
    found.sort_by_key(|b| b.at);
    let displaced: Vec<(&Bone<'_>, &Bone<'_>)> =
        found.iter().copied().zip(bones).filter(|(there, home)| there.at != home.at).collect();
    match displaced.as_slice() {
        [] => return Vec::new(),
        [(first, _), (second, _)] => {
            let (one, other) = (second.seq(), first.seq());
            return vec![Fault::Swapped { one, other, line: first.line.min(second.line) }];
        }
        _ => {}
    }
    let stays = longest_rise(&found);
    let mut after = 0;
    let mut faults = Vec::new();
    for (bone, stays) in found.iter().zip(stays) {
        if !stays {
            faults.push(Fault::Moved { record: bone.seq(), after, line: bone.line });
        }
        after = bone.seq();
    }
    faults
}

/// Which of them belong to a longest row of growing positions.
fn longest_rise(found: &[&Bone<'_>]) -> Vec<bool> {
    // For each length the index of the smallest end of a row of that length, and for each index the one before it in its row.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(found.len());
    let seq = |index: usize| found.get(index).map_or(0, |b| b.seq());
    for index in 0..found.len() {
        let length = ends.partition_point(|end| seq(*end) < seq(index));
        before.push(length.checked_sub(1).and_then(|l| ends.get(l).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut stays = vec![false; found.len()];
    let mut at = ends.last().copied();
    while let Some(index) = at {
        if let Some(stays) = stays.get_mut(index) {
            *stays = true;
        }
        at = before.get(index).copied().flatten();
    }
    stays
}
