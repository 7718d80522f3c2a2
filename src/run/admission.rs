//! What let a run begin, where its plan needs approvals: those that counted, or a person's word that it shall go without them.
//!
//! It stands in the frozen plan of a run, which is written as a whole before the first record and is what that one follows from. So a run
//! that was begun with it never loses it, however early its runner is killed, and whoever resumes the run needs nothing more.

use crate::base::Timestamp;
use crate::domain::approval::Approval;
use crate::plan::Need;
use serde::{Deserialize, Serialize};

/// What let a run begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// When that was judged, by the run's clock.
    pub at: Timestamp,
    /// The approvals that were wanted.
    pub needs: Vec<Need>,
    /// Those that counted, by the names of the people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The allowed signers against which they were checked, as their file was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<String>,
    /// Who had it begin without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glass: Option<Glass>,
}

/// A person's word that a plan is carried out without the approvals that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glass {
    /// Who.
    pub person: String,
    /// From which machine.
    pub host: String,
    /// Why.
    pub because: String,
}

/// The approvals of a list that count for a need: of each person and of each key one.
#[must_use]
pub fn counted<'a>(need: &Need, approvals: &'a [Approval]) -> Vec<&'a Approval> {
    let mut found: Vec<&Approval> = Vec::new();
    for approval in approvals.iter().filter(|a| need.asks(&a.by)) {
        // A key that is allowed for several names is one person's all the same.
        if !found.iter().any(|other| other.by == approval.by || other.key == approval.key) {
            found.push(approval);
        }
    }
    found
}

impl Admission {
    /// The needs for which there are too few approvals, without those that only warn.
    pub fn missing(&self) -> impl Iterator<Item = &Need> {
        self.needs
            .iter()
            .filter(|need| !need.warns && counted(need, &self.approvals).len() < need.count as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval(by: &str, key: &str) -> Approval {
        let (by, key) = (by.to_owned(), key.to_owned());
        let (statement, signature) = (String::new(), String::new());
        Approval { by, key, until: Timestamp::default(), because: None, statement, signature }
    }

    fn need(count: u32, who: &[&str]) -> Need {
        Need {
            policy: "house".parse().unwrap(),
            rule: "two".parse().unwrap(),
            because: "so agreed".to_owned(),
            count,
            who: who.iter().map(|w| (*w).to_owned()).collect(),
            groups: Vec::new(),
            warns: false,
        }
    }

    #[test]
    fn people_count_once_and_so_do_keys() {
        let (anybody, two) = (need(2, &[]), need(2, &["ann", "bob"]));
        for (given, of_anybody, of_two) in [
            (vec![], 0, 0),
            (vec![("ann", "1"), ("ann", "2")], 1, 1),
            (vec![("ann", "1"), ("bob", "1")], 1, 1),
            (vec![("ann", "1"), ("carl", "2")], 2, 1),
            (vec![("ann", "1"), ("bob", "2"), ("carl", "3")], 3, 2),
        ] {
            let approvals: Vec<Approval> = given.iter().map(|(by, key)| approval(by, key)).collect();
            let count = |need| counted(need, &approvals).len();
            assert_eq!((count(&anybody), count(&two)), (of_anybody, of_two), "{given:?}");
        }
    }

    #[test]
    fn what_only_warns_is_not_missing() {
        let warns = Need { warns: true, ..need(2, &[]) };
        let needs = vec![warns, need(1, &["ann"])];
        let mut admission =
            Admission { at: Timestamp::default(), needs, approvals: Vec::new(), signers: None, glass: None };
        assert_eq!(admission.missing().count(), 1);
        admission.approvals.push(approval("ann", "1"));
        assert_eq!(admission.missing().count(), 0);
    }
}
