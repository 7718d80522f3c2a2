//! The file of allowed signers, as far as it tells who could sign. Whether a signature counts is asked of `ssh-keygen` alone.

use super::approval::NAMESPACE;
use crate::base::glob;

/// The words with which kinds of keys begin.
const KEYS: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];

/// Who may sign: a line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// Patterns of names; those with `!` are not meant.
    principals: Vec<String>,
    /// Whether the key signs other people's keys.
    is_authority: bool,
    /// Whether signatures of our kind may be made with it.
    fits: bool,
}

/// The allowed signers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers(Vec<Line>);

impl Signers {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The number of a line that names nobody, more than one person, or no key, from 1. One line is one person's: whoever had two names in it, or a
    /// pattern, would count twice with two keys. An authority's line is about keys that name their people themselves.
    pub fn read(text: &str) -> Result<Self, usize> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        told.map(|(number, line)| one(line).ok_or(number)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether somebody could sign.
    #[must_use]
    pub fn lists(&self, person: &str) -> bool {
        self.0.iter().any(|line| line.fits && line.means(person))
    }

    /// How many people could sign; `None` where the file does not limit that: it has patterns, or keys that sign keys.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        let fitting = || self.0.iter().filter(|line| line.fits);
        let open =
            |line: &Line| line.is_authority || line.principals.iter().any(|p| p.contains(['*', '?', '!']));
        if fitting().any(open) {
            return None;
        }
        let mut names: Vec<&String> = fitting().flat_map(|line| &line.principals).collect();
        names.sort_unstable();
        names.dedup();
        Some(names.len())
    }
}

impl Line {
    fn means(&self, person: &str) -> bool {
        let (not, own): (Vec<_>, Vec<_>) = self.principals.iter().partition(|p| p.starts_with('!'));
        let fits = |pattern: &String| glob::fits(pattern.trim_start_matches('!'), person);
        own.into_iter().any(fits) && !not.into_iter().any(fits)
    }
}

fn one(line: &str) -> Option<Line> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => line.split_once(char::is_whitespace)?,
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let kind = words.iter().position(|word| KEYS.iter().any(|kind| word.starts_with(kind)))?;
    words.get(kind + 1).filter(|key| key.len() > 30)?;
    let options = words.get(..kind).unwrap_or_default().join(" ");
    let option = |name: &str| options.to_ascii_lowercase().find(name);
    let spaces = option("namespaces=\"").and_then(|at| options.get(at..)?.split('"').nth(1));
    let fits = spaces.is_none_or(|spaces| spaces.split(',').any(|space| glob::fits(space.trim(), NAMESPACE)));
    let is_authority = option("cert-authority").is_some();
    if !is_authority && principals.contains([',', '*', '?', '!']) {
        return None;
    }
    let principals = principals.split(',').map(|name| name.trim().to_owned()).collect();
    Some(Line { principals, is_authority, fits })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK35mtKk9AjexXT42LGldsdbAaykbMdkIcPoz8HBvxA ann's";

    #[test]
    fn it_tells_who_could_sign() {
        let text = format!(
            "# people\n\nann {KEY}\nann@example.com {KEY}\nbob valid-before=\"20300101\",namespaces=\"lifeboat,git\" {KEY}\n\
             \"carl\" namespaces=\"git\" {KEY}\n"
        );
        let signers = Signers::read(&text).unwrap();
        for (name, is) in
            [("ann", true), ("ann@example.com", true), ("bob", true), ("carl", false), ("an", false)]
        {
            assert_eq!(signers.lists(name), is, "{name}");
        }
        assert_eq!(signers.count(), Some(3));
    }

    #[test]
    fn patterns_and_authorities_set_no_limit() {
        let signers =
            Signers::read(&format!("*@example.com,!eve@example.com cert-authority {KEY}\n")).unwrap();
        assert!(
            signers.lists("ann@example.com") && !signers.lists("eve@example.com") && !signers.lists("ann")
        );
        assert_eq!(signers.count(), None);
        assert_eq!(Signers::read("").unwrap().count(), Some(0));
    }

    #[test]
    fn a_line_without_people_or_a_key_is_found() {
        for (text, line) in [
            (KEY.to_owned(), 1),
            (format!("ann {KEY}\nbob\n"), 2),
            ("ann ssh-ed25519\n".to_owned(), 1),
            ("\n\nann some-key AAAA\n".to_owned(), 3),
            (format!("ann,ann@example.com {KEY}\n"), 1),
            (format!("bob {KEY}\nann* {KEY}\n"), 2),
        ] {
            assert_eq!(Signers::read(&text), Err(line), "{text}");
        }
    }
}
