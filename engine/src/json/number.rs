//! Numbers that every mainstream parser reads alike (RFC 7493 section 2.2).
//!
//! An integer beyond ±(2^53 − 1) is exact in one parser and rounded in the next; a decimal with more than 17 digits, or a
//! magnitude that a double cannot hold, likewise; and `-0` is an integer here and a negative zero there. All of these are
//! refused, or let stand unread where that is asked for.

use super::Fault;

/// The largest integer that a double holds exactly together with its neighbours: 2^53 − 1.
const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;
/// A double has at most 17 significant decimal digits.
const MAX_DIGITS: i32 = 17;
/// Normal doubles lie between 2.2e-308 and 1.8e308; one decade less at either end needs no finer test.
const MAX_EXPONENT: i32 = 307;

/// The longest number as written, in bytes. Go drops digits of a whole part from the 801st on, Jackson refuses more than 1000.
const MAX_WRITTEN_LEN: usize = 512;
/// The largest exponent as written, of a zero too: some parsers overflow on longer ones before they look at the digits.
const MAX_WRITTEN_EXPONENT: i32 = 999;

/// The number at the front of a text.
pub(super) struct Scanned {
    /// Its length, in bytes.
    pub(super) length: usize,
    /// Whether every parser reads the same value from it.
    pub(super) alike: bool,
}

/// Reads the number at the front of `bytes`.
pub(super) fn scan(bytes: &[u8]) -> Result<Scanned, Fault> {
    let mut scan = Scan { bytes, at: 0 };
    let negative = scan.take(|b| b == b'-');
    let whole = scan.digits();
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return Err(Fault::Syntax);
    }
    let point = scan.take(|b| b == b'.');
    let fraction = scan.digits();
    if point && fraction.is_empty() {
        return Err(Fault::Syntax);
    }
    let exponent = scan.exponent()?;
    let beyond = exponent.is_some_and(|exponent| exponent.saturating_abs() > MAX_WRITTEN_EXPONENT);
    if beyond || scan.at > MAX_WRITTEN_LEN {
        return Err(Fault::Number);
    }
    let zero = whole.iter().chain(fraction).all(|&b| b == b'0');
    let integer = || {
        let value = whole.iter().try_fold(0_u64, |n, &d| n.checked_mul(10)?.checked_add(u64::from(d & 0x0f)));
        value.is_some_and(|n| n <= MAX_SAFE_INTEGER)
    };
    let alike = match (zero, point, exponent) {
        (true, ..) => !negative,
        (false, false, None) => integer(),
        (false, _, exponent) => fits_a_double(whole, fraction, exponent.unwrap_or(0)),
    };
    Ok(Scanned { length: scan.at, alike })
}

/// Whether `whole.fraction × 10^exponent`, which is not zero, has few enough digits and a magnitude in range.
fn fits_a_double(whole: &[u8], fraction: &[u8], exponent: i32) -> bool {
    let count = |digits: usize| i32::try_from(digits).unwrap_or(i32::MAX);
    let significant = |b: &u8| *b != b'0';
    let mut digits = whole.iter().chain(fraction);
    let leading = count(digits.clone().position(significant).unwrap_or(0));
    let trailing = count(digits.by_ref().rev().position(significant).unwrap_or(0));
    let all = count(whole.len()).saturating_add(count(fraction.len()));
    let length = all.saturating_sub(leading).saturating_sub(trailing);
    // The power of ten of the first significant digit.
    let magnitude = count(whole.len()).saturating_sub(leading).saturating_sub(1).saturating_add(exponent);
    length <= MAX_DIGITS && (-MAX_EXPONENT..=MAX_EXPONENT).contains(&magnitude)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.bytes.get(self.at).is_some_and(|&b| wanted(b));
        self.at = self.at.saturating_add(usize::from(found));
        found
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    /// The exponent, if there is one; one of more digits than fit is far out of range either way.
    fn exponent(&mut self) -> Result<Option<i32>, Fault> {
        if !self.take(|b| matches!(b, b'e' | b'E')) {
            return Ok(None);
        }
        let minus = self.take(|b| b == b'-');
        if !minus {
            self.take(|b| b == b'+');
        }
        let digits = self.digits();
        if digits.is_empty() {
            return Err(Fault::Syntax);
        }
        let value =
            digits.iter().fold(0_i32, |n, &d| n.saturating_mul(10).saturating_add(i32::from(d & 0x0f)));
        let value = value.min(1_000_000);
        Ok(Some(if minus { value.saturating_neg() } else { value }))
    }
}
