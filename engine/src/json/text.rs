//! Escapes in strings (RFC 8259 section 7).

use super::Fault;
use alloc::string::String;

/// How many bytes at the front of `bytes` are a string's own: neither its end, nor an escape, nor a control character. Eight at a
/// time: this is where most of a body is read.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks();
    let whole =
        words.iter().take_while(|word| is_plain(u64::from_le_bytes(**word))).count().saturating_mul(8);
    let rest = bytes.get(whole..).unwrap_or_default();
    let ends = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    whole.saturating_add(ends.unwrap_or(rest.len()))
}

/// Whether [`plain`] covers all eight bytes of a word.
fn is_plain(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Not 0 exactly where a byte is less than `n`, at most 128: subtracting sets its high bit, which was not set. A borrow may set
    // others above it.
    let below = |word: u64, n: u64| word.wrapping_sub(ONES.wrapping_mul(n)) & !word & HIGH;
    let is = |byte: u8| below(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    below(word, 0x20) | is(b'"') | is(b'\\') == 0
}

/// Reads one escape at the front of `bytes`: the character and how many bytes it took.
pub(crate) fn escape(bytes: &[u8]) -> Result<(char, usize), Fault> {
    let character = match bytes.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let (character, length) = unicode(bytes)?;
            return if is_noncharacter(character) {
                Err(Fault::Noncharacter)
            } else {
                Ok((character, length))
            };
        }
        _ => return Err(Fault::Escape),
    };
    Ok((character, 2))
}

/// Whether Unicode keeps a code point for no character: U+FDD0 to U+FDEF, and the last two of every plane.
pub(super) fn is_noncharacter(character: char) -> bool {
    matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe
}

fn unicode(bytes: &[u8]) -> Result<(char, usize), Fault> {
    let first = unit(bytes.get(2..6))?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 6));
    }
    let second = match bytes.get(6..8) {
        Some(b"\\u") => unit(bytes.get(8..12))?,
        _ => return Err(Fault::Surrogate),
    };
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return Err(Fault::Surrogate);
    }
    let high = first.saturating_sub(0xd800).saturating_mul(0x400);
    let code = high.saturating_add(second.saturating_sub(0xdc00)).saturating_add(0x1_0000);
    char::from_u32(code).map(|character| (character, 12)).ok_or(Fault::Surrogate)
}

fn unit(digits: Option<&[u8]>) -> Result<u32, Fault> {
    digits.ok_or(Fault::Escape)?.iter().try_fold(0_u32, |unit, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(Fault::Escape)?;
        Ok(unit.saturating_mul(16).saturating_add(digit))
    })
}

/// Resolves the escapes of a string's inside; `None` if one is none.
pub fn unescape(mut raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    while let Some(at) = raw.find('\\') {
        let (plain, rest) = raw.split_at_checked(at)?;
        out.push_str(plain);
        let (character, length) = escape(rest.as_bytes()).ok()?;
        out.push(character);
        raw = rest.get(length..)?;
    }
    out.push_str(raw);
    Some(out)
}

/// Where bytes of a string stand in its inside as it is written, escapes and all. Bytes within a character stand where it does.
pub(crate) fn raw_range(raw: &str, start: usize, end: usize) -> (usize, usize) {
    let (mut at, mut resolved) = (0_usize, 0_usize);
    let (mut from, mut to) = (None, raw.len());
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let (written, length) = match escape(rest.as_bytes()) {
            Ok((character, written)) if rest.starts_with('\\') => (written, character.len_utf8()),
            _ => {
                let length = rest.chars().next().map_or(1, char::len_utf8);
                (length, length)
            }
        };
        let next = resolved.saturating_add(length);
        if from.is_none() && start < next {
            from = Some(at);
        }
        if resolved >= end {
            to = at;
            break;
        }
        at = at.saturating_add(written);
        resolved = next;
    }
    let from = from.unwrap_or(raw.len());
    (from, to.max(from))
}

#[cfg(test)]
mod tests {
    use super::{plain, raw_range, unescape};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_are_the_same_bytes(text in "[ -~\\x00-\\x20\"\\\\\u{7f}-\u{20ac}]{0,40}") {
            let one_at_a_time = text.bytes().take_while(|&b| b != b'"' && b != b'\\' && b >= 0x20).count();
            prop_assert_eq!(plain(text.as_bytes()), one_at_a_time);
        }

        #[test]
        fn a_long_plain_string_is_covered(text in "[a-z\u{e9}]{0,60}", end in prop::sample::select(vec!["\"", "\\", "\u{1f}", ""])) {
            prop_assert_eq!(plain(format!("{text}{end}tail").as_bytes()), text.len() + if end.is_empty() { 4 } else { 0 });
        }

        #[test]
        fn a_range_of_a_string_is_found_where_it_is_written(
            pieces in prop::collection::vec(prop::sample::select(vec!["a", "bc", "\\n", "\\u0041", "\\ud83d\\ude00", "\\/", "\u{e9}"]), 0..12),
            a in 0_usize..30, b in 0_usize..30,
        ) {
            let raw = pieces.concat();
            let text = unescape(&raw).unwrap();
            let (start, end) = (a.min(b).min(text.len()), a.max(b).min(text.len()));
            prop_assume!(text.is_char_boundary(start) && text.is_char_boundary(end));
            let (from, to) = raw_range(&raw, start, end);
            prop_assert_eq!(unescape(raw.get(from..to).unwrap()).unwrap(), text.get(start..end).unwrap());
        }
    }
}
