//! What stands in the place of what was found. It never needs an escape in JSON.

use super::profile::Redaction;
use alloc::format;
use alloc::string::String;

/// The text for a value that a detector found.
pub(super) fn replacement(redaction: Redaction, id: &str, value: &[u8]) -> String {
    match redaction {
        Redaction::Label => format!("[REDACTED:{id}]"),
        Redaction::Mask { first, last } => mask(value, usize::from(first), usize::from(last)),
    }
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
        let mask = |value: &str| replacement(Redaction::Mask { first: 6, last: 4 }, "x", value.as_bytes());
        assert_eq!(mask("4111 1111 1111 1111"), "4111 11** **** 1111");
        assert_eq!(mask("4111111111111111"), "411111******1111");
        assert_eq!(mask("12345"), "*****");
        assert_eq!(mask("ab\"cdefghij\\klmnop"), "ab*cde********mnop");
        assert_eq!(replacement(Redaction::Label, "us-ssn", b"1"), "[REDACTED:us-ssn]");
    }
}
