//! What was checked of a run, and what it is: for somebody who was not there.

use super::Options;
use crate::base::{Digest, RunId, Timestamp};
use crate::inventory::Inventory;
use crate::report::approvals;
use crate::report::words::count;
use crate::run::{Admission, Runner};
use serde::Serialize;
use serde_json::{Value, json};

/// What became of the seal of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Seal {
    /// The plan was made for the run and never sealed.
    None,
    /// It was made again from the sealed plan, and the run's plan is that one.
    Made(Digest),
    /// The run kept the seal and not what it was made of.
    Unkept(Digest),
    /// It does not fit.
    Broken,
}

/// A look at the replicas, or why there is none.
pub type Look = Result<Inventory, String>;

/// What was checked.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The run.
    pub run: RunId,
    /// What it was for; `None` where its plan cannot be read.
    pub purpose: Option<String>,
    /// How many records are sound.
    pub records: usize,
    /// When the first and the last one were written.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The digest of the frozen plan.
    pub plan: Digest,
    /// Those of the first and the last record.
    pub ends: Option<(Digest, Digest)>,
    /// Where the end is kept outside of the journal, and its position.
    pub tip: Option<(u64, String)>,
    /// The seal.
    pub seal: Seal,
    /// How the run ended.
    pub outcome: String,
    /// Who took it up, and when.
    pub runners: Vec<(Timestamp, Runner)>,
    /// Who confirmed the plan.
    pub confirmed: Option<Runner>,
    /// What let it begin, where its plan needs approvals.
    pub admission: Option<Admission>,
    /// How many signatures of approvals were made by allowed signers; or why nobody can tell here. `None` where there are none.
    pub signatures: Option<Result<usize, String>>,
    /// What was observed before it began.
    pub before: Look,
    /// What was observed at its end.
    pub after: Look,
    /// Whether a kill cut off its last line.
    pub torn: bool,
    /// The digest of the file, where it is evidence.
    pub file: Option<Digest>,
    /// What is wrong, for machines.
    pub faults: Vec<Value>,
}

/// The answer for a person. What is wrong stands in the findings.
#[must_use]
pub fn verified(of: &Verified, options: &Options) -> String {
    let purpose = of.purpose.as_ref().map(|p| format!(" of {p}")).unwrap_or_default();
    let faults = of.faults.len();
    let mut text = if faults == 0 {
        format!("Run {}{purpose} is what was written.\n\n", of.run)
    } else {
        format!("Run {}{purpose} is not what was written: {}.\n\n", of.run, count(faults, "fault"))
    };
    for (name, what) in rows(of) {
        text.push_str(&format!("  {name:<9}  {what}\n"));
    }
    if of.torn {
        text.push_str("\n  ! a kill cut off the last line; that is normal, and it never counted\n");
    }
    text.push('\n');
    text.push_str(&match (faults, &of.file) {
        (0, None) => format!(
            "Who can write here can write all of it anew: keep the last digest elsewhere.\n\
             Next: lifeboat report {} --evidence FILE\n",
            of.run
        ),
        (0, Some(_)) => {
            "That the file is the one that was exported shows its digest, where that was kept elsewhere.\n"
                .to_owned()
        }
        (_, None) => {
            "Compare it with evidence of the run, or with a copy. Next: lifeboat explain LB0821\n".to_owned()
        }
        (_, Some(_)) => {
            "Ask whoever exported it for the file again. Next: lifeboat explain LB0821\n".to_owned()
        }
    });
    options.finish(text)
}

fn rows(of: &Verified) -> Vec<(&'static str, String)> {
    let span = of.span.map(|(from, to)| format!(", {from} to {to}")).unwrap_or_default();
    let mut rows = vec![("records", format!("{}{span}", of.records)), ("plan", of.plan.to_string())];
    if let Some((first, last)) = &of.ends {
        rows.extend([("first", first.to_string()), ("last", last.to_string())]);
    }
    rows.push(match &of.tip {
        Some((seq, at)) => ("end", format!("record {seq} is the last one that {at} knows")),
        None => ("end", "not kept outside of the journal".to_owned()),
    });
    match &of.seal {
        Seal::None => rows.push(("seal", "none; the plan was made for the run".to_owned())),
        Seal::Made(seal) => {
            rows.push(("seal", seal.to_string()));
            rows.push(("", "made again from the sealed plan, which is the run's".to_owned()));
        }
        Seal::Unkept(seal) => {
            rows.push(("seal", seal.to_string()));
            rows.push(("", "not made again: the run did not keep the sealed plan".to_owned()));
        }
        Seal::Broken => rows.push(("seal", "it does not fit".to_owned())),
    }
    rows.push(("outcome", of.outcome.clone()));
    let name = |runner: &Runner| format!("{}@{}, version {}", runner.person, runner.host, runner.version);
    for (number, (at, runner)) in of.runners.iter().enumerate() {
        rows.push((if number == 0 { "run by" } else { "" }, format!("{}, {at}", name(runner))));
    }
    let confirmed = of.confirmed.as_ref().map_or_else(|| "nobody is recorded".to_owned(), name);
    rows.push(("confirmed", confirmed));
    let admitted = of.admission.iter().flat_map(approvals::lines);
    rows.extend(admitted.enumerate().map(|(n, line)| (if n == 0 { "admission" } else { "" }, line)));
    rows.extend(of.signatures.as_ref().map(|found| {
        let said = match found {
            Ok(good) => format!(
                "{} checked again with ssh-keygen: made by the people and keys named",
                count(*good, "signature")
            ),
            Err(why) => format!("! the signatures were not checked here: {why}"),
        };
        ("", said)
    }));
    let look = |look: &Look| match look {
        Ok(inventory) => format!("{}, observed {}", count(inventory.replicas.len(), "replica"), inventory.at),
        Err(why) => format!("not observed: {why}"),
    };
    rows.extend([("before", look(&of.before)), ("after", look(&of.after))]);
    if let Some(file) = &of.file {
        rows.push(("sha256", file.to_string()));
    }
    rows
}

/// The answer for a machine.
#[must_use]
pub fn json(of: &Verified) -> Value {
    let look = |look: &Look| match look {
        Ok(inventory) => json!({ "at": inventory.at, "replicas": inventory.replicas.len() }),
        Err(why) => json!({ "notObserved": why }),
    };
    let runners: Vec<Value> =
        of.runners.iter().map(|(at, runner)| json!({ "at": at, "runner": runner })).collect();
    json!({
        "format": 1, "type": "verified", "verified": of.faults.is_empty(), "run": of.run,
        "purpose": of.purpose, "records": of.records, "plan": of.plan,
        "first": of.ends.map(|e| e.0), "last": of.ends.map(|e| e.1),
        "began": of.span.map(|s| s.0), "lastAt": of.span.map(|s| s.1),
        "end": of.tip.as_ref().map(|(seq, at)| json!({ "record": seq, "keptIn": at })),
        "seal": of.seal, "outcome": of.outcome, "runners": runners, "confirmed": of.confirmed,
        "admission": of.admission.as_ref().map(approvals::json), "signatures": of.signatures.as_ref().map(|found| match found {
            Ok(good) => json!({ "good": good }),
            Err(why) => json!({ "unchecked": why }),
        }),
        "before": look(&of.before), "after": look(&of.after), "torn": of.torn, "sha256": of.file,
        "faults": of.faults,
    })
}
