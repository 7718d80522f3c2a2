//! What may be left at a host of something that broke off: connections over a link that is gone, and programs that nobody waits for.

use super::case::Trouble;
use super::host::{Host, HostError};
use super::xml::Element;

/// Cuts the connections of whoever reads from a backup. While an answer waits for a link that is gone, ending the backup makes QEMU stand still
/// with its guest until TCP gives up, which is a quarter of an hour (QEMU 10: it drains what is being sent).
///
/// # Errors
/// [`Trouble`], also where a connection cannot be cut: then the backup must not be ended.
pub async fn hang_up(host: &Host, domain: &str, backup: &Element) -> Result<(), Trouble> {
    let Some(port) = backup.of("server", "port") else { return Ok(()) };
    let here = format!(":{port}");
    let cut = match host.exec(&["ss", "-K", "-Htn", "sport", "=", &here]).await {
        Ok(cut) => cut,
        Err(HostError::Failed { why, .. }) => {
            tracing::warn!(%why, "it cannot be told whether somebody still reads");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if cut.trim().is_empty() || host.exec(&["ss", "-Htn", "sport", "=", &here]).await?.trim().is_empty() {
        return Ok(());
    }
    Err(Trouble::InTheWay(format!(
        "somebody reads from {domain} at port {port} of site {} and cannot be cut off, as `ss -K` needs root there; ending the backup now could \
         make the machine stand still",
        host.site
    )))
}

/// Ends the `qemu-img` and `qemu-io` that still work on these files, or read from these exports: a Lifeboat that was killed, or a connection
/// that broke, left them.
///
/// # Errors
/// [`Trouble`].
pub async fn end_programs(host: &Host, on: &[&str]) -> Result<(), Trouble> {
    // Without a match `pgrep` fails. A machine's own QEMU has another name.
    let found = match host.exec(&["pgrep", "-f", &pattern(on)]).await {
        Ok(found) => found,
        Err(HostError::Failed { why, .. }) if why == "it ended with code 1" => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let pids: Vec<&str> = found.split_whitespace().collect();
    tracing::warn!(?pids, ?on, "programs that were left over are ended");
    match host.exec(&[&["kill", "-KILL"], pids.as_slice()].concat()).await {
        // It may have ended by itself meanwhile.
        Ok(_) | Err(HostError::Failed { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The extended regular expression of command lines with one of these files, or of these exports, as a word.
fn pattern(texts: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_~:".contains(c);
    let escaped = |c: char| match c {
        c if plain(c) => c.to_string(),
        '^' => r"\^".to_owned(),
        c => format!("[{c}]"),
    };
    let texts: Vec<String> = texts.iter().map(|text| text.chars().map(escaped).collect()).collect();
    format!("^qemu-(img|io) .*[ =/]({})([ ,]|$)", texts.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_meant_as_it_is_written() {
        assert_eq!(pattern(&["/a/b.q", "/c^"]), r"^qemu-(img|io) .*[ =/](/a/b[.]q|/c\^)([ ,]|$)");
    }
}
