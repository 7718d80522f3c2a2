//! Names: one type for each thing that is named, so that a site can never be taken for a replica.

use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

/// The longest name in characters. Names become file names and journal keys; 200 leaves room for both.
pub const LONGEST: usize = 200;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was written.
    #[error("a name cannot be empty")]
    Empty,
    /// More than [`LONGEST`] characters.
    #[error("a name has at most {LONGEST} characters")]
    TooLong,
    /// A character that the kind of name does not allow.
    #[error("the character {0:?} cannot stand in this name")]
    Character(char),
}

/// A document's name: it becomes part of file names and journal keys, so only letters, digits, `-`, `_` and `.`,
/// and it starts with a letter or a digit.
fn check_document(text: &str) -> Result<(), NameError> {
    check_length(text)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(NameError::Character(c)),
        None => match text.chars().next() {
            Some(c) if !c.is_ascii_alphanumeric() => Err(NameError::Character(c)),
            _ => Ok(()),
        },
    }
}

/// A name that a site gave (a VM, a network): whatever the hypervisor takes, except control characters.
fn check_foreign(text: &str) -> Result<(), NameError> {
    check_length(text)?;
    text.chars().find(|c| c.is_control()).map_or(Ok(()), |c| Err(NameError::Character(c)))
}

fn check_length(text: &str) -> Result<(), NameError> {
    match text.chars().count() {
        0 => Err(NameError::Empty),
        n if n > LONGEST => Err(NameError::TooLong),
        _ => Ok(()),
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident by $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text as a name.
            ///
            /// # Errors
            /// [`NameError`] where the text is empty, too long or has a character that does not belong.
            pub fn new(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// A name that stands in the code itself. Characters that do not belong are left out.
            #[must_use]
            pub fn fixed(text: &'static str) -> Self {
                let good = |c: &char| $check(c.encode_utf8(&mut [0; 4])).is_ok();
                Self(text.chars().filter(good).collect::<String>().into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// The name of a `Site` document.
    SiteName by check_document;
    /// The name of a `Replica` document.
    ReplicaName by check_document;
    /// The name of a `FailoverPlan` document.
    PlanName by check_document;
    /// The name of a `Runbook` document.
    RunbookName by check_document;
    /// The name of a `Policy` document.
    PolicyName by check_document;
    /// The name of an entry of a failover plan's sequence: its group's name or its replica's.
    EntryName by check_document;
    /// The name of a restore point, unique within its replica.
    PointId by check_document;
    /// The name of a run; it is also the name of the run's folder.
    RunId by check_document;
    /// A virtual machine, as its site calls it.
    VmName by check_foreign;
    /// A network, as its site calls it.
    NetworkName by check_foreign;
}

impl PointId {
    /// The name of a restore point that was planned at a time: which plan made it stays readable in the name. Characters
    /// of the suffix that names cannot have are left out.
    #[must_use]
    pub fn made_at(time: crate::base::Timestamp, suffix: &str) -> Self {
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut text = format!("p{}", time.compact());
        text.extend(suffix.chars().filter(allowed));
        text.truncate(LONGEST);
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_become_file_names() {
        for good in ["db-01", "a", "web.front_2", "9lives"] {
            assert!(ReplicaName::new(good).is_ok(), "{good}");
        }
        assert_eq!(ReplicaName::new(""), Err(NameError::Empty));
        assert_eq!(ReplicaName::new("../x"), Err(NameError::Character('/')));
        assert_eq!(ReplicaName::new("-x"), Err(NameError::Character('-')));
        assert_eq!(ReplicaName::new(&"x".repeat(201)), Err(NameError::TooLong));
    }

    #[test]
    fn a_site_may_call_its_machines_as_it_likes() {
        assert!(VmName::new("SQL Server (prod) ü").is_ok());
        assert_eq!(VmName::new("a\nb"), Err(NameError::Character('\n')));
    }
}
