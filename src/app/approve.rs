//! `lifeboat approve FILE --key KEY`: a person's approval of a sealed plan, signed with an SSH key. Without a key it shows which are there.

use super::apply::typed;
use super::approvals::{self, Case, LONGEST, Sealed, Unfit, file, judge, untold, weighed};
use super::load::Loaded;
use super::world::World;
use super::{Answer, Desk, Exit, Said, Screen, seal, shown};
use crate::base::{Duration, Timestamp};
use crate::diag::{Code, Finding};
use crate::domain::approval::{Statement, is_line, is_person};
use crate::plan::{Need, Plan};
use crate::provider::signer::{SignerError, sign};
use crate::report::approvals::{one, so_far};
use crate::report::{text, words};
use crate::run::Admission;
use serde_json::json;
use std::path::PathBuf;

/// How long an approval lasts where nothing is said: a shift.
const LASTS: Duration = Duration::from_mins(8 * 60);

/// What `approve` is asked.
pub struct Ask {
    /// The sealed plan.
    pub file: PathBuf,
    /// The key, or the public half of one that an agent has; without it nothing is signed.
    pub key: Option<PathBuf>,
    /// Who approves, where that is not the person's name at this machine.
    pub by: Option<String>,
    /// How long it lasts.
    pub lasts: Option<String>,
    /// Why.
    pub because: Option<String>,
    /// The name with which a person confirms.
    pub confirm: Option<String>,
}

/// Carries the command out.
///
/// # Errors
/// An early end; then nothing was written.
pub async fn approve(desk: &Desk, ask: Ask, screen: &mut dyn Screen) -> Said {
    let (sealed, seal, _) = seal::read(&ask.file)?;
    super::apply::of_runbook(&sealed.plan)?;
    let loaded = super::apply::around(desk)?;
    let now = World::from_settings(desk, sealed.setup)?.clock().now();
    let aged = sealed.plan.aged(now);
    let needs = approvals::needs(&aged, loaded.as_ref());
    let loaded = loaded.map(|loaded| approvals::signable(&needs, loaded)).transpose()?;
    let plan = Sealed { path: &ask.file, seal, signers: sealed.signers.as_deref() };
    let view = text::Options { now: Some(now), ..desk.view.clone() };
    let page = text::plan(&aged, &view);
    // What the plan would have typed next is not what is next here.
    let page = page.rsplit_once("Next: ").map_or(page.as_str(), |(page, _)| page);
    let page = format!("{page}Sealed as sha256 {seal}.\n");
    let case = Case { plan: &aged, needs: needs.clone(), sealed: Some(plan), at: now };
    let Some(key) = &ask.key else { return Ok(told(&ask, case, loaded.as_ref(), page).await) };
    let said = statement(desk, &ask, (&aged, &needs), (seal, now))?;
    screen.show(&page);
    let name = aged.purpose.to_string();
    typed(&name, ("approve it", "the approval"), ask.confirm.as_deref(), screen)?;
    let text = said.to_string();
    let signature = sign(&text, key).map_err(|error| unsigned(&error, key))?;
    let signed = format!("{text}{signature}");
    let signers = approvals::signers(loaded.as_ref(), plan.signers);
    if let Err(why) = judge(&signed, (seal, &said.of), (&signers, now)).await {
        return Err(uncounted(why, &said.by));
    }
    let path = file(&ask.file, &said.by);
    super::write_file(&path, signed.as_bytes())?;
    let head = format!("Approved by {} until {}: {}.\n\n", said.by, said.until, shown(&path));
    Ok(told(&ask, case, loaded.as_ref(), head).await)
}

/// What somebody says who approves.
fn statement(
    desk: &Desk,
    ask: &Ask,
    (plan, needs): (&Plan, &[Need]),
    (seal, now): (crate::base::Digest, Timestamp),
) -> Result<Statement, Box<Answer>> {
    let refuse = |exit, what: String, help: &str| {
        Err(Answer::stop(exit, Finding::new(Code::CannotApprove, what).help(help)))
    };
    let by = ask.by.clone().unwrap_or_else(|| desk.person.clone());
    if needs.is_empty() {
        let help = "`lifeboat apply` carries it out; a policy can want approvals, see docs/approvals.md";
        return refuse(Exit::Invalid, "no rule wants approvals of this plan".to_owned(), help);
    }
    if !is_person(&by) {
        let help = "name yourself with `--as NAME`, as the allowed signers have you";
        return refuse(Exit::Invalid, format!("`{by}` cannot be a name in an approval"), help);
    }
    if !needs.iter().any(|need| need.asks(&by)) {
        let names: Vec<&str> = needs.iter().flat_map(|n| &n.who).map(String::as_str).collect();
        let help = format!(
            "these are asked: {}; `--as NAME` where you have another name among them",
            names.join(", ")
        );
        return refuse(Exit::Gated, format!("`{by}` is not asked to approve this plan"), &help);
    }
    let because = ask.because.as_deref().map(str::trim);
    if because.is_some_and(|why| !is_line(why)) {
        return refuse(
            Exit::Invalid,
            "the reason is not one line of words".to_owned(),
            "write it in one line",
        );
    }
    let lasts = ask.lasts.as_deref().map_or(Ok(LASTS), Duration::said);
    let Some(lasts) = lasts.ok().filter(|lasts| (Duration::from_secs(1)..=LONGEST).contains(lasts)) else {
        let help = "write it like 30m, 8h or 2d, at most 30d";
        return refuse(Exit::Invalid, "an approval lasts from one second to 30 days".to_owned(), help);
    };
    let (of, because) = (words::purpose(plan), because.map(str::to_owned));
    Ok(Statement { plan: seal, of, by, from: now, until: now.after(lasts), because })
}

fn unsigned(error: &SignerError, key: &std::path::Path) -> Box<Answer> {
    if error.is_missing() {
        let finding = Finding::new(Code::SignerMissing, error.to_string());
        let help = "it is part of OpenSSH: the package openssh-client, or openssh; nothing was written";
        return Answer::stop(Exit::Io, finding.help(help));
    }
    let finding = Finding::new(Code::CannotApprove, error.to_string()).about(shown(key));
    let help = "`--key` names a private key, or the public one where an agent or a token has the private one; nothing was written";
    Answer::stop(Exit::Invalid, finding.help(help))
}

/// A signature that would not count where the plan is carried out is not handed out.
fn uncounted(why: Unfit, by: &str) -> Box<Answer> {
    match why {
        Unfit::Signer(error) => Answer::stop(Exit::Io, untold(&error)),
        Unfit::Not(why) => {
            let finding = Finding::new(Code::CannotApprove, format!("the approval would not count: {why}"));
            let help = format!(
                "put the public key into the file of allowed signers, in a line that begins with `{by}`, or take the key that is there; nothing was written"
            );
            Answer::stop(Exit::Gated, finding.help(help))
        }
    }
}

/// The approvals that are there, after whatever was said before.
async fn told(ask: &Ask, case: Case<'_>, loaded: Option<&Loaded>, mut human: String) -> Answer {
    let path = shown(&ask.file);
    if case.needs.is_empty() {
        human.push_str(&format!("No rule wants approvals of it.\nNext: lifeboat apply {path}\n"));
    }
    let is_wanted = !case.needs.is_empty();
    let (admission, findings) = weighed(case, &[], loaded).await;
    let Admission { needs, approvals, .. } = &admission;
    for need in needs {
        human.push_str(&format!("{}, by rule {}.\n", so_far(need, approvals), need.rule));
    }
    human.extend(approvals.iter().map(|approval| format!("  {}\n", one(approval))));
    let is_enough = admission.missing().next().is_none();
    if is_wanted {
        let next = if is_enough {
            format!("lifeboat apply {path}")
        } else {
            format!("lifeboat approve {path} --key KEY")
        };
        human.push_str(&format!("Next: {next}\n"));
    }
    let json = json!({
        "format": 1, "type": "approvals", "file": path, "needs": needs, "approvals": approvals, "enough": is_enough,
    });
    let sources = loaded.map(|l| l.sources.clone()).unwrap_or_default();
    Answer { findings, sources, ..Answer::ok(human, json) }
}
