//! Numbers of persons in Sweden and Finland.

use super::calendar::{is_date, is_short_date};
use super::digits::{Number, decimal, holds, luhn, values};

pub(super) fn is_personnummer(text: &[u8]) -> bool {
    holds(Number::read(text, b"-+").and_then(Number::into_values).and_then(|number| {
        if !matches!(number.groups(), [10 | 12] | [6 | 8, 4]) {
            return None;
        }
        let digits = number.bytes();
        let century = digits.len().checked_sub(10).and_then(|long| digits.get(..long))?;
        let short: [u8; 10] = digits.get(century.len()..)?.try_into().ok()?;
        let [y1, y2, m1, m2, d1, d2, ..] = short;
        // Whoever is not registered has 60 added to the day.
        let d1 = if d1 > 5 { d1.wrapping_sub(6) } else { d1 };
        let born = match *century {
            [c1, c2] => {
                let year = decimal(&[c1, c2, y1, y2]);
                (1800..2100).contains(&year) && is_date(year, decimal(&[m1, m2]), decimal(&[d1, d2]))
            }
            _ => is_short_date([y1, y2, m1, m2, d1, d2]),
        };
        Some(born && luhn(&short))
    }))
}

const HETU_CHARACTERS: [u8; 31] = *b"0123456789ABCDEFHJKLMNPRSTUVWXY";

pub(super) fn is_hetu(text: &[u8]) -> bool {
    holds(text.split_first_chunk::<6>().and_then(|(date, rest)| {
        let &[sign, n1, n2, n3, control] = <&[u8; 5]>::try_from(rest).ok()?;
        let century = match sign.to_ascii_uppercase() {
            b'+' => 1800,
            b'-' | b'U'..=b'Y' => 1900,
            b'A'..=b'F' => 2000,
            _ => return None,
        };
        let [d1, d2, m1, m2, y1, y2] = values::<6>(date)?;
        let year = decimal(&[y1, y2]).wrapping_add(century);
        let [n1, n2, n3] = values::<3>(&[n1, n2, n3])?;
        let at = decimal(&[d1, d2, m1, m2, y1, y2, n1, n2, n3]) % 31;
        let expected = HETU_CHARACTERS.get(usize::try_from(at).ok()?)?;
        let born = is_date(year, decimal(&[m1, m2]), decimal(&[d1, d2]));
        // From 900 on, numbers are temporary.
        let person = (2..900).contains(&decimal(&[n1, n2, n3]));
        Some(born && person && *expected == control.to_ascii_uppercase())
    }))
}
