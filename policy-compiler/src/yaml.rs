//! YAML text to trees, one for each document.
//!
//! A subset is accepted in which everything means what it says where it stands: no anchors, aliases, merge keys or tags,
//! no duplicate keys, text for keys, at most 64 levels deep. What is outside the subset is reported with its cure and the
//! rest of the file is still read; only broken syntax ends a file early.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Mark};

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::sources::{FileId, Sources, Span};
use crate::tree::{Entry, Key, MAX_DEPTH, Node, Scalar, Value};

/// Mappings with at most this many keys are compared pair by pair; the keys of larger ones are sorted.
const FEW_KEYS: usize = 8;

/// Reads every document of a file. Documents that hold nothing are left out.
pub(crate) fn parse<'s>(sources: &'s Sources, file: FileId, out: &mut Diagnostics) -> Vec<Node<'s>> {
    let text = sources.text(file);
    let mut builder = Builder {
        file,
        offsets: Offsets::new(text),
        text,
        stack: Vec::new(),
        items: Vec::new(),
        entries: Vec::new(),
        documents: Vec::new(),
        out,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, mark)) => {
                if builder.event(event, mark).is_err() {
                    break;
                }
            }
            Err(error) => {
                builder.syntax(&error);
                break;
            }
        }
    }
    builder.documents
}

/// Turns the parser's character offsets into byte offsets.
enum Offsets {
    /// One byte a character: nothing to turn.
    Ascii,
    /// The byte offset of each character.
    Table(Vec<u32>),
}

/// The tree under construction.
struct Builder<'s, 'o> {
    file: FileId,
    text: &'s str,
    offsets: Offsets,
    stack: Vec<Frame<'s>>,
    /// The items of every open list, and the entries of every open mapping, outer before inner: each takes its own when it ends, and
    /// so no more memory than it needs.
    items: Vec<Node<'s>>,
    entries: Vec<Entry<'s>>,
    documents: Vec<Node<'s>>,
    out: &'o mut Diagnostics,
}

/// A list or mapping whose end has not been seen: where it starts, and how many items or entries were there before it.
enum Frame<'s> {
    List { start: usize, before: usize },
    Map { start: usize, before: usize, key: Option<OpenKey<'s>> },
}

/// A key whose value has not been seen; without text if it was reported.
struct OpenKey<'s> {
    text: Option<Cow<'s, str>>,
    at: Span,
}

/// The file cannot be read further, and that was reported.
struct Stop;

// === impl Offsets ===

impl Offsets {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        let offsets = text.char_indices().map(|(offset, _)| u32::try_from(offset).unwrap_or(u32::MAX));
        Self::Table(offsets.collect())
    }

    fn byte(&self, character: usize, len: usize) -> usize {
        match self {
            Self::Ascii => character.min(len),
            Self::Table(table) => table.get(character).map_or(len, |&offset| offset as usize),
        }
    }
}

// === impl Builder ===

impl<'s> Builder<'s, '_> {
    fn event(&mut self, event: Event<'s>, mark: Mark) -> Result<(), Stop> {
        let span = self.span(mark);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(anchor != 0, tag.is_some(), span);
                self.scalar(text, style, span);
            }
            Event::Alias(_) => {
                self.out.push(anchor_diagnostic("alias", span));
                self.finish(Node { span, value: Value::Invalid });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(anchor != 0, tag.is_some(), span);
                self.open(Frame::List { start: span.start as usize, before: self.items.len() }, span)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(anchor != 0, tag.is_some(), span);
                let before = self.entries.len();
                self.open(Frame::Map { start: span.start as usize, before, key: None }, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end as usize),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn span(&self, mark: Mark) -> Span {
        let byte = |index| self.offsets.byte(index, self.text.len());
        Span::new(self.file, byte(mark.start.index()), byte(mark.end.index()))
    }

    fn refuse(&mut self, anchor: bool, tag: bool, span: Span) {
        if anchor {
            self.out.push(anchor_diagnostic("anchor", span));
        }
        if tag {
            let help = "remove the `!` and what follows it; quote the value if it begins with `!`";
            self.out.push(Diagnostic::new(Id::Tag, span, "YAML tags are not accepted").help(help));
        }
    }

    fn scalar(&mut self, text: Cow<'s, str>, style: ScalarStyle, span: Span) {
        let quoted = style != ScalarStyle::Plain;
        // The parser gives an absent value the span of whatever comes next.
        let blank = !quoted && text.is_empty();
        let span = if blank { Span { end: span.start, ..span } } else { span };
        let text = self.as_written(text, span, quoted);
        self.finish(Node { span, value: Value::Scalar(Scalar::new(text, quoted)) });
    }

    /// The text as it stands in the file, where nothing in it stands for anything else. The parser makes a copy of every text; those of a large
    /// policy are millions, and would be most of what it costs to read it.
    fn as_written(&self, text: Cow<'s, str>, span: Span, quoted: bool) -> Cow<'s, str> {
        let (start, end) = (span.start as usize, span.end as usize);
        let written =
            if quoted { self.text.get(start + 1..end.saturating_sub(1)) } else { self.text.get(start..end) };
        written.filter(|written| **written == *text).map_or(text, Cow::Borrowed)
    }

    fn open(&mut self, frame: Frame<'s>, span: Span) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("lists and mappings are nested more than {MAX_DEPTH} deep");
            self.out.push(
                Diagnostic::new(Id::TooDeep, span, message)
                    .help("nothing in Sallyport needs that; flatten it"),
            );
            self.out.lose();
            return Err(Stop);
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self, end: usize) {
        let (start, value) = match self.stack.pop() {
            Some(Frame::List { start, before }) => (start, Value::List(self.items.drain(before..).collect())),
            Some(Frame::Map { start, before, .. }) => {
                let entries: Vec<_> = self.entries.drain(before..).collect();
                if self.stack.is_empty() && begins_again(&entries).is_some() {
                    return self.divide(entries);
                }
                self.report_duplicates(&entries);
                (start, Value::Map(entries))
            }
            None => return,
        };
        // The end of a block collection is where the next thing begins; what lies between is not part of it.
        let inside = self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        self.finish(Node { span: Span::new(self.file, start, start + inside), value });
    }

    /// Takes apart documents that run together for want of a `---`, so that each is judged for itself.
    fn divide(&mut self, mut entries: Vec<Entry<'s>>) {
        let mut documents = Vec::new();
        while let Some(at) = begins_again(&entries) {
            let document = entries.drain(..at).collect::<Vec<_>>();
            if let [first, .., last] = document.as_slice()
                && let Some(next) = entries.first()
            {
                let message = "a second document begins here, and nothing divides it from the first";
                let help = "write a line `---` before it";
                let diagnostic = Diagnostic::new(Id::DuplicateKey, next.at, message).help(help);
                self.out.push(diagnostic.also(first.at, "the first begins here"));
                documents.push((Span { end: last.node.span.end, ..first.at }, document));
            }
        }
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            documents.push((Span { end: last.node.span.end, ..first.at }, entries));
        }
        for (span, document) in documents {
            self.report_duplicates(&document);
            self.finish(Node { span, value: Value::Map(document) });
        }
    }

    /// Hands a complete node to whatever it is part of.
    fn finish(&mut self, node: Node<'s>) {
        match self.stack.last_mut() {
            None if node.is_blank() => {}
            None => self.documents.push(node),
            Some(Frame::List { .. }) => self.items.push(node),
            Some(Frame::Map { key, .. }) => match key.take() {
                Some(OpenKey { text: Some(text), at }) => {
                    self.entries.push(Entry { key: Key::new(text), at, node });
                }
                Some(OpenKey { text: None, .. }) => {}
                None => *key = Some(as_key(node, self.text, self.out)),
            },
        }
    }

    fn report_duplicates(&mut self, entries: &[Entry<'s>]) {
        // Most mappings are short and without; then nothing is sorted.
        let stands_again = |(at, entry): (usize, &Entry<'s>)| {
            entries.iter().skip(at + 1).any(|other| other.key == entry.key)
        };
        if entries.len() <= FEW_KEYS && !entries.iter().enumerate().any(stands_again) {
            return;
        }
        let mut by_key: Vec<_> = entries.iter().map(|entry| (&*entry.key, entry.at)).collect();
        by_key.sort_by_key(|&(key, _)| key);
        for pair in by_key.windows(2) {
            let [(first, first_at), (second, second_at)] = pair else { continue };
            if first == second {
                let message = format!("key `{second}` stands twice in this mapping");
                let help = match *second {
                    "apiVersion" | "kind" => "begin the next document with a line `---`",
                    _ => "keep one of them; readers of YAML disagree on which one counts",
                };
                let diagnostic = Diagnostic::new(Id::DuplicateKey, *second_at, message).help(help);
                self.out.push(diagnostic.also(*first_at, "first written here"));
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let start = self.offsets.byte(error.marker().index(), self.text.len());
        let start = if error.info() == NO_COLON { start_of_key(self.text, start) } else { start };
        // Where the text ends too early, its last character can be shown, and what is behind it not.
        let span = match self.text.trim_end().len() {
            end if start >= end => Span::new(self.file, end, end),
            _ => Span::new(self.file, start, start),
        };
        let next = self.text.get(start..).and_then(|rest| rest.chars().next());
        let info = error.info();
        let help = remedy(info, next);
        let message = format!("this is not YAML: {info}");
        let diagnostic = Diagnostic::new(Id::YamlSyntax, span, message).help(help);
        let open = info.contains("flow").then(|| self.open_bracket()).flatten();
        self.out.push(match open {
            Some(open) if open != span => diagnostic.also(open, "it begins here"),
            _ => diagnostic,
        });
        self.out.lose();
    }

    /// Where the innermost `[` or `{` is that has no end yet.
    fn open_bracket(&self) -> Option<Span> {
        let (Frame::List { start, .. } | Frame::Map { start, .. }) = self.stack.last()?;
        let bracket = self.text.get(*start..)?.starts_with(['[', '{']);
        bracket.then(|| Span::new(self.file, *start, start + 1))
    }
}

/// What the parser says of a key without a colon; where it does, it has read on to the next line.
const NO_COLON: &str = "simple key expect ':'";

/// Where the last line before a place begins that holds anything else than a comment.
fn start_of_key(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let lines = before.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end - line.len(), line))
    });
    let says = |(_, line): &(usize, &str)| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let last = lines.filter(says).last();
    last.map_or(at, |(start, line)| start + line.len() - line.trim_start().len())
}

/// What mends a text that is not YAML, by what the parser says of it and the character that stands there.
fn remedy(info: &str, next: Option<char>) -> &'static str {
    if info.contains("unknown anchor") || (info.contains("anchor or alias") && next == Some('*')) {
        "text that begins with `*` must stand in quotes, as in \"*.example.com\""
    } else if next == Some('{') && info.contains("flow sequence") {
        "inside `[ ]`, text that holds `{` must stand in quotes, as in [\"/docs/{id}\"]"
    } else if info.contains("unprintable") {
        "take the control character out that stands here; a text may hold one as an escape, as in \"\\u0000\""
    } else if info.contains("tab") {
        "indent with spaces; YAML does not accept tabs"
    } else if info.contains("mapping values are not allowed") {
        "check the indentation, write a blank behind the `:` of every key before, and quote text that holds `: `"
    } else if info == NO_COLON {
        "write a key as `key: value`, with a blank behind the `:`; text that goes on is indented more than its key"
    } else if info.contains("byte order mark") {
        "take out the character U+FEFF that stands here; most editors do not show it"
    } else if info.contains("expected node content") {
        "something is missing here: take a `,` away, or write in quotes what begins with a special character"
    } else if info.contains("escape code") {
        "use single quotes, where a backslash is a backslash"
    } else if info.contains("flow sequence") {
        "the items of a list in `[ ]` stand apart by `,`, and a `]` ends it"
    } else if info.contains("flow mapping") {
        "the keys of a mapping in `{ }` stand apart by `,`, and a `}` ends it"
    } else if info.contains("quoted scalar") {
        "end the text with the quote that it begins with"
    } else if info.contains("unexpected character") {
        "text that begins with `%`, `@` or a backtick must stand in quotes"
    } else if info.contains("did not find expected") {
        "check the indentation: the keys of one mapping, and the `-` of one list, begin in the same column"
    } else {
        "mend this place; the rest of the file was not read"
    }
}

/// Where a document begins anew among what was read as one: with the key that it began with, and that no mapping of ours has inside.
fn begins_again(entries: &[Entry<'_>]) -> Option<usize> {
    let first = entries.first().filter(|first| matches!(&*first.key, "apiVersion" | "kind"))?;
    // Both keys stand in each part, or it is one document in which a key stands twice.
    let again = 1 + entries.iter().skip(1).position(|entry| entry.key == first.key)?;
    let (one, other) = entries.split_at_checked(again)?;
    let whole = |part: &[Entry<'_>]| {
        ["apiVersion", "kind"].iter().all(|key| part.iter().any(|entry| &*entry.key == *key))
    };
    (whole(one) && whole(other)).then_some(again)
}

/// Reads a node as a key, and reports it if it is not one.
fn as_key<'s>(node: Node<'s>, text: &str, out: &mut Diagnostics) -> OpenKey<'s> {
    let at = node.span;
    let text = match node.value {
        Value::Scalar(scalar) if !scalar.quoted && scalar.text == "<<" => {
            out.push(anchor_diagnostic("merge key", at));
            None
        }
        Value::Scalar(scalar) => match scalar.misread_as() {
            None => Some(scalar.text),
            Some(what) => {
                let shown = scalar.text;
                let message = format!("a key must be text, and YAML readers take `{shown}` for {what}");
                out.push(
                    Diagnostic::new(Id::NonStringKey, at, message)
                        .help(format!("write \"{shown}\" in quotes")),
                );
                None
            }
        },
        Value::Invalid => None,
        Value::List(_) | Value::Map(_) => {
            let message = format!("a key must be text, not {}", node.describe());
            let before = text.get(..at.start as usize).unwrap_or_default();
            let help = match before.ends_with('{') && node.describe() == "a mapping" {
                true => "what stands in `{{ }}` is a template's: fill it in before the policy is read",
                false => "quote it if `[` or `{` is part of the text",
            };
            out.push(Diagnostic::new(Id::NonStringKey, at, message).help(help));
            None
        }
    };
    OpenKey { text, at }
}

fn anchor_diagnostic(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Id::Anchor, span, format!("a YAML {what} is not accepted"))
        .help("write the value out where it is used, so that what is in force can be read there")
}
