//! Server-sent events as they stand on the wire (WHATWG HTML, section 9.2.5 and 9.2.6).
//!
//! A stream is cut into units, each of which goes on, or is held, whole: an event with the blank line that ends it, or a comment that
//! stands between events, which keeps a connection alive and so must not wait for the next event.

use crate::scan::Edit;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Finds where units end, whatever pieces the stream comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framer {
    /// Nothing of the current unit has come.
    fresh: bool,
    /// Nothing of the current line has come.
    blank: bool,
    /// The unit began with a comment, whose line has not ended.
    comment: bool,
    /// The last byte was a carriage return; a line feed would belong to it.
    returned: bool,
}

/// What stands at the front of some bytes, and how many of them it takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cut {
    /// The end of a unit.
    Unit(usize),
    /// The line feed that still belongs to the end of the unit before.
    Tail(usize),
    /// No end.
    Open,
}

impl Framer {
    pub(super) fn new() -> Self {
        Self { fresh: true, blank: true, comment: false, returned: false }
    }

    /// Looks for the end of the current unit. All of `bytes` counts as seen if there is none. The line feed of a final CRLF is a cut
    /// of its own, so that a unit is the same whether or not it has come.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Cut {
        let mut at = 0_usize;
        if self.returned && !bytes.is_empty() {
            self.returned = false;
            if bytes.starts_with(b"\n") {
                if self.fresh {
                    return Cut::Tail(1);
                }
                at = 1;
            }
        }
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            if let Some(&first) = rest.first().filter(|_| length != Some(0)) {
                self.comment = if self.fresh { first == b':' } else { self.comment };
                (self.fresh, self.blank) = (false, false);
            }
            let Some(length) = length else { return Cut::Open };
            self.returned = rest.get(length) == Some(&b'\r');
            at = at.saturating_add(length).saturating_add(1);
            if self.blank || self.comment {
                *self = Self { returned: self.returned, ..Self::new() };
                return Cut::Unit(at);
            }
            self.blank = true;
            self.fresh = false;
            if self.returned && at < bytes.len() {
                self.returned = false;
                at = at.saturating_add(usize::from(bytes.get(at) == Some(&b'\n')));
            }
        }
    }
}

/// An event that has come whole.
pub(super) struct Event<'r> {
    raw: &'r [u8],
    /// Whether the stream begins here.
    first: bool,
    /// The values of the `data` lines, joined by line feeds.
    pub(super) data: Cow<'r, [u8]>,
    /// Where the value of each `data` line begins: in the data, in the event as it stands, and its length.
    spans: Spans,
}

/// Most events have one line of data, which then needs no list.
#[derive(Default)]
struct Spans {
    first: Option<Span>,
    more: Vec<Span>,
}

#[derive(Clone, Copy)]
struct Span {
    data: usize,
    raw: usize,
    length: usize,
}

impl<'r> Event<'r> {
    /// Reads a unit; `first` tells the one that a stream begins with, which may begin with a byte order mark.
    pub(super) fn read(raw: &'r [u8], first: bool) -> Self {
        let mut event = Self { raw, first, data: Cow::Borrowed(&[]), spans: Spans::default() };
        for (line, at) in lines(raw, first) {
            if let Some((value, skipped)) = data_value(line) {
                event.add(value, at.saturating_add(skipped));
            }
        }
        event
    }

    fn add(&mut self, value: &'r [u8], raw: usize) {
        let mut span = Span { data: 0, raw, length: value.len() };
        if self.spans.first.is_none() {
            self.spans.first = Some(span);
            self.data = Cow::Borrowed(value);
        } else {
            let data = self.data.to_mut();
            data.push(b'\n');
            span.data = data.len();
            data.extend_from_slice(value);
            self.spans.more.push(span);
        }
    }

    /// Whether there is a line of data.
    pub(super) fn has_data(&self) -> bool {
        self.spans.first.is_some()
    }

    /// The lines that are no data, and where they begin: comments, names, ids.
    pub(super) fn others(&self) -> impl Iterator<Item = (&'r [u8], usize)> + use<'r> {
        lines(self.raw, self.first).filter(|(line, _)| data_value(line).is_none())
    }

    /// The lines of data, and where each begins in the data.
    pub(super) fn data_lines(&self) -> impl Iterator<Item = (&'r [u8], usize)> + use<'_, 'r> {
        let raw = self.raw;
        self.spans().map(move |span| {
            (raw.get(span.raw..span.raw.saturating_add(span.length)).unwrap_or_default(), span.data)
        })
    }

    fn spans(&self) -> impl Iterator<Item = Span> + use<'_> {
        self.spans.first.iter().chain(&self.spans.more).copied()
    }

    /// A change to the data as changes to the lines that it lies on. Line ends stay; `with` goes where the change begins.
    pub(super) fn on_lines(&self, start: usize, end: usize, with: String, mut add: impl FnMut(Edit)) {
        let mut with = Some(on_one_line(with));
        for span in self.spans() {
            let (from, to) = (span.data, span.data.saturating_add(span.length));
            if end < from || to < start || (with.is_none() && (end == from || to == start)) {
                continue;
            }
            let raw = |at: usize| span.raw.saturating_add(at.clamp(from, to).saturating_sub(from));
            let with = with.take().unwrap_or_default();
            if start < end || !with.is_empty() {
                add(Edit { start: raw(start), end: raw(end), with });
            }
        }
    }
}

/// What goes into a line, without the line ends that would break it in two.
pub(super) fn on_one_line(with: String) -> String {
    if with.contains(['\n', '\r']) { with.replace(['\n', '\r'], " ") } else { with }
}

/// The lines that are not blank, without their ends, and where they begin.
fn lines(raw: &[u8], first: bool) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = if first && raw.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    core::iter::from_fn(move || {
        // CRLF makes a blank line here, which is skipped.
        while matches!(raw.get(at), Some(b'\n' | b'\r')) {
            at = at.saturating_add(1);
        }
        let start = at;
        let rest = raw.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        at = start.saturating_add(length);
        Some((rest.get(..length)?, start))
    })
}

/// The value of a `data` line, and how much stands before it. A line without a colon is a field with an empty value.
fn data_value(line: &[u8]) -> Option<(&[u8], usize)> {
    let value = line.strip_prefix(b"data")?;
    if value.is_empty() {
        return Some((value, 4));
    }
    let value = value.strip_prefix(b":")?;
    Some(match value.strip_prefix(b" ") {
        Some(value) => (value, 6),
        None => (value, 5),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::apply;
    use proptest::prelude::*;

    /// The units of a stream that comes in these pieces; what is not ended is last.
    fn units(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut framer, mut all, mut open) = (Framer::new(), Vec::<Vec<u8>>::new(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                match framer.next(rest) {
                    Cut::Unit(length) => {
                        open.extend_from_slice(&rest[..length]);
                        all.push(core::mem::take(&mut open));
                        rest = &rest[length..];
                    }
                    Cut::Tail(length) => {
                        all.last_mut().unwrap().extend_from_slice(&rest[..length]);
                        rest = &rest[length..];
                    }
                    Cut::Open => {
                        open.extend_from_slice(rest);
                        rest = &[];
                    }
                }
            }
        }
        all.push(open);
        all
    }

    fn data(raw: &str) -> String {
        String::from_utf8(Event::read(raw.as_bytes(), true).data.into_owned()).unwrap()
    }

    #[test]
    fn an_event_ends_with_a_blank_line_of_any_kind() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = format!("event: a{end}data: 1{end}{end}data: 2{end}{end}rest");
            let units = units(&[stream.as_bytes()]);
            assert_eq!(units.len(), 3, "{units:?}");
            assert_eq!(units[0], format!("event: a{end}data: 1{end}{end}").as_bytes());
            assert_eq!(units[2], b"rest");
        }
        assert_eq!(units(&[b"data: 1\n\r\ndata: 2\r\r"]).len(), 3);
    }

    #[test]
    fn a_comment_between_events_is_a_unit() {
        assert_eq!(
            units(&[b": alive\ndata: 1\n: inside\n\n"]),
            [&b": alive\n"[..], b"data: 1\n: inside\n\n", b""]
        );
        assert_eq!(units(&[b":\r\n\r\ndata"]), [&b":\r\n"[..], b"\r\n", b"data"]);
    }

    #[test]
    fn the_data_of_an_event_is_its_lines_joined() {
        assert_eq!(data("data: a\ndata:b\ndata\ndata:  c\n\n"), "a\nb\n\n c");
        assert_eq!(data("\u{feff}data: a\n\n"), "a");
        assert_eq!(data("data : a\ndatax: b\nDATA: c\n: data: d\n\n"), "");
        assert!(!Event::read(b"id: 1\n\n", false).has_data());
        let other: Vec<_> = Event::read(b"id: 1\r\ndata: x\r\n: c\r\n\r\n", false).others().collect();
        assert_eq!(other, [(&b"id: 1"[..], 0), (b": c", 16)]);
    }

    #[test]
    fn a_change_to_the_data_leaves_the_lines_in_place() {
        let raw = b"data: ab\nid: 1\ndata:cd\r\ndata\n\n";
        let event = Event::read(raw, false);
        assert_eq!(&*event.data, b"ab\ncd\n");
        let changed = |start, end, with: &str| {
            let mut edits = Vec::new();
            event.on_lines(start, end, with.into(), |edit| edits.push(edit));
            String::from_utf8(apply(raw, &edits)).unwrap()
        };
        assert_eq!(changed(1, 2, "X"), "data: aX\nid: 1\ndata:cd\r\ndata\n\n");
        assert_eq!(changed(1, 4, "X"), "data: aX\nid: 1\ndata:d\r\ndata\n\n");
        assert_eq!(changed(3, 5, "X\nY"), "data: ab\nid: 1\ndata:X Y\r\ndata\n\n");
        assert_eq!(changed(0, 6, ""), "data: \nid: 1\ndata:\r\ndata\n\n");
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(stream in "(\u{feff})?[\r\n:ad ]{0,40}", at in prop::collection::vec(0..60_usize, 0..6)) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<_> = at.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[start..cut]);
                start = cut;
            }
            let whole = units(&[bytes]);
            prop_assert_eq!(&whole.concat(), bytes);
            prop_assert_eq!(units(&pieces), whole);
        }
    }
}
