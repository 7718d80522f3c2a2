//! Which store: the words of a store's address, and what opens it.
//!
//! `file:FOLDER`, `postgres://USER@HOST[:PORT]/DATABASE[?…]`, `etcd://[USER@]HOST[:PORT][,HOST[:PORT]…][/PREFIX][?tls=on]`; each of the two
//! that are elsewhere with `lease=60s` and `grace=30s`. Secrets never stand in an address.

use crate::base::Duration;
use crate::journal::shared::{Shared, Terms};
use crate::journal::{JournalError, Local, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where runs are kept, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder; none is the workspace's own.
    Folder(Option<PathBuf>),
    /// A database.
    Postgres {
        /// The address without what is ours in it.
        url: String,
        /// Lease and grace.
        terms: Terms,
    },
    /// A cluster of etcd.
    Etcd {
        /// The members, as HOST:PORT.
        hosts: Vec<String>,
        /// What all keys begin with.
        prefix: String,
        /// The user, where there are users.
        user: Option<String>,
        /// Whether the connection is encrypted, where that was said; otherwise it is where somebody says whom to trust.
        tls: Option<bool>,
        /// Lease and grace.
        terms: Terms,
    },
}

/// What gives access, from the environment or from files that it names; never from a document.
#[derive(Clone, Default)]
pub struct Access {
    /// The password.
    pub password: Option<String>,
    /// The certificates of those who may vouch for the server; the machine's own where none are named.
    pub authority: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Access {
    /// Whether somebody said whom to trust, or who we are.
    #[must_use]
    pub const fn wants_tls(&self) -> bool {
        self.authority.is_some() || self.identity.is_some()
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("Access")
            .field("password", &password)
            .field("authority", &self.authority)
            .field("identity", &self.identity)
            .finish()
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').ok_or("it has no `:`")?;
        match scheme {
            "file" if !rest.is_empty() => {
                Ok(Self::Folder(Some(rest.strip_prefix("//").unwrap_or(rest).into())))
            }
            "file" => Err("it names no folder".to_owned()),
            "postgres" | "postgresql" => postgres(rest),
            "etcd" => etcd(rest),
            other => Err(format!("`{other}` is no store; known are file, postgres and etcd")),
        }
    }
}

/// What is asked after the `?`, taken apart: what is ours, and the rest.
fn asked(query: &str) -> Result<(Terms, Vec<(String, String)>), String> {
    let (mut terms, mut rest) = (Terms::default(), Vec::new());
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(format!("`{pair}` is no KEY=VALUE"))?;
        let time = || value.parse::<Duration>().map_err(|e| format!("`{key}={value}`: {e}"));
        match key {
            "lease" => terms.lease = time()?,
            "grace" => terms.grace = time()?,
            "password" | "sslpassword" => return Err("a password does not stand in an address".to_owned()),
            _ => rest.push((key.to_owned(), value.to_owned())),
        }
    }
    terms.check()?;
    Ok((terms, rest))
}

/// The place of the server and what is asked of it; a password in it is refused.
fn parts(rest: &str) -> Result<(&str, &str), String> {
    let rest = rest.strip_prefix("//").ok_or("`//` and a host are missing")?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password does not stand in an address".to_owned());
    }
    Ok((rest, query))
}

/// What may be asked of PostgreSQL.
const OPTIONS: [&str; 10] = [
    "sslmode",
    "sslnegotiation",
    "channel_binding",
    "target_session_attrs",
    "load_balance_hosts",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "options",
];

fn postgres(rest: &str) -> Result<Place, String> {
    let (server, query) = parts(rest)?;
    let (terms, others) = asked(query)?;
    for (key, value) in &others {
        if !OPTIONS.contains(&key.as_str()) {
            let known = OPTIONS.join(", ");
            return Err(format!("`{key}={value}` is not known; known are lease, grace, {known}"));
        }
        if key == "sslmode" && !["disable", "prefer", "require"].contains(&value.as_str()) {
            return Err(format!(
                "`{key}={value}` is not known; known are disable, prefer and require, and a certificate is always verified"
            ));
        }
    }
    let others: Vec<String> = others.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    Ok(Place::Postgres { url: format!("postgres://{server}{query}"), terms })
}

fn etcd(rest: &str) -> Result<Place, String> {
    let (server, query) = parts(rest)?;
    let (terms, others) = asked(query)?;
    let mut tls = None;
    for (key, value) in others {
        match (key.as_str(), value.as_str()) {
            ("tls", "on") => tls = Some(true),
            ("tls", "off") => tls = Some(false),
            _ => {
                return Err(format!(
                    "`{key}={value}` is not known; known are tls=on, tls=off, lease and grace"
                ));
            }
        }
    }
    let (authority, prefix) = server.split_once('/').unwrap_or((server, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user.to_owned()), hosts),
        None => (None, authority),
    };
    let with_port = |host: &str| {
        let plain = host.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err());
        if plain { format!("{host}:2379") } else { host.to_owned() }
    };
    let hosts: Vec<String> = hosts.split(',').filter(|h| !h.is_empty()).map(with_port).collect();
    if hosts.is_empty() {
        return Err("it names no host".to_owned());
    }
    let prefix = if prefix.is_empty() { "lifeboat" } else { prefix.trim_end_matches('/') };
    Ok(Place::Etcd { hosts, prefix: format!("{prefix}/"), user, tls, terms })
}

impl Place {
    /// Opens the store. One that is elsewhere is asked only when it is needed.
    ///
    /// # Errors
    /// Where what gives access cannot be read, or this build has no such store.
    pub fn open(&self, own: &Path, access: &Access) -> Result<Arc<dyn Store>, JournalError> {
        match self {
            Self::Folder(None) => Ok(Arc::new(Local::new(own))),
            Self::Folder(Some(folder)) => Ok(Arc::new(Local::new(folder))),
            #[cfg(feature = "postgres")]
            Self::Postgres { url, terms } => {
                let kv = crate::journal::shared::postgres::Postgres::new(url, access)?;
                Ok(Arc::new(Shared::new(Arc::new(kv), *terms)))
            }
            #[cfg(feature = "etcd")]
            Self::Etcd { hosts, prefix, user, tls, terms } => {
                let how = (user.as_deref(), tls.unwrap_or(access.wants_tls()));
                let kv = crate::journal::shared::etcd::Etcd::new(hosts, prefix, how, access)?;
                Ok(Arc::new(Shared::new(Arc::new(kv), *terms)))
            }
            #[cfg(not(all(feature = "postgres", feature = "etcd")))]
            _ => Err(JournalError::Unreachable {
                store: "the store".to_owned(),
                why: "this build of Lifeboat was made without it".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(text: &str) -> String {
        text.parse::<Place>().unwrap_err()
    }

    #[test]
    fn an_address_says_which_store_and_on_what_terms() {
        assert_eq!("file:/srv/runs".parse(), Ok(Place::Folder(Some("/srv/runs".into()))));
        let place = "postgres://ann@db:5433/dr?sslmode=require&lease=2m&grace=40s".parse();
        let terms = Terms { lease: Duration::from_secs(120), grace: Duration::from_secs(40) };
        let url = "postgres://ann@db:5433/dr?sslmode=require".to_owned();
        assert_eq!(place, Ok(Place::Postgres { url, terms }));
        let etcd = |hosts: &[&str], prefix: &str, user: Option<&str>, tls| Place::Etcd {
            hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            prefix: prefix.to_owned(),
            user: user.map(str::to_owned),
            tls,
            terms: Terms::default(),
        };
        assert_eq!("etcd://a".parse(), Ok(etcd(&["a:2379"], "lifeboat/", None, None)));
        let full = "etcd://ann@a:1,b/team/dr?tls=on".parse();
        assert_eq!(full, Ok(etcd(&["a:1", "b:2379"], "team/dr/", Some("ann"), Some(true))));
    }

    #[test]
    fn what_is_no_address_is_refused_and_so_is_a_secret_in_one() {
        assert!(bad("somewhere").contains("`:`"));
        assert!(bad("redis://x").contains("known are file, postgres and etcd"));
        assert!(bad("file:").contains("no folder"));
        assert!(bad("etcd://?tls=on").contains("no host"));
        assert!(bad("etcd://a?color=red").contains("color=red"));
        assert!(bad("etcd:a").contains("//"));
        assert!(bad("postgres://db/dr?color=red").contains("color=red"));
        assert!(bad("postgres://db/dr?sslmode=verify-full").contains("always verified"));
        for secret in
            ["postgres://ann:hunter2@db/dr", "etcd://ann:hunter2@a", "postgres://db/dr?password=hunter2"]
        {
            assert!(bad(secret).contains("password") && !bad(secret).contains("hunter2"));
        }
        assert!(bad("postgres://db/dr?lease=1s").contains("lease"));
        assert!(bad("postgres://db/dr?lease=10s&grace=9s").contains("half"));
        assert!(bad("postgres://db/dr?lease=soon").contains("lease=soon"));
    }
}
