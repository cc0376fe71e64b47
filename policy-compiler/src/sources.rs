//! The text that a user gave us: files by id, and places in them.
//!
//! A [`Span`] is three small numbers and is carried by everything that was read; lines and columns are worked out only
//! when something is printed. Limits: 4 MiB a file ([`MAX_FILE_BYTES`]), so that every offset fits `u32`.

use std::sync::OnceLock;

/// The largest policy or case file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Which file of a [`Sources`] a place is in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FileId(u32);

/// A stretch of text: bytes `start..end` of one file. Empty for a place without extent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A place as people count it: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// All files of one run, in the order they were added.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

#[derive(Debug)]
struct SourceFile {
    name: String,
    text: String,
    /// Byte offset of each line's start; filled when first asked for.
    lines: OnceLock<Vec<u32>>,
}

// === impl Span ===

impl Span {
    /// The first place of a file.
    pub fn start_of(file: FileId) -> Self {
        Self { file, start: 0, end: 0 }
    }

    /// Bytes `start..end` of a file, clamped to what `u32` holds.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: clamp(start), end: clamp(end.max(start)) }
    }
}

// === impl Sources ===

impl Sources {
    /// Adds a file by the name that diagnostics shall show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { name: name.into(), text: text.into(), lines: OnceLock::new() });
        id
    }

    /// Every file that was added.
    pub fn ids(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..u32::try_from(self.files.len()).unwrap_or(u32::MAX)).map(FileId)
    }

    /// The name that a file was added by.
    pub fn name(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.name)
    }

    /// The whole text of a file.
    pub fn text(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.text)
    }

    /// Where a span begins.
    pub fn position(&self, span: Span) -> Position {
        let text = self.text(span.file);
        let line = self.line_of(span);
        let start = self.line_start(span.file, line);
        let before = text.get(start..floor(text, span.start as usize)).unwrap_or("");
        Position { line: line + 1, column: before.chars().count() + 1 }
    }

    /// The text of the line that a span begins in, without its line break, and the byte offset of its first byte.
    pub fn line(&self, span: Span) -> (&str, usize) {
        let start = self.line_start(span.file, self.line_of(span));
        let rest = self.text(span.file).get(start..).unwrap_or("");
        (rest.lines().next().unwrap_or(""), start)
    }

    fn file(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.0 as usize)
    }

    /// The line, from 0, that a span begins in.
    fn line_of(&self, span: Span) -> usize {
        self.starts(span.file).partition_point(|&start| start <= span.start).saturating_sub(1)
    }

    fn line_start(&self, file: FileId, line: usize) -> usize {
        self.starts(file).get(line).map_or(0, |&start| start as usize)
    }

    fn starts(&self, file: FileId) -> &[u32] {
        self.file(file).map_or(&[], |file| {
            file.lines.get_or_init(|| {
                let breaks = file.text.bytes().zip(1..).filter(|&(byte, _)| byte == b'\n');
                std::iter::once(0).chain(breaks.map(|(_, next)| next)).collect()
            })
        })
    }
}

/// The nearest character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "é: ü\nb: c\n");
        assert_eq!(sources.position(Span::new(id, 4, 6)), Position { line: 1, column: 4 });
        assert_eq!(sources.position(Span::new(id, 7, 8)), Position { line: 2, column: 1 });
        assert_eq!(sources.line(Span::new(id, 10, 11)), ("b: c", 7));
        assert_eq!(sources.position(Span::new(id, 900, 900)), Position { line: 3, column: 1 });
    }
}
