//! An approval: a small text in which a person says which sealed plan may be carried out, until when and why, with an SSH signature behind it.
//!
//! ```text
//! Lifeboat approval, format 1
//! plan: sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! of: retire-shop
//! by: ann
//! from: 2026-11-27T10:15:00.000Z
//! until: 2026-11-27T18:15:00.000Z
//! because: change 4711
//! -----BEGIN SSH SIGNATURE-----
//! ```
//!
//! There is one way to write a statement, and any other one is none: what was signed can be read in one way alone.

use crate::base::{Digest, Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// The namespace of the signatures: what was signed for something else counts for nothing here.
pub const NAMESPACE: &str = "lifeboat";
/// How far the clock of whoever approves may be ahead of the one that carries the plan out. Machines with a working clock are closer than
/// that, and an approval from the future ends when it says all the same.
pub const AHEAD: Duration = Duration::from_mins(5);

const HEAD: &str = "Lifeboat approval, format ";
const FORMAT: &str = "1";
const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "\n-----END SSH SIGNATURE-----";
/// A person's name has so many characters at most: it is part of a file's name.
const LONGEST_NAME: usize = 64;

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The seal of the plan.
    pub plan: Digest,
    /// What the plan is for.
    pub of: String,
    /// Who says so.
    pub by: String,
    /// From when on it counts.
    pub from: Timestamp,
    /// Until when a run may begin on it.
    pub until: Timestamp,
    /// Why, where that was said.
    pub because: Option<String>,
}

/// Why a text is no approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoStatement {
    /// It is something else.
    #[error("the file is no approval")]
    Form,
    /// A later version wrote it.
    #[error("it has format {0}, and this version knows {FORMAT}")]
    Version(String),
    /// Nobody signed it.
    #[error("there is no whole signature behind it")]
    Unsigned,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { plan, of, by, from, until, because } = self;
        write!(f, "{HEAD}{FORMAT}\nplan: sha256 {plan}\nof: {of}\nby: {by}\nfrom: {from}\nuntil: {until}\n")?;
        because.as_ref().map_or(Ok(()), |why| writeln!(f, "because: {why}"))
    }
}

impl std::str::FromStr for Statement {
    type Err = NoStatement;

    fn from_str(text: &str) -> Result<Self, NoStatement> {
        let head = text.lines().next().and_then(|line| line.strip_prefix(HEAD)).ok_or(NoStatement::Form)?;
        if head != FORMAT {
            return Err(NoStatement::Version(head.chars().take(12).collect()));
        }
        let said = || {
            let mut lines = text.lines().skip(1);
            let mut next = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned);
            Some(Self {
                plan: next("plan")?.strip_prefix("sha256 ")?.parse().ok()?,
                of: next("of")?,
                by: next("by")?,
                from: next("from")?.parse().ok()?,
                until: next("until")?.parse().ok()?,
                because: next("because"),
            })
        };
        let said = said().ok_or(NoStatement::Form)?;
        let whole = said.to_string() == text && is_person(&said.by) && is_line(&said.of);
        let whole = whole && said.because.as_deref().is_none_or(is_line);
        whole.then_some(said).ok_or(NoStatement::Form)
    }
}

/// The statement of an approval and the signature behind it, each as it stands there.
///
/// # Errors
/// A text that is no approval.
pub fn taken_apart(text: &str) -> Result<(Statement, &str, &str), NoStatement> {
    let at = text.find(SIGNATURE).filter(|at| text.get(..*at).is_some_and(|before| before.ends_with('\n')));
    let (statement, signature) = at.map_or((text, ""), |at| text.split_at(at));
    let said = statement.parse()?;
    // `ssh-keygen` reads no further than to the end of a signature; nothing that it does not read shall stand there.
    let is_whole = signature.trim_end().ends_with(END) && signature.matches(END).count() == 1;
    if !is_whole { Err(NoStatement::Unsigned) } else { Ok((said, statement, signature)) }
}

/// Whether a person can have this name in an approval: it is the name of the signer, and part of a file's name.
#[must_use]
pub fn is_person(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "._@+-".contains(c);
    let begins = name.chars().next().is_some_and(char::is_alphanumeric);
    begins && name.chars().count() <= LONGEST_NAME && name.chars().all(fits)
}

/// Whether a text can stand in one line of an approval.
#[must_use]
pub fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

/// An approval that counted for a run: all that somebody needs who checks it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who approved, by the name among the allowed signers.
    pub by: String,
    /// The fingerprint of the key.
    pub key: String,
    /// Until when a run could begin on it.
    pub until: Timestamp,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The text that was signed.
    pub statement: String,
    /// The signature, as `ssh-keygen -Y sign` wrote it.
    pub signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said() -> Statement {
        Statement {
            plan: Digest::of(b"a plan"),
            of: "retire-shop".to_owned(),
            by: "ann@example.com".to_owned(),
            from: Timestamp::from_millis(1_000),
            until: Timestamp::from_millis(61_000),
            because: Some("change 4711: as agreed".to_owned()),
        }
    }

    #[test]
    fn a_statement_is_read_as_it_is_written_and_in_no_other_way() {
        let (with, without) = (said(), Statement { because: None, ..said() });
        for said in [&with, &without] {
            assert_eq!(said.to_string().parse(), Ok(said.clone()));
        }
        let text = with.to_string();
        for (old, new) in [
            ("of: ", "of:  "),
            ("by: ann", "by: an/n"),
            ("by: ann", "by: *"),
            ("because: ", "because:"),
            ("from: 1970", "from: +1970"),
            ("\nof", "\r\nof"),
            ("sha256 ", "md5 "),
            ("until", "Until"),
        ] {
            let changed = text.replacen(old, new, 1);
            assert_ne!(changed, text, "{old}");
            assert_eq!(changed.parse::<Statement>(), Err(NoStatement::Form), "{new}");
        }
        assert_eq!(format!("{text}more: of it\n").parse::<Statement>(), Err(NoStatement::Form));
        assert_eq!(text.trim_end().parse::<Statement>(), Err(NoStatement::Form));
        let later = text.replacen("format 1", "format 2", 1);
        assert_eq!(later.parse::<Statement>(), Err(NoStatement::Version("2".to_owned())));
    }

    #[test]
    fn an_approval_has_a_signature() {
        let text = said().to_string();
        assert_eq!(taken_apart(&text), Err(NoStatement::Unsigned));
        assert_eq!(taken_apart(""), Err(NoStatement::Form));
        let signature = format!("{SIGNATURE}U1NI{END}\n");
        let signed = format!("{text}{signature}");
        assert_eq!(taken_apart(&signed), Ok((said(), text.as_str(), signature.as_str())));
        for odd in [format!("{signed}more\n"), signed.replace(END, ""), format!("{signed}{signature}")] {
            assert_eq!(taken_apart(&odd), Err(NoStatement::Unsigned), "{odd}");
        }
        let inside = format!("{}{SIGNATURE}", text.trim_end());
        assert!(taken_apart(&inside).is_err(), "the signature begins a line");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_what_would_be_written(text in "(Lifeboat approval, format 1\n)?(plan: sha256 [0-9a-fA-F]{64}\n)?([a-z]{2,7}: [ -~]{0,12}\n){0,6}") {
            if let Ok(read) = text.parse::<Statement>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn reasons_survive(because in "[!-~äß→]([ -~äß→]{0,40}[!-~])?", name in "[a-z][a-z0-9._@+-]{0,20}") {
            let said = Statement { because: Some(because), by: name, ..said() };
            prop_assert_eq!(said.to_string().parse::<Statement>(), Ok(said));
        }
    }
}
