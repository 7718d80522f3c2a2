//! What stands between the program and a store elsewhere, and disturbs one of its writes: before the store has it, or when the store has
//! done it and nobody was told. The program knows nothing of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Which side of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The store never hears of it.
    Before,
    /// The store has done it, and its answer does not arrive.
    After,
    /// The store never hears of it, nor that anybody is gone: the machine lost its power, or its network.
    Dark,
    /// The store has done it, its answer is lost, and so is the connection.
    Lost,
    /// The store has done it, and its answer comes when nobody waits for it any more.
    Late,
    /// It arrives a second after its connection broke, when it may have been asked for again.
    Stale,
}

/// Later than anybody waits for an answer.
const LATE: Duration = Duration::from_millis(5500);

/// How requests are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's messages; a write is a `COMMIT`, or the one statement that puts a record.
    Postgres,
    /// HTTP; a write is a transaction or a lease.
    Etcd,
}

/// The state of a proxy.
#[derive(Debug)]
struct Gate {
    protocol: Protocol,
    server: u16,
    /// The write that it stops at, counted from 1, and on which side.
    stop: Option<(usize, Side)>,
    /// How many there were.
    writes: AtomicUsize,
    /// Nothing goes on to the store.
    shut: AtomicBool,
    over: AtomicBool,
    reached: (Mutex<bool>, Condvar),
}

/// A proxy, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    gate: Arc<Gate>,
}

impl Gate {
    fn reach(&self) {
        *self.reached.0.lock().unwrap() = true;
        self.reached.1.notify_all();
    }

    /// What the program says, request by request. `mute` is that the next answer is the one that is disturbed.
    fn there(&self, mut from: TcpStream, mut to: TcpStream, mute: &AtomicBool) {
        let (mut held, mut bytes, mut first) = (Vec::new(), [0; 16 * 1024], true);
        while let Ok(read) = from.read(&mut bytes) {
            if read == 0 {
                break;
            }
            if self.shut.load(Ordering::SeqCst) {
                continue;
            }
            held.extend_from_slice(&bytes[..read]);
            while let Some((length, writes)) = self.request(&held, first) {
                first = false;
                let number = if writes { self.writes.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
                match self.stop.filter(|(at, _)| writes && number == *at).map(|(_, side)| side) {
                    None => {}
                    Some(Side::Before | Side::Dark) => {
                        self.shut.store(true, Ordering::SeqCst);
                        self.reach();
                    }
                    Some(Side::After | Side::Lost | Side::Late) => mute.store(true, Ordering::SeqCst),
                    Some(Side::Stale) => {
                        drop(from.shutdown(Shutdown::Both));
                        std::thread::sleep(Duration::from_secs(1));
                        self.reach();
                    }
                }
                if self.shut.load(Ordering::SeqCst) {
                    break;
                }
                if to.write_all(&held[..length]).is_err() {
                    return;
                }
                held.drain(..length);
            }
        }
        let dark = self.shut.load(Ordering::SeqCst) && matches!(self.stop, Some((_, Side::Dark)));
        while dark && !self.over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(to.shutdown(Shutdown::Both));
    }

    /// What the store says.
    fn back(&self, mut from: TcpStream, mut to: TcpStream, mute: &AtomicBool) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(read) = from.read(&mut bytes) {
            if read > 0 && mute.swap(false, Ordering::SeqCst) {
                self.reach();
                match self.stop {
                    Some((_, Side::Lost)) => break,
                    Some((_, Side::Late)) => std::thread::sleep(LATE),
                    // Whoever waits for it is killed.
                    _ => return,
                }
            }
            if read == 0 || to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
    }

    /// The length of the first whole request, and whether it writes.
    fn request(&self, held: &[u8], first: bool) -> Option<(usize, bool)> {
        match self.protocol {
            Protocol::Postgres => {
                // The first one has no kind.
                let kind = usize::from(!first);
                let number = held.get(kind..kind + 4)?;
                let length = kind + u32::from_be_bytes(number.try_into().unwrap()) as usize;
                let whole = held.get(..length)?;
                let commit = whole[0] == b'Q' && whole[5..].starts_with(b"COMMIT");
                let put = whole[0] == b'P' && whole.windows(12).any(|w| w == b"WITH found A");
                Some((length, !first && (commit || put)))
            }
            Protocol::Etcd => {
                let end = held.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
                let head = String::from_utf8_lossy(&held[..end]).to_lowercase();
                let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
                let length = end + length.map_or(0, |l| l.trim().parse::<usize>().unwrap());
                held.get(..length)?;
                let writes = ["post /v3/kv/txn ", "post /v3/lease/grant "];
                Some((length, writes.iter().any(|w| head.starts_with(w))))
            }
        }
    }
}

impl Proxy {
    /// One before a server of this machine.
    pub fn new(protocol: Protocol, server: u16, stop: Option<(usize, Side)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Arc::new(Gate {
            protocol,
            server,
            stop,
            writes: AtomicUsize::new(0),
            shut: AtomicBool::new(false),
            over: AtomicBool::new(false),
            reached: (Mutex::new(false), Condvar::new()),
        });
        let own = Arc::clone(&gate);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if own.over.load(Ordering::SeqCst) {
                    return;
                }
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, own.server)).unwrap();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                let mute = Arc::new(AtomicBool::new(false));
                let (there, back, told) = (Arc::clone(&own), Arc::clone(&own), Arc::clone(&mute));
                let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || back.back(server_too, client_too, &told));
                std::thread::spawn(move || there.there(client, server, &mute));
            }
        });
        Self { port, gate }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many writes it has seen.
    pub fn writes(&self) -> usize {
        self.gate.writes.load(Ordering::SeqCst)
    }

    /// Waits a little for the moment that it stops at; whether it has come.
    pub fn reached(&self) -> bool {
        let (reached, told) = &self.gate.reached;
        let waited = told.wait_timeout_while(reached.lock().unwrap(), Duration::from_millis(10), |r| !*r);
        *waited.unwrap().0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.gate.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}
