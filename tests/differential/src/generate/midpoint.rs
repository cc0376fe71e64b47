//! Decimals of 17 digits that lie as near as can be to the middle of two doubles: the hardest to round.
//!
//! For `w × 10^q` with 17-digit `w`, half a unit in the last place of the double is a fraction `A/B` of two whole numbers, and the
//! question is for which `w` the product `w·A mod B` comes next to `B/2`. The first such `w` is found by Euclid's algorithm, as in
//! V. Paxson, "A Program for Testing IEEE Decimal-Binary Conversion" (1991).

use fastrand::Rng;
use num_bigint::{BigInt, BigUint};

/// The digits of a decimal: what the reader accepts at most.
const DIGITS: u32 = 17;
/// Powers of ten of the last digit; the first digit is 16 above.
const POWERS: std::ops::RangeInclusive<i32> = -323..=291;

/// The decimals that were found.
#[derive(Debug)]
pub(super) struct Midpoints(Vec<String>);

impl Midpoints {
    pub(super) fn find() -> Self {
        let found = POWERS.flat_map(|power| (0..4).filter_map(move |step| nearest(power, step)));
        Self(
            found
                .flat_map(|(digits, power)| {
                    [-1, 0, 1].map(|by| write(digits.saturating_add_signed(by), power))
                })
                .collect(),
        )
    }

    pub(super) fn pick(&self, rng: &mut Rng) -> String {
        rng.choice(&self.0).cloned().unwrap_or_default()
    }
}

fn write(digits: u64, power: i32) -> String {
    let digits = digits.to_string();
    let (first, rest) = digits.split_at(1);
    format!("{first}.{rest}e{}", power + i32::try_from(rest.len()).unwrap_or(0))
}

/// A `w` within the `step`-th binade that 17 digits times `10^power` reach, such that `w × 10^power` is close to the middle of
/// two doubles.
fn nearest(power: i32, step: u32) -> Option<(u64, i32)> {
    let ten = |exponent: u32| BigUint::from(10_u8).pow(exponent);
    let two = |exponent: i64| BigUint::from(1_u8) << u64::try_from(exponent).unwrap_or(0);
    let lowest = ten(DIGITS - 1);
    // value = w · 10^power = w · up / down.
    let (up, down) = if power >= 0 {
        (ten(power.unsigned_abs()), BigUint::from(1_u8))
    } else {
        (BigUint::from(1_u8), ten(power.unsigned_abs()))
    };
    let bits = |n: &BigUint| i64::try_from(n.bits()).unwrap_or(0);
    let binade = bits(&(&lowest * &up)) - bits(&down) + i64::from(step);
    // Within 2^(binade - 1) .. 2^binade a double's last place is worth 2^(binade - 53).
    let place = binade - 53;
    let (a, b) =
        if place >= 0 { (up.clone(), &down * two(place)) } else { (&up * two(-place), down.clone()) };
    let first = (two(binade - 1) * &down) / &up + 1_u8;
    let first = if binade > 0 { first } else { &down / (&up * two(1 - binade)) + 1_u8 };
    let first = first.max(lowest);
    // w = first + x; (first + x)·a mod b within b/2 ± b/10^16.
    let offset = (&first * &a) % &b;
    let (half, width) = (&b >> 1_u8, &b / ten(16));
    let low = (&half + &b + &b - &width - &offset) % &b;
    let high = &low + &width + &width;
    let x = if high < b { first_in(&(&a % &b), &b, &low, &high)? } else { return None };
    let digits = u64::try_from(first + x).ok()?;
    (digits < 10_u64.pow(DIGITS)).then_some((digits, power))
}

/// The smallest `x` with `low <= a·x mod m <= high`, where `low <= high < m`.
fn first_in(a: &BigUint, m: &BigUint, low: &BigUint, high: &BigUint) -> Option<BigUint> {
    let zero = BigUint::ZERO;
    if *low == zero {
        return Some(zero);
    }
    if *a == zero {
        return None;
    }
    let step = low.div_ceil_by(a);
    if &step * a <= *high {
        return Some(step);
    }
    // a·x = m·y + r with r in low..=high; modulo a, -r = m·y, so look for y in a smaller problem.
    let negative = |n: &BigUint| {
        let rest = (BigInt::from(a.clone()) - BigInt::from(n % a)) % BigInt::from(a.clone());
        rest.to_biguint().unwrap_or_default()
    };
    let y = first_in(&(m % a), a, &negative(high), &negative(low))?;
    Some((m * y + low).div_ceil_by(a))
}

trait DivCeil {
    fn div_ceil_by(&self, by: &BigUint) -> BigUint;
}

impl DivCeil for BigUint {
    fn div_ceil_by(&self, by: &BigUint) -> BigUint {
        (self + by - 1_u8) / by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_multiplier_is_found() {
        let big = |n: u32| BigUint::from(n);
        for m in 2..40_u32 {
            for a in 1..m {
                for low in 0..m {
                    for high in low..m.min(low + 5) {
                        let expected = (0..m).find(|x| (low..=high).contains(&(a * x % m)));
                        let found = first_in(&big(a), &big(m), &big(low), &big(high));
                        assert_eq!(found, expected.map(big), "{a}x mod {m} in {low}..={high}");
                    }
                }
            }
        }
    }

    /// A decimal is near a midpoint if the exact distances to the two doubles around it are nearly the same: then 17 digits more
    /// of the double's neighbour tell nothing, and one step in the last digit changes the double.
    #[test]
    fn one_more_in_the_last_digit_rounds_the_other_way() {
        let mut flips = 0;
        for power in POWERS {
            for (digits, power) in (0..4).filter_map(|step| nearest(power, step)) {
                let [below, above] =
                    [-2, 2].map(|by| write(digits.saturating_add_signed(by), power).parse::<f64>().unwrap());
                let steps = above.to_bits() - below.to_bits();
                assert!(steps <= 4, "{digits}e{power}");
                flips += usize::from(steps >= 1);
            }
        }
        assert!(flips > 1000, "only {flips} decimals lie at a midpoint");
    }
}
