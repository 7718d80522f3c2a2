//! PostgreSQL: one table, one row a value.
//!
//! A change is one transaction that locks the rows that it expects something of. Times are the server's, so that the clocks of those who ask
//! make no difference. A commit waits for the disk also where the server was told that it need not.

use super::bridge::Bridge;
use super::kv::{Check, Kv, KvError, Pair, Version, Write};
use crate::base::Duration;
use crate::journal::{Access, JournalError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What the table is made of.
const TABLE: &str = r#"
CREATE TABLE IF NOT EXISTS lifeboat (
    key text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL,
    version bigint NOT NULL,
    expires timestamptz
);
CREATE SEQUENCE IF NOT EXISTS lifeboat_version;
"#;

/// What a change mostly is: values put where what is expected is there. In one statement, so that a record costs one question and one answer
/// however far away the server is. The rows are locked before anything is put, in the order of their names.
const PUT: &str = "
WITH found AS (
    SELECT l.version = c.version AND (l.expires IS NULL OR l.expires > clock_timestamp()) AS good
    FROM lifeboat AS l JOIN unnest($1, $2) AS c(key, version) ON l.key = c.key
    ORDER BY l.key FOR UPDATE OF l
), granted AS (
    SELECT nextval('lifeboat_version') AS version
    FROM (SELECT count(*) AS good FROM found WHERE good) AS f WHERE f.good = cardinality($1)
)
INSERT INTO lifeboat (key, value, version, expires)
SELECT k, v, g.version, clock_timestamp() + t * interval '1 millisecond'
FROM granted AS g, unnest($3, $4, $5) AS w(k, v, t)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, version = EXCLUDED.version, expires = EXCLUDED.expires
RETURNING version";

/// Two who make it at once: one of them is told that it is there.
const MADE_MEANWHILE: [SqlState; 3] =
    [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];

/// So long is waited for a connection.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(4);

/// Follows every character that a name has, in every encoding that a database may have: of all that begins alike, this is the end, and the
/// index is read no further.
const LAST: &str = "\x7f";

/// So long a change may stand half made: a machine that loses its power in the middle of one says nothing to the server, and what it locked
/// must be free again before whoever goes on elsewhere has waited for too long.
const IDLE: &str = "3s";

/// A place for a connection that is open and free.
type Slot = Arc<Mutex<Option<Client>>>;

/// A database.
#[derive(Debug)]
pub struct Postgres {
    place: String,
    link: Link,
    bridge: Bridge,
    /// For everything but renewing.
    main: Slot,
    /// For renewing, which waits for nobody.
    renewing: Slot,
}

/// How it is reached.
#[derive(Debug, Clone)]
struct Link {
    config: Config,
    tls: Option<Tls>,
}

/// The settings of encrypted connections.
#[derive(Clone)]
struct Tls(MakeRustlsConnect);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Postgres {
    /// The database of an address. It is not yet asked anything.
    ///
    /// # Errors
    /// An address that is none; certificates that cannot be read.
    pub fn new(url: &str, access: &Access) -> Result<Self, JournalError> {
        let place = url.split('?').next().unwrap_or(url).to_owned();
        let failed = |why: String| JournalError::Refused { store: place.clone(), why };
        let mut config: Config = url.parse().map_err(|e| failed(told(&e)))?;
        if let Some(password) = &access.password {
            config.password(password);
        }
        config.application_name("lifeboat").connect_timeout(CONNECT);
        // Whoever says whom to trust does not want to be talked out of it.
        if config.get_ssl_mode() == SslMode::Prefer && access.wants_tls() {
            config.ssl_mode(SslMode::Require);
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            // What the server says of itself is believed only where somebody vouches for it.
            _ => Some(Tls(MakeRustlsConnect::new(super::tls::config(&place, access)?))),
        };
        let bridge = Bridge::new(&place)?;
        let link = Link { config, tls };
        Ok(Self { place, link, bridge, main: Slot::default(), renewing: Slot::default() })
    }

    /// Does some work with a connection. One that failed is not used again.
    fn with<T, W, F>(&self, slot: &Slot, work: W) -> Result<T, KvError>
    where
        T: Send + 'static,
        W: FnOnce(Client) -> F + Send + 'static,
        F: Future<Output = (Client, Result<T, tokio_postgres::Error>)> + Send,
    {
        let (slot, link) = (Arc::clone(slot), self.link.clone());
        self.bridge.wait(async move {
            let mut slot = slot.lock().await;
            let client = match slot.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => link.connect().await.map_err(|e| sorted(&e))?,
            };
            let (client, done) = work(client).await;
            if done.is_ok() {
                *slot = Some(client);
            }
            done.map_err(|e| sorted(&e))
        })
    }
}

impl Link {
    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.0.clone()).await?;
                // It ends with the client, and its error is told to whoever waits for an answer.
                tokio::spawn(async move { drop(connection.await) });
                client
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(async move { drop(connection.await) });
                client
            }
        };
        let row = client
            .query_one(
                "SELECT current_setting('synchronous_commit'), to_regclass('lifeboat')::text,
                 set_config('idle_in_transaction_session_timeout', $1, false)",
                &[&IDLE],
            )
            .await?;
        if matches!(row.get(0), "off" | "local") {
            client.batch_execute("SET synchronous_commit = on").await?;
        }
        if row.get::<_, Option<&str>>(1).is_none()
            && let Err(error) = client.batch_execute(TABLE).await
            && !error.code().is_some_and(|code| MADE_MEANWHILE.contains(code))
        {
            return Err(error);
        }
        Ok(client)
    }
}

/// The words of an error with those of its cause, which has the matter.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => db.message().to_owned(),
        None => super::tls::whole(error),
    }
}

/// Whether asking again may help. A server that starts, stops or is short of something will answer later.
fn sorted(error: &tokio_postgres::Error) -> KvError {
    let why = told(error);
    let passing = match error.code() {
        None => !super::tls::is_final(&why) && !why.starts_with("invalid configuration"),
        Some(code) => {
            matches!(code.code().get(..2), Some("08" | "40" | "53" | "57" | "58" | "25"))
                || MADE_MEANWHILE.contains(code)
        }
    };
    if passing { KvError::NoAnswer(why) } else { KvError::Refused(why) }
}

/// A change, sorted for its statements.
#[derive(Debug, Default)]
struct Change {
    /// The names that something is expected of, in their order, so that two changes never wait for each other.
    checks: BTreeMap<String, Option<i64>>,
    /// What is put: names, values, and how long they last, in milliseconds.
    keys: Vec<String>,
    values: Vec<Vec<u8>>,
    times: Vec<Option<i64>>,
    gone: Vec<String>,
}

impl Change {
    fn new(checks: &[Check], writes: &[Write]) -> Self {
        let mut change = Self::default();
        for (key, version) in checks {
            change.checks.insert(key.clone(), version.map(|v| i64::try_from(v).unwrap_or(i64::MAX)));
        }
        for write in writes {
            let (key, value, time) = match write {
                Write::Delete(key) => {
                    change.gone.push(key.clone());
                    continue;
                }
                Write::Put(key, value) => (key, value, None),
                Write::Lease(key, value, time) => {
                    (key, value, Some(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
                }
            };
            change.keys.push(key.clone());
            change.values.push(value.clone());
            change.times.push(time);
        }
        change
    }

    /// Makes it, whole or not at all; `None` where something is not as expected.
    async fn make(&self, client: &mut Client) -> Result<Option<i64>, tokio_postgres::Error> {
        let known: Option<Vec<i64>> = self.checks.values().copied().collect();
        match known.filter(|_| self.gone.is_empty() && !self.keys.is_empty()) {
            Some(versions) => self.put(client, &versions).await,
            None => self.sorted_out(client).await,
        }
    }

    /// In one statement: every name that is expected is expected to be there.
    async fn put(&self, client: &Client, versions: &Vec<i64>) -> Result<Option<i64>, tokio_postgres::Error> {
        let names: Vec<&String> = self.checks.keys().collect();
        let rows = client
            .query_typed(
                PUT,
                &[
                    (&names, Type::TEXT_ARRAY),
                    (versions, Type::INT8_ARRAY),
                    (&self.keys, Type::TEXT_ARRAY),
                    (&self.values, Type::BYTEA_ARRAY),
                    (&self.times, Type::INT8_ARRAY),
                ],
            )
            .await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// In one transaction of several statements.
    async fn sorted_out(&self, client: &mut Client) -> Result<Option<i64>, tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        let names: Vec<&String> = self.checks.keys().collect();
        let rows = transaction
            .query(
                "SELECT key, version, expires IS NULL OR expires > clock_timestamp() FROM lifeboat
                 WHERE key = ANY($1) ORDER BY key FOR UPDATE",
                &[&names],
            )
            .await?;
        let mut found: BTreeMap<&str, i64> = BTreeMap::new();
        let mut over: Vec<&str> = Vec::new();
        for row in &rows {
            if row.get(2) {
                found.insert(row.get(0), row.get(1));
            } else {
                over.push(row.get(0));
            }
        }
        if self.checks.iter().any(|(key, version)| found.get(key.as_str()) != version.as_ref()) {
            return Ok(None);
        }
        let gone: Vec<&str> = self.gone.iter().map(String::as_str).chain(over).collect();
        if !gone.is_empty() {
            transaction.execute("DELETE FROM lifeboat WHERE key = ANY($1)", &[&gone]).await?;
        }
        let version: i64 = transaction.query_one("SELECT nextval('lifeboat_version')", &[]).await?.get(0);
        // Of two who put what neither of them found, one finds it now.
        let fresh: BTreeSet<&String> =
            self.checks.iter().filter(|(_, v)| v.is_none()).map(|(k, _)| k).collect();
        for (with_care, statement) in [
            (true, "ON CONFLICT (key) DO NOTHING"),
            (
                false,
                "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, version = EXCLUDED.version, expires = EXCLUDED.expires",
            ),
        ] {
            let of = |i: &usize| self.keys.get(*i).is_some_and(|key| fresh.contains(key)) == with_care;
            let chosen: Vec<usize> = (0..self.keys.len()).filter(of).collect();
            if chosen.is_empty() {
                continue;
            }
            let keys: Vec<&String> = chosen.iter().filter_map(|i| self.keys.get(*i)).collect();
            let values: Vec<&Vec<u8>> = chosen.iter().filter_map(|i| self.values.get(*i)).collect();
            let times: Vec<Option<i64>> = chosen.iter().filter_map(|i| self.times.get(*i).copied()).collect();
            let put = format!(
                "INSERT INTO lifeboat (key, value, version, expires)
                 SELECT k, v, $3, clock_timestamp() + t * interval '1 millisecond'
                 FROM unnest($1::text[], $2::bytea[], $4::bigint[]) AS w(k, v, t) {statement}"
            );
            let made = transaction.execute(put.as_str(), &[&keys, &values, &version, &times]).await?;
            if made != keys.len() as u64 {
                return Ok(None);
            }
        }
        transaction.commit().await?;
        Ok(Some(version))
    }
}

impl Kv for Postgres {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn range(&self, prefix: &str) -> Result<Vec<Pair>, KvError> {
        let prefix = prefix.to_owned();
        self.with(&self.main, move |client| async move {
            let found = client
                .query(
                    "SELECT key, value, version FROM lifeboat
                     WHERE starts_with(key, $1) AND key >= $1 AND key < $1 || $2
                     AND (expires IS NULL OR expires > clock_timestamp()) ORDER BY key",
                    &[&prefix, &LAST],
                )
                .await;
            let pair = |row: tokio_postgres::Row| Pair {
                key: row.get(0),
                value: row.get(1),
                version: u64::try_from(row.get::<_, i64>(2)).unwrap_or_default(),
            };
            (client, found.map(|rows| rows.into_iter().map(pair).collect()))
        })
    }

    fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Option<Version>, KvError> {
        let change = Change::new(checks, writes);
        self.with(&self.main, move |mut client| async move {
            let made = change.make(&mut client).await;
            (client, made.map(|version| version.map(|v| u64::try_from(v).unwrap_or_default())))
        })
    }

    fn renew(&self, key: &str, version: Version, time: Duration) -> Result<bool, KvError> {
        let (key, version) = (key.to_owned(), i64::try_from(version).unwrap_or(i64::MAX));
        let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.with(&self.renewing, move |client| async move {
            let renewed = client
                .execute(
                    "UPDATE lifeboat SET expires = clock_timestamp() + $3::bigint * interval '1 millisecond'
                     WHERE key = $1 AND version = $2 AND expires > clock_timestamp()",
                    &[&key, &version, &time],
                )
                .await;
            (client, renewed.map(|rows| rows == 1))
        })
    }
}
