//! Consistency groups in plans: one cut for all members, and no plan that tears them apart.

use super::*;
use crate::domain::Operation;
use crate::model::ConsistencyGroup;
use crate::plan::{Apart, RefusedWhy, Torn};

/// The shop with its first two replicas in one group.
fn grouped(skew: u64) -> Workspace {
    let mut workspace = workspace();
    let group = ConsistencyGroup {
        name: "data".parse().unwrap(),
        replicas: vec![name(NAMES[0]), name(NAMES[1])],
        max_skew: Duration::from_mins(skew),
    };
    workspace.plans.values_mut().next().unwrap().consistency = vec![group];
    workspace
}

/// Facts whose second replica has other points than the others.
fn apart(points: &[(&str, u64)]) -> Vec<Facts> {
    let mut facts: Vec<Facts> = NAMES.iter().map(|n| ready(n)).collect();
    facts[1].points = points.iter().map(|(id, minutes)| point(id, *minutes)).collect();
    facts
}

fn over(via: Via) -> Desired {
    desired(State::Failover, None, via, &FailbackTarget::Original)
}

/// The points that the replicas go to.
fn taken(plan: &Plan) -> Vec<String> {
    let of = |name: &str| plan.legs.iter().find(|l| l.replica.as_str() == name).map(|l| &l.operation);
    NAMES
        .iter()
        .filter_map(|n| match of(n)? {
            Operation::Failover { point } => Some(point.to_string()),
            _ => None,
        })
        .collect()
}

fn torn(refused: &[Refused]) -> &Torn {
    match refused {
        [Refused { why: RefusedWhy::Torn(torn), .. }] => torn,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_members_of_a_group_take_the_newest_points_that_lie_together() {
    // The others have points of 40, 20 and 5 minutes ago.
    for (points, skew, expected) in [
        (&[("q1", 41), ("q2", 21), ("q3", 6)][..], 1, ["p3", "q3", "p3"]),
        (&[("q1", 41), ("q2", 21), ("q3", 2)], 2, ["p2", "q2", "p3"]),
        (&[("q1", 41), ("q2", 1)], 2, ["p1", "q1", "p3"]),
        (&[("q1", 41), ("q2", 1)], 4, ["p3", "q2", "p3"]),
    ] {
        let facts = apart(points);
        let plan = planned_in(&grouped(skew), &facts, &over(Via::Unplanned)).unwrap();
        assert_eq!(taken(&plan), expected);
        walk(&plan, &facts);
        let cut = &plan.cuts[0];
        assert!(cut.skew() <= cut.max_skew && cut.members.len() == 2);
        // What a member gives up is a loss like any other, so that objectives and policies see it.
        for (member, cut) in plan
            .members
            .iter()
            .filter_map(|m| Some((m, cut.members.iter().find(|c| c.replica == m.replica)?)))
        {
            assert_eq!(member.loses[0].upto, Some(now().since(cut.at)));
        }
        // A newer point of any member makes another plan.
        let latest = plan.read.iter().filter(|r| r.fact == crate::inventory::FactName::Latest).count();
        assert_eq!(latest, 3);
    }
}

#[test]
fn a_group_is_not_torn_apart() {
    let workspace = grouped(2);
    let none = apart(&[("q1", 50), ("q2", 30)]);
    let refused = planned_in(&workspace, &none, &over(Via::Unplanned)).unwrap_err();
    let Torn::TooFar { early, late, bound, .. } = torn(&refused) else { panic!("{refused:?}") };
    let (early, late) = (early.as_ref().unwrap(), late.as_ref().unwrap());
    assert_eq!((early.point.as_str(), late.point.as_str(), *bound), ("q2", "p2", false));
    // One alone.
    let facts = apart(&[("q3", 5)]);
    let alone = Desired { subject: Subject::Replicas(vec![name(NAMES[1])]), ..over(Via::Unplanned) };
    let refused = planned_in(&workspace, &facts, &alone).unwrap_err();
    assert!(
        matches!(torn(&refused), Torn::LeftApart { how: Apart::Stays, other, .. } if other.as_str() == NAMES[0])
    );
    // The third one is in no group.
    let other = Desired { subject: Subject::Replicas(vec![name(NAMES[2])]), ..over(Via::Unplanned) };
    assert_eq!(planned_in(&workspace, &facts, &other).unwrap().cuts, Vec::new());
    // Some planned, some not.
    let mut half = facts.clone();
    half[1].source = Sight::Unseen;
    let refused = planned_in(&workspace, &half, &over(Via::Best)).unwrap_err();
    assert!(matches!(torn(&refused), Torn::LeftApart { how: Apart::Planned, .. }), "{refused:?}");
    assert!(planned_in(&workspace, &facts, &over(Via::Planned)).unwrap().cuts.is_empty());
}

#[test]
fn what_is_there_already_or_part_way_binds_the_others() {
    let (first, workspace) = (apart(&[("q1", 40), ("q2", 20), ("q3", 5)]), grouped(2));
    // The second one went to its middle point before it was in a group.
    let early = Desired {
        subject: Subject::Replicas(vec![name(NAMES[1])]),
        point: PointChoice::Id("q2".parse().unwrap()),
        ..over(Via::Unplanned)
    };
    let plan = planned(&first, &early).unwrap();
    for steps in 2..=plan.nodes.len() {
        let mut facts = first.clone();
        for node in plan.nodes.iter().take(steps) {
            if let Work::Act(step) = &node.work {
                facts[1] = effect(&step.action, facts[1].clone(), now());
            }
        }
        let both = planned_in(&workspace, &facts, &over(Via::Unplanned)).unwrap();
        let cut: Vec<&str> = both.cuts[0].members.iter().map(|m| m.point.as_str()).collect();
        assert_eq!(cut, ["p2", "q2"], "after {steps} steps");
        walk(&both, &facts);
        // Where the first one has no point near that one, nothing is begun.
        facts[0].points.remove(1);
        let refused = planned_in(&workspace, &facts, &over(Via::Unplanned)).unwrap_err();
        assert!(
            matches!(torn(&refused), Torn::TooFar { bound: true, .. }),
            "after {steps} steps: {refused:?}"
        );
    }
}
