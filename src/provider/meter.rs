//! How far a copy has come, heard from what QEMU's tools say while they work.

use crate::domain::Moving;
use crate::port::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The meter of one action. It is read while the action is carried out.
pub struct Meter {
    clock: Arc<dyn Clock>,
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    moving: Option<Moving>,
    /// Bytes of the parts before the present one.
    before: u64,
    /// Bytes of the present part.
    part: u64,
    /// What was heard of the line that is being said.
    line: Vec<u8>,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("moving", &self.moving()).finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter that nothing has moved on.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, reading: Mutex::default() }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come; `None` before it began.
    #[must_use]
    pub fn moving(&self) -> Option<Moving> {
        self.reading().moving
    }

    /// So many bytes are going to move.
    pub fn expect(&self, bytes: u64) {
        let moving = Moving { done: 0, of: bytes, since: self.clock.now(), ended: None };
        *self.reading() = Reading { moving: Some(moving), ..Reading::default() };
    }

    /// The next part of it begins, of so many bytes. The one before is over. It is the first one where nothing was expected.
    pub fn part(&self, bytes: u64) {
        if self.moving().is_none() {
            self.expect(bytes);
        }
        let mut reading = self.reading();
        let before = reading.before + reading.part;
        (reading.before, reading.part) = (before, bytes);
        reading.line.clear();
        if let Some(moving) = &mut reading.moving {
            moving.done = before;
            moving.of = moving.of.max(before + bytes);
        }
    }

    /// All of it has moved.
    pub fn end(&self) {
        let now = self.clock.now();
        if let Some(moving) = &mut self.reading().moving {
            (moving.done, moving.ended) = (moving.of, Some(now));
        }
    }

    /// Listens to a tool.
    pub fn hear(&self, said: &[u8]) {
        let mut reading = self.reading();
        for byte in said {
            if !matches!(byte, b'\n' | b'\r') {
                reading.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut reading.line);
            reading.take_in(&String::from_utf8_lossy(&line));
        }
    }
}

impl Reading {
    fn take_in(&mut self, line: &str) {
        let Some(moving) = &mut self.moving else { return };
        let most = self.before + self.part;
        let done = match (percent(line), read(line)) {
            (Some(percent), _) => {
                // Hundredths of a percent are all that is said.
                let hundredths = u128::from(self.part) * u128::from(percent) / 10_000;
                self.before + u64::try_from(hundredths).unwrap_or(self.part)
            }
            (None, Some(bytes)) => moving.done + bytes,
            (None, None) => return,
        };
        moving.done = done.clamp(moving.done, most.max(moving.done));
    }
}

/// Hundredths of a percent, as `qemu-img -p` says them: `    (12.34/100%)`.
fn percent(line: &str) -> Option<u32> {
    let (whole, hundredths) = line.trim().strip_prefix('(')?.strip_suffix("/100%)")?.split_once('.')?;
    let number = |text: &str| text.parse::<u32>().ok();
    Some((number(whole)? * 100 + number(hundredths)?).min(10_000))
}

/// The bytes that `qemu-io` says that it read: `read 33554432/33554432 bytes at offset 0`. Its prompt stands before it.
fn read(line: &str) -> Option<u64> {
    let rest = line.rsplit_once("read ")?.1;
    let (bytes, rest) = rest.split_once('/')?;
    rest.contains(" bytes at offset ").then(|| bytes.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::clock::SystemClock;

    #[test]
    fn what_the_tools_say_is_understood_in_any_pieces() {
        let meter = Meter::new(Arc::new(SystemClock));
        let done = || meter.moving().unwrap().done;
        meter.hear(b"    (50.00/100%)\r");
        assert_eq!(meter.moving(), None, "nothing is expected yet");
        meter.expect(1000);
        meter.part(600);
        meter.hear(b"    (0.00/100%)\r    (25.");
        assert_eq!(done(), 0);
        meter.hear(b"50/100%)\r");
        assert_eq!(done(), 153);
        meter.part(400);
        assert_eq!(done(), 600);
        meter.hear(
            b"qemu-io> read 100/100 bytes at offset 0\n100 bytes, 1 ops; 00.01 sec (3 MiB/sec)\nqemu-io> ",
        );
        meter.hear(b"read 200/200 bytes at offset 4096\nread failed: Input/output error\n");
        assert_eq!((done(), meter.moving().unwrap().of), (900, 1000));
        meter.hear(b"qemu-io> read 4096/4096 bytes at offset 0\n");
        assert_eq!(done(), 1000, "never more than all");
        assert_eq!(meter.moving().unwrap().ended, None);
        meter.end();
        assert!(meter.moving().unwrap().ended.is_some());
    }
}
