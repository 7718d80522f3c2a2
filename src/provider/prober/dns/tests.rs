//! A name server on the loopback, made of the library's own messages.

use super::*;
use dns_message::base::iana::Rcode;
use dns_message::rdata::{A, Cname, Mx, Txt};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

const HERE: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

/// What the server answers to a question.
#[derive(Clone, Copy)]
enum Says {
    Records,
    Code(Rcode),
    Truncated,
    /// First words of somebody else, then the answer.
    Twice,
    /// Nothing to the first question.
    Late,
}

fn named(text: &str) -> Name<Vec<u8>> {
    text.parse().unwrap()
}

/// The answer to a question, with all that the server knows of the name.
fn answer(question: &[u8], code: Rcode, truncated: bool) -> Vec<u8> {
    let question = Message::from_octets(question.to_vec()).unwrap();
    let mut answer = MessageBuilder::new_vec().start_answer(&question, code).unwrap();
    answer.header_mut().set_tc(truncated);
    if code == Rcode::NOERROR && !truncated {
        let (db, host) = (named("db.shop.example"), named("db-01.shop.example"));
        match question.qtype() {
            Some(Rtype::A) => {
                answer.push((&db, 60, Cname::new(host.clone()))).unwrap();
                answer.push((&host, 60, A::new(Ipv4Addr::new(10, 2, 0, 11)))).unwrap();
                answer.push((&host, 60, A::new(Ipv4Addr::new(10, 2, 0, 12)))).unwrap();
            }
            Some(Rtype::MX) => answer.push((&db, 60, Mx::new(10, named("mail.shop.example")))).unwrap(),
            Some(Rtype::TXT) => {
                answer.push((&db, 60, Txt::<Vec<u8>>::build_from_slice(b"site=dr").unwrap())).unwrap();
            }
            _ => {}
        }
    }
    answer.into_message().into_octets()
}

/// Asks a server for the name of a database; how often it was asked.
async fn asked(says: Says, kind: RecordKind, expect: &[&str]) -> (Result<(), NotSo>, usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let stream = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let over_stream = async {
        let (mut stream, _) = stream.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        let said = answer(&question, Rcode::NOERROR, false);
        stream.write_u16(u16::try_from(said.len()).unwrap()).await.unwrap();
        stream.write_all(&said).await.unwrap();
        std::future::pending::<()>().await;
    };
    let mut times = 0;
    let over_datagrams = async {
        let mut buffer = [0; 2000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            times += 1;
            let question = &buffer[..length];
            let code = if let Says::Code(code) = says { code } else { Rcode::NOERROR };
            let said = answer(question, code, matches!(says, Says::Truncated));
            if matches!(says, Says::Twice) {
                let mut other = said.clone();
                other[0] ^= 0xff;
                socket.send_to(&other, from).await.unwrap();
                socket.send_to(b"x", from).await.unwrap();
            }
            if !(matches!(says, Says::Late) && times == 1) {
                socket.send_to(&said, from).await.unwrap();
            }
        }
    };
    let expect = expect.iter().map(|e| (*e).to_owned()).collect();
    let probe = DnsProbe { name: "db.shop.example".to_owned(), kind, server: None, port, expect };
    let said = tokio::select! {
        said = ask(&probe, &HERE) => said,
        () = over_stream => unreachable!("it never ends"),
        () = over_datagrams => unreachable!("it never ends"),
    };
    (said, times)
}

#[tokio::test]
async fn records_of_a_kind_are_held_against_what_is_expected() {
    let found = ["10.2.0.11".to_owned(), "10.2.0.12".to_owned()];
    assert_eq!(asked(Says::Records, RecordKind::A, &[]).await.0, Ok(()));
    assert_eq!(asked(Says::Records, RecordKind::A, &["10.2.0.12", "10.2.0.11"]).await.0, Ok(()));
    let other = asked(Says::Records, RecordKind::A, &["10.1.0.11"]).await.0;
    assert_eq!(other, Err(NotSo::Records { are: found.to_vec() }));
    assert_eq!(asked(Says::Records, RecordKind::Aaaa, &[]).await.0, Err(NotSo::Records { are: Vec::new() }));
    assert_eq!(asked(Says::Records, RecordKind::Cname, &[]).await.0, Err(NotSo::Records { are: Vec::new() }));
    assert_eq!(asked(Says::Records, RecordKind::Mx, &["10 MAIL.shop.example"]).await.0, Ok(()));
    assert_eq!(asked(Says::Records, RecordKind::Txt, &["\"site=dr\""]).await.0, Ok(()));
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted() {
    for (code, word) in
        [(Rcode::NXDOMAIN, "NXDOMAIN"), (Rcode::SERVFAIL, "SERVFAIL"), (Rcode::REFUSED, "REFUSED")]
    {
        let said = asked(Says::Code(code), RecordKind::A, &[]).await.0;
        assert_eq!(said, Err(NotSo::Refused { code: word.to_owned() }));
    }
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_comes_over_a_connection() {
    assert_eq!(asked(Says::Truncated, RecordKind::A, &["10.2.0.11"]).await.0, Ok(()));
}

#[tokio::test]
async fn words_of_others_and_lost_ones_do_no_harm() {
    assert_eq!(asked(Says::Twice, RecordKind::A, &["10.2.0.11"]).await, (Ok(()), 1));
    assert_eq!(asked(Says::Late, RecordKind::A, &["10.2.0.11"]).await, (Ok(()), 2));
}

#[tokio::test]
async fn nobody_there_is_told_as_such() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let probe = |server| {
        let (name, kind, expect) = ("db.shop.example".to_owned(), RecordKind::A, Vec::new());
        DnsProbe { name, kind, server, port, expect }
    };
    // It is asked at its own address, not at the machine's.
    assert_eq!(ask(&probe(Some(HERE[0])), &[]).await, Err(NotSo::NoAnswer));
    assert_eq!(ask(&probe(None), &[]).await, Err(NotSo::NoAddress));
    drop(socket);
    let refused = NotSo::Unconnected { why: "connection refused".to_owned() };
    assert_eq!(ask(&probe(None), &HERE).await, Err(refused));
}
