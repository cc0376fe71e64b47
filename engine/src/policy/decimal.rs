//! Decimal numbers, compared as they are written.
//!
//! Reading them as doubles would take 15 KB of module. The JSON reader lets pass only numbers of at most 17 digits, which
//! compare well as decimals; but two of 16 or 17 digits may be one double, so whoever refuses by a bound compares loosely.

use alloc::string::ToString as _;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// As many digits as a double can have.
const DIGITS: u32 = 17;
/// The power of ten behind the first digit at which any two doubles differ.
const LOOSE: i64 = 100;
/// Beyond the exponents of all doubles, whose digits are counted from the first one.
const BEYOND: i16 = 400;

/// A decimal of at most 17 digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Decimal {
    /// The first 17 digits as an integer, padded with zeros, so that the first is none unless the number is zero.
    digits: i64,
    /// The power of ten that the first digit stands for; 0 for zero.
    exponent: i16,
}

impl Decimal {
    /// Less than any number.
    pub const MIN: Self = Self { digits: -10_i64.pow(DIGITS - 1), exponent: BEYOND };
    /// More than any number.
    pub const MAX: Self = Self { digits: 10_i64.pow(DIGITS - 1), exponent: BEYOND };

    /// Reads a number as JSON writes it; `None` for other text, more than 17 digits, or a number that is no double's.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i16 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
        let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if whole.is_empty() || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let Some(leading) = all().position(|byte| byte != b'0') else {
            return Some(Self { digits: 0, exponent: 0 });
        };
        let mut digits = 0_i64;
        for (place, byte) in (0..).zip(all().skip(leading)) {
            match byte {
                b'0' if place >= DIGITS => {}
                _ if place >= DIGITS => return None,
                byte => digits = digits.checked_add(place_value(byte, place)?)?,
            }
        }
        let first = i16::try_from(whole.len()).ok()?.checked_sub(i16::try_from(leading).ok()?)?;
        let exponent = exponent.checked_add(first)?.checked_sub(1)?;
        let digits = if negative { digits.saturating_neg() } else { digits };
        (-BEYOND < exponent && exponent < BEYOND).then_some(Self { digits, exponent })
    }

    /// Whether it is between two others, both included.
    pub fn is_within(self, min: Self, max: Self) -> bool {
        min <= self && self <= max
    }

    /// Whether a double that it may be read as is.
    pub fn may_be_within(self, min: Self, max: Self) -> bool {
        min.floor() <= self.ceiling() && self.floor() <= max.ceiling()
    }

    /// The next number towards minus infinity that has 15 digits.
    fn floor(self) -> Self {
        self.with_digits(self.digits.saturating_sub(self.digits.rem_euclid(LOOSE)))
    }

    /// The next towards infinity.
    fn ceiling(self) -> Self {
        let missing = self.digits.saturating_neg().rem_euclid(LOOSE);
        self.with_digits(self.digits.saturating_add(missing))
    }

    /// Rounding may have made one digit more of them.
    fn with_digits(self, digits: i64) -> Self {
        if digits.unsigned_abs() < 10_u64.pow(DIGITS) {
            return Self { digits, ..self };
        }
        Self { digits: digits.checked_div(10).unwrap_or(0), exponent: self.exponent.saturating_add(1) }
    }
}

/// What a digit at this place, counted from the first of seventeen, adds.
fn place_value(byte: u8, place: u32) -> Option<i64> {
    let power = 10_i64.checked_pow(DIGITS.checked_sub(1)?.checked_sub(place)?)?;
    i64::from(byte.checked_sub(b'0')?).checked_mul(power)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        let sign = self.digits.signum();
        // The larger exponent is the larger number, the smaller one among negatives.
        let exponents = match sign {
            -1 => other.exponent.cmp(&self.exponent),
            _ => self.exponent.cmp(&other.exponent),
        };
        sign.cmp(&other.digits.signum()).then(exponents).then(self.digits.cmp(&other.digits))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The text is no number that a double can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidDecimal;

impl FromStr for Decimal {
    type Err = InvalidDecimal;

    fn from_str(text: &str) -> Result<Self, InvalidDecimal> {
        Self::parse(text).ok_or(InvalidDecimal)
    }
}

impl fmt::Display for Decimal {
    /// As people write it, and [`Decimal::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let all = self.digits.unsigned_abs().to_string();
        let digits = all.trim_end_matches('0');
        let whole = usize::try_from(self.exponent.saturating_add(1)).unwrap_or(0);
        match (self.exponent, digits.split_at_checked(whole)) {
            _ if digits.is_empty() => f.write_str("0"),
            (-6..0, _) => {
                let zeros = usize::from(self.exponent.unsigned_abs()).saturating_sub(1);
                write!(f, "{sign}0.{}{digits}", "0".repeat(zeros))
            }
            (0.., Some((whole, ""))) => write!(f, "{sign}{whole}"),
            (0.., Some((whole, fraction))) => write!(f, "{sign}{whole}.{fraction}"),
            (0..21, None) => write!(f, "{sign}{digits}{}", "0".repeat(whole.saturating_sub(digits.len()))),
            (exponent, _) => {
                let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
                let point = if rest.is_empty() { "" } else { "." };
                write!(f, "{sign}{first}{point}{rest}e{exponent}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_read_and_shown() {
        for (text, shown) in [
            ("0", "0"),
            ("0.000", "0"),
            ("0e9", "0"),
            ("1", "1"),
            ("-1.50", "-1.5"),
            ("100", "100"),
            ("1e2", "100"),
            ("1E+2", "100"),
            ("123.25", "123.25"),
            ("0.05", "0.05"),
            ("5e-2", "0.05"),
            ("9007199254740993", "9007199254740993"),
            ("12345678901234567", "12345678901234567"),
            ("123456789012345670000", "123456789012345670000"),
            ("1.5e300", "1.5e300"),
            ("1e-7", "1e-7"),
        ] {
            assert_eq!(decimal(text).to_string(), shown, "{text}");
        }
        for text in [
            "",
            "-",
            ".5",
            "1.2.3",
            "1e",
            "x",
            "1e400",
            "1e-500",
            "123456789012345678",
            "1e99999",
            "--1",
            "+1",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_ends_are_beyond_all_numbers() {
        for text in ["0", "1e399", "-1e399", "1e-399"] {
            assert!(decimal(text).is_within(Decimal::MIN, Decimal::MAX), "{text}");
            assert!(decimal(text).may_be_within(Decimal::MIN, Decimal::MAX), "{text}");
        }
    }

    #[test]
    fn what_reads_as_one_double_is_within_the_same_bounds_where_in_doubt() {
        // Both are the double 0.1.
        let (below, bound) = (decimal("0.099999999999999995"), decimal("0.1"));
        assert!(!below.is_within(bound, Decimal::MAX) && below.may_be_within(bound, Decimal::MAX));
        let above = decimal("0.10000000000000001");
        assert!(!above.is_within(Decimal::MIN, bound) && above.may_be_within(Decimal::MIN, bound));
        assert!(!decimal("0.0999").may_be_within(bound, Decimal::MAX));
        assert!(
            !decimal("-0.1").may_be_within(bound, Decimal::MAX)
                && !decimal("-2").may_be_within(decimal("-1"), bound)
        );
    }

    fn number() -> impl Strategy<Value = alloc::string::String> {
        let plain = prop_oneof!["-?(0|[1-9][0-9]{0,7})([.][0-9]{1,8})?", "-?[1-9][.][0-9]{1,16}"];
        (plain, proptest::option::of(-300_i32..300)).prop_map(|(text, exponent)| match exponent {
            Some(exponent) => format!("{text}e{exponent}"),
            None => text,
        })
    }

    proptest! {
        #[test]
        fn decimals_stand_in_the_order_of_doubles(a in number(), b in number()) {
            let double = |text: &str| text.parse::<f64>().unwrap();
            let (x, y) = (double(&a), double(&b));
            if x < y {
                prop_assert!(decimal(&a) < decimal(&b));
            }
            // A bound that refuses never misses what a reader of doubles would take for refused.
            if x <= y {
                prop_assert!(decimal(&a).may_be_within(Decimal::MIN, decimal(&b)));
            }
            prop_assert_eq!(Decimal::parse(&decimal(&a).to_string()), Some(decimal(&a)));
        }
    }
}
