//! A journal's lines, each by itself: which of them are records that somebody wrote whole, and which are not.

use crate::base::{Digest, Timestamp};
use crate::journal::record::{Record, VERSION, body};
use serde::Deserialize;

/// How every record begins; within one it stands nowhere else, for a text in it would have its quotation marks masked.
const HEAD: &[u8] = b"{\"v\":";

/// What a record says of itself, whatever it is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Head {
    pub v: u32,
    pub seq: u64,
    pub at: Timestamp,
    pub token: u64,
    pub prev: Digest,
}

/// A line, or a piece of one whose end was lost.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Its line, from 1.
    pub line: u64,
    pub is: Is,
}

#[derive(Debug, Clone)]
pub(super) enum Is {
    /// Its digest is that of its text.
    Sound(Box<Sound>),
    /// It is no record, or none any more. Which one it says that it is, where that can be read.
    Broken(Option<u64>),
}

#[derive(Debug, Clone)]
pub(super) struct Sound {
    pub head: Head,
    pub sum: Digest,
    /// The whole record; `None` where this version does not know what it says.
    pub record: Option<Record>,
    /// Whether something else than the end of a line follows it.
    pub spoilt: bool,
}

impl Piece {
    pub fn sound(&self) -> Option<&Sound> {
        match &self.is {
            Is::Sound(sound) => Some(sound),
            Is::Broken(_) => None,
        }
    }
}

/// The pieces of a journal, and whether its last line is one that a kill cut off.
pub(super) fn pieces(bytes: &[u8]) -> (Vec<Piece>, bool) {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
    let (lines, tail) = bytes.split_at(whole);
    let mut found = Vec::new();
    let mut number = 0;
    for line in lines.split_inclusive(|b| *b == b'\n') {
        number += 1;
        apart(line.strip_suffix(b"\n").unwrap_or(line), number, &mut found);
    }
    // A kill leaves a part of what would have been written, never a record with something behind it.
    let mut last = Vec::new();
    apart(tail, number + 1, &mut last);
    let written = last.iter().any(|piece| piece.sound().is_some_and(|s| s.spoilt)) || last.len() > 1;
    if written {
        found.append(&mut last);
    }
    (found, !tail.is_empty() && !written)
}

/// A line may be several whose ends were changed.
fn apart(line: &[u8], number: u64, found: &mut Vec<Piece>) {
    if let Some(sound) = sound(line, false) {
        found.push(Piece { line: number, is: Is::Sound(Box::new(sound)) });
        return;
    }
    let mut starts: Vec<usize> =
        (1..line.len()).filter(|at| line.get(*at..).is_some_and(|rest| rest.starts_with(HEAD))).collect();
    starts.insert(0, 0);
    let ends = starts.iter().skip(1).copied().chain([line.len()]);
    let parts: Vec<&[u8]> =
        starts.iter().zip(ends).map(|(from, to)| line.get(*from..to).unwrap_or_default()).collect();
    let read: Vec<Option<Sound>> = parts.iter().map(|part| whole_or_spoilt(part)).collect();
    if read.iter().all(Option::is_none) {
        found.push(Piece { line: number, is: Is::Broken(claims(line)) });
        return;
    }
    for (part, sound) in parts.into_iter().zip(read) {
        let is = sound.map_or_else(|| Is::Broken(claims(part)), |sound| Is::Sound(Box::new(sound)));
        found.push(Piece { line: number, is });
    }
}

fn whole_or_spoilt(part: &[u8]) -> Option<Sound> {
    // After a record its closing brace is the last one.
    let end = part.iter().rposition(|b| *b == b'}').map_or(0, |at| at + 1);
    let behind = part.len() - end;
    sound(part, false).or_else(|| sound(part.get(..end)?, behind > 0))
}

fn sound(line: &[u8], spoilt: bool) -> Option<Sound> {
    let (body, sum) = body(std::str::from_utf8(line).ok()?).ok()?;
    let head: Head = serde_json::from_str(&body).ok()?;
    let record = (head.v == VERSION).then(|| serde_json::from_str(&body).ok()).flatten();
    Some(Sound { head, sum, record, spoilt })
}

/// The position that a broken line says it has.
fn claims(line: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"seq\":";
    let at = line.windows(KEY.len()).position(|w| w == KEY)? + KEY.len();
    let digits: Vec<u8> = line.get(at..)?.iter().copied().take_while(u8::is_ascii_digit).collect();
    let ends = line.get(at + digits.len()) == Some(&b',');
    std::str::from_utf8(&digits).ok().filter(|_| ends)?.parse().ok()
}
