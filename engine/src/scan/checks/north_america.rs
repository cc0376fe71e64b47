//! Numbers of persons and practitioners in the United States and Canada.

use super::digits::{decimal, digits, holds, letters_and_digits, luhn, value, weighted};

/// Numbers that were published, in advertisements and examples, and so are nobody's.
const SAMPLE_SSNS: [u64; 5] = [78_051_120, 219_099_999, 457_555_462, 123_456_789, 111_111_111];

pub(super) fn is_ssn(text: &[u8]) -> bool {
    holds(digits::<9>(text, b" -.").map(|digits| {
        let [a1, a2, a3, g1, g2, s @ ..] = digits;
        let area = decimal(&[a1, a2, a3]);
        area > 0
            && area != 666
            && area < 900
            && decimal(&[g1, g2]) > 0
            && decimal(&s) > 0
            && !SAMPLE_SSNS.contains(&decimal(&digits))
    }))
}

pub(super) fn is_itin(text: &[u8]) -> bool {
    holds(digits::<9>(text, b" -").map(|digits| {
        let [first, _, _, g1, g2, ..] = digits;
        first == 9 && matches!(decimal(&[g1, g2]), 50..=65 | 70..=88 | 90..=92 | 94..=99)
    }))
}

pub(super) fn is_npi(text: &[u8]) -> bool {
    holds(digits::<10>(text, b"").map(|digits| {
        let [a, b, c, d, e, f, g, h, i, j] = digits;
        matches!(a, 1 | 2) && luhn(&[8, 0, 8, 4, 0, a, b, c, d, e, f, g, h, i, j])
    }))
}

pub(super) fn is_dea(text: &[u8]) -> bool {
    holds(letters_and_digits::<9>(text, b"").and_then(|number| {
        let [kind, name, rest @ ..] = number;
        let mut digits = [0_u8; 7];
        for (digit, byte) in digits.iter_mut().zip(rest) {
            *digit = value(byte)?;
        }
        let sum = weighted(&digits, &[1, 2, 1, 2, 1, 2]) % 10;
        let [.., check] = digits;
        let holder = b"ABCDEFGHJKLMPRSTUX".contains(&kind) && (name.is_ascii_uppercase() || name == b'9');
        Some(holder && sum == u32::from(check) && digits != [0; 7])
    }))
}

pub(super) fn is_sin(text: &[u8]) -> bool {
    holds(digits::<9>(text, b" -").map(|digits| !matches!(digits, [0 | 8, ..]) && luhn(&digits)))
}
