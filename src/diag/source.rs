//! The texts that were read, and places in them.

use std::sync::{Arc, OnceLock};

/// Which file of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A place in a text: byte offsets, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte behind the last one.
    pub end: u32,
}

/// A place as people and editors count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in Unicode scalars, from 1.
    pub column: usize,
    /// The byte in the file, from 0.
    pub byte: usize,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path as the user would write it, relative to the workspace, with `/`.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
    /// The byte at which each line starts, counted when first asked for.
    lines: OnceLock<Vec<usize>>,
}

impl SourceFile {
    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        })
    }

    /// The line and column of a byte; the end of the text where the byte lies behind it.
    #[must_use]
    pub fn position(&self, byte: usize) -> Position {
        let byte = byte.min(self.text.len());
        let line = self.lines().partition_point(|start| *start <= byte).max(1);
        let start = self.lines().get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..byte).map_or(0, |t| t.chars().count()) + 1;
        Position { line, column, byte }
    }

    /// The bytes of a line (from 1), without its end; empty where there is no such line.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        let start = self.lines().get(line.wrapping_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.lines().get(line).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// How many lines there are.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines().len()
    }
}

/// All files that were read in one run.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Takes a file in. Files over 4 GiB are cut in what spans can name, not in their text.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { name: name.into(), text: text.into(), lines: OnceLock::new() });
        id
    }

    /// A file; `None` for an id of other sources.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// All files with their ids, in the order in which they were taken in.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(&self.files)
    }
}
