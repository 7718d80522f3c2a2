//! Approvals before a run begins: which are wanted, which files are there, which of them count, and who goes on without them.

use super::load::Loaded;
use super::{Answer, Desk, Exit, gate, shown};
use crate::base::{Digest, Duration, Timestamp};
use crate::diag::{Code, Finding, Severity};
use crate::domain::approval::{AHEAD, Approval, is_line, taken_apart};
use crate::model::{Key, Kind};
use crate::plan::{Need, Plan};
use crate::provider::signer::{Checked, SignerError, check};
use crate::report::approvals::wanted;
use crate::report::words::{self, typed};
use crate::run::admission::counted;
use crate::run::{Admission, Glass};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The end of the name of an approval's file: `retire-shop.plan.ann.approval`.
const ENDING: &str = ".approval";
/// A file of more bytes is something else: a statement and a signature, also one with a certificate, are some KiB.
const LARGEST: u64 = 64 << 10;
/// The longest that an approval lasts: it is of a plan that somebody read, and of the world that it was made for.
pub const LONGEST: Duration = Duration::from_mins(30 * 24 * 60);

/// What is said of approvals where a plan is carried out.
#[derive(Debug, Default)]
pub struct Terms {
    /// Approvals that lie elsewhere than beside the plan.
    pub files: Vec<PathBuf>,
    /// Whether it is carried out without them.
    pub glass: bool,
    /// Why.
    pub because: Option<String>,
}

impl Terms {
    /// A person's word that it is carried out without approvals, where there is one.
    ///
    /// # Errors
    /// A word without its reason, or a reason without its word.
    pub fn glass(&self, desk: &Desk) -> Result<Option<Glass>, Box<Answer>> {
        let because = self.because.as_deref().map(str::trim).unwrap_or_default().to_owned();
        if self.glass && is_line(&because) {
            return Ok(Some(Glass { person: desk.person.clone(), host: desk.host.clone(), because }));
        }
        if !self.glass && self.because.is_none() {
            return Ok(None);
        }
        let what = if self.glass {
            "the glass is broken with a reason, in one line"
        } else {
            "a reason alone breaks no glass"
        };
        let help = "add `--break-glass --because TEXT`; the text stands in the record of the run. Nothing was changed";
        Err(Answer::stop(Exit::Gated, Finding::new(Code::GlassUnsaid, what).help(help)))
    }
}

/// A sealed plan that may have approvals.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Its seal.
    pub seal: Digest,
    /// The allowed signers that it was sealed with.
    pub signers: Option<&'a str>,
}

/// What is to be carried out, when.
#[derive(Debug)]
pub struct Case<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What is wanted.
    pub needs: Vec<Need>,
    /// The plan's file, where it was sealed.
    pub sealed: Option<Sealed<'a>>,
    /// The time, by the clock that carries it out.
    pub at: Timestamp,
}

/// What a plan needs today: what the rules want of it today, and what they wanted when it was sealed. Whoever carries a sealed plan to where
/// other documents are, or none, does not leave its rules behind.
pub fn needs(plan: &Plan, loaded: Option<&Loaded>) -> Vec<Need> {
    let mut needs = loaded.map(|loaded| gate::needs(plan, loaded)).unwrap_or_default();
    for old in &plan.needs {
        if !needs.contains(old) {
            needs.push(old.clone());
        }
    }
    needs
}

/// Ends the command where a plan needs approvals and nobody can give them. Otherwise what is wrong with the signers is worth a look.
///
/// # Errors
/// What is wrong with the signers.
pub fn signable(needs: &[Need], loaded: Loaded) -> Result<Loaded, Box<Answer>> {
    if needs.iter().all(|need| need.warns) { Ok(loaded.unsigned()) } else { loaded.sound() }
}

/// What may begin.
#[derive(Debug)]
pub struct Admitted {
    /// What let it begin, where it needs approvals.
    pub admission: Option<Admission>,
    /// What is worth knowing.
    pub told: Vec<Finding>,
}

/// Whether a plan may be carried out.
///
/// # Errors
/// It may not: too few approvals count, and nobody broke the glass.
pub async fn admitted(
    desk: &Desk,
    case: Case<'_>,
    terms: &Terms,
    loaded: Option<&Loaded>,
) -> Result<Admitted, Vec<Finding>> {
    let glass = terms.glass(desk).map_err(|answer| answer.findings)?;
    if case.needs.is_empty() {
        let told = glass.iter().map(|_| unbroken("no rule wants approvals of this plan")).collect();
        return Ok(Admitted { admission: None, told });
    }
    let (plan, sealed) = (case.plan, case.sealed);
    let (mut admission, mut told) = weighed(case, &terms.files, loaded).await;
    let short = |need| missing(need, &admission, (plan, sealed.as_ref()), loaded);
    let mut short: Vec<Finding> = too_few(&admission).map(short).collect();
    if admission.missing().next().is_none() {
        told.append(&mut short);
        told.extend(glass.iter().map(|_| unbroken("all approvals that are wanted are there")));
    } else if glass.is_some() {
        admission.glass = glass;
        // It goes on: what an approval lacks is worth a look and no error any more.
        told.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
    } else {
        short.append(&mut told);
        return Err(short);
    }
    Ok(Admitted { admission: Some(admission), told })
}

/// The approvals that are there, without a judgement whether they are enough; and why others do not count.
pub async fn weighed(
    case: Case<'_>,
    named: &[PathBuf],
    loaded: Option<&Loaded>,
) -> (Admission, Vec<Finding>) {
    let Case { plan, needs, sealed, at } = case;
    let signers = signers(loaded, sealed.and_then(|s| s.signers));
    let of = words::purpose(plan);
    let (mut approvals, mut told) = (Vec::new(), Vec::new());
    if let Some(sealed) = &sealed {
        for path in files(sealed.path, named) {
            match judged(&path, (sealed.seal, &of), (&signers, at)).await {
                Ok(approval) => approvals.push(approval),
                Err(finding) => told.push(*finding),
            }
        }
    }
    approvals.sort_by(|a: &Approval, b| a.by.cmp(&b.by).then(b.until.cmp(&a.until)));
    let counts = |a: &Approval| needs.iter().any(|need| counted(need, &approvals).contains(&a));
    told.extend(approvals.iter().filter(|a| !counts(a)).map(|a| uncounted(a, &needs)));
    let counting: Vec<Approval> = approvals.iter().filter(|a| counts(a)).cloned().collect();
    let signers = signers.first().map(|text| (*text).to_owned()).filter(|_| !counting.is_empty());
    (Admission { at, needs, approvals: counting, signers, glass: None }, told)
}

/// The allowed signers of today's documents, and those that the plan was sealed with: a signature counts that both allow. So a key that was
/// taken out since does not count, and neither does one that other documents bring along.
pub fn signers<'a>(loaded: Option<&'a Loaded>, sealed: Option<&'a str>) -> Vec<&'a str> {
    let mut both: Vec<&str> = loaded.and_then(|l| l.signers.as_deref()).into_iter().chain(sealed).collect();
    both.dedup();
    both
}

fn too_few(admission: &Admission) -> impl Iterator<Item = &Need> {
    admission.needs.iter().filter(|need| counted(need, &admission.approvals).len() < need.count as usize)
}

/// The file of somebody's approval of a plan.
pub fn file(plan: &Path, by: &str) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(format!(".{by}{ENDING}"));
    name.into()
}

/// The approvals beside a plan, and those that were named: each once.
pub fn files(plan: &Path, named: &[PathBuf]) -> Vec<PathBuf> {
    let folder = plan.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = plan.file_name().map(|name| format!("{}.", name.to_string_lossy())).unwrap_or_default();
    let beside = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(&prefix) && name.ends_with(ENDING)
    });
    // As the plan was named: what the user reads is what the user wrote.
    let mut all: Vec<PathBuf> = beside.map(|entry| plan.with_file_name(entry.file_name())).collect();
    all.sort();
    for path in named {
        let same = |other: &PathBuf| {
            other == path || std::fs::canonicalize(other).ok() == std::fs::canonicalize(path).ok()
        };
        if !all.iter().any(same) {
            all.push(path.clone());
        }
    }
    all
}

/// What a file is worth for a plan at a time.
pub async fn judged(
    path: &Path,
    of: (Digest, &str),
    (signers, at): (&[&str], Timestamp),
) -> Result<Approval, Box<Finding>> {
    let no = |why: String| Box::new(Finding::new(Code::ApprovalUnfit, format!("{}: {why}", shown(path))));
    let text = read(path).map_err(|why| no(format!("it cannot be read: {why}")))?;
    judge(&text, of, (signers, at)).await.map_err(|why| match why {
        Unfit::Not(why) => no(why),
        Unfit::Signer(error) => Box::new(Finding { object: Some(shown(path)), ..untold(&error) }),
    })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // A pipe would be waited for without an end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("it has more than {LARGEST} bytes")));
    }
    Ok(text)
}

/// Why an approval does not count.
#[derive(Debug)]
pub enum Unfit {
    /// It is none, or not one for this plan at this time.
    Not(String),
    /// Nobody can tell.
    Signer(SignerError),
}

/// What a text is worth for a plan, by its seal and what it is of, at a time.
///
/// # Errors
/// [`Unfit`].
pub async fn judge(
    text: &str,
    (seal, of): (Digest, &str),
    (signers, at): (&[&str], Timestamp),
) -> Result<Approval, Unfit> {
    let no = |why: String| Err(Unfit::Not(why));
    let (said, statement, signature) = taken_apart(text).map_err(|e| Unfit::Not(e.to_string()))?;
    if said.plan != seal {
        return no(format!(
            "it is for another plan, sealed as {}; this one is {}",
            said.plan.short(),
            seal.short()
        ));
    }
    if said.of != of {
        return no(format!("it is said to be of {}; this is {of}", said.of));
    }
    if said.until.since(said.from) > LONGEST {
        return no(format!("it would last from {} to {}; {LONGEST} is the longest", said.from, said.until));
    }
    if said.until <= at {
        return no(format!("it ended at {}; now it is {at}", said.until));
    }
    if said.from > at.after(AHEAD) {
        return no(format!("it begins at {}; now it is {at}", said.from));
    }
    let mut key = None;
    for signers in signers {
        match check(statement, signature, (&said.by, at), signers).await.map_err(Unfit::Signer)? {
            Checked::Good(found) => key = Some(found),
            Checked::Forged => return no("its signature was not made of this text".to_owned()),
            Checked::NotAllowed(key, why) => {
                let why = if why.is_empty() { why } else { format!(" ({why})") };
                return no(format!("its key {key} is not one with which `{}` may sign now{why}", said.by));
            }
        }
    }
    let Some(key) = key else { return no("nobody is an allowed signer here".to_owned()) };
    Ok(Approval {
        by: said.by,
        key,
        until: said.until,
        because: said.because,
        statement: statement.to_owned(),
        signature: signature.to_owned(),
    })
}

/// A signature of which nothing can be told.
pub fn untold(error: &SignerError) -> Finding {
    let code = if error.is_missing() { Code::SignerMissing } else { Code::ApprovalUnfit };
    Finding::new(code, format!("no signature can be checked: {error}"))
        .help("`ssh-keygen` is part of OpenSSH, 8.8 or later: the package openssh-client, or openssh")
}

fn uncounted(approval: &Approval, needs: &[Need]) -> Finding {
    let why = if needs.iter().any(|need| need.asks(&approval.by)) {
        "the person or the key has approved already"
    } else {
        "that person is not among those who are asked"
    };
    Finding::new(Code::ApprovalUnfit, format!("the approval by {} does not count: {why}", approval.by))
}

fn unbroken(why: &str) -> Finding {
    let mut finding = Finding::new(Code::GlassUnsaid, format!("the glass was not broken: {why}"));
    finding.severity = Severity::Warning;
    finding
}

/// Approvals that are missing, with the rule and the way out.
fn missing(
    need: &Need,
    admission: &Admission,
    (plan, sealed): (&Plan, Option<&Sealed<'_>>),
    loaded: Option<&Loaded>,
) -> Finding {
    let there: Vec<&str> = counted(need, &admission.approvals).iter().map(|a| a.by.as_str()).collect();
    let message = match there.as_slice() {
        [] => format!("the plan needs {}, and has none", wanted(need)),
        names => format!("the plan needs {}, and has {}, by {}", wanted(need), names.len(), names.join(", ")),
    };
    let place = loaded.and_then(|loaded| {
        let rule = loaded.workspace.policies.get(&need.policy)?.rules.iter().find(|r| r.name == need.rule)?;
        let path = [Key::Name("spec"), Key::Name("rules"), Key::Index(rule.position), Key::Name("approved")];
        loaded.origins.at(Kind::Policy, need.policy.as_str(), &path)
    });
    let mut finding = Finding::new(Code::NotApproved, message).at(place, need.because.clone());
    finding = finding.about(format!("rule {} of policy {}", need.rule, need.policy));
    if need.warns {
        finding.severity = Severity::Warning;
        return finding;
    }
    let finding = match sealed {
        Some(sealed) => {
            let path = shown(sealed.path);
            finding.help(format!(
                "`lifeboat approve {path} --key KEY`, each with an own key; then `lifeboat apply {path}` again"
            ))
        }
        None => {
            let (name, slice) = (&plan.purpose, typed(plan.slice.as_ref()));
            finding.help(format!(
                "`lifeboat plan {name}{slice} --out FILE` seals it; then `lifeboat approve FILE --key KEY`, and `lifeboat apply FILE`"
            ))
        }
    };
    finding.help("in an emergency: `--break-glass --because TEXT`, which is recorded. Nothing was changed")
}
