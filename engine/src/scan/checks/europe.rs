//! Numbers of persons in the United Kingdom and the European Union.

use super::calendar::is_date;
use super::digits::{
    Number, decimal, digits, holds, is_uniform, letters_and_digits, value, values, weighted,
};

pub(super) fn is_nhs(text: &[u8]) -> bool {
    holds(digits::<10>(text, b" -").map(|digits| {
        // The check digit has the weight 1, so that the whole is a multiple of 11; none is 10.
        weighted(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11) && !is_uniform(&digits)
    }))
}

pub(super) fn is_nino(text: &[u8]) -> bool {
    holds(letters_and_digits::<9>(text, b" -").map(|number| {
        let [a, b, digits @ .., suffix] = number;
        a.is_ascii_uppercase()
            && b.is_ascii_uppercase()
            && !b"DFIQUV".contains(&a)
            && !b"DFIOQUV".contains(&b)
            && !matches!(&[a, b], b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ")
            && digits.iter().all(u8::is_ascii_digit)
            && matches!(suffix, b'A'..=b'D')
    }))
}

const NIF_LETTERS: [u8; 23] = *b"TRWAGMYFPDXBNJZSQVHLCKE";

pub(super) fn is_nif(text: &[u8]) -> bool {
    holds(Number::read(text, b" -.").and_then(|number| {
        let (&letter, rest) = number.bytes().split_last()?;
        // A letter in front stands for a digit: residents from abroad have X, Y or Z, and K, L and M count as nothing.
        let (front, rest) = match rest.split_first()? {
            (b'X' | b'K' | b'L' | b'M', rest) if rest.len() == 7 => (0, rest),
            (b'Y', rest) if rest.len() == 7 => (1, rest),
            (b'Z', rest) if rest.len() == 7 => (2, rest),
            (&digit, rest) if rest.len() == 7 => (value(digit)?, rest),
            _ => return None,
        };
        let number = decimal(&[front]).wrapping_mul(10_000_000).wrapping_add(decimal(&values::<7>(rest)?));
        let at = usize::try_from(number % 23).ok()?;
        Some(NIF_LETTERS.get(at) == Some(&letter))
    }))
}

/// The values of characters in odd places, of 0 to 9 (as A to J) and A to Z.
const FISCAL_ODD: [u8; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
/// The letters that stand for digits where two persons would share a code.
const OMOCODIA: [u8; 10] = *b"LMNPQRSTUV";

pub(super) fn is_fiscal_code(text: &[u8]) -> bool {
    holds(letters_and_digits::<16>(text, b" ").and_then(|code| {
        let [names @ .., y1, y2, month, d1, d2, place, p1, p2, p3, check] = code;
        let (_, _, d1, d2) = (omocodia(y1)?, omocodia(y2)?, omocodia(d1)?, omocodia(d2)?);
        let (_, _, _) = (omocodia(p1)?, omocodia(p2)?, omocodia(p3)?);
        let formed = names.iter().chain([&place, &check]).all(u8::is_ascii_uppercase)
            && b"ABCDEHLMPRST".contains(&month)
            // Women's days of birth have 40 added.
            && matches!(decimal(&[d1, d2]), 1..=31 | 41..=71);
        let (body, _) = code.split_at(15);
        let mut sum = 0_u32;
        for (place, &byte) in body.iter().enumerate() {
            sum = sum.wrapping_add(u32::from(fiscal_value(byte, place & 1 == 0)?));
        }
        Some(formed && sum % 26 == u32::from(check.wrapping_sub(b'A')))
    }))
}

/// What a capital or digit adds, in a place that is counted odd or even.
#[inline(never)]
fn fiscal_value(byte: u8, odd: bool) -> Option<u8> {
    let value = value(byte).unwrap_or_else(|| byte.wrapping_sub(b'A'));
    if odd { FISCAL_ODD.get(usize::from(value)).copied() } else { Some(value) }
}

#[inline(never)]
fn omocodia(byte: u8) -> Option<u8> {
    let letter = || OMOCODIA.iter().position(|&letter| letter == byte);
    value(byte).or_else(|| letter().and_then(|at| u8::try_from(at).ok()))
}

pub(super) fn is_de_tax_id(text: &[u8]) -> bool {
    holds(digits::<11>(text, b" /").map(|digits| {
        let [body @ .., check] = digits;
        let mut counts = [0_u8; 10];
        for digit in body {
            if let Some(count) = counts.get_mut(usize::from(digit)) {
                *count = count.wrapping_add(1);
            }
        }
        // Of the ten digits one occurs twice or three times, never three times in a row, and every other once or never.
        let repeated = counts.iter().filter(|&&count| count > 1).count() == 1;
        let often = counts.iter().any(|&count| count > 3);
        let row = body.windows(3).any(is_uniform);
        let product = body.iter().fold(10_u32, |product, &digit| {
            let sum = product.wrapping_add(u32::from(digit)) % 10;
            (if sum == 0 { 10 } else { sum }).wrapping_mul(2) % 11
        });
        let expected = 11_u32.wrapping_sub(product) % 10;
        repeated && !often && !row && !matches!(digits, [0, ..]) && expected == u32::from(check)
    }))
}

pub(super) fn is_nir(text: &[u8]) -> bool {
    holds(letters_and_digits::<15>(text, b" .").and_then(|mut number| {
        // The departments of Corsica count as 19 and 18.
        if let [_, _, _, _, _, tens @ b'2', letter @ (b'A' | b'B'), ..] = &mut number {
            *letter = if *letter == b'A' { b'9' } else { b'8' };
            *tens = b'1';
        }
        let [body @ .., k1, k2] = values::<15>(&number)?;
        let [sex, _, _, m1, m2, ..] = body;
        let month = matches!(decimal(&[m1, m2]), 1..=12 | 20..=42 | 50..=99);
        let key = 97_u64.wrapping_sub(decimal(&body) % 97);
        Some(matches!(sex, 1..=4 | 7 | 8) && month && key == decimal(&[k1, k2]))
    }))
}

pub(super) fn is_pesel(text: &[u8]) -> bool {
    holds(digits::<11>(text, b"").map(|digits| {
        let [y1, y2, m1, m2, d1, d2, ..] = digits;
        let month = decimal(&[m1, m2]);
        // The century is added to the month.
        let century = match month.wrapping_div(20) {
            0 => 1900,
            1 => 2000,
            2 => 2100,
            3 => 2200,
            _ => 1800,
        };
        let year = decimal(&[y1, y2]).wrapping_add(century);
        is_date(year, month % 20, decimal(&[d1, d2]))
            && weighted(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
    }))
}

pub(super) fn is_bsn(text: &[u8]) -> bool {
    holds(digits::<9>(text, b" .").map(|digits| {
        let [.., check] = digits;
        let sum = weighted(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]);
        // The check digit has the weight −1.
        sum % 11 == u32::from(check) && !is_uniform(&digits)
    }))
}
