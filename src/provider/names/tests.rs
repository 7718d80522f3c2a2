//! A name server on the loopback, made of the library's own messages: what real ones cannot be made to do.

use super::*;
use crate::domain::cutover::sample;
use crate::domain::{KeyAlgorithm, NameServer, Secret};
use dns_message::base::iana::Opcode;
use dns_message::base::message_builder::MessageBuilder;
use dns_message::tsig::ServerTransaction;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=";

/// What the server does with a change.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Takes,
    /// It says yes, and changes nothing.
    Forgets,
    /// It falls silent when it is told.
    Vanishes,
    /// It says that somebody was faster.
    Loses,
    /// Its clock is an hour ahead.
    Hurries,
    /// It does not sign what it says.
    Unsigned,
    /// It answers for others.
    Relays,
}

fn key() -> Arc<Key> {
    let bytes: Vec<u8> = dns_message::utils::base64::decode(SECRET).unwrap();
    Arc::new(Key::new(Algorithm::Sha256, &bytes, "lifeboat".parse().unwrap(), None, None).unwrap())
}

fn cutover(port: u16) -> Cutover {
    let secret = Secret::Env("KEY".to_owned());
    let key = ServerKey { name: "lifeboat".to_owned(), algorithm: KeyAlgorithm::HmacSha256, secret };
    let server = NameServer { port, key: Some(key), ..sample::server("shop.example") };
    Cutover { server, within: crate::base::Duration::from_secs(10), ..sample::cutover() }
}

/// Serves until it is dropped; the record says `says`.
async fn serve(listener: TcpListener, does: Does, mut says: Ipv4Addr) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut asked = vec![0; usize::from(length)];
        stream.read_exact(&mut asked).await.unwrap();
        let mut asked = Message::from_octets(asked).unwrap();
        let theirs = if does == Does::Hurries { Time48::from_u64(u64::from(now()) + 3600) } else { now() };
        let signed = match ServerTransaction::request(&key(), &mut asked, theirs) {
            Ok(signed) => signed,
            Err(wrong) => {
                let answer = wrong.build_message(&asked, MessageBuilder::new_vec()).unwrap();
                send(&mut stream, answer.into_message().as_slice()).await;
                continue;
            }
        };
        let update = asked.header().opcode() == Opcode::UPDATE;
        let mut code = Rcode::NOERROR;
        if update {
            match does {
                Does::Takes => says = Ipv4Addr::new(10, 2, 0, 8),
                Does::Vanishes => continue,
                Does::Loses => code = Rcode::NXRRSET,
                _ => {}
            }
        }
        let mut answer = MessageBuilder::new_vec().start_answer(&asked, code).unwrap();
        answer.header_mut().set_aa(does != Does::Relays);
        if !update {
            let owner: dns_message::base::Name<Vec<u8>> = "www.shop.example".parse().unwrap();
            answer.push((&owner, 60, dns_message::rdata::A::new(says))).unwrap();
        }
        let mut answer = answer.additional();
        if let Some(signed) = signed.filter(|_| does != Does::Unsigned) {
            signed.answer(&mut answer, now()).unwrap();
        }
        send(&mut stream, answer.into_message().as_slice()).await;
    }
}

async fn send(stream: &mut tokio::net::TcpStream, said: &[u8]) {
    let length = u16::try_from(said.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes()[..], said].concat()).await.unwrap();
}

fn names() -> NameServers {
    let environment = [("KEY".to_owned(), SECRET.to_owned())].into();
    NameServers::new(Secrets { folder: "/".into(), environment })
}

/// Tells a server, and asks it afterwards.
async fn pointed(does: Does) -> (Result<Pointed, Failure>, Result<Vec<String>, String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cutover = cutover(listener.local_addr().unwrap().port());
    let told = async {
        let order = Pointing { node: 0, cutover: cutover.clone() };
        (names().point(&order).await, names().says(&cutover).await)
    };
    tokio::select! {
        told = told => told,
        () = serve(listener, does, Ipv4Addr::new(10, 1, 0, 8)) => unreachable!(),
    }
}

#[tokio::test]
async fn a_record_is_changed_and_asked_for_again() {
    let (told, says) = pointed(Does::Takes).await;
    assert_eq!(told, Ok(Pointed::Replaced { before: vec!["10.1.0.8".to_owned()] }));
    assert_eq!(says, Ok(vec!["10.2.0.8".to_owned()]));
}

#[tokio::test]
async fn what_a_server_does_wrong_is_found_out() {
    let failed = |why: &str| Err(Failure::Failed(why.to_owned()));
    for (does, expected) in [
        (Does::Forgets, failed("main took the change of www.shop.example, and it says 10.1.0.8")),
        (Does::Loses, failed("somebody else changed www.shop.example meanwhile (NXRRSET)")),
        (Does::Hurries, failed("the clock of main is 3600 s off from this machine's (BADTIME)")),
        (Does::Unsigned, failed("the answer of main cannot be believed: unsigned answer")),
        (Does::Relays, failed("main is no authority for www.shop.example")),
        (
            Does::Vanishes,
            Err(Failure::NoAnswer("main at 127.0.0.1 did not answer: unexpected end of file".to_owned())),
        ),
    ] {
        assert_eq!(pointed(does).await.0, expected);
    }
}
