//! What stands in the place of what was found. It never needs an escape in JSON.

use super::profile::Redaction;
use alloc::format;
use alloc::string::String;
use sha2::{Digest as _, Sha256};

/// How much of a hash is shown, in bytes: enough to tell some thousands of values apart.
const HASH_BYTES: usize = 4;

/// The text for a value that a detector found.
pub(super) fn replacement(redaction: Redaction, id: &str, value: &[u8], key: &[u8]) -> String {
    match redaction {
        Redaction::Label => format!("[REDACTED:{id}]"),
        Redaction::Hash => {
            let digit = |of: u8| char::from_digit(u32::from(of), 16).unwrap_or('0');
            let hash = keyed(key, value);
            let digits = hash.iter().take(HASH_BYTES).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
            ["[REDACTED:", id, ":", &digits.collect::<String>(), "]"].concat()
        }
        Redaction::Mask { first, last } => mask(value, usize::from(first), usize::from(last)),
    }
}

/// HMAC-SHA-256 (RFC 2104) by a key of at most 64 bytes.
fn keyed(key: &[u8], value: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        Sha256::new().chain_update(block)
    };
    let inner = pad(0x36).chain_update(value).finalize();
    pad(0x5c).chain_update(inner).finalize().into()
}

/// A number of the same length that tells nothing: what is not shown becomes zeros, after a one where the number begins.
pub(super) fn zeros(redaction: Redaction, number: &str, start: usize, end: usize) -> String {
    let (first, last) = match redaction {
        Redaction::Mask { first, last } => (usize::from(first), usize::from(last)),
        Redaction::Label | Redaction::Hash => (0, 0),
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
        let hash = keyed(b"Jefe", b"what do ya want for nothing?");
        assert!(hash.starts_with(&[0x5b, 0xdc, 0xc1, 0x46]) && hash.ends_with(&[0x64, 0xec, 0x38, 0x43]));
        let shown = replacement(Redaction::Hash, "us-ssn", b"what do ya want for nothing?", b"Jefe");
        assert_eq!(shown, "[REDACTED:us-ssn:5bdcc146]");
    }
}
