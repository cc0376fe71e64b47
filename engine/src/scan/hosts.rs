//! Where a text points: hosts that only attackers and insiders ask for, in any of their spellings (server-side request forgery).
//!
//! Patterns of text cannot do this: `169.254.169.254` is also `2852039166`, `0251.0376.0251.0376`, `[::ffff:a9fe:a9fe]`,
//! `①⑥⑨。②⑤④。169.254` and `a9fea9fe.nip.io`. So every host is read as a URL's host is, then classified as the address that it is.
//!
//! Three places hold one: after `scheme:` and slashes, or slashes alone; the whole text; and, for metadata services alone, any
//! word of the text.

mod reading;
mod risk;

pub use risk::HostRisk;

use crate::bytes::{self, Kind};
use alloc::vec::Vec;
use reading::{HostText, host_char, read_host};
use risk::{Reason, classify, is_dangerous_scheme, is_one_of};

/// The longest text that is read as a host: a name, percent-encoded in part, and a port.
const MAX_HOST_LEN: usize = 300;
/// The longest text that can be a host as a whole.
const MAX_BARE_LEN: usize = 2048;
/// The shortest word that is looked at: `0xa9fe`.
const MIN_WORD_LEN: usize = 6;
/// Schemes of which browsers and others read the host with any number of slashes, none among them.
const LAX_SCHEMES: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];
/// Names of one label that point inside even alone.
const BARE_NAMES: [&str; 2] = ["localhost", "instance-data"];
/// The most findings in one text.
const MAX_FINDINGS: usize = 32;
/// The longest scheme of interest.
const MAX_SCHEME_LEN: usize = 24;

/// One of these, in any case, stands in a folded text wherever a URL is found: at the colon or at the slashes.
pub const URL_ANCHORS: &[&str] =
    &["://", ":/", ":\\", "//", "\\\\", "/\\", "\\/", "http:", "https:", "ftp:", "ws:", "wss:", "jar:"];

/// One of these, in any case, stands in every word of a folded text that is found.
pub const WORD_ANCHORS: &[&str] = &[
    "169.",
    "0xa9",
    "0251",
    "::",
    "fd00:",
    "fd20:",
    "100.100.",
    "0x64.",
    "0144.",
    "168.63",
    "0xa8",
    "0250.",
    "192.0.",
    "0xc0",
    "0300.",
    "metadata",
    "instance-data",
    "nip.io",
    "sslip.io",
    "xip.io",
    "traefik.me",
];

/// A place in the text that points to where it should not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HostFinding {
    /// The first byte of the host; of the scheme, where that is the risk.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// Why.
    pub risk: HostRisk,
}

/// Whether a text could be a host as a whole, or begin with one, judged by its first bytes.
pub fn could_be_host(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let (mut left, mut marked) = (text.iter().take(MAX_HOST_LEN.saturating_mul(2)), false);
    let mut ends = text.len().min(MAX_HOST_LEN.saturating_mul(2));
    while let Some(&byte) = left.next() {
        if byte.is_ascii() && !bytes::is(byte, Kind::HOST_OR_BRACKET) {
            ends = ends.saturating_sub(left.len()).saturating_sub(1);
            break;
        }
        marked |= matches!(byte, b'.' | b':') || !byte.is_ascii();
    }
    let part = text.get(..ends).unwrap_or_default();
    let marked = marked || part.first().is_some_and(u8::is_ascii_digit);
    let named = || is_one_of(part, &BARE_NAMES);
    matches!(text.get(ends), None | Some(b'/' | b'?' | b'#' | b'\\'))
        && ((marked && !is_plain_number(part)) || named())
}

/// Whether digits, and no more than two full stops, are a number or a version to everyone: alone they would be taken for an address only if
/// it were that of a metadata service. Of these the first byte is at least 100 and written with a 1 or a 0 in front, and the whole has ten digits.
fn is_plain_number(part: &[u8]) -> bool {
    let dots = part.iter().filter(|&&byte| byte == b'.').count();
    part.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && match dots {
            0 => part.len() < 10,
            1 | 2 => !matches!(part.first(), Some(b'0' | b'1')),
            _ => false,
        }
}

/// Where anchors stand in a text, in order.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    places: Vec<usize>,
    /// Whether there are more than are kept, so that the whole text is looked at.
    all: bool,
}

impl Anchors {
    /// As many as are kept.
    const MOST: usize = 512;

    /// Notes an anchor.
    pub fn note(&mut self, at: usize) {
        if self.places.len() < Self::MOST {
            self.places.push(at);
        } else {
            self.all = true;
        }
    }

    /// The next place to look at from a byte on, and whether there is one.
    fn next(&self, from: usize, end: usize) -> Option<usize> {
        let at = self.places.partition_point(|&at| at < from);
        let next = if self.all { Some(from) } else { self.places.get(at).copied() };
        next.filter(|&at| at < end)
    }
}

/// Where hosts could stand in a text, besides in the text as a whole.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    /// By [`URL_ANCHORS`].
    pub urls: Anchors,
    /// By [`WORD_ANCHORS`].
    pub words: Anchors,
}

/// Finds every host and scheme that is a risk where one could stand, and in the text as a whole. The text may be folded or not. The work is
/// linear in the text's length.
pub fn find(text: &str, Announced { urls, words }: &Announced) -> Vec<HostFinding> {
    let mut search = Search { text, found: Vec::new(), authority: (0, 0), at_sign: 0, url_end: 0 };
    search.urls(urls);
    search.words(words);
    search.whole();
    search.found
}

struct Search<'t> {
    text: &'t str,
    found: Vec<HostFinding>,
    /// The authority that was read last: nested starts share its end.
    authority: (usize, usize),
    /// The byte after the last `@` of that authority, or its start.
    at_sign: usize,
    /// The end of the last URL with a dangerous scheme.
    url_end: usize,
}

impl Search<'_> {
    fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes().get(at).copied()
    }

    /// Looks after each `scheme:` and each pair of slashes.
    fn urls(&mut self, anchors: &Anchors) {
        let mut at = 0_usize;
        while let Some(next) = anchors.next(at, self.text.len()).and_then(|anchor| self.next_mark(anchor)) {
            at = next.saturating_add(1);
            if self.byte(next) == Some(b':') {
                self.after_colon(next);
            } else if is_slash(self.byte(at)) {
                let before = next.checked_sub(1).and_then(|before| self.byte(before));
                at = self.after_slashes(next);
                if before != Some(b':') && !before.is_some_and(is_word) {
                    self.authority(at, Reason::Alone);
                }
            }
        }
    }

    /// The next colon or slash.
    fn next_mark(&self, from: usize) -> Option<usize> {
        let rest = self.bytes().get(from..)?;
        let mark = rest.iter().position(|&byte| matches!(byte, b':' | b'/' | b'\\'))?;
        Some(from.saturating_add(mark))
    }

    #[inline(never)]
    fn after_slashes(&self, at: usize) -> usize {
        let slashes = self.bytes().iter().skip(at).take_while(|&&byte| is_slash(Some(byte))).count();
        at.saturating_add(slashes)
    }

    fn after_colon(&mut self, colon: usize) {
        let before = self.bytes().get(colon.saturating_sub(MAX_SCHEME_LEN)..colon).unwrap_or_default();
        let length = before.iter().rev().take_while(|&&byte| is_word(byte)).count();
        let start = colon.saturating_sub(length);
        let scheme = self.bytes().get(start..colon).unwrap_or_default();
        // Of `git+file`, the last part says how it is fetched.
        let scheme = scheme.rsplit(|&byte| byte == b'+').next().unwrap_or_default();
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) {
            return;
        }
        let next = colon.saturating_add(1);
        let after = self.after_slashes(next);
        let slashes = after.saturating_sub(next);
        let start = colon.saturating_sub(scheme.len());
        let rest = self.bytes().get(after..).unwrap_or_default();
        let lax = is_one_of(scheme, &LAX_SCHEMES);
        if start >= self.url_end && is_dangerous_scheme(scheme, slashes, rest) {
            let length = rest.iter().take(MAX_BARE_LEN).take_while(|&&byte| !ends_url(byte)).count();
            self.url_end = after.saturating_add(length);
            self.report(start, self.url_end, HostRisk::DangerousScheme);
        }
        // To other schemes a third slash is the path, after a host that is empty.
        if slashes == 2 || lax {
            self.authority(after, if lax { Reason::Web } else { Reason::Scheme });
        }
    }

    /// Classifies the host of an authority that starts here: user information ends at the last `@`, and a backslash is a slash to
    /// some and a part of the user information to others.
    fn authority(&mut self, start: usize, reason: Reason) {
        if start >= self.authority.1 || start < self.authority.0 {
            let length = self.bytes().iter().skip(start).take_while(|&&byte| !ends_authority(byte)).count();
            let end = start.saturating_add(length);
            let part = self.bytes().get(start..end).unwrap_or_default();
            let sign = part.iter().rposition(|&byte| byte == b'@');
            self.authority = (start, end);
            self.at_sign = sign.map_or(start, |sign| start.saturating_add(sign).saturating_add(1));
        }
        let end = self.authority.1;
        self.host(start.max(self.at_sign), end, reason);
        if matches!(self.byte(end), Some(b'\\' | b'#')) {
            self.other_reading(end, reason);
        }
    }

    /// Classifies the host behind an `@` that some readers see after a backslash or a `#`, where others saw the authority end.
    fn other_reading(&mut self, from: usize, reason: Reason) {
        let rest = self.bytes().iter().skip(from).take(MAX_HOST_LEN);
        let length = rest.take_while(|&&byte| byte != b'/' && !ends_url(byte)).count();
        let end = from.saturating_add(length);
        let part = self.bytes().get(from..end).unwrap_or_default();
        if let Some(sign) = part.iter().rposition(|&byte| byte == b'@') {
            self.host(from.saturating_add(sign).saturating_add(1), end, reason);
        }
    }

    /// Classifies the host that a text begins with.
    #[inline(never)]
    fn host(&mut self, start: usize, end: usize, reason: Reason) {
        let Some(text) = self.text.get(start..end) else { return };
        let Some(read) = read_host(text) else { return };
        self.classify(&read, text, start, reason);
    }

    fn classify(&mut self, read: &HostText, text: &str, start: usize, reason: Reason) {
        if let Some(risk) = classify(&read.host, text, reason) {
            self.report(start, start.saturating_add(read.host_len), risk);
        }
    }

    /// Looks at each word with an anchor for a metadata service.
    fn words(&mut self, anchors: &Anchors) {
        let is_part = |byte: &u8| is_host(*byte) || !byte.is_ascii();
        let mut from = 0_usize;
        while let Some(anchor) = anchors.next(from, self.text.len()) {
            let (before, behind) = self.bytes().split_at_checked(anchor).unwrap_or_default();
            let before = before.get(from..).unwrap_or_default();
            let start = anchor.saturating_sub(before.iter().rev().take_while(|byte| is_part(byte)).count());
            let end = anchor.saturating_add(behind.iter().take_while(|byte| is_part(byte)).count());
            self.characters(start, end);
            from = end.saturating_add(1);
        }
    }

    /// Looks at the words of a part of the text; only characters that are not ASCII end them.
    #[inline(never)]
    fn characters(&mut self, from: usize, to: usize) {
        let part = self.text.get(from..to).unwrap_or_default();
        let mut start = from;
        for (at, c) in part.char_indices().filter(|(_, c)| !c.is_ascii() && host_char(*c).is_none()) {
            let at = from.saturating_add(at);
            self.word(start, at);
            start = at.saturating_add(c.len_utf8());
        }
        self.word(start, to);
    }

    fn word(&mut self, start: usize, end: usize) {
        let word = self.bytes().get(start..end).unwrap_or_default();
        if word.len() < MIN_WORD_LEN {
            return;
        }
        if word.iter().filter(|&&byte| byte == b':').count() > 1 && could_be_v6(word) {
            self.host(start, end, Reason::Word);
        }
        let mut at = start;
        // `host:169.254.169.254:80`
        for end in
            (start..=end).filter(|&end_of| end_of == end || self.text.as_bytes().get(end_of) == Some(&b':'))
        {
            if could_be_metadata(self.bytes().get(at..end).unwrap_or_default()) {
                self.host(at, end, Reason::Word);
            }
            at = end.saturating_add(1);
        }
    }

    /// Looks at the text as a whole: a host, perhaps a port, perhaps a path.
    fn whole(&mut self) {
        let trimmed = self.text.trim();
        let start = self.text.len().saturating_sub(self.text.trim_start().len());
        let length = trimmed.bytes().take(MAX_BARE_LEN).take_while(|&byte| !ends_authority(byte)).count();
        let path = matches!(trimmed.as_bytes().get(length), None | Some(b'/' | b'?' | b'#' | b'\\'));
        let Some(authority) = trimmed.get(..length).filter(|_| path) else { return };
        if let Some(read) = read_host(authority).filter(|read| read.whole_len == authority.len()) {
            self.classify(&read, authority, start, Reason::Alone);
        }
    }

    #[inline(never)]
    fn report(&mut self, start: usize, end: usize, risk: HostRisk) {
        let known = self
            .found
            .iter()
            .any(|finding| finding.risk == risk && finding.start < end && start < finding.end);
        if !known && self.found.len() < MAX_FINDINGS {
            let at = self.found.partition_point(|finding| (finding.start, finding.end) < (start, end));
            self.found.insert(at, HostFinding { start, end, risk });
        }
    }
}

/// Whether a word could lead to a metadata service: of all others, few are addresses, and fewer have such a name.
fn could_be_metadata(word: &[u8]) -> bool {
    let has = |part: &[u8]| word.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    match word {
        [b'0', b'x' | b'X', ..] => true,
        _ if !word.is_ascii() || word.contains(&b'%') => true,
        _ if !word.contains(&b'.') => false,
        [b'0', ..] => true,
        // The first byte of the address; what follows it may be written in many ways.
        [b'1'..=b'9', ..] => {
            [b"100.", b"168.", b"169.", b"192."].iter().any(|first| word.starts_with(*first))
                || has(b".io")
                || has(b".me")
        }
        _ => has(b"data") || has(b".io") || has(b".me"),
    }
}

/// Whether a word with colons could be an address: nothing is in it but hexadecimal digits, or a zone, or what folds to either.
fn could_be_v6(word: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    word.iter().all(plain) || word.contains(&b'%') || !word.is_ascii()
}

/// Whether the byte can be part of a host.
#[inline]
fn is_host(byte: u8) -> bool {
    bytes::is(byte, Kind::HOST)
}

fn is_slash(byte: Option<u8>) -> bool {
    matches!(byte, Some(b'/' | b'\\'))
}

/// Whether the byte can be part of a scheme.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn ends_authority(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\' | b'?' | b'#') || ends_url(byte)
}

fn ends_url(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'<' | b'>' | b'`' | 0x7f)
}

#[cfg(test)]
mod tests;
