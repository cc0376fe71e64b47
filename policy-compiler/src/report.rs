//! What one run has to say about the files it read: as text for people and as JSON for programs.
//!
//! Nothing that a file contains can reach the terminal raw: control characters and bidirectional overrides in excerpts
//! and messages are shown as `\u{FFFD}`. Excerpts are cut to [`EXCERPT_CHARS`] characters around the marked text.

use std::fmt::Write as _;
use std::io::IsTerminal;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Waived};
use crate::sources::{Sources, Span};

/// How many characters of a long line an excerpt shows.
pub const EXCERPT_CHARS: usize = 110;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colour {
    /// With ANSI colours: the reader is a terminal.
    Always,
    /// Plain text.
    Never,
}

/// The files that were read and what is wrong with them.
#[derive(Debug, Default)]
pub struct Report {
    /// The files.
    pub sources: Sources,
    /// What is wrong with them.
    pub diagnostics: Diagnostics,
}

/// `text` with everything that could drive a terminal, or hide text in one, made visible.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if drives_terminal(c) { '\u{FFFD}' } else { c }).collect()
}

#[derive(Serialize)]
struct Document<'a> {
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Entry<'a>>,
    waived: Vec<WaivedEntry<'a>>,
}

#[derive(Serialize)]
struct WaivedEntry<'a> {
    id: &'static str,
    #[serde(flatten)]
    place: Place<'a>,
    message: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'static str,
    severity: &'static str,
    #[serde(flatten)]
    place: Place<'a>,
    message: &'a str,
    help: Option<&'a str>,
    excerpt: Option<String>,
    marker: Option<String>,
    related: Vec<Related<'a>>,
}

#[derive(Serialize)]
struct Related<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    message: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

/// One line of source and the `^^^` under it, equally indented.
struct Excerpt {
    line: String,
    marker: String,
}

// === impl Report ===

impl Report {
    /// Whether anything stops the files from being used.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.has_errors()
    }

    /// Every diagnostic as text, by place, each followed by an empty line.
    pub fn text(&self, colour: Colour) -> String {
        let mut out = String::new();
        for diagnostic in self.diagnostics.sorted() {
            one(&mut out, diagnostic, &self.sources, colour);
            out.push('\n');
        }
        out
    }

    /// Every diagnostic as one JSON document, by place, and what is waived with its reasons.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&Document::of(&[self])).unwrap_or_default()
    }
}

/// What several runs have to say, as [`Report::json`] has it, in one line.
pub(crate) fn json(reports: &[&Report]) -> String {
    serde_json::to_string(&Document::of(reports)).unwrap_or_default()
}

/// A reason that has no place in a file, in the same form.
pub(crate) fn failure(id: &str, why: &str) -> String {
    let nothing = Option::<&str>::None;
    let entry = serde_json::json!({
        "id": id, "severity": Severity::Error.name(), "file": nothing, "line": nothing, "column": nothing,
        "message": why, "help": nothing, "excerpt": nothing, "marker": nothing, "related": [],
    });
    serde_json::json!({"errors": 1, "warnings": 0, "diagnostics": [entry], "waived": []}).to_string()
}

// === impl Document ===

impl<'a> Document<'a> {
    fn of(reports: &[&'a Report]) -> Self {
        let count = |severity| reports.iter().map(|report| report.diagnostics.count(severity)).sum();
        let entries = |report: &&'a Report| {
            let sources = &report.sources;
            report.diagnostics.sorted().into_iter().map(move |one| Entry::new(one, sources))
        };
        let waived = |report: &&'a Report| {
            let sources = &report.sources;
            report.diagnostics.waived().iter().map(move |one| WaivedEntry::new(one, sources))
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            diagnostics: reports.iter().flat_map(entries).collect(),
            waived: reports.iter().flat_map(waived).collect(),
        }
    }
}

// === impl Colour ===

impl Colour {
    /// With colours if `stream` is a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !refused { Self::Always } else { Self::Never }
    }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Self {
        let excerpt = Excerpt::new(diagnostic.span, sources);
        let (line, marker) = excerpt.map_or((None, None), |e| (Some(e.line), Some(e.marker)));
        Self {
            id: diagnostic.id.name(),
            severity: diagnostic.id.severity().name(),
            place: Place::new(diagnostic.span, sources),
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            excerpt: line,
            marker,
            related: (diagnostic.related.iter())
                .map(|(span, message)| Related { place: Place::new(*span, sources), message })
                .collect(),
        }
    }
}

// === impl WaivedEntry ===

impl<'a> WaivedEntry<'a> {
    fn new(waived: &'a Waived, sources: &'a Sources) -> Self {
        let Waived { diagnostic, reason } = waived;
        let place = Place::new(diagnostic.span, sources);
        Self { id: diagnostic.id.name(), place, message: &diagnostic.message, reason }
    }
}

// === impl Place ===

impl<'a> Place<'a> {
    fn new(span: Span, sources: &'a Sources) -> Self {
        let position = sources.position(span);
        Self { file: sources.name(span.file), line: position.line, column: position.column }
    }
}

// === impl Excerpt ===

impl Excerpt {
    /// `None` for a file whose text could not be read, and for a place on an empty line.
    fn new(span: Span, sources: &Sources) -> Option<Self> {
        let (line, start) = sources.line(span);
        if line.trim().is_empty() {
            return None;
        }
        let column = sources.position(span).column - 1;
        let end = (span.end as usize).min(start + line.len());
        let marked = sources.text(span.file).get(span.start as usize..end).unwrap_or("");
        let width = marked.trim_end().chars().count().max(1);

        let before = column.saturating_sub(EXCERPT_CHARS / 2);
        let skip = if line.chars().count() > EXCERPT_CHARS { before } else { 0 };
        let shown: String = line.chars().skip(skip).take(EXCERPT_CHARS).collect();
        let room = shown.chars().count().saturating_sub(column - skip).max(1);
        let marker = format!("{}{}", " ".repeat(column - skip), "^".repeat(width.min(room)));
        Some(Self { line: printable(&shown.replace('\t', " ")), marker })
    }
}

fn one(out: &mut String, diagnostic: &Diagnostic, sources: &Sources, colour: Colour) {
    let severity = diagnostic.id.severity();
    let accent = match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
    };
    let head = paint(&format!("{}[{}]", severity.name(), diagnostic.id.name()), accent, colour);
    let message = paint(&printable(&diagnostic.message), "1", colour);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{head}: {message}");
    place(out, diagnostic.span, sources, accent, colour);
    for (span, note) in &diagnostic.related {
        let _ = writeln!(out, "{}: {}", paint("note", "1;36", colour), printable(note));
        place(out, *span, sources, "1;36", colour);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "{}: {}", paint("help", "1;32", colour), printable(help));
    }
}

fn place(out: &mut String, span: Span, sources: &Sources, accent: &str, colour: Colour) {
    let position = sources.position(span);
    let gutter = " ".repeat(position.line.to_string().len());
    let bar = paint("|", "1;34", colour);
    let name = printable(sources.name(span.file));
    if sources.text(span.file).is_empty() {
        let _ = writeln!(out, "{gutter}{} {name}", paint("-->", "1;34", colour));
        return;
    }
    let _ = writeln!(
        out,
        "{gutter}{} {name}:{}:{}",
        paint("-->", "1;34", colour),
        position.line,
        position.column
    );
    if let Some(excerpt) = Excerpt::new(span, sources) {
        let number = paint(&position.line.to_string(), "1;34", colour);
        let _ = writeln!(out, "{gutter} {bar}");
        let _ = writeln!(out, "{number} {bar} {}", excerpt.line.trim_end());
        let _ = writeln!(out, "{gutter} {bar} {}", paint(&excerpt.marker, accent, colour));
    }
}

/// Text in the colour of an ANSI code.
pub(crate) fn paint(text: &str, code: &str, colour: Colour) -> String {
    match colour {
        Colour::Always => format!("\x1b[{code}m{text}\x1b[0m"),
        Colour::Never => text.to_owned(),
    }
}

/// Whether a character could drive a terminal, or hide text in one.
pub(crate) fn drives_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Id;

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let mut sources = Sources::default();
        let text = format!("{}BAD{}", "a".repeat(500), "b".repeat(500));
        let file = sources.add("long.yaml", text);
        let excerpt = Excerpt::new(Span::new(file, 500, 503), &sources).unwrap();
        assert_eq!(excerpt.line.chars().count(), EXCERPT_CHARS);
        assert_eq!(&excerpt.line[excerpt.marker.find('^').unwrap()..][..3], "BAD");
    }

    #[test]
    fn nothing_from_a_file_reaches_the_terminal_raw() {
        let mut report = Report::default();
        let file = report.sources.add("esc.yaml", "a: \u{1b}[31mred\u{202e}");
        let diagnostic = Diagnostic::new(Id::WrongValue, Span::new(file, 3, 9), "got `\u{1b}[31m`");
        report.diagnostics.push(diagnostic);
        let shown = report.text(Colour::Never);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    }
}
