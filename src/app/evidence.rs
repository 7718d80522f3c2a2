//! `lifeboat report RUN --evidence FILE`: a run in one file that stands for itself. Format 1, all of it lines of JSON:
//!
//! 1. `{"lifeboatEvidence":1,"run":…,"parts":[{"part":…,"bytes":…,"sha256":…},…]}`,
//! 2. for each part `{"part":NAME}` and, from the next line on, its bytes as they were, closed with one end of a line more,
//! 3. `{"seal":…}`, the SHA-256 of everything before that line.
//!
//! It is made of the run alone, neither of the time nor of who exports it: of one run there is one file.

use super::verify::{Examined, after, before, gone, of_run, outcome, runners};
use super::{Answer, Desk, Exit, Said, runs, shown};
use crate::base::{Digest, RunId, Timestamp};
use crate::diag::{Code, Finding, Sources};
use crate::domain::approval::Approval;
use crate::inventory::Inventory;
use crate::journal::{Frozen, JournalError, Record, Tip};
use crate::run::{Glass, Runner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The format's version.
const VERSION: u32 = 1;
/// The frozen plan, as the store keeps it.
pub const PLAN: &str = "run.json";
/// The journal, as the store keeps it.
pub const JOURNAL: &str = "journal.jsonl";
/// What was observed before the run began.
const BEFORE: &str = "before.json";
/// What was observed at its end.
const AFTER: &str = "after.json";
/// Who approved the plan, with what was signed and the signatures; an empty list where nobody had to.
const APPROVALS: &str = "approvals.json";
/// What the run was, with its end.
pub const SUMMARY: &str = "summary.json";
/// All of them, in their order.
const PARTS: [&str; 6] = [PLAN, JOURNAL, BEFORE, AFTER, APPROVALS, SUMMARY];

/// How evidence begins.
const HEAD: &[u8] = b"{\"lifeboatEvidence\":";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    lifeboat_evidence: u32,
    run: RunId,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Part {
    part: String,
    bytes: u64,
    sha256: Digest,
}

/// A look at the replicas.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Looked {
    Observed(Inventory),
    NotObserved(String),
}

impl From<Result<Inventory, String>> for Looked {
    fn from(look: Result<Inventory, String>) -> Self {
        match look {
            Ok(inventory) => Self::Observed(inventory),
            Err(why) => Self::NotObserved(why),
        }
    }
}

/// What the run was. It follows from the plan and the journal, and is there to be read by people and to tell the end of the journal.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    run: RunId,
    purpose: String,
    outcome: String,
    over: bool,
    records: u64,
    plan: Digest,
    first: Option<Digest>,
    last: Option<Digest>,
    seal: Option<Digest>,
    runners: Vec<(Timestamp, Runner)>,
    versions: BTreeSet<String>,
    confirmed: Option<Runner>,
    /// Who had it begin without the approvals that its plan needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    glass: Option<Glass>,
}

/// The approvals on which a run began.
fn approvals(frozen: &Frozen) -> Vec<Approval> {
    frozen.admission.as_ref().map(|a| a.approvals.clone()).unwrap_or_default()
}

fn summary(examined: &Examined, frozen: &Frozen, records: &[Record]) -> Summary {
    let runners = runners(records);
    Summary {
        run: examined.verified.run.clone(),
        purpose: frozen.plan.purpose.to_string(),
        outcome: outcome(records, Some(frozen)),
        over: records.iter().any(|r| r.event.ends_for_good()),
        records: records.len() as u64,
        plan: examined.verified.plan,
        first: examined.verified.ends.map(|e| e.0),
        last: examined.verified.ends.map(|e| e.1),
        seal: frozen.seal,
        versions: runners.iter().map(|(_, r)| r.version.clone()).collect(),
        runners,
        confirmed: frozen.confirmed.clone(),
        glass: frozen.admission.as_ref().and_then(|a| a.glass.clone()),
    }
}

/// Carries the command out. Of a run that does not verify there is no evidence.
///
/// # Errors
/// An early end; then nothing was written.
pub fn export(desk: &Desk, run: &str, path: &Path) -> Said {
    let run = runs::named(desk, run)?;
    // Examined and written are the same bytes, however the run goes on meanwhile.
    let kept = desk.store()?.kept(&run).map_err(gone)?;
    let examined = of_run(desk, &run, &kept)?;
    let Some(frozen) = examined.frozen.as_ref().filter(|_| examined.findings.is_empty()) else {
        return Err(Box::new(Answer::with(Exit::NotVerified, examined.findings, Sources::default())));
    };
    let records = &examined.records;
    let whole = kept.raw.journal.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let journal = kept.raw.journal.get(..whole).unwrap_or_default();
    let unwritten = |error: serde_json::Error| super::unwritten(path, &error.into());
    let parts = [
        (PLAN, kept.raw.plan.clone()),
        (JOURNAL, journal.to_vec()),
        (BEFORE, serde_json::to_vec(&Looked::from(before(Some(frozen)))).map_err(unwritten)?),
        (AFTER, serde_json::to_vec(&Looked::from(after(records))).map_err(unwritten)?),
        (APPROVALS, serde_json::to_vec(&approvals(frozen)).map_err(unwritten)?),
        (SUMMARY, serde_json::to_vec(&summary(&examined, frozen, records)).map_err(unwritten)?),
    ];
    let text = closed(&run, &parts).map_err(unwritten)?;
    super::write_file(path, &text)?;
    let digest = Digest::of(&text);
    let human = format!(
        "Wrote the evidence of run {run} to {}, {} bytes.\n\n  sha256  {digest}\n\n\
         Keep this digest elsewhere, in a ticket or with a notary: it is what shows that the file is this one.\n\
         Next: lifeboat verify {}\n",
        shown(path),
        text.len(),
        shown(path)
    );
    let json = json!({
        "format": 1, "type": "evidence", "run": run, "file": shown(path), "bytes": text.len(), "sha256": digest,
    });
    Ok(Answer::ok(human, json))
}

fn closed(run: &RunId, parts: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, serde_json::Error> {
    let listed = parts.iter().map(|(name, bytes)| Part {
        part: (*name).to_owned(),
        bytes: bytes.len() as u64,
        sha256: Digest::of(bytes),
    });
    let manifest = Manifest { lifeboat_evidence: VERSION, run: run.clone(), parts: listed.collect() };
    let mut text = serde_json::to_vec(&manifest)?;
    text.push(b'\n');
    for (name, bytes) in parts {
        text.extend(marker(name).into_bytes());
        text.extend(bytes);
        text.push(b'\n');
    }
    let seal = Digest::of(&text);
    text.extend(format!("{{\"seal\":\"{seal}\"}}\n").into_bytes());
    Ok(text)
}

fn marker(part: &str) -> String {
    format!("{{\"part\":\"{part}\"}}\n")
}

/// Evidence that was opened, whether it is whole or not.
#[derive(Debug)]
pub struct Archive {
    /// The run that it is of.
    pub run: RunId,
    /// The digest of the whole file.
    pub digest: Digest,
    /// What is wrong with the file itself, with the line.
    pub faults: Vec<(String, Option<u64>)>,
    /// How many lines stand before the journal.
    pub journal_line: u64,
    parts: BTreeMap<String, Vec<u8>>,
}

/// Opens evidence.
///
/// # Errors
/// A file that is none, or of a format that is not known.
pub fn open(bytes: &[u8], path: &Path) -> Result<Archive, Box<Answer>> {
    if !bytes.starts_with(HEAD) {
        let finding =
            Finding::new(Code::FileUnreadable, "the file is no evidence of a run").about(shown(path));
        let help = "`lifeboat report RUN --evidence FILE` writes one; a run is named without a `/`";
        return Err(Answer::stop(Exit::Invalid, finding.help(help)));
    }
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let format = serde_json::from_slice::<Value>(line).ok();
    let format = format.as_ref().and_then(|v| v.get("lifeboatEvidence")).and_then(Value::as_u64);
    if let Some(found) = format.filter(|found| *found != u64::from(VERSION)) {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(JournalError::Version { path: path.to_owned(), found, known: VERSION }.into());
    }
    let Ok(manifest) = serde_json::from_slice::<Manifest>(line) else {
        let finding = Finding::new(Code::NotVerified, "the list of its parts was changed");
        let finding = finding.about(format!("{}, line 1", shown(path)));
        return Err(Answer::stop(
            Exit::NotVerified,
            finding.help("ask whoever exported it for the file again"),
        ));
    };
    let mut archive = Archive {
        run: manifest.run,
        digest: Digest::of(bytes),
        faults: Vec::new(),
        journal_line: 0,
        parts: BTreeMap::new(),
    };
    archive.take_apart(bytes, line.len() + 1, &manifest.parts);
    Ok(archive)
}

impl Archive {
    /// The bytes of a part.
    pub fn part(&self, name: &str) -> &[u8] {
        self.parts.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The end of the journal, as the summary tells it.
    pub fn tip(&self) -> Option<Tip> {
        let summary: Summary = serde_json::from_slice(self.part(SUMMARY)).ok()?;
        let Summary { records, plan, last, over, .. } = summary;
        Some(Tip { format: VERSION, run: self.run.clone(), seq: records, tip: last.unwrap_or(plan), over })
    }

    fn take_apart(&mut self, bytes: &[u8], from: usize, listed: &[Part]) {
        let line_of = |at: usize| bytes.iter().take(at).filter(|b| **b == b'\n').count() as u64 + 1;
        let names: BTreeSet<&str> = listed.iter().map(|p| p.part.as_str()).collect();
        for name in PARTS.iter().filter(|name| !names.contains(*name)) {
            self.faults.push((format!("the part {name} is missing from its list"), Some(1)));
        }
        let (body, seal) = without_seal(bytes);
        // Where each part begins: at the first line that names it behind the one before.
        let mut starts: Vec<(&Part, usize, usize)> = Vec::new();
        let mut at = from.min(body.len()).saturating_sub(1);
        for part in listed {
            let line = format!("\n{}", marker(&part.part));
            match find(body, line.as_bytes(), at) {
                Some(found) => {
                    starts.push((part, found + 1, found + line.len()));
                    at = found + line.len() - 1;
                }
                None => self.faults.push((format!("the part {} is missing", part.part), None)),
            }
        }
        for (index, (part, marked, begins)) in starts.iter().enumerate() {
            let ends = starts.get(index + 1).map_or(body.len(), |(_, next, _)| *next);
            let text = body.get(*begins..ends).unwrap_or_default();
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            if Digest::of(text) != part.sha256 || text.len() as u64 != part.bytes {
                let what = format!("the part {} is not what was exported", part.part);
                self.faults.push((what, Some(line_of(*marked))));
            }
            if part.part == JOURNAL {
                self.journal_line = line_of(*marked);
            }
            self.parts.insert(part.part.clone(), text.to_vec());
        }
        if self.faults.is_empty() && seal != Some(Digest::of(body)) {
            self.faults.push(("the file is not what was exported: its seal does not fit".to_owned(), None));
        }
    }

    /// Parts that say something else than the run itself, though they are as the list has them: whoever made the file made it up.
    pub fn strange(&self, examined: &Examined) -> Vec<String> {
        let Some(frozen) = examined.frozen.as_ref().filter(|_| examined.findings.is_empty()) else {
            return Vec::new();
        };
        let records = &examined.records;
        let says =
            |name: &str, same: bool| (!same).then(|| format!("the part {name} does not follow from the run"));
        let looked = |name: &str, is: Looked| {
            serde_json::from_slice::<Looked>(self.part(name)).is_ok_and(|found| found == is)
        };
        let summary = serde_json::from_slice::<Summary>(self.part(SUMMARY))
            .is_ok_and(|found| found == summary(examined, frozen, records));
        let approvals = serde_json::from_slice::<Vec<Approval>>(self.part(APPROVALS))
            .is_ok_and(|found| found == approvals(frozen));
        let found = [
            says(BEFORE, looked(BEFORE, before(Some(frozen)).into())),
            says(AFTER, looked(AFTER, after(records).into())),
            says(APPROVALS, approvals),
            says(SUMMARY, summary),
        ];
        found.into_iter().flatten().collect()
    }
}

/// Everything before the seal's line, and the seal.
fn without_seal(bytes: &[u8]) -> (&[u8], Option<Digest>) {
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let begins = ended.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (body, line) = ended.split_at(begins);
    let text = std::str::from_utf8(line).ok().and_then(|l| l.strip_prefix("{\"seal\":\""));
    match text.and_then(|t| t.strip_suffix("\"}")) {
        Some(seal) if bytes.len() == ended.len() + 1 => (body, seal.parse().ok()),
        Some(_) => (body, None),
        None => (bytes, None),
    }
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len()).position(|w| w == what).map(|at| at + from)
}
