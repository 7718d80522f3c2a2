//! When a replica is ready: the questions of its document with all their times.

use super::reader::Reader;
use crate::base::Duration;
use crate::diag::{Code, Finding};
use crate::document::Key;
use crate::document::shape::bounds::{AbsolutePath, HostName, HttpPath};
use crate::document::shape::ready::{AtLeast, Body, Command, Dns, Http, Part, Ready, Tls};
use crate::document::shape::words::{AtEndWord, MethodWord, RecordWord};
use crate::domain::{
    self as domain, Ask, AtEnd, Check, CommandProbe, DnsProbe, Header, HttpProbe, Method, Probe, Readiness,
    RecordKind, Saying,
};
use std::num::NonZeroU16;

/// So deep may questions stand in each other.
const DEEP: usize = 5;
/// So many questions may a replica be asked: all of them are asked side by side.
const MANY: usize = 64;

/// The times that hold where a part says none of its own.
#[derive(Clone, Copy)]
struct Times {
    every: Duration,
    stable: Duration,
    within: Duration,
}

const USUAL: Times =
    Times { every: Duration::from_secs(2), stable: Duration::ZERO, within: Duration::from_secs(300) };

/// The texts of a part's times.
type Said<'a> = [&'a Option<String>; 3];

/// Reads when a replica is ready. A replica that does not say it is ready as soon as its guest answers.
pub fn readiness(reader: &mut Reader<'_>, raw: Option<&Ready>) -> Readiness {
    let guest = Readiness::guest(USUAL.stable, USUAL.every, USUAL.within);
    let Some(raw) = raw else { return guest };
    let here = [Key::Name("spec"), Key::Name("ready")];
    let times = times(reader, [&raw.every, &raw.stable, &raw.within], USUAL, (&here, true));
    let otherwise = match raw.otherwise {
        None | Some(AtEndWord::Stop) => AtEnd::Stop,
        Some(AtEndWord::Continue) => AtEnd::Continue,
        Some(AtEndWord::Ask) => AtEnd::Ask,
    };
    let present =
        [("all", raw.all.is_some()), ("any", raw.any.is_some()), ("atLeast", raw.at_least.is_some())];
    reader.one_of(&present, &here);
    let group = Group { all: raw.all.as_deref(), any: raw.any.as_deref(), at_least: raw.at_least.as_ref() };
    let ask = group.read(reader, &here, times, 1).unwrap_or_else(|| Ask::All(Vec::new()));
    let count = ask.checks().len();
    if count > MANY {
        let finding = Finding::new(Code::TooLarge, format!("{count} questions are asked of one replica"));
        reader.find(finding.at(Some(reader.at(&here)), format!("at most {MANY}")));
    }
    if count == 0 {
        let Times { every, stable, within } = times;
        return Readiness { otherwise, ..Readiness::guest(stable, every, within) };
    }
    Readiness { ask, within: times.within, otherwise }
}

/// A part's own times, or those of what it stands in.
fn times(reader: &mut Reader<'_>, said: Said<'_>, outer: Times, at: (&[Key<'_>], bool)) -> Times {
    let (path, outermost) = at;
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let [every, stable, within] = said;
    let own = Times {
        every: reader.duration(every.as_deref(), outer.every, &key("every")),
        stable: reader.duration(stable.as_deref(), outer.stable, &key("stable")),
        within: reader.duration(within.as_deref(), outer.within, &key("within")),
    };
    at_least(reader, &key("every"), every.as_ref().map(|_| own.every), OFTEN);
    at_least(reader, &key("within"), within.as_ref().map(|_| own.within), OFTEN);
    if own.within > outer.within && !outermost {
        let message =
            format!("{} are given to this, and {} to all that it stands in", own.within, outer.within);
        reader.find(
            Finding::new(Code::NeverSo, message).at(Some(reader.at(&key("within"))), "longer than the whole"),
        );
    }
    if own.stable > own.within && (stable.is_some() || within.is_some()) {
        let message = format!("it cannot be so for {} within {}", own.stable, own.within);
        let place = if stable.is_some() { key("stable") } else { key("within") };
        reader.find(
            Finding::new(Code::NeverSo, message)
                .at(Some(reader.at(&place)), "never in time")
                .help("`within` counts from the beginning of the wait, and must leave time for `stable`"),
        );
    }
    own
}

/// A machine is not asked more often, and given at least so much time.
pub(super) const OFTEN: Duration = Duration::from_millis(100);

/// Finds a time that is too short.
pub(super) fn at_least(reader: &mut Reader<'_>, key: &[Key<'_>], said: Option<Duration>, least: Duration) {
    if said.is_some_and(|said| said < least) {
        let name = match key.last() {
            Some(Key::Name(name) | Key::KeyOf(name)) => name,
            Some(Key::Index(_)) | None => "it",
        };
        let finding = Finding::new(Code::OutOfRange, format!("`{name}` must be at least {least}"));
        reader.find(finding.at(Some(reader.at(key)), "too short"));
    }
}

/// Parts that are put together in one of three ways.
struct Group<'a> {
    all: Option<&'a [Part]>,
    any: Option<&'a [Part]>,
    at_least: Option<&'a AtLeast>,
}

impl Group<'_> {
    fn read(&self, reader: &mut Reader<'_>, path: &[Key<'_>], times: Times, depth: usize) -> Option<Ask> {
        if depth > DEEP {
            let finding =
                Finding::new(Code::TooLarge, format!("questions stand more than {DEEP} deep in each other"));
            reader.find(finding.at(Some(reader.at(path)), "here"));
            return None;
        }
        let mut parts = |of: &[Part], keys: &[&'static str]| {
            let inside: Vec<Key<'_>> =
                path.iter().copied().chain(keys.iter().map(|k| Key::Name(k))).collect();
            let one = |(i, raw): (usize, &Part)| {
                part(reader, raw, &[&inside[..], &[Key::Index(i)]].concat(), (times, depth))
            };
            of.iter().enumerate().filter_map(one).collect::<Vec<Ask>>()
        };
        if let Some(of) = self.all {
            return Some(Ask::All(parts(of, &["all"])));
        }
        if let Some(of) = self.any {
            return Some(Ask::Any(parts(of, &["any"])));
        }
        let AtLeast { count, of: raw } = self.at_least?;
        let (count, of) = (count.get(), parts(raw, &["atLeast", "of"]));
        if usize::try_from(count).unwrap_or(usize::MAX) > raw.len() {
            let place = [path, &[Key::Name("atLeast"), Key::Name("count")]].concat();
            let message = format!("{count} of {} can never be so", raw.len());
            reader.find(
                Finding::new(Code::NeverSo, message)
                    .at(Some(reader.at(&place)), "more than the list has")
                    .help(format!("at most {}", raw.len())),
            );
        }
        Some(Ask::AtLeast { count, of })
    }
}

fn part(reader: &mut Reader<'_>, raw: &Part, path: &[Key<'_>], outer: (Times, usize)) -> Option<Ask> {
    let (outer, depth) = outer;
    let present = [
        ("tcp", raw.tcp.is_some()),
        ("http", raw.http.is_some()),
        ("dns", raw.dns.is_some()),
        ("command", raw.command.is_some()),
        ("guest", raw.guest.is_some()),
        ("all", raw.all.is_some()),
        ("any", raw.any.is_some()),
        ("atLeast", raw.at_least.is_some()),
    ];
    let own = times(reader, [&raw.every, &raw.stable, &raw.within], outer, (path, false));
    let which = reader.one_of(&present, path)?;
    let inside = [path, &[Key::Name(which)]].concat();
    let group = Group { all: raw.all.as_deref(), any: raw.any.as_deref(), at_least: raw.at_least.as_ref() };
    let probe = match (&raw.tcp, &raw.http, &raw.dns, &raw.command, &raw.guest) {
        (Some(tcp), ..) => Probe::Tcp { port: tcp.port.get() },
        (None, Some(raw), ..) => http(reader, raw, &inside),
        (None, None, Some(raw), ..) => dns(reader, raw, &inside),
        (None, None, None, Some(raw), _) => command(reader, raw, &inside),
        (None, None, None, None, Some(_)) => Probe::Guest,
        (None, None, None, None, None) => return group.read(reader, path, own, depth + 1),
    };
    let Times { every, stable, within } = own;
    Some(Ask::One(Check { probe, every, stable, within }))
}

fn http(reader: &mut Reader<'_>, raw: &Http, path: &[Key<'_>]) -> Probe {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let method = match raw.method {
        None | Some(MethodWord::Get) => Method::Get,
        Some(MethodWord::Head) => Method::Head,
    };
    let body = raw.body.as_ref().and_then(|raw| saying(reader, raw, &key("body")));
    if body.is_some() && method == Method::Head {
        let finding = Finding::new(Code::NeverSo, "an answer to HEAD has no body");
        reader.find(finding.at(Some(reader.at(&key("body"))), "never so").help("ask with GET"));
    }
    let tls = raw.tls.as_ref().map(|raw| tls(reader, raw, &key("tls")));
    let header =
        raw.header.as_ref().map(|raw| Header { name: raw.name.as_str().to_owned(), is: raw.is.clone() });
    Probe::Http(HttpProbe {
        port: raw.port.map_or(if tls.is_some() { 443 } else { 80 }, NonZeroU16::get),
        path: raw.path.as_ref().map_or("/", HttpPath::as_str).to_owned(),
        method,
        status: raw.status.and_then(|s| u16::try_from(s.get()).ok()),
        body,
        header,
        tls,
    })
}

fn saying(reader: &mut Reader<'_>, raw: &Body, path: &[Key<'_>]) -> Option<Saying> {
    let present = [("contains", raw.contains.is_some()), ("matches", raw.matches.is_some())];
    reader.one_of(&present, path)?;
    if let Some(text) = &raw.contains {
        return Some(Saying::Contains(text.clone()));
    }
    let pattern = raw.matches.clone()?;
    if let Err(why) = regex::bytes::Regex::new(&pattern) {
        // What the library draws besides is the pattern itself, with a mark under it.
        let why = why.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let finding = Finding::new(Code::BadPattern, format!("`{pattern}` is no regular expression: {why}"));
        let place = reader.at(&[path, &[Key::Name("matches")]].concat());
        reader.find(finding.at(Some(place), "here").help("`contains` takes a text as it is"));
    }
    Some(Saying::Matches(pattern))
}

fn tls(reader: &mut Reader<'_>, raw: &Tls, path: &[Key<'_>]) -> domain::Tls {
    if raw.ca.is_some() && raw.insecure.is_some() {
        let at = |key: &'static str| Some(reader.at(&[path, &[Key::KeyOf(key)]].concat()));
        let finding = Finding::new(Code::OneOf, "only one of `ca`, `insecure` may stand here")
            .at(at("insecure"), "and this one")
            .at(at("ca"), "this one");
        reader.find(finding);
    }
    domain::Tls {
        server_name: raw.server_name.as_ref().map(HostName::as_str).map(str::to_owned),
        ca: raw.ca.as_ref().map(AbsolutePath::as_str).map(str::to_owned),
        insecure: raw.insecure.as_ref().map(|b| b.because.clone()),
    }
}

fn dns(reader: &mut Reader<'_>, raw: &Dns, path: &[Key<'_>]) -> Probe {
    let server = raw.server.as_deref();
    Probe::Dns(DnsProbe {
        name: raw.name.as_str().to_owned(),
        kind: raw.kind.map_or(RecordKind::A, record_kind),
        server: server.and_then(|text| reader.address(text, &[path, &[Key::Name("server")]].concat())),
        port: raw.port.map_or(53, NonZeroU16::get),
        expect: raw.expect.as_deref().unwrap_or_default().to_vec(),
    })
}

/// A kind of record from its word.
pub const fn record_kind(word: RecordWord) -> RecordKind {
    match word {
        RecordWord::A => RecordKind::A,
        RecordWord::Aaaa => RecordKind::Aaaa,
        RecordWord::Cname => RecordKind::Cname,
        RecordWord::Mx => RecordKind::Mx,
        RecordWord::Ns => RecordKind::Ns,
        RecordWord::Ptr => RecordKind::Ptr,
        RecordWord::Soa => RecordKind::Soa,
        RecordWord::Srv => RecordKind::Srv,
        RecordWord::Txt => RecordKind::Txt,
    }
}

fn command(reader: &mut Reader<'_>, raw: &Command, path: &[Key<'_>]) -> Probe {
    let key = |name: &'static str| [path, &[Key::Name(name)]].concat();
    let empty = raw.run.first().is_none_or(|program| program.trim().is_empty());
    if empty || raw.run.iter().any(|argument| argument.contains('\0')) {
        let finding = Finding::new(Code::UnknownValue, "`run` names no program that can be run");
        reader.find(
            finding.at(Some(reader.at(&key("run"))), "here").help("write it like [/usr/bin/pg_isready, -q]"),
        );
    }
    for (name, value) in &raw.env {
        let fits = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') && !name.is_empty();
        if !fits || value.contains('\0') {
            let finding = Finding::new(Code::BadName, format!("`{name}` cannot stand in an environment"));
            let place = [&key("env")[..], &[Key::Name(name)]].concat();
            reader.find(finding.at(Some(reader.at(&place)), "here").help("letters, digits and _"));
        }
    }
    let timeout = reader.duration(raw.timeout.as_deref(), Duration::from_secs(10), &key("timeout"));
    at_least(reader, &key("timeout"), Some(timeout), OFTEN);
    Probe::Command(CommandProbe {
        run: raw.run.to_vec(),
        folder: raw.folder.as_ref().map(AbsolutePath::as_str).map(str::to_owned),
        env: raw.env.clone(),
        timeout,
    })
}
