//! Payment cards.

use super::digits::{Number, decimal, holds, is_uniform, luhn, values};

/// A range of the first four digits and the lengths in use: bit `n` stands for `n` digits.
struct Range(u16, u16, u32);

const fn lengths(from: u32, to: u32) -> u32 {
    u32::MAX.wrapping_shr(31_u32.wrapping_sub(to)) & u32::MAX.wrapping_shl(from)
}

/// The networks' ranges, as they publish them.
const RANGES: [Range; 26] = [
    Range(2200, 2204, lengths(16, 19)),                   // Mir
    Range(2221, 2720, lengths(16, 16)),                   // Mastercard
    Range(3000, 3059, lengths(14, 14) | lengths(16, 19)), // Diners Club
    Range(3095, 3095, lengths(14, 14) | lengths(16, 19)), // Diners Club
    Range(3400, 3499, lengths(15, 15)),                   // American Express
    Range(3528, 3589, lengths(16, 19)),                   // JCB
    Range(3600, 3699, lengths(14, 19)),                   // Diners Club
    Range(3700, 3799, lengths(15, 15)),                   // American Express
    Range(3800, 3999, lengths(14, 14) | lengths(16, 19)), // Diners Club
    Range(4000, 4999, lengths(13, 13) | lengths(16, 16) | lengths(19, 19)), // Visa
    Range(5018, 5018, lengths(12, 19)),                   // Maestro
    Range(5020, 5020, lengths(12, 19)),                   // Maestro
    Range(5038, 5038, lengths(12, 19)),                   // Maestro
    Range(5080, 5089, lengths(16, 16)),                   // RuPay
    Range(5100, 5599, lengths(16, 16)),                   // Mastercard
    Range(5893, 5893, lengths(12, 19)),                   // Maestro
    Range(6011, 6011, lengths(16, 19)),                   // Discover
    Range(6200, 6299, lengths(16, 19)),                   // UnionPay
    Range(6304, 6304, lengths(12, 19)),                   // Maestro
    Range(6440, 6599, lengths(16, 19)),                   // Discover, RuPay
    Range(6759, 6759, lengths(12, 19)),                   // Maestro
    Range(6761, 6763, lengths(12, 19)),                   // Maestro
    Range(8100, 8171, lengths(16, 19)),                   // UnionPay
    Range(8172, 8299, lengths(16, 16)),                   // RuPay
    Range(6000, 6099, lengths(16, 16)),                   // RuPay
    Range(9792, 9792, lengths(16, 16)),                   // Troy
];

/// How cards are embossed, besides groups of four.
const GROUPINGS: [&[u8]; 4] = [&[4, 6, 5], &[4, 6, 4], &[4, 3, 3, 3], &[6, 13]];

pub(super) fn is_luhn(text: &[u8]) -> bool {
    holds(Number::read(text, b" -.").and_then(Number::into_values).map(|number| {
        let digits = number.bytes();
        digits.len() > 1 && luhn(digits)
    }))
}

pub(super) fn is_payment_card(text: &[u8]) -> bool {
    holds(
        Number::read(text, b" -.")
            .and_then(Number::into_values)
            .map(|number| !number.mixed && is_embossed(number.groups()) && is_card_number(number.bytes())),
    )
}

#[inline(never)]
fn is_card_number(digits: &[u8]) -> bool {
    let Some(first) = digits.first_chunk::<4>().map(|four| decimal(four)) else { return false };
    let bit = u32::try_from(digits.len()).ok().and_then(|length| 1_u32.checked_shl(length)).unwrap_or(0);
    let known = |range: &Range| {
        let Range(low, high, lengths) = *range;
        (u64::from(low)..=u64::from(high)).contains(&first) && lengths & bit != 0
    };
    RANGES.iter().any(known) && !is_uniform(digits) && luhn(digits)
}

fn is_embossed(groups: &[u8]) -> bool {
    let fours = |rest: &[u8]| match rest.split_last() {
        Some((last, rest)) => *last <= 4 && rest.iter().all(|&size| size == 4),
        None => false,
    };
    groups.len() == 1 || fours(groups) || GROUPINGS.contains(&groups)
}

pub(super) fn is_track(text: &[u8]) -> bool {
    holds(read_track(text))
}

fn read_track(text: &[u8]) -> Option<bool> {
    let (text, start) = match text {
        [b'%', b'B' | b'b', rest @ ..] => (rest, true),
        [b'B' | b'b' | b';', rest @ ..] => (rest, true),
        _ => (text, false),
    };
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = Number::read(text.get(..length)?, &[])?.into_values()?;
    let (separator, rest) = text.get(length..)?.split_first()?;
    let rest = match separator {
        b'=' => rest,
        b'^' if start => {
            let name = rest.iter().take(27).position(|&b| b == b'^')?;
            (name >= 2).then_some(())?;
            rest.get(name.wrapping_add(1)..)?
        }
        _ => return None,
    };
    let expiry = values::<4>(rest.get(..4)?)?;
    let [_, _, m1, m2] = expiry;
    Some((1..=12).contains(&decimal(&[m1, m2])) && is_card_number(number.bytes()))
}
