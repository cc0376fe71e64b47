//! Comparing texts by words of eight bytes, and telling what they are made of by a table: WebAssembly has no instruction for either, and
//! the library goes byte by byte, from case to case.

use core::cmp::Ordering;

/// Whether two texts are the same.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) => {
            let mut words = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
            word(end) == word(other_end) && words.all(|(a, b)| word(a) == word(b))
        }
        _ => one.iter().zip(other).all(|(a, b)| a == b),
    }
}

/// The order of two texts: that of their bytes.
pub(crate) fn order(one: &[u8], other: &[u8]) -> Ordering {
    let (words, other_words) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let alike =
        words.iter().zip(other_words).take_while(|(a, b)| word(a) == word(b)).count().saturating_mul(8);
    let (rest, other_rest) = (one.get(alike..).unwrap_or_default(), other.get(alike..).unwrap_or_default());
    let differing = rest.iter().zip(other_rest).find(|(a, b)| a != b);
    differing.map_or_else(|| one.len().cmp(&other.len()), |(a, b)| a.cmp(b))
}

/// As arrays, they would be compared by the library.
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*bytes)
}

/// Whether a text is ASCII.
pub(crate) fn are_ascii(text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks::<32>();
    let high = |bytes: &[u8]| bytes.as_chunks::<8>().0.iter().fold(0, |all, bytes| all | word(bytes));
    chunks.iter().all(|chunk| high(chunk) & HIGH == 0) && rest.iter().all(u8::is_ascii)
}

/// The highest bit of each of eight bytes.
pub(crate) const HIGH: u64 = 0x8080_8080_8080_8080;

/// The eight bytes of a text from a place on, the first one lowest; zeros behind its end.
#[inline]
pub(crate) fn ahead(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    rest.first_chunk().map_or_else(|| last(rest), |bytes| u64::from_le_bytes(*bytes))
}

#[inline(never)]
fn last(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(bytes)
}

/// What a byte may be: a bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind(u8);

impl Kind {
    /// A hexadecimal digit in lower case.
    pub(crate) const LOWER_HEX: Self = Self(1);
    /// A hexadecimal digit, or a hyphen.
    pub(crate) const HEX_OR_HYPHEN: Self = Self(2);
    /// A letter, a digit or `_`, in ASCII.
    pub(crate) const WORD: Self = Self(4);
    /// A byte of base64 or base64url: a letter, a digit or one of `+/-_`.
    pub(crate) const BASE64: Self = Self(8);
    /// What a host is written with: letters, digits and `.-_%:`.
    pub(crate) const HOST: Self = Self(16);
    /// The same with `[` and `]`.
    pub(crate) const HOST_OR_BRACKET: Self = Self(32);
    /// What letters, digits and `_` are.
    const LETTER: Self = Self(Self::WORD.0 | Self::BASE64.0 | Self::HOST.0 | Self::HOST_OR_BRACKET.0);
}

static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let (mut byte, mut left) = (0_u8, kinds.as_mut_slice());
    while let [kind, others @ ..] = left {
        *kind = match byte {
            b'0'..=b'9' | b'a'..=b'f' => Kind::LETTER.0 | Kind::HEX_OR_HYPHEN.0 | Kind::LOWER_HEX.0,
            b'A'..=b'F' => Kind::LETTER.0 | Kind::HEX_OR_HYPHEN.0,
            b'g'..=b'z' | b'G'..=b'Z' | b'_' => Kind::LETTER.0,
            b'-' => Kind::BASE64.0 | Kind::HOST.0 | Kind::HOST_OR_BRACKET.0 | Kind::HEX_OR_HYPHEN.0,
            b'+' | b'/' => Kind::BASE64.0,
            b'.' | b'%' | b':' => Kind::HOST.0 | Kind::HOST_OR_BRACKET.0,
            b'[' | b']' => Kind::HOST_OR_BRACKET.0,
            _ => 0,
        };
        (byte, left) = (byte.wrapping_add(1), others);
    }
    kinds
}

/// Whether a byte is one.
#[inline]
pub(crate) fn is(byte: u8, Kind(kind): Kind) -> bool {
    KINDS.get(usize::from(byte)).copied().unwrap_or(0) & kind != 0
}

/// Whether a text is made of nothing else.
pub(crate) fn are_all(text: &[u8], Kind(kind): Kind) -> bool {
    let of = |&byte: &u8| KINDS.get(usize::from(byte)).copied().unwrap_or(0);
    text.iter().fold(kind, |all, byte| all & of(byte)) == kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_byte_beyond_ascii_is_seen_wherever_it_stands() {
        for length in 0..100 {
            let mut text = alloc::vec![0x7f_u8; length];
            assert!(are_ascii(&text), "{length}");
            for at in 0..length {
                text[at] = 0x80;
                assert!(!are_ascii(&text), "{length} {at}");
                text[at] = 0;
            }
        }
    }

    #[test]
    fn bytes_are_what_the_library_says() {
        for byte in 0..=u8::MAX {
            let lower = byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase();
            assert_eq!(are_all(&[b'0', byte, b'f'], Kind::LOWER_HEX), lower, "{byte}");
            let either = byte.is_ascii_hexdigit() || byte == b'-';
            assert_eq!(are_all(&[byte, b'F'], Kind::HEX_OR_HYPHEN), either, "{byte}");
            let (letter, among) = (byte.is_ascii_alphanumeric(), |bytes: &[u8]| bytes.contains(&byte));
            assert_eq!(is(byte, Kind::WORD), letter || byte == b'_', "{byte}");
            assert_eq!(is(byte, Kind::BASE64), letter || among(b"+/-_"), "{byte}");
            assert_eq!(is(byte, Kind::HOST), letter || among(b".-_%:"), "{byte}");
            assert_eq!(is(byte, Kind::HOST_OR_BRACKET), letter || among(b".-_%:[]"), "{byte}");
        }
        assert!(are_all(b"", Kind::LOWER_HEX));
    }

    proptest! {
        #[test]
        fn they_say_what_the_library_says(text in prop::collection::vec(0..3_u8, 0..40), cut in 0..40_usize, tail in prop::collection::vec(any::<u8>(), 0..12)) {
            let other = [&text[..cut.min(text.len())], &tail].concat();
            prop_assert_eq!(same(&text, &other), text == other);
            prop_assert_eq!(order(&text, &other), text.cmp(&other));
            prop_assert!(same(&text, &text.clone()));
        }
    }
}
