//! Numbers as people write them, and sums over their digits.
//!
//! What many checks share stays out of line: copies of it, unrolled for each length, would double the size of the checks.

/// The most letters and digits of a number.
const MAX_LEN: usize = 40;
/// The most groups that separators make of one.
const MAX_GROUPS: usize = 20;

/// The letters, as capitals, and digits of a number, and the groups that single separators make of them.
pub(super) struct Number {
    bytes: [u8; MAX_LEN],
    length: usize,
    sizes: [u8; MAX_GROUPS],
    groups: usize,
    separator: Option<u8>,
    /// Whether there are different separators.
    pub(super) mixed: bool,
}

impl Number {
    /// Reads a number; `None` for anything but letters and digits with single separators between them.
    #[inline(never)]
    pub(super) fn read(text: &[u8], separators: &[u8]) -> Option<Self> {
        let mut number = Self {
            bytes: [0; MAX_LEN],
            length: 0,
            sizes: [0; MAX_GROUPS],
            groups: 0,
            separator: None,
            mixed: false,
        };
        for &byte in text {
            if byte.is_ascii_alphanumeric() {
                *number.bytes.get_mut(number.length)? = byte.to_ascii_uppercase();
                number.length = number.length.wrapping_add(1);
                let size = number.sizes.get_mut(number.groups)?;
                *size = size.wrapping_add(1);
            } else if separators.contains(&byte) {
                number.end_group()?;
                number.mixed |= number.separator.is_some_and(|separator| separator != byte);
                number.separator = Some(byte);
            } else {
                return None;
            }
        }
        number.end_group()?;
        Some(number)
    }

    /// `None` when the group is empty.
    fn end_group(&mut self) -> Option<()> {
        let size = *self.sizes.get(self.groups)?;
        self.groups = self.groups.wrapping_add(1);
        (size > 0).then_some(())
    }

    /// The letters and digits.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The sizes of the groups.
    pub(super) fn groups(&self) -> &[u8] {
        self.sizes.get(..self.groups).unwrap_or_default()
    }

    /// Turns digits into their values; `None` when there are letters.
    #[inline(never)]
    pub(super) fn into_values(mut self) -> Option<Self> {
        for byte in self.bytes.iter_mut().take(self.length) {
            *byte = byte.checked_sub(b'0').filter(|&value| value < 10)?;
        }
        Some(self)
    }
}

/// The values of exactly `N` digits, with the same separator throughout.
pub(super) fn digits<const N: usize>(text: &[u8], separators: &[u8]) -> Option<[u8; N]> {
    plain_digits(text, separators)?.bytes().try_into().ok()
}

#[inline(never)]
fn plain_digits(text: &[u8], separators: &[u8]) -> Option<Number> {
    Number::read(text, separators)?.into_values().filter(|number| !number.mixed)
}

/// Exactly `N` letters and digits, with the same separator throughout.
pub(super) fn letters_and_digits<const N: usize>(text: &[u8], separators: &[u8]) -> Option<[u8; N]> {
    let number = Number::read(text, separators)?;
    (!number.mixed).then_some(())?;
    number.bytes().try_into().ok()
}

/// The value of a digit.
pub(super) fn value(digit: u8) -> Option<u8> {
    digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))
}

/// The values of `N` digits.
pub(super) fn values<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    digits(text, &[])
}

/// The number that digits write; at most 19 of them.
#[inline(never)]
pub(super) fn decimal(values: &[u8]) -> u64 {
    values.iter().fold(0_u64, |sum, &digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit)))
}

/// The sum of the digits times their weights.
#[inline(never)]
pub(super) fn weighted(values: &[u8], weights: &[u8]) -> u32 {
    values.iter().zip(weights).fold(0_u32, |sum, (&digit, &weight)| {
        sum.wrapping_add(u32::from(digit).wrapping_mul(u32::from(weight)))
    })
}

/// Whether the Luhn check digit is right.
#[inline(never)]
pub(super) fn luhn(values: &[u8]) -> bool {
    let sum = values.iter().rev().enumerate().fold(0_u32, |sum, (place, &digit)| {
        let doubled = u32::from(digit).wrapping_mul(2);
        let crossed = if digit > 4 { doubled.wrapping_sub(9) } else { doubled };
        sum.wrapping_add(if place & 1 == 1 { crossed } else { u32::from(digit) })
    });
    sum % 10 == 0
}

/// Whether all bytes are the same.
#[inline(never)]
pub(super) fn is_uniform(bytes: &[u8]) -> bool {
    bytes.iter().zip(bytes.iter().skip(1)).all(|(a, b)| a == b)
}

/// Passes an optional judgement on as a verdict: what cannot be read is refused.
pub(super) fn holds(judgement: Option<bool>) -> bool {
    judgement == Some(true)
}
