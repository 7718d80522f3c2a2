//! Where the runs of the campaign are kept: in the folder, in PostgreSQL, in etcd.

use crate::proxy::{Protocol, Proxy, Side};
use crate::servers::{Etcd, Postgres, Server};
use lifeboat::journal::{Access, Local, Place, Store};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A store of the campaign.
pub struct Kept {
    /// What it is called.
    pub name: &'static str,
    server: Option<Mutex<Box<dyn Server>>>,
}

/// A trial's own place in it.
#[derive(Debug, Clone)]
pub struct Spot {
    /// Its address; none is the workspace's own folder.
    pub address: Option<String>,
    server: Option<(Protocol, u16)>,
}

impl Kept {
    /// The local folder.
    pub fn folder() -> Self {
        Self { name: "folder", server: None }
    }

    /// PostgreSQL.
    pub fn postgres() -> Self {
        let server: Box<dyn Server> = Box::new(Postgres::new());
        Self { name: "postgres", server: Some(Mutex::new(server)) }
    }

    /// etcd.
    pub fn etcd() -> Self {
        let server: Box<dyn Server> = Box::new(Etcd::new());
        Self { name: "etcd", server: Some(Mutex::new(server)) }
    }

    /// Whether it is elsewhere.
    pub fn is_elsewhere(&self) -> bool {
        self.server.is_some()
    }

    /// A place in it that nobody has used yet.
    pub fn spot(&self) -> Spot {
        let Some(server) = &self.server else { return Spot { address: None, server: None } };
        let mut server = server.lock().unwrap();
        let address = Some(server.place());
        let port = server.process().map(|process| process.port());
        Spot { address, server: server.protocol().zip(port) }
    }
}

impl Spot {
    /// Its runs, as anybody sees them.
    pub fn store(&self, at: &Path) -> Arc<dyn Store> {
        let Some(address) = &self.address else { return Arc::new(Local::new(&at.join(".lifeboat"))) };
        address.parse::<Place>().unwrap().open(at, &Access::default()).unwrap()
    }

    /// The same place behind a proxy.
    pub fn behind(&self, stop: Option<(usize, Side)>) -> (Self, Option<Proxy>) {
        let (Some((protocol, port)), Some(address)) = (self.server, &self.address) else {
            return (self.clone(), None);
        };
        let proxy = Proxy::new(protocol, port, stop);
        let address = address.replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
        (Self { address: Some(address), server: self.server }, Some(proxy))
    }
}
