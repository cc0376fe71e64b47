//! Text as a reader sees it, in ASCII where that is possible: without invisible characters, and with the many other forms of letters,
//! digits, spaces, dashes and quotes taken back to the plain one.
//!
//! One rule for each character, without context, so that text that comes in pieces folds as the whole would. It covers what
//! NFKC (Unicode annex 15) maps to one ASCII character, apart from modifier letters; Unicode's other decimal digits; and every
//! default-ignorable code point, which is dropped.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// What becomes of a character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fold {
    /// It is left out.
    Drop,
    /// It counts as this one.
    Ascii(u8),
    /// It stands for itself.
    Keep,
}

#[derive(Clone, Copy)]
enum Rule {
    Drop,
    /// Each counts as this.
    To(u8),
    /// The first counts as this, the next as its successor.
    From(u8),
    /// As in this text; a blank stands for a character that is kept.
    Table(&'static [u8]),
    /// Capitals, then small letters, over and over.
    Alphabets,
}

/// The zero of each block of ten decimal digits (general category Nd), in order.
const ZEROS: [u32; 74] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730,
    0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x16130, 0x16a60, 0x16ac0, 0x16b50,
    0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e5f1, 0x1e950,
    0x1fbf0,
];

/// U+2102 to U+2149.
const LETTERLIKE_SYMBOLS: &[u8] = b"C       gHHHh IILl N   PQRRR      Z   Z K BC eEF Mo    i           Ddeij";

/// The other ranges, in order: first, last and what becomes of them.
const RANGES: &[(u32, u32, Rule)] = &[
    (0x85, 0x85, Rule::To(b'\n')),
    (0xa0, 0xa0, Rule::To(b' ')),
    (0xad, 0xad, Rule::Drop),
    (0xb2, 0xb3, Rule::From(b'2')),
    (0xb9, 0xb9, Rule::To(b'1')),
    (0x17f, 0x17f, Rule::To(b's')),
    (0x34f, 0x34f, Rule::Drop),
    (0x61c, 0x61c, Rule::Drop),
    (0x115f, 0x1160, Rule::Drop),
    (0x1680, 0x1680, Rule::To(b' ')),
    (0x17b4, 0x17b5, Rule::Drop),
    (0x180b, 0x180f, Rule::Drop),
    (0x2000, 0x200a, Rule::To(b' ')),
    (0x200b, 0x200f, Rule::Drop),
    (0x2010, 0x2015, Rule::To(b'-')),
    (0x2018, 0x201b, Rule::To(b'\'')),
    (0x201c, 0x201f, Rule::To(b'"')),
    (0x2024, 0x2024, Rule::To(b'.')),
    (0x2028, 0x2029, Rule::To(b'\n')),
    (0x202a, 0x202e, Rule::Drop),
    (0x202f, 0x202f, Rule::To(b' ')),
    (0x2032, 0x2033, Rule::Table(b"'\"")),
    (0x2044, 0x2044, Rule::To(b'/')),
    (0x205f, 0x205f, Rule::To(b' ')),
    (0x2060, 0x206f, Rule::Drop),
    (0x2070, 0x208e, Rule::Table(b"0i  456789+-=()n0123456789+-=()")),
    (0x2102, 0x2149, Rule::Table(LETTERLIKE_SYMBOLS)),
    (0x2160, 0x217f, Rule::Table(b"I   V    X  LCDMi   v    x  lcdm")),
    (0x2212, 0x2212, Rule::To(b'-')),
    (0x2215, 0x2215, Rule::To(b'/')),
    (0x2460, 0x2468, Rule::From(b'1')),
    (0x2474, 0x247c, Rule::From(b'1')),
    (0x2488, 0x2490, Rule::From(b'1')),
    (0x249c, 0x24b5, Rule::From(b'a')),
    (0x24b6, 0x24cf, Rule::From(b'A')),
    (0x24d0, 0x24e9, Rule::From(b'a')),
    (0x24ea, 0x24ea, Rule::To(b'0')),
    (0x24f5, 0x24fd, Rule::From(b'1')),
    (0x24ff, 0x24ff, Rule::To(b'0')),
    (0x2776, 0x277e, Rule::From(b'1')),
    (0x2780, 0x2788, Rule::From(b'1')),
    (0x278a, 0x2792, Rule::From(b'1')),
    (0x3000, 0x3000, Rule::To(b' ')),
    (0x3164, 0x3164, Rule::Drop),
    (0xfe00, 0xfe0f, Rule::Drop),
    (0xfe33, 0xfe34, Rule::To(b'_')),
    (0xfe4d, 0xfe4f, Rule::To(b'_')),
    (0xfe50, 0xfe6b, Rule::Table(b", . ;:?!-(){}  #&*+-<>= \\$%@")),
    (0xfeff, 0xfeff, Rule::Drop),
    (0xff01, 0xff5e, Rule::From(b'!')),
    (0xffa0, 0xffa0, Rule::Drop),
    (0xfff0, 0xfff8, Rule::Drop),
    (0x1bca0, 0x1bca3, Rule::Drop),
    (0x1d173, 0x1d17a, Rule::Drop),
    (0x1d400, 0x1d6a3, Rule::Alphabets),
    (0x1f100, 0x1f100, Rule::To(b'0')),
    (0x1f101, 0x1f10a, Rule::From(b'0')),
    (0x1f10b, 0x1f10c, Rule::To(b'0')),
    (0x1f110, 0x1f129, Rule::From(b'A')),
    (0x1f130, 0x1f149, Rule::From(b'A')),
    (0x1f150, 0x1f169, Rule::From(b'A')),
    (0x1f170, 0x1f189, Rule::From(b'A')),
    (0xe0000, 0xe0fff, Rule::Drop),
];

/// Where nothing is folded: Chinese, Japanese and Korean, mostly.
fn is_far(code: u32) -> bool {
    matches!(code, 0x3165..=0xa61f | 0xac00..=0xfdff)
}

/// What becomes of a character: the one definition of folding.
#[inline(never)]
pub(crate) fn fold_char(c: char) -> Fold {
    let code = u32::from(c);
    if code < 0x80 || is_far(code) {
        return Fold::Keep;
    }
    fold_range(code).or_else(|| fold_digit(code)).unwrap_or(Fold::Keep)
}

fn fold_digit(code: u32) -> Option<Fold> {
    let after = ZEROS.partition_point(|&zero| zero <= code);
    let digit = code.checked_sub(*ZEROS.get(after.checked_sub(1)?)?).filter(|&digit| digit < 10)?;
    Some(Fold::Ascii(b'0'.wrapping_add(u8::try_from(digit).ok()?)))
}

fn fold_range(code: u32) -> Option<Fold> {
    let at = RANGES.partition_point(|(_, last, _)| *last < code);
    let (first, _, rule) = RANGES.get(at)?;
    let place = code.checked_sub(*first)?;
    Some(match *rule {
        Rule::Drop => Fold::Drop,
        Rule::To(byte) => Fold::Ascii(byte),
        Rule::From(byte) => Fold::Ascii(byte.wrapping_add(u8::try_from(place).ok()?)),
        Rule::Table(table) => match table.get(usize::try_from(place).ok()?)? {
            b' ' => Fold::Keep,
            &byte => Fold::Ascii(byte),
        },
        Rule::Alphabets => {
            let letter = u8::try_from(place % 52).ok()?;
            let first = if letter < 26 { b'A' } else { b'a'.wrapping_sub(26) };
            Fold::Ascii(first.wrapping_add(letter))
        }
    })
}

/// A text, folded, that knows where its bytes come from.
#[derive(Debug)]
pub(crate) struct Folded<'t> {
    text: &'t str,
    bytes: Cow<'t, [u8]>,
    /// Where the distance between folded and original offsets changes: from this folded offset on, which stands for this original
    /// one. Both ascend.
    jumps: Vec<(usize, usize)>,
}

/// Folds a text. What does not change is borrowed.
pub(crate) fn fold(text: &str) -> Folded<'_> {
    let mut folded = Folded { text, bytes: Cow::Borrowed(text.as_bytes()), jumps: Vec::new() };
    if text.is_ascii() {
        return folded;
    }
    let mut bytes = Vec::new();
    let (mut copied, mut from) = (0_usize, 0_usize);
    while let Some((at, c)) = beyond_ascii(text, from) {
        from = at.saturating_add(c.len_utf8());
        let byte = match fold_char(c) {
            Fold::Keep => continue,
            Fold::Drop => None,
            Fold::Ascii(byte) => Some(byte),
        };
        if bytes.is_empty() {
            bytes.reserve(text.len());
        }
        bytes.extend_from_slice(text.as_bytes().get(copied..at).unwrap_or_default());
        bytes.extend(byte);
        copied = from;
        match folded.jumps.last_mut() {
            Some((from, to)) if *from == bytes.len() => *to = copied,
            _ => folded.jumps.push((bytes.len(), copied)),
        }
    }
    if copied > 0 {
        bytes.extend_from_slice(text.as_bytes().get(copied..).unwrap_or_default());
        folded.bytes = Cow::Owned(bytes);
    }
    folded
}

/// The next character that is not ASCII.
fn beyond_ascii(text: &str, from: usize) -> Option<(usize, char)> {
    let rest = text.get(from..)?;
    let ahead = rest.bytes().position(|byte| !byte.is_ascii())?;
    Some((from.saturating_add(ahead), rest.get(ahead..)?.chars().next()?))
}

impl Folded<'_> {
    /// The folded text. It is UTF-8.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The offset in the original of what stands at an offset of the folded text.
    pub(crate) fn original(&self, folded: usize) -> usize {
        let after = self.jumps.partition_point(|&(from, _)| from <= folded);
        match after.checked_sub(1).and_then(|at| self.jumps.get(at)) {
            Some(&(from, to)) => to.saturating_add(folded.saturating_sub(from)),
            None => folded,
        }
    }

    /// The bytes of the original that a range of the folded text comes from: whole characters, with what was dropped between them, and
    /// without what was dropped before and after.
    pub(crate) fn original_range(&self, start: usize, end: usize) -> (usize, usize) {
        if end <= start {
            let at = self.original(start);
            return (at, at);
        }
        let boundary = |at: &usize| self.text.is_char_boundary(*at);
        let first = self.original(start);
        let first = (first.saturating_sub(3)..=first).rev().find(boundary).unwrap_or(first);
        let last = self.original(end.saturating_sub(1)).saturating_add(1);
        let last = (last..=last.saturating_add(3)).find(boundary).unwrap_or(last);
        (first, last)
    }
}

#[cfg(test)]
mod tests;
