//! The common cut of replicas that belong together: of each one restore point, all of nearly the same moment.

use crate::base::{Duration, PointId, ReplicaName, Timestamp};
use crate::domain::fact::{Facts, RestorePoint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a member of a group can be brought to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The replica.
    pub replica: &'a ReplicaName,
    /// Its restore points. Where it is there already, or its document names one, that one alone.
    pub points: Vec<(Timestamp, &'a PointId)>,
    /// Whether the other ones have to come to it.
    pub fixed: bool,
}

/// A member's restore point in a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutPoint {
    /// The replica.
    pub replica: ReplicaName,
    /// The restore point.
    pub point: PointId,
    /// The moment of the source that it holds.
    pub at: Timestamp,
}

/// One restore point of each member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set(pub Vec<CutPoint>);

impl Set {
    /// The oldest of them.
    #[must_use]
    pub fn early(&self) -> Option<&CutPoint> {
        self.0.iter().min_by_key(|point| point.at)
    }

    /// The newest of them.
    #[must_use]
    pub fn late(&self) -> Option<&CutPoint> {
        self.0.iter().max_by_key(|point| point.at)
    }

    /// How far they are apart.
    #[must_use]
    pub fn skew(&self) -> Duration {
        let span = self.early().zip(self.late());
        span.map_or(Duration::ZERO, |(early, late)| late.at.since(early.at))
    }
}

/// The restore point from which a replica serves now, where it does.
#[must_use]
pub fn taken(facts: &Facts) -> Option<&RestorePoint> {
    facts
        .disk
        .in_use
        .as_ref()
        .filter(|_| facts.disk.delta && facts.relation.switched_at.is_none())
        .and_then(|id| facts.point(id))
}

/// The newest set whose points lie within `skew`. Of all such sets it has the newest point of every single member: begun with the newest points,
/// only the latest one of the set ever makes room for an older one of its member, because no set without it can be nearer.
///
/// # Errors
/// There is none; the set whose points are nearest to each other, where every member has one.
pub fn newest(members: &[Choice<'_>], skew: Duration) -> Result<Set, Option<Set>> {
    let mut taken: BTreeSet<(Timestamp, usize)> = BTreeSet::new();
    let mut left: Vec<Vec<Timestamp>> = Vec::with_capacity(members.len());
    for (position, member) in members.iter().enumerate() {
        let mut times: Vec<Timestamp> = member.points.iter().map(|(at, _)| *at).collect();
        times.sort_unstable();
        times.dedup();
        let Some(at) = times.pop() else { return Err(None) };
        taken.insert((at, position));
        left.push(times);
    }
    let mut nearest: Option<(Duration, Timestamp)> = None;
    while let (Some((early, _)), Some((late, position))) = (taken.first().copied(), taken.pop_last()) {
        let apart = late.since(early);
        if apart <= skew {
            return Ok(up_to(members, late));
        }
        if nearest.is_none_or(|(before, _)| apart < before) {
            nearest = Some((apart, late));
        }
        let Some(at) = left.get_mut(position).and_then(Vec::pop) else { break };
        taken.insert((at, position));
    }
    Err(nearest.map(|(_, late)| up_to(members, late)))
}

/// Of each member the newest point up to a moment.
fn up_to(members: &[Choice<'_>], end: Timestamp) -> Set {
    let one = |member: &Choice<'_>| {
        let fitting = member.points.iter().filter(|(at, _)| *at <= end);
        // Of two points of one moment the later one of the chain holds no less.
        let (at, point) = fitting.max_by_key(|(at, _)| *at)?;
        Some(CutPoint { replica: member.replica.clone(), point: (*point).clone(), at: *at })
    };
    Set(members.iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(member: usize, point: usize) -> PointId {
        format!("p{member}-{point}").parse().unwrap()
    }

    /// Every set of one point for each member.
    fn sets(all: &[Vec<i64>]) -> Vec<Vec<i64>> {
        let mut sets = vec![Vec::new()];
        for points in all {
            sets = sets
                .iter()
                .flat_map(|set: &Vec<i64>| points.iter().map(move |p| [set.as_slice(), &[*p]].concat()))
                .collect();
        }
        sets
    }

    fn chosen(all: &[Vec<i64>], skew: u64) -> Result<Vec<i64>, Option<u64>> {
        let names: Vec<ReplicaName> = (0..all.len()).map(|n| format!("r{n}").parse().unwrap()).collect();
        let ids: Vec<Vec<PointId>> =
            all.iter().enumerate().map(|(m, of)| (0..of.len()).map(|p| id(m, p)).collect()).collect();
        let members: Vec<Choice<'_>> = names
            .iter()
            .zip(all)
            .zip(&ids)
            .map(|((replica, times), ids)| Choice {
                replica,
                points: times.iter().map(|t| Timestamp::from_millis(*t)).zip(ids).collect(),
                fixed: false,
            })
            .collect();
        let times = |set: Set| set.0.iter().map(|p| p.at.as_millis()).collect();
        newest(&members, Duration::from_millis(skew))
            .map(times)
            .map_err(|nearest| nearest.map(|set| set.skew().as_millis()))
    }

    fn apart(set: &[i64]) -> u64 {
        let (min, max) = (set.iter().min().unwrap(), set.iter().max().unwrap());
        u64::try_from(max - min).unwrap()
    }

    proptest! {
        /// Against all sets there are: what is chosen fits, and is the newest for every member; where nothing fits, none does.
        #[test]
        fn the_chosen_cut_is_the_newest_there_is(
            all in proptest::collection::vec(proptest::collection::vec(0i64..60, 0..6), 1..5),
            skew in 0u64..25,
        ) {
            let sets = sets(&all);
            let fitting: Vec<&Vec<i64>> = sets.iter().filter(|set| apart(set) <= skew).collect();
            match chosen(&all, skew) {
                Ok(set) => {
                    prop_assert!(apart(&set) <= skew && fitting.contains(&&set));
                    for other in fitting {
                        prop_assert!(other.iter().zip(&set).all(|(theirs, ours)| theirs <= ours), "{other:?} {set:?}");
                    }
                }
                Err(nearest) => {
                    prop_assert!(fitting.is_empty(), "{fitting:?}");
                    prop_assert_eq!(nearest, sets.iter().map(|set| apart(set)).min());
                }
            }
        }
    }

    #[test]
    fn a_cut_is_older_than_the_newest_points_where_these_are_too_far_apart() {
        for (all, skew, expected) in [
            (vec![vec![10, 40, 70], vec![12, 41, 55]], 5, Ok(vec![40, 41])),
            (vec![vec![10, 40, 70], vec![12, 41, 55]], 20, Ok(vec![70, 55])),
            (vec![vec![10, 40, 70], vec![12, 41, 55]], 0, Err(Some(1))),
            (vec![vec![10], vec![]], 5, Err(None)),
            (vec![vec![7]], 0, Ok(vec![7])),
        ] {
            assert_eq!(chosen(&all, skew), expected, "{all:?} within {skew}");
        }
    }
}
