//! Questions to guests: to the agent through libvirt, to a port from where Lifeboat runs.

use super::host::Host;
use super::machine::Run;
use crate::domain::Probe;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long a port may take to be connected to, and a web server to begin its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// After how long one more connection is tried beside those that are on their way: a guest that is booting does not hear the first one, and TCP
/// waits a second, and then two, before it asks again.
const BESIDE: Duration = Duration::from_millis(250);

/// Whether a guest answers; `false` also where it cannot be asked.
pub async fn answers(host: &Host, name: &str, probe: &Probe) -> bool {
    match probe {
        Probe::Guest => {
            match super::sight::machine(host, name).await {
                // Nobody in there can be asked; that it runs is all that can be known. Documents that want more name a port.
                Ok(Some(machine)) if !machine.has_agent() => return machine.run == Run::On,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return false,
            }
            let command = [
                "qemu-agent-command",
                "--domain",
                name,
                "--timeout",
                "5",
                "--cmd",
                "{\"execute\":\"guest-ping\"}",
            ];
            host.ask(&command).await.is_ok()
        }
        Probe::Tcp { port } => {
            for address in addresses(host, name).await {
                if connected(SocketAddr::new(address, *port)).await.is_some() {
                    return true;
                }
            }
            false
        }
        Probe::Http { port, path, status } => {
            for address in addresses(host, name).await {
                let answer = tokio::time::timeout(PATIENCE, status_of(SocketAddr::new(address, *port), path));
                if let Ok(Some(found)) = answer.await
                    && status.map_or(found.is_success(), |wanted| wanted == found.as_u16())
                {
                    return true;
                }
            }
            false
        }
    }
}

async fn connected(address: SocketAddr) -> Option<TcpStream> {
    let first = async {
        let mut tries = JoinSet::new();
        loop {
            tries.spawn(TcpStream::connect(address));
            tokio::select! {
                Some(ended) = tries.join_next() => return ended.ok()?.ok(),
                () = tokio::time::sleep(BESIDE) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, first).await.ok()?
}

/// What a web server answers with; `None` where it does not answer, or says what is no HTTP.
async fn status_of(address: SocketAddr, path: &str) -> Option<StatusCode> {
    let stream = connected(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .header(USER_AGENT, concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(String::new())
        .ok()?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // A server that closes has said all that it says; what it said waits in the other half.
        _ = connection => answer.await,
    };
    answer.ok().map(|a| a.status())
}

/// The addresses of a guest: as its networks' leases say, or its agent, or what the host has heard on its networks.
async fn addresses(host: &Host, name: &str) -> Vec<IpAddr> {
    // An agent tells of all that is inside of its guest, such as bridges of containers, whose addresses are others' as well.
    let cards = host.ask(&["domiflist", "--domain", name]).await.unwrap_or_default();
    let own = |line: &&str| {
        let card = line.split_whitespace().nth(1);
        card.is_some_and(|card| cards.split_whitespace().any(|word| word.eq_ignore_ascii_case(card)))
    };
    for source in ["lease", "agent", "arp"] {
        let command = ["domifaddr", "--domain", name, "--full", "--source", source];
        let text = host.ask(&command).await.unwrap_or_default();
        let found: Vec<IpAddr> = text.lines().filter(own).filter_map(address).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The address in a line of `virsh domifaddr`: ` vnet0  52:54:00:10:00:01  ipv4  10.20.0.11/24`.
fn address(line: &str) -> Option<IpAddr> {
    let address: IpAddr = line.split_whitespace().last()?.split('/').next()?.parse().ok()?;
    (!address.is_loopback()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::{address, status_of};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What is understood of a server that says this to whoever asks it; with what it was asked.
    async fn asked(answer: &'static str) -> (Option<u16>, String) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut request = vec![0; 1000];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        let (status, request) = tokio::join!(status_of(address, "/healthz?deep=1"), serve);
        (status.map(|s| s.as_u16()), request)
    }

    #[tokio::test]
    async fn a_web_server_is_asked_and_its_status_is_read() {
        let (status, request) = asked("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(status, Some(204));
        assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
        // A redirection is an answer by itself; it is not followed.
        let moved = "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(asked(moved).await.0, Some(302));
        assert_eq!(asked("HTTP/1.0 503 No\r\n\r\nwords").await.0, Some(503));
        for broken in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 2"] {
            assert_eq!(asked(broken).await.0, None, "{broken}");
        }
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_gives_no_status() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        drop(server);
        assert_eq!(status_of(address, "/").await, None);
    }

    #[test]
    fn an_address_is_read_from_its_line() {
        let line = " vnet0      52:54:00:10:00:01    ipv4         10.20.0.11/24";
        assert_eq!(address(line), "10.20.0.11".parse().ok());
        assert_eq!(address(" lo         00:00:00:00:00:00    ipv4         127.0.0.1/8"), None);
        assert_eq!(address(" -          -                    N/A          N/A"), None);
    }
}
