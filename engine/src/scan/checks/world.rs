//! Numbers of persons and companies in Asia, Australia, Africa and South America.

use super::calendar::{is_date, is_short_date};
use super::digits::{Number, decimal, digits, holds, is_uniform, letters_and_digits, luhn, values, weighted};

/// The multiplication of the dihedral group D5, and the permutation of a digit by its place (Verhoeff, 1969).
const D5: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const PLACES: [[u8; 10]; 8] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

pub(super) fn is_verhoeff(text: &[u8]) -> bool {
    holds(
        Number::read(text, b" -")
            .and_then(Number::into_values)
            .map(|number| number.bytes().len() > 1 && verhoeff(number.bytes())),
    )
}

#[inline(never)]
fn verhoeff(digits: &[u8]) -> bool {
    let check = digits.iter().rev().zip(PLACES.iter().cycle()).try_fold(0_u8, |check, (&digit, place)| {
        let permuted = place.get(usize::from(digit))?;
        D5.get(usize::from(check))?.get(usize::from(*permuted)).copied()
    });
    check == Some(0)
}

pub(super) fn is_aadhaar(text: &[u8]) -> bool {
    holds(digits::<12>(text, b" -").map(|digits| {
        let palindrome = digits.iter().eq(digits.iter().rev());
        !matches!(digits, [0 | 1, ..]) && !palindrome && verhoeff(&digits)
    }))
}

pub(super) fn is_pan(text: &[u8]) -> bool {
    let Ok(&[a, b, c, kind, d, number @ .., check]) = <&[u8; 10]>::try_from(text) else { return false };
    [a, b, c, d, check].iter().all(u8::is_ascii_uppercase)
        && b"ABCFGHJLPT".contains(&kind)
        && number.iter().all(u8::is_ascii_digit)
        && number != *b"0000"
}

pub(super) fn is_tfn(text: &[u8]) -> bool {
    holds(digits::<9>(text, b" -").map(|digits| {
        weighted(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !is_uniform(&digits)
    }))
}

pub(super) fn is_abn(text: &[u8]) -> bool {
    holds(digits::<11>(text, b" -").map(|digits| {
        let [first, ..] = digits;
        // One is taken from the first digit, which has the weight 10.
        let sum = weighted(&digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
        first > 0 && sum % 89 == 10
    }))
}

pub(super) fn is_medicare(text: &[u8]) -> bool {
    holds(Number::read(text, b" -/").and_then(Number::into_values).map(|number| {
        let digits = number.bytes();
        let check = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10;
        matches!(digits.len(), 10 | 11)
            && matches!(digits.first(), Some(2..=6))
            && digits.get(8).is_some_and(|&digit| u32::from(digit) == check)
    }))
}

pub(super) fn is_cpf(text: &[u8]) -> bool {
    holds(Number::read(text, b".-").and_then(Number::into_values).and_then(|number| {
        let shape = matches!(number.groups(), [11] | [9, 2] | [3, 3, 3, 2]);
        let digits: [u8; 11] = number.bytes().try_into().ok()?;
        let [.., c1, c2] = digits;
        let first = check_digit(weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
        let second = check_digit(weighted(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
        Some(shape && !is_uniform(&digits) && first == c1 && second == c2)
    }))
}

pub(super) fn is_cnpj(text: &[u8]) -> bool {
    holds(Number::read(text, b"./-").and_then(|number| {
        let shape = matches!(number.groups(), [14] | [12, 2] | [2, 3, 3, 4, 2]);
        let mut digits: [u8; 14] = number.bytes().try_into().ok()?;
        // Letters count as their distance from the digit zero.
        digits.iter_mut().for_each(|byte| *byte = byte.wrapping_sub(b'0'));
        let [.., c1, c2] = digits;
        let first = check_digit(weighted(&digits, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
        let second = check_digit(weighted(&digits, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
        Some(shape && !is_uniform(&digits) && first == c1 && second == c2)
    }))
}

/// Eleven less the remainder; nothing above nine.
fn check_digit(sum: u32) -> u8 {
    match sum % 11 {
        0 | 1 => 0,
        rest => u8::try_from(11_u32.wrapping_sub(rest)).unwrap_or(0),
    }
}

pub(super) fn is_cn_resident_id(text: &[u8]) -> bool {
    holds(letters_and_digits::<18>(text, b" ").and_then(|number| {
        let (body, check) = number.split_at(17);
        let body = values::<17>(body)?;
        let [p1, p2, _, _, _, _, y1, y2, y3, y4, m1, m2, d1, d2, ..] = body;
        let province = matches!(
            decimal(&[p1, p2]),
            11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91
        );
        let year = decimal(&[y1, y2, y3, y4]);
        let born = (1900..2100).contains(&year) && is_date(year, decimal(&[m1, m2]), decimal(&[d1, d2]));
        let sum = weighted(&body, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
        let expected = b"10X98765432".get(usize::try_from(sum).ok()?)?;
        Some(province && born && check == [*expected])
    }))
}

pub(super) fn is_nric(text: &[u8]) -> bool {
    holds(letters_and_digits::<9>(text, b"").and_then(|number| {
        let [kind, digits @ .., check] = number;
        let (offset, letters) = match kind {
            b'S' => (0, b"JZIHGFEDCBA"),
            b'T' => (4, b"JZIHGFEDCBA"),
            b'F' => (0, b"XWUTRQPNMLK"),
            b'G' => (4, b"XWUTRQPNMLK"),
            b'M' => (3, b"XWUTRQPNJLK"),
            _ => return None,
        };
        let sum = weighted(&values::<7>(&digits)?, &[2, 7, 6, 5, 4, 3, 2]).wrapping_add(offset) % 11;
        Some(letters.get(usize::try_from(sum).ok()?) == Some(&check))
    }))
}

pub(super) fn is_rrn(text: &[u8]) -> bool {
    holds(digits::<13>(text, b" -").map(|digits| {
        let [y1, y2, m1, m2, d1, d2, kind, .., check] = digits;
        let century = match kind {
            1 | 2 | 5 | 6 => 1900,
            3 | 4 | 7 | 8 => 2000,
            _ => 1800,
        };
        let year = decimal(&[y1, y2]).wrapping_add(century);
        let month = decimal(&[m1, m2]);
        let random = (year, month) >= (2020, 10);
        let sum = weighted(&digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11;
        let expected = 11_u32.wrapping_sub(sum) % 10;
        is_date(year, month, decimal(&[d1, d2])) && (random || expected == u32::from(check))
    }))
}

pub(super) fn is_za_id(text: &[u8]) -> bool {
    holds(digits::<13>(text, b" -").map(|digits| {
        let [y1, y2, m1, m2, d1, d2, _, _, _, _, citizen, ..] = digits;
        is_short_date([y1, y2, m1, m2, d1, d2]) && citizen <= 2 && luhn(&digits)
    }))
}
