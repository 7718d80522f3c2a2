//! The bare cost of the same bytes in the same groups, without anything of ours: what nobody can go below on this disk and this server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Appends each group to a new file and waits for the disk after each.
pub fn synced(folder: &Path, groups: &[Vec<u8>]) -> Duration {
    let path = folder.join("bare");
    let mut file = OpenOptions::new().append(true).create_new(true).open(&path).unwrap();
    file.sync_all().unwrap();
    let began = Instant::now();
    for group in groups {
        file.write_all(group).unwrap();
        file.sync_data().unwrap();
    }
    let took = began.elapsed();
    std::fs::remove_file(&path).unwrap();
    took
}

/// Inserts each group as one row, with a prepared statement over one connection; each is a transaction of its own.
pub fn inserted(url: &str, groups: &[Vec<u8>]) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        let served = tokio::spawn(connection);
        let made =
            "DROP TABLE IF EXISTS bare; CREATE TABLE bare (key bigint PRIMARY KEY, value bytea NOT NULL)";
        client.batch_execute(made).await.unwrap();
        let insert = client.prepare("INSERT INTO bare (key, value) VALUES ($1, $2)").await.unwrap();
        let began = Instant::now();
        for (key, group) in (0_i64..).zip(groups) {
            client.execute(&insert, &[&key, group]).await.unwrap();
        }
        let took = began.elapsed();
        drop(client);
        served.await.unwrap().unwrap();
        took
    })
}

/// Puts each group as one value, over one connection.
pub fn put(host: &str, groups: &[Vec<u8>]) -> Duration {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let bodies = groups.iter().enumerate().map(|(i, group)| {
        let (key, value) = (STANDARD.encode(format!("bare/{i:012}")), STANDARD.encode(group));
        format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}")
    });
    let bodies: Vec<String> = bodies.collect();
    let began = Instant::now();
    for body in &bodies {
        let head = format!(
            "POST /v3/kv/put HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        answer(&mut answers);
    }
    began.elapsed()
}

fn answer(from: &mut BufReader<TcpStream>) {
    let (mut length, mut line) = (0, String::new());
    from.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    loop {
        line.clear();
        from.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(found) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = found.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).unwrap();
}
