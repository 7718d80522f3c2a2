//! SSH signatures, as `ssh-keygen -Y` makes and checks them: the tool itself is asked, so keys in an agent or on a token, certificates,
//! and all options of an allowed-signers file mean here what they mean everywhere.

use crate::base::{Duration, Timestamp};
use crate::domain::approval::NAMESPACE;
use crate::provider::exec::{Call, ExecError, Output, run};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::NamedTempFile;

/// The program.
pub const PROGRAM: &str = "ssh-keygen";
/// It reads a few small files, and asks nobody.
const SILENCE: Duration = Duration::from_secs(20);

/// Why nothing can be said of a signature, or none made.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The program cannot be run.
    #[error("{0}")]
    Program(String),
    /// The file that it would read cannot be written.
    #[error("a file for it cannot be written: {0}")]
    Scratch(std::io::Error),
    /// It made no signature; it has said why itself, where the person sits.
    #[error("`{PROGRAM}` made no signature (exit {0})")]
    Refused(i32),
}

impl SignerError {
    /// Whether the program is not there.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Program(_))
    }
}

impl From<ExecError> for SignerError {
    fn from(error: ExecError) -> Self {
        Self::Program(error.to_string())
    }
}

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The signature is that of an allowed signer, with the key of this fingerprint.
    Good(String),
    /// It was not made of this text, or not for approvals.
    Forged,
    /// It was made with the key of this fingerprint, which does not stand for this person then; with what the program says of it.
    NotAllowed(String, String),
}

/// Signs a text with a key, of which the file may be the public half where an agent has the other one. The program asks for a passphrase
/// and for the touch of a token itself, at the terminal.
///
/// # Errors
/// [`SignerError`].
pub fn sign(text: &str, key: &Path) -> Result<String, SignerError> {
    let program = |error: std::io::Error| SignerError::Program(format!("`{PROGRAM}` cannot be run: {error}"));
    let mut command = Command::new(PROGRAM);
    command.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(program)?;
    if let Some(mut input) = child.stdin.take()
        && let Err(why) = input.write_all(text.as_bytes())
    {
        tracing::debug!(%why, "it ended before it had read all");
    }
    let output = child.wait_with_output().map_err(program)?;
    let signature = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && !signature.is_empty() {
        Ok(signature)
    } else {
        Err(SignerError::Refused(output.status.code().unwrap_or(-1)))
    }
}

/// Checks a signature of a text: whether it is one, and whether a person could make it at a time by the allowed signers. Times without a
/// zone in their file are read as UTC, so that every machine says the same.
///
/// # Errors
/// Where the program cannot be run. What it refuses is no error.
pub async fn check(
    text: &str,
    signature: &str,
    (person, at): (&str, Timestamp),
    signers: &str,
) -> Result<Checked, SignerError> {
    let (signature, signers) = (scratch(signature)?, scratch(signers)?);
    let named = ["-n", NAMESPACE, "-s"].map(str::to_owned);
    let signed = [&named[..], &[path(&signature)]].concat();
    let output = asked("check-novalidate", &signed, text).await?;
    let Some(key) = key(&output).filter(|_| output.code == Some(0)) else { return Ok(Checked::Forged) };
    let time = format!("verify-time={}", at.compact().replace(['T', 'Z'], ""));
    let person = ["-I".to_owned(), person.to_owned(), "-O".to_owned(), time, "-f".to_owned(), path(&signers)];
    let output = asked("verify", &[&signed[..], &person].concat(), text).await?;
    if output.code == Some(0) {
        return Ok(Checked::Good(key));
    }
    // The first complaint is the reason; the last one says only that there was one.
    let said = output.err.lines().find(|line| line.starts_with(&path(&signers)));
    let said = said.map(|line| line.replacen(&path(&signers), "line ", 1).replacen("line :", "line ", 1));
    Ok(Checked::NotAllowed(key, said.unwrap_or_default()))
}

async fn asked(what: &str, arguments: &[String], text: &str) -> Result<Output, SignerError> {
    let head = [PROGRAM, "-Y", what].map(str::to_owned);
    let env = [("TZ", "UTC"), ("LC_ALL", "C")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
    let argv = [&head[..], arguments].concat();
    Ok(run(Call { argv, env, input: text.as_bytes().to_vec(), silence: SILENCE, ..Call::default() }).await?)
}

/// The fingerprint at the end of `Good "lifeboat" signature with ED25519 key SHA256:…`.
fn key(output: &Output) -> Option<String> {
    let line = output.out.lines().chain(output.err.lines()).find(|line| line.starts_with("Good "))?;
    line.split_whitespace().last().filter(|word| word.starts_with("SHA256:")).map(str::to_owned)
}

fn scratch(text: &str) -> Result<NamedTempFile, SignerError> {
    let mut file = NamedTempFile::new().map_err(SignerError::Scratch)?;
    file.write_all(text.as_bytes()).map_err(SignerError::Scratch)?;
    file.flush().map_err(SignerError::Scratch)?;
    Ok(file)
}

fn path(file: &NamedTempFile) -> String {
    file.path().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Lifeboat approval\n";

    fn keygen(folder: &Path, arguments: &[&str]) {
        let status = Command::new(PROGRAM).args(arguments).current_dir(folder).status();
        assert!(status.expect("ssh-keygen is needed for this test").success());
    }

    /// A key of a person, and the line of the allowed signers for it.
    fn person(folder: &Path, name: &str, options: &str) -> String {
        keygen(folder, &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        let public = std::fs::read_to_string(folder.join(format!("{name}.pub"))).unwrap();
        format!("{name} {options}{public}")
    }

    #[tokio::test]
    async fn a_signature_counts_for_its_person_its_text_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let ann = person(folder.path(), "ann", "namespaces=\"lifeboat\" ");
        let bob = person(folder.path(), "bob", "valid-before=\"20260101\" ");
        let carl = person(folder.path(), "carl", "namespaces=\"git\" ");
        let signers = format!("# who\n{ann}{bob}{carl}");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (old, new) = (at("2025-12-31T23:59:59Z"), at("2026-01-01T00:00:01Z"));
        let signed = |name: &str| sign(TEXT, &folder.path().join(name)).unwrap();
        let (by_ann, by_bob, by_carl) = (signed("ann"), signed("bob"), signed("carl"));
        let is = async |text: &str, signature: &str, by: (&str, Timestamp)| {
            check(text, signature, by, &signers).await.unwrap()
        };
        assert!(
            matches!(is(TEXT, &by_ann, ("ann", new)).await, Checked::Good(key) if key.starts_with("SHA256:"))
        );
        assert_eq!(is("Lifeboat approval!\n", &by_ann, ("ann", new)).await, Checked::Forged);
        assert_eq!(is(TEXT, "-----BEGIN SSH SIGNATURE-----\nAAAA\n", ("ann", new)).await, Checked::Forged);
        assert!(matches!(is(TEXT, &by_ann, ("bob", new)).await, Checked::NotAllowed(..)));
        assert!(matches!(is(TEXT, &by_carl, ("carl", new)).await, Checked::NotAllowed(..)), "for git alone");
        assert!(matches!(is(TEXT, &by_bob, ("bob", old)).await, Checked::Good(_)));
        let late = is(TEXT, &by_bob, ("bob", new)).await;
        assert!(
            matches!(&late, Checked::NotAllowed(_, why) if why.starts_with("line 3: key has expired")),
            "{late:?}"
        );
    }

    #[tokio::test]
    async fn a_key_that_an_authority_signed_counts_for_its_people() {
        let folder = tempfile::tempdir().unwrap();
        let authority = person(folder.path(), "ca", "");
        let authority = authority.replacen("ca ", "*@example.com cert-authority ", 1);
        person(folder.path(), "ann", "");
        let certify =
            ["-q", "-s", "ca", "-I", "ann's", "-n", "ann@example.com", "-V", "20250101:20270101", "ann.pub"];
        keygen(folder.path(), &certify);
        let signed = sign(TEXT, &folder.path().join("ann-cert.pub")).unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let is = async |by: &str| check(TEXT, &signed, (by, now), &authority).await.unwrap();
        assert!(matches!(is("ann@example.com").await, Checked::Good(_)));
        assert!(matches!(is("eve@example.com").await, Checked::NotAllowed(..)), "her name is not in it");
    }

    #[test]
    fn what_cannot_sign_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = sign(TEXT, &folder.path().join("nobody")).unwrap_err();
        assert!(matches!(error, SignerError::Refused(_)), "{error}");
    }
}
