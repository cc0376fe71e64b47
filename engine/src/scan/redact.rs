//! What stands in the place of what was found. It never needs an escape in JSON.

use super::profile::Redaction;
use crate::digest::{hex, hmac};
use alloc::format;
use alloc::string::String;

/// How much of a hash is shown, in bytes: enough to tell some thousands of values apart.
const HASH_BYTES: usize = 4;

/// The text for a value that a detector found.
pub(super) fn replacement(redaction: Redaction, id: &str, value: &[u8], key: &[u8]) -> String {
    match redaction {
        Redaction::Label | Redaction::Token => format!("[REDACTED:{id}]"),
        Redaction::Hash => {
            let hash = hmac(key, value);
            ["[REDACTED:", id, ":", &hex(hash.get(..HASH_BYTES).unwrap_or_default()), "]"].concat()
        }
        Redaction::Mask { first, last } => mask(value, usize::from(first), usize::from(last)),
    }
}

/// A number of the same length that tells nothing: what is not shown becomes zeros, after a one where the number begins.
pub(super) fn zeros(redaction: Redaction, number: &str, start: usize, end: usize) -> String {
    let (first, last) = match redaction {
        Redaction::Mask { first, last } => (usize::from(first), usize::from(last)),
        Redaction::Label | Redaction::Hash | Redaction::Token => (0, 0),
    };
    let digits = number.get(start..end).unwrap_or_default();
    let hidden = digits.len().saturating_sub(last);
    let shown = |at: usize| digits.len() > first.saturating_add(last) && (at < first || at >= hidden);
    let begins = number.get(..start).is_none_or(|before| before.is_empty() || before == "-");
    let digit = |(at, digit): (usize, char)| match digit {
        digit if !digit.is_ascii_digit() || shown(at) => digit,
        _ if at == 0 && begins => '1',
        _ => '0',
    };
    digits.chars().enumerate().map(digit).collect()
}

/// The first and the last letters and digits as they are, and the blanks, dashes and dots between; `*` for everything else. A value
/// that would be shown whole is not shown at all.
fn mask(value: &[u8], first: usize, last: usize) -> String {
    let counts = |byte: &&u8| !matches!(byte, b' ' | b'-' | b'.');
    let total = value.iter().filter(counts).count();
    let few = total <= first.saturating_add(last);
    let mut seen = 0_usize;
    let shown = value.iter().filter(|byte| byte.is_ascii()).map(|byte| {
        if !counts(&byte) {
            return char::from(*byte);
        }
        seen = seen.saturating_add(1);
        let show =
            !few && byte.is_ascii_alphanumeric() && (seen <= first || total.saturating_sub(seen) < last);
        if show { char::from(*byte) } else { '*' }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_ends_and_the_separators() {
        let mask =
            |value: &str| replacement(Redaction::Mask { first: 6, last: 4 }, "x", value.as_bytes(), b"");
        assert_eq!(mask("4111 1111 1111 1111"), "4111 11** **** 1111");
        assert_eq!(mask("4111111111111111"), "411111******1111");
        assert_eq!(mask("12345"), "*****");
        assert_eq!(mask("ab\"cdefghij\\klmnop"), "ab*cde********mnop");
        assert_eq!(replacement(Redaction::Label, "us-ssn", b"1", b""), "[REDACTED:us-ssn]");
    }

    #[test]
    fn a_hash_is_an_hmac() {
        // RFC 4231, test case 2.
        let shown = replacement(Redaction::Hash, "us-ssn", b"what do ya want for nothing?", b"Jefe");
        assert_eq!(shown, "[REDACTED:us-ssn:5bdcc146]");
    }
}
