//! Dates.

use super::digits::{decimal, holds, value};

/// Whether the day is in the calendar.
#[inline(never)]
pub(super) fn is_date(year: u64, month: u64, day: u64) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=last).contains(&day)
}

/// Whether `yymmdd` is a date in some century. Of the years `00`, 2000 has a leap day.
#[inline(never)]
pub(super) fn is_short_date(yymmdd: [u8; 6]) -> bool {
    let [y1, y2, m1, m2, d1, d2] = yymmdd;
    is_date(decimal(&[2, 0, y1, y2]), decimal(&[m1, m2]), decimal(&[d1, d2]))
}

pub(super) fn is_date_text(text: &[u8]) -> bool {
    holds(read_date(text))
}

fn read_date(text: &[u8]) -> Option<bool> {
    let separator = *text.iter().find(|b| !b.is_ascii_digit())?;
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    let mut parts = text.split(|&b| b == separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (a, b, c) = (number(first)?, number(second)?, number(third)?);
    Some(match (first.len(), second.len(), third.len()) {
        (4, 1..=2, 1..=2) => is_plausible(a) && is_date(a, b, c),
        (1..=2, 1..=2, 4) => is_plausible(c) && (is_date(c, b, a) || is_date(c, a, b)),
        _ => false,
    })
}

fn is_plausible(year: u64) -> bool {
    (1850..=2100).contains(&year)
}

#[inline(never)]
fn number(text: &[u8]) -> Option<u64> {
    if text.len() > 4 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, &b| Some(sum.wrapping_mul(10).wrapping_add(u64::from(value(b)?))))
}
