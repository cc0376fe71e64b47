//! Text in text: base64, base64url, hexadecimal, percent and backslash escapes, found in a view and decoded.

use crate::bytes::{self, HIGH, Kind};
use crate::json::escape;
use alloc::vec::Vec;

/// The shortest run that is taken for base64, and for hexadecimal digits, in bytes.
const MIN_BASE64: usize = 24;
const MIN_HEX: usize = 32;
/// How far apart words of eight bytes may be, so that the shortest run covers one of them.
const STRIDE: usize = MIN_BASE64 - 8;
/// The longest run that is decoded as one, in bytes: a multiple of what four lines of base64 take.
pub(super) const MAX_RUN: usize = 4_096;
/// How much of a run that was cut is looked at twice: more than any token takes, and a multiple of four.
const OVERLAP: usize = 512;
/// How much of a word before its first escape is looked at together with it.
const BEFORE: usize = 64;
/// The shortest line of base64 that another line can follow (RFC 2045 section 6.8 has 76, PEM 64).
const MIN_LINE: usize = 60;
/// A word as long as this could be encoded even if it looks like a word.
const LONG_WORD: usize = 20;
/// A word as short as this is no encoded text yet, whatever it looks like.
const SHORT_WORD: usize = 12;

/// Text that was decoded, and where it came from.
#[derive(Debug)]
pub(super) struct Decoded {
    pub bytes: Vec<u8>,
    /// The place of the encoded text in the view.
    pub start: usize,
    pub end: usize,
    origin: Origin,
}

/// How offsets in decoded text lead back.
#[derive(Debug)]
enum Origin {
    /// So many bytes of the view, line ends not counted, for so many decoded ones. Where lines end is not kept: a match is reported
    /// with the line ends around it.
    Groups { encoded: usize, decoded: usize, line: Option<(usize, usize)> },
    /// Pairs of an offset in the decoded bytes and one in the view; between them, byte for byte.
    Steps(Vec<(usize, usize)>),
}

/// A run of the view that could be encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    pub start: usize,
    pub end: usize,
    /// From which byte on the run no longer looks like a word.
    pub odd_from: usize,
}

impl Decoded {
    /// Where decoded bytes stand in the view.
    pub(super) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        let (from, to) = match &self.origin {
            Origin::Groups { encoded, decoded, line } => {
                let group =
                    |offset: usize| offset.checked_div(*decoded).unwrap_or(0).saturating_mul(*encoded);
                let up = |offset: usize| group(offset.saturating_add(decoded.saturating_sub(1)));
                // Two decoded bytes take three characters, one takes two; the rest belongs to what follows.
                let with_lines = |chars: usize| match line {
                    Some((length, gap)) => {
                        chars.saturating_add(chars.checked_div(*length).unwrap_or(0).saturating_mul(*gap))
                    }
                    None => chars,
                };
                (with_lines(group(start)), with_lines(up(end)))
            }
            Origin::Steps(steps) => (step_back(steps, start), step_back(steps, end)),
        };
        let from = self.start.saturating_add(from).min(self.end);
        (from, self.start.saturating_add(to).clamp(from, self.end))
    }
}

fn step_back(steps: &[(usize, usize)], offset: usize) -> usize {
    let at = steps.partition_point(|&(decoded, _)| decoded <= offset);
    let (decoded, original) = at.checked_sub(1).and_then(|at| steps.get(at)).copied().unwrap_or_default();
    original.saturating_add(offset.saturating_sub(decoded))
}

// === runs ===

/// The runs of base64's or base64url's characters in `text` from `from` on that are long enough; and, if `more` may come, the one at
/// the end, however long it is.
pub(super) fn runs(text: &[u8], from: usize, more: bool, mut each: impl FnMut(Run)) {
    let mut at = from;
    while at < text.len() {
        at = next_run(text, at);
        // Whatever run there is here has to cover the byte at its least length: look there, and back.
        let probe = at.saturating_add(MIN_BASE64.saturating_sub(1));
        let probe = probe.min(text.len().saturating_sub(1));
        let window = text.get(at..=probe).unwrap_or_default();
        if let Some(other) = window.iter().rposition(|&byte| !is_base64(byte)) {
            at = at.saturating_add(other).saturating_add(1);
            continue;
        }
        let end = run_end(text, at);
        if end == at {
            at = at.saturating_add(1);
            continue;
        }
        let open = more && end == text.len();
        if end.saturating_sub(at) >= MIN_BASE64 || open {
            each(Run { start: at, end, odd_from: odd_from(text.get(at..end).unwrap_or_default(), at) });
        }
        at = after(text, at, end);
    }
}

/// Where a run that is long enough could begin, or one at the end: at this byte or later. It covers one of the words of eight bytes that
/// stand sixteen apart.
#[inline(never)]
fn next_run(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        if !like_base64(u64::from_le_bytes(word)) & HIGH == 0 {
            break;
        }
        at = at.saturating_add(STRIDE);
    }
    at.saturating_sub(STRIDE).max(from)
}

/// The highest bit of each byte that is one of base64's, or one of some that often stand beside those: from `+` to `9`, and from `A` to `DEL`
/// without the backtick.
#[inline]
fn like_base64(bytes: u64) -> u64 {
    let low = bytes & !HIGH;
    let each = |byte: u8| u64::from_ne_bytes([byte; 8]);
    let from = |bytes: u64, first: u8| bytes.wrapping_add(each(0x80_u8.wrapping_sub(first)));
    let digits = from(low, b'+') & !from(low, b':');
    let letters = from(low | each(0x20), b'a');
    (digits | letters) & !bytes
}

/// Where to look on after a run: one that was cut is looked into again from a little before its end, where a group of four begins.
fn after(text: &[u8], start: usize, end: usize) -> usize {
    if end.saturating_sub(start) < MAX_RUN {
        return end.max(start.saturating_add(1));
    }
    let run = text.get(start..end).unwrap_or_default();
    let back = end.saturating_sub(OVERLAP);
    match run.iter().take(MAX_RUN.saturating_sub(OVERLAP)).rposition(|&byte| byte == b'\n') {
        Some(line) => start.saturating_add(line).saturating_add(1),
        None => back,
    }
}

/// The end of a run, further lines of it included.
fn run_end(text: &[u8], start: usize) -> usize {
    let cap = text.len().min(start.saturating_add(MAX_RUN));
    let mut line = start;
    loop {
        let rest = text.get(line..cap).unwrap_or_default();
        let end = line.saturating_add(rest.iter().take_while(|&&byte| is_base64(byte)).count());
        let gap = line_end(text.get(end..cap).unwrap_or_default());
        let next = end.saturating_add(gap);
        let goes_on = text.get(next).is_some_and(|&byte| is_base64(byte));
        if gap == 0 || end.saturating_sub(line) < MIN_LINE || !goes_on || next >= cap {
            return end;
        }
        line = next;
    }
}

fn line_end(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    }
}

#[inline]
fn is_base64(byte: u8) -> bool {
    bytes::is(byte, Kind::BASE64)
}

/// From which byte on a run does not look like a word, so that it could be encoded text.
fn odd_from(run: &[u8], start: usize) -> usize {
    let mut lower = false;
    let mut mixed = false;
    for (&byte, length) in run.iter().zip(1_usize..) {
        mixed |= !byte.is_ascii_alphabetic() || (byte.is_ascii_uppercase() && lower);
        lower |= byte.is_ascii_lowercase();
        if length >= LONG_WORD || (mixed && length >= SHORT_WORD) {
            return start.saturating_add(length);
        }
    }
    usize::MAX
}

/// Decodes a run in every way it can be meant: as hexadecimal digits, as base64 or base64url, and as the parts of a path.
pub(super) fn decode_run(text: &[u8], run: Run, mut each: impl FnMut(Decoded)) {
    let whole = text.get(run.start..run.end).unwrap_or_default();
    if whole.len() >= MIN_HEX && whole.iter().all(u8::is_ascii_hexdigit) {
        let bytes = whole.as_chunks::<2>().0.iter().filter_map(|&[high, low]| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
        });
        each(Decoded {
            bytes: bytes.collect(),
            start: run.start,
            end: run.end,
            origin: Origin::Groups { encoded: 2, decoded: 1, line: None },
        });
    }
    each(decode_base64(whole, run.start));
    let parts = whole.iter().filter(|&&byte| byte == b'/').count();
    if (1..=8).contains(&parts) {
        let mut start = run.start;
        for part in whole.split(|&byte| byte == b'/') {
            if part.len() >= MIN_BASE64 && start > run.start {
                each(decode_base64(part, start));
            }
            start = start.saturating_add(part.len()).saturating_add(1);
        }
    }
}

fn decode_base64(run: &[u8], start: usize) -> Decoded {
    let mut bytes = Vec::with_capacity(run.len().saturating_mul(3).checked_div(4).unwrap_or(0));
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &byte in run {
        let Some(value) = sextet(byte) else { continue };
        bits = bits.wrapping_shl(6) | value;
        count = count.saturating_add(6);
        if count >= 8 {
            count = count.saturating_sub(8);
            let [.., low] = bits.wrapping_shr(count).to_be_bytes();
            bytes.push(low);
        }
    }
    let first = run.iter().position(|&byte| line_end(core::slice::from_ref(&byte)) > 0 || byte == b'\r');
    let line = first.map(|length| (length, line_end(run.get(length..).unwrap_or_default())));
    let end = start.saturating_add(run.len());
    Decoded { bytes, start, end, origin: Origin::Groups { encoded: 4, decoded: 3, line } }
}

fn sextet(byte: u8) -> Option<u32> {
    let offset = match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A')?,
        b'a'..=b'z' => byte.checked_sub(b'a')?.checked_add(26)?,
        b'0'..=b'9' => byte.checked_sub(b'0')?.checked_add(52)?,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(offset))
}

// === escapes ===

/// A stretch without blanks that holds escapes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Escaped {
    pub start: usize,
    pub end: usize,
    /// Where its first escape begins.
    pub first: usize,
}

/// The stretches without blanks that hold a percent sign or a backslash at or behind `from`: each from a little before its first
/// escape, and at most [`MAX_RUN`] behind it.
pub(super) fn escaped(text: &[u8], from: usize, mut each: impl FnMut(Escaped)) {
    let is_escape = |byte: &u8| matches!(byte, b'%' | b'\\');
    let mut at = from;
    while let Some(next) = text.get(at..).unwrap_or_default().iter().position(is_escape) {
        let first = at.saturating_add(next);
        let before = text.get(first.saturating_sub(BEFORE)..first).unwrap_or_default();
        let before = before.iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let cap = text.len().min(first.saturating_add(MAX_RUN));
        let behind = text.get(first..cap).unwrap_or_default();
        let length = behind.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let end = first.saturating_add(length);
        each(Escaped { start: first.saturating_sub(before), end, first });
        at = if length == MAX_RUN { end.saturating_sub(OVERLAP) } else { end };
    }
}

/// Resolves the escapes of a stretch; nothing if there turn out to be none.
pub(super) fn unescape(text: &[u8], stretch: Escaped) -> Option<Decoded> {
    let source = text.get(stretch.start..stretch.end)?;
    let mut bytes = Vec::with_capacity(source.len());
    let mut steps = alloc::vec![(0, 0)];
    let mut at = 0_usize;
    while let Some(&byte) = source.get(at) {
        let rest = source.get(at..)?;
        let taken = match byte {
            b'%' => percent(rest).map(|byte| {
                bytes.push(byte);
                3
            }),
            b'\\' => backslash(rest).map(|(character, length)| {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                length
            }),
            _ => None,
        };
        match taken {
            Some(length) => {
                at = at.saturating_add(length);
                steps.push((bytes.len(), at));
            }
            None => {
                bytes.push(byte);
                at = at.saturating_add(1);
            }
        }
    }
    let some = steps.len() > 1;
    some.then_some(Decoded { bytes, start: stretch.start, end: stretch.end, origin: Origin::Steps(steps) })
}

fn percent(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(1)?.checked_mul(16)?.checked_add(digit(2)?)?).ok()
}

/// JSON's escapes, and what other languages have: `\xHH`, `\u{H…}`, and up to three octal digits.
fn backslash(text: &[u8]) -> Option<(char, usize)> {
    let rest = text.get(1..)?;
    match rest {
        [b'x', ..] => Some((char::from(percent(rest)?), 4)),
        [b'u', b'{', digits @ ..] => {
            let length = digits.iter().take(7).position(|&byte| byte == b'}')?;
            let digits = digits.get(..length).filter(|digits| !digits.is_empty())?;
            Some((number(digits, 16)?, length.saturating_add(4)))
        }
        [b'0'..=b'7', ..] => {
            let length = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            Some((number(rest.get(..length)?, 8)?, length.saturating_add(1)))
        }
        _ => escape(text).ok(),
    }
}

/// The character whose code these digits are.
fn number(digits: &[u8], radix: u32) -> Option<char> {
    let code = digits.iter().try_fold(0_u32, |code, &digit| {
        code.checked_mul(radix)?.checked_add(char::from(digit).to_digit(radix)?)
    });
    code.and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    fn found(text: &str, more: bool) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        runs(text.as_bytes(), 0, more, |run| all.push((run.start, run.end)));
        all
    }

    #[test]
    fn runs_are_found_wherever_they_begin() {
        let run = "QUtJQTEyMzQ1Njc4OTBBQkNERUY";
        for before in 0..40 {
            let text = format!("{} {run}= and more", "x".repeat(before % 20));
            let start = before % 20 + 1;
            assert_eq!(found(&text, false), [(start, start + run.len())], "{text}");
        }
        assert_eq!(found("short words only, and none that is long", false), []);
        assert_eq!(found("ends in a word", true), [(10, 14)]);
        assert_eq!(found("", true), []);
    }

    #[test]
    fn whatever_is_base64_looks_like_it() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = [b' '; 8];
                bytes[at] = byte;
                let like = like_base64(u64::from_le_bytes(bytes)) & HIGH;
                let alike = matches!(byte, b'+'..=b'9' | b'A'..=b'_' | b'a'..=0x7f);
                assert_eq!(like, if alike { 0x80 << (8 * at) } else { 0 }, "{byte} {at}");
                assert!(alike || !is_base64(byte), "{byte}");
            }
        }
    }

    #[test]
    fn what_is_decoded_leads_back() {
        for plain in ["the quick brown fox and the lazy dog", "AKIA and others, and more of it."] {
            for encoded in [STANDARD.encode(plain), URL_SAFE_NO_PAD.encode(plain)] {
                let text = format!("data: {encoded};");
                let mut seen = 0;
                runs(text.as_bytes(), 0, false, |run| {
                    decode_run(text.as_bytes(), run, |decoded| {
                        if decoded.bytes.starts_with(plain.as_bytes()) {
                            seen += 1;
                            let (start, end) = decoded.place(4, 9);
                            let piece = text.get(start..end).unwrap();
                            let back =
                                STANDARD.decode(piece).or_else(|_| URL_SAFE_NO_PAD.decode(piece)).unwrap();
                            assert!(String::from_utf8(back).unwrap().contains(plain.get(4..9).unwrap()));
                        }
                    });
                });
                assert_eq!(seen, 1, "{text}");
            }
        }
    }

    #[test]
    fn lines_are_joined() {
        let plain = "0123456789".repeat(12);
        let encoded = STANDARD.encode(&plain);
        let (a, b) = encoded.split_at(76);
        for gap in ["\n", "\r\n"] {
            let text = format!("{a}{gap}{b}");
            let mut decoded = Vec::new();
            runs(text.as_bytes(), 0, false, |run| decode_run(text.as_bytes(), run, |d| decoded.push(d)));
            assert_eq!(decoded[0].bytes, plain.as_bytes());
            let (start, end) = decoded[0].place(55, 65);
            assert!(text.get(start..end).unwrap().contains('\n'));
        }
    }

    #[test]
    fn escapes_are_resolved_and_lead_back() {
        let text = br"see %41KIA\u0042\x43/d and %zz \q";
        let mut all = Vec::new();
        escaped(text, 0, |stretch| all.push(unescape(text, stretch)));
        let first = all[0].as_ref().unwrap();
        assert_eq!(first.bytes, b"AKIABC/d");
        assert_eq!(first.place(0, 4), (4, 10));
        assert_eq!(first.place(4, 5), (10, 16));
        assert!(all[1].is_none() && all[2].is_none());
    }

    #[test]
    fn escapes_of_other_languages_are_resolved() {
        for (text, plain) in
            [(r"\u{41}K\u{1F600}", "AK\u{1f600}"), (r"\101K\7\060x", "AK\u{7}0x"), (r"\x41K\1018", "AKA8")]
        {
            let mut all = Vec::new();
            escaped(text.as_bytes(), 0, |stretch| all.extend(unescape(text.as_bytes(), stretch)));
            assert_eq!(core::str::from_utf8(&all[0].bytes), Ok(plain), "{text}");
        }
        for text in [r"\u{}8", r"\u{110000}", r"\u{0000041}", r"\u{41", r"\u{4g}", r"\u{d800}", r"\8", r"\"] {
            let mut all = Vec::new();
            escaped(text.as_bytes(), 0, |stretch| all.extend(unescape(text.as_bytes(), stretch)));
            assert!(all.iter().all(|of| of.bytes == text.as_bytes()), "{text} {all:?}");
        }
    }

    #[test]
    fn words_do_not_look_encoded() {
        let odd = |text: &str| odd_from(text.as_bytes(), 0);
        assert_eq!(odd("hello"), usize::MAX);
        assert_eq!(odd("Responsibility"), usize::MAX);
        assert_eq!(odd("QUtJQTEyMzQ1Njc4"), 12);
        assert_eq!(odd("incomprehensibilities"), 20);
    }
}
