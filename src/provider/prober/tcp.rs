//! Ports.

use super::PATIENCE;
use crate::domain::NotSo;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// After how long one more connection is tried beside those that are on their way: a guest that is booting does not hear the first one, and TCP
/// waits a second, and then two, before it asks again.
const BESIDE: Duration = Duration::from_millis(250);

/// Whether somebody listens at a port.
pub async fn ask(port: u16, addresses: &[IpAddr]) -> Result<(), NotSo> {
    super::any(addresses, |address| async move { connected(SocketAddr::new(address, port)).await.map(drop) })
        .await
}

/// A connection.
pub async fn connected(address: SocketAddr) -> Result<TcpStream, NotSo> {
    let first = async {
        let mut tries = JoinSet::new();
        loop {
            tries.spawn(TcpStream::connect(address));
            tokio::select! {
                Some(Ok(ended)) = tries.join_next() => return ended.map_err(|why| unconnected(&why)),
                () = tokio::time::sleep(BESIDE) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, first).await.unwrap_or(Err(NotSo::NoAnswer))
}

/// What is heard at an address at which nobody should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Nothing.
    Nobody,
    /// A connection was turned away: by somebody there, or by a firewall on the way.
    TurnedAway,
    /// A connection was taken.
    There,
}

/// Ports that most machines have one of.
const USUAL: [u16; 4] = [22, 80, 443, 3389];
/// How long each of them has: this is asked before anything is done, by somebody who waits.
const SHORT: Duration = Duration::from_secs(1);

/// Whether somebody is at an address.
pub async fn presence(address: IpAddr) -> Presence {
    heard(USUAL.map(|port| SocketAddr::new(address, port))).await
}

async fn heard(all: [SocketAddr; 4]) -> Presence {
    let mut tries = JoinSet::new();
    for address in all {
        tries.spawn(async move {
            match tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
                Ok(Ok(_)) => Presence::There,
                Ok(Err(why)) if why.kind() == std::io::ErrorKind::ConnectionRefused => Presence::TurnedAway,
                Ok(Err(_)) | Err(_) => Presence::Nobody,
            }
        });
    }
    let mut most = Presence::Nobody;
    while let Some(heard) = tries.join_next().await {
        most = most.max(heard.unwrap_or(Presence::Nobody));
    }
    most
}

/// What the system says of a way that does not lead there.
pub fn unconnected(why: &std::io::Error) -> NotSo {
    NotSo::Unconnected { why: why.kind().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_port_answers_where_somebody_listens_at_one_of_the_addresses() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let (here, elsewhere) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert_eq!(ask(port, &[elsewhere, here]).await, Ok(()));
        drop(server);
        let refused = NotSo::Unconnected { why: "connection refused".to_owned() };
        assert_eq!(ask(port, &[here]).await, Err(refused));
        assert_eq!(ask(port, &[]).await, Err(NotSo::NoAddress));
    }

    #[tokio::test]
    async fn somebody_at_an_address_is_heard_whether_he_lets_in_or_turns_away() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = server.local_addr().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let nowhere: SocketAddr = "192.0.2.77:80".parse().unwrap();
        assert_eq!(heard([there, gone, nowhere, gone]).await, Presence::There);
        assert_eq!(heard([gone, nowhere, gone, gone]).await, Presence::TurnedAway);
        assert_eq!(heard([nowhere; 4]).await, Presence::Nobody);
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_reached_is_given_up_soon() {
        let began = tokio::time::Instant::now();
        // A network that is for documents alone (RFC 5737).
        let said = ask(80, &[IpAddr::from([192, 0, 2, 77])]).await;
        assert!(matches!(said, Err(NotSo::NoAnswer | NotSo::Unconnected { .. })), "{said:?}");
        assert!(began.elapsed() < PATIENCE + Duration::from_secs(2));
    }
}
