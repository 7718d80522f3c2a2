//! The world's folder: `setup.json` and `world.log`.
//!
//! A line is written with one call and not synced: the world must survive the death of our process, not the loss of power: it is
//! a stand-in for machines that have their own power. A last line without its end is what a kill leaves behind and is
//! cut off by the next writer.

use super::setup::Setup;
use super::world::{Line, World};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The format's version.
const VERSION: u32 = 1;

/// Why the world cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what was written.
    #[error("{path}, line {line}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 for the whole file.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A format that this version does not know.
    #[error("{path} has format {found}; this version knows {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// Two simulated sites ask for different clocks.
    #[error("simulated sites share one world and one clock, and two of them ask for different ones")]
    Clocks,
}

pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> SimError {
    let path = path.to_owned();
    move |source| SimError::Io { path, source }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    setup: Setup,
}

/// The world and how far its log has been read.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    pub(super) world: World,
    read: u64,
    lines: usize,
    /// Whether the setup on disk is not yet what the world was made from.
    new_setup: bool,
}

impl Store {
    /// Opens a world. Nothing is written before the first thing happens in it.
    pub(super) fn open(folder: &Path, setup: Setup) -> Result<Self, SimError> {
        let path = folder.join("setup.json");
        let (mut known, exists) = match std::fs::read(&path) {
            Ok(text) => (read_setup(&path, &text)?, true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Setup::default(), false),
            Err(error) => return Err(io(&path)(error)),
        };
        let grown = known.grow(setup);
        let world = World::new(known);
        let mut store =
            Self { folder: folder.to_owned(), world, read: 0, lines: 0, new_setup: grown || !exists };
        store.read_on()?;
        Ok(store)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("world.log")
    }

    /// Reads what other processes wrote since.
    pub(super) fn read_on(&mut self) -> Result<(), SimError> {
        let path = self.log();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io(&path)(error)),
        };
        if file.metadata().map_err(io(&path))?.len() == self.read {
            return Ok(());
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read)).map_err(io(&path))?;
        file.read_to_end(&mut text).map_err(io(&path))?;
        for line in text.split_inclusive(|b| *b == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            let parsed: Line = serde_json::from_slice(whole).map_err(|e| SimError::Damaged {
                path: path.clone(),
                line: self.lines + 1,
                what: e.to_string(),
            })?;
            self.world.apply(&parsed);
            self.read += line.len() as u64;
            self.lines += 1;
        }
        Ok(())
    }

    /// Does something to the world: reads on, lets `decide` say what, writes that down, all while nobody else can.
    pub(super) fn write<T>(
        &mut self,
        decide: impl FnOnce(&mut World) -> (Option<Line>, T),
    ) -> Result<T, SimError> {
        std::fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        let path = self.log();
        let mut file =
            OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(io(&path))?;
        file.lock().map_err(io(&path))?;
        if self.new_setup {
            self.write_setup()?;
        }
        self.read_on()?;
        if file.metadata().map_err(io(&path))?.len() > self.read {
            file.set_len(self.read).map_err(io(&path))?;
        }
        let (line, answer) = decide(&mut self.world);
        if let Some(line) = line {
            let mut text = serde_json::to_vec(&line).map_err(|e| io(&path)(e.into()))?;
            text.push(b'\n');
            file.write_all(&text).map_err(io(&path))?;
            self.world.apply(&line);
            self.read += text.len() as u64;
            self.lines += 1;
        }
        Ok(answer)
    }

    fn write_setup(&mut self) -> Result<(), SimError> {
        let path = self.folder.join("setup.json");
        let mut setup = self.world.setup.clone();
        if let Ok(text) = std::fs::read(&path) {
            setup.grow(read_setup(&path, &text)?);
        }
        let stored = Stored { format: VERSION, setup };
        let text = serde_json::to_vec(&stored).map_err(|e| io(&path)(e.into()))?;
        let new = self.folder.join("setup.json.new");
        std::fs::write(&new, text).map_err(io(&new))?;
        std::fs::rename(&new, &path).map_err(io(&path))?;
        self.new_setup = false;
        Ok(())
    }
}

fn read_setup(path: &Path, text: &[u8]) -> Result<Setup, SimError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let damaged =
        |e: serde_json::Error| SimError::Damaged { path: path.to_owned(), line: 0, what: e.to_string() };
    let version: Version = serde_json::from_slice(text).map_err(damaged)?;
    if version.format != VERSION {
        return Err(SimError::Version { path: path.to_owned(), found: version.format });
    }
    let stored: Stored = serde_json::from_slice(text).map_err(damaged)?;
    Ok(stored.setup)
}
