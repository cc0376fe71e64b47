//! Numbers: every shape, and above all those at which parsers part.

use super::midpoint::Midpoints;
use super::pick;
use fastrand::Rng;
use sallyport_engine::json::Document;

/// Numbers that somebody once read wrongly, and the limits of what a reader may accept.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "0", "-0", "0.0", "-0.0", "0e0", "-0e0", "0E+5", "0e-999", "0e99999999999999999999",
    "0.000000000000000000000", "1", "-1", "1.0", "1e0", "1e3", "1E3", "1e+3", "1000e-3", "10.0e-1", "5e-1",
    "100000000000000000000e-20",
    // Around 2^53, as integers and as doubles: the odd ones lie in the middle of two doubles.
    "9007199254740990", "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740994",
    "-9007199254740991", "-9007199254740992", "-9007199254740993", "9007199254740991.0",
    "9007199254740992.0", "9007199254740993.0", "9007199254740994.0", "9007199254740995.0",
    "9007199254740993e0", "90071992547409930e-1", "9007199254740993.1", "9007199254740992.9",
    "900719925474099.35", "4503599627370496.5", "4503599627370497.5", "9007199254740991.5",
    "9.007199254740993e15", "9.007199254740993E+15",
    // Around the ends of 32 and 64 bits.
    "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "9223372036854775807.0", "18446744073709551616.0",
    "1.8446744073709552e19",
    // The last power of ten that is a double, and the first that is not.
    "1e22", "1e23", "10000000000000000000000", "10000000000000000000000.0", "100000000000000000000000.0",
    "1.0e23", "9.999999999999999e22", "1e-5", "1e21", "1e-7", "123456789012345678", "0.1234567890123456789",
    "0.30000000000000004", "0.1", "0.2", "0.3", "0.1e1", "8.5e-1", "123456789.12345678", "5e-324",
    "2.2250738585072011e-308", "2.2250738585072012e-308", "2.2250738585072014e-308",
    "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e307",
    "9.9999999999999999e307", "9.999999999999999e307", "1e308", "1e309", "-1e309", "1e400", "1e-307",
    "1e-308", "9.9e-308", "1e-324", "1e-400", "123e-309", "0.1e-306", "1e99999999999",
    // Found in bug reports of conversion routines, or by search.
    "6.9294956446009195e15", "8.988465674311580e307", "1.448997445238699", "0.500000000000000166",
    "3.518437208883201171875e13", "62.5364939768271845828", "8.10109172351e-10",
    "1.50000000000000011102230246251565", "9214843084008499", "30078505129381147446200",
    "1777820000000000000001", "0.000001", "4.35", "0.000035689", "2.0999999999999999", "72057594037927933.0",
    "72057594037927945e0", "36893488147419103232e0", "1.1754943508222875e-38",
    // Not numbers at all.
    "01", "-01", "00", "1.", "1.e1", ".5", "-.5", "-", "+1", "+0", "1e", "1e+", "1E-", "1e1.5", "0x10",
    "0X1F", "1_000", "1,5", "0b1", "0o7", "1f", "1d", "1L", "1n", "--1", "1-", "1..2", "1.2.3", "1e1e1",
    "NaN", "-NaN", "nan", "Infinity", "-Infinity", "+Infinity", "inf", "Inf", "1e 5", "- 1", "\u{661}",
    "\u{ff11}", "1\u{a0}", "\u{2212}1",
];

/// A number that the reader accepts; often one that is hard to read all the same.
pub(super) fn plain(rng: &mut Rng, midpoints: &Midpoints) -> String {
    loop {
        let number = match rng.u8(0..10) {
            0..=3 => rng.i32(-1000..10_000).to_string(),
            4 => rng.i64(-9_007_199_254_740_991..=9_007_199_254_740_991).to_string(),
            5 => format!("{:.*}", rng.usize(1..8), f64::from(rng.i32(1..100_000)) / 7.0),
            6 => shortest(rng),
            7 => seventeen(rng),
            8 => midpoints.pick(rng),
            _ => odd(rng, midpoints),
        };
        if Document::parse(number.as_bytes()).is_ok() {
            return number;
        }
    }
}

/// A number that was chosen to be read wrongly, if by anybody.
pub(super) fn odd(rng: &mut Rng, midpoints: &Midpoints) -> String {
    match rng.u8(0..9) {
        0..=2 => pick(rng, KNOWN).to_string(),
        3 => respell(rng, midpoints),
        4 => many_digits(rng),
        5 => near_a_limit(rng),
        6 => exponent(rng),
        7 => padded(rng),
        _ => midpoints.pick(rng),
    }
}

/// Any double, as short as it can be written.
fn shortest(rng: &mut Rng) -> String {
    let value = f64::from_bits(rng.u64(..));
    if value.is_finite() { format!("{value:e}") } else { "7".to_string() }
}

/// Any double, with the 17 digits that name it for certain, or one digit more or less.
fn seventeen(rng: &mut Rng) -> String {
    let value = f64::from_bits(rng.u64(..));
    let after_the_point = 15 + rng.usize(..3);
    if value.is_finite() { format!("{value:.after_the_point$e}") } else { "1.5".to_string() }
}

fn near_a_limit(rng: &mut Rng) -> String {
    let base: i128 =
        pick(rng, &[1 << 31, 1 << 32, 1 << 53, 1 << 54, 1 << 63, 1 << 64, 10_i128.pow(15), 10_i128.pow(16)]);
    let near = base + i128::from(rng.i8(-4..=4));
    let sign = pick(rng, &["", "-"]);
    let form = pick(rng, &["", "", ".0", ".5", "e0", ".00"]);
    format!("{sign}{near}{form}")
}

/// One number in another spelling: the point moved, the exponent to match.
fn respell(rng: &mut Rng, midpoints: &Midpoints) -> String {
    let number = if rng.bool() { shortest(rng) } else { midpoints.pick(rng) };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((&number, "0"));
    let Ok(exponent) = exponent.parse::<i32>() else { return number };
    let shift = rng.i32(-30..30);
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).unwrap_or(0) + shift;
    let exponent = exponent - shift;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i32::try_from(all.len()).unwrap_or(0);
    let placed = if point <= 0 {
        format!("0.{}{all}", zeros(-point))
    } else if point >= length {
        format!("{}{}", all.trim_start_matches('0'), zeros(point - length))
    } else {
        let at = usize::try_from(point).unwrap_or(0);
        let whole = all[..at].trim_start_matches('0');
        format!("{}.{}", if whole.is_empty() { "0" } else { whole }, &all[at..])
    };
    let mark = pick(rng, &["e", "E", "e+", "E+"]);
    let mark = if exponent < 0 { mark.trim_end_matches('+') } else { mark };
    format!("{sign}{placed}{mark}{exponent}")
}

fn many_digits(rng: &mut Rng) -> String {
    let mut digits =
        |count: usize| -> String { (0..count).map(|_| char::from(b'0' + rng.u8(..10))).collect() };
    let (whole, fraction) = (digits(19), digits(22));
    let whole = &whole[..rng.usize(1..20)];
    let fraction = &fraction[..rng.usize(1..23)];
    format!("{whole}.{fraction}")
}

fn exponent(rng: &mut Rng) -> String {
    let exponent = pick(rng, &[300, 306, 307, 308, 309, 310, 323, 324, 325]) * pick(rng, &[1, -1]);
    let digits = pick(
        rng,
        &["1", "1.0", "9.9", "9.99999999999999", "0.1", "17.976931348623157", "22.250738585072014", "5"],
    );
    format!("{}{digits}e{exponent}", pick(rng, &["", "-"]))
}

/// Zeros that change nothing, many of them.
fn padded(rng: &mut Rng) -> String {
    let zeros = "0".repeat(pick(rng, &[1, 5, 17, 20, 40, 300, 700, 2000]));
    let digits = rng.u32(1..100_000);
    match rng.u8(0..5) {
        0 => format!("{digits}.{zeros}"),
        1 => format!("0.{zeros}{digits}"),
        2 => format!("{digits}{zeros}e-{}", zeros.len()),
        3 => format!("1e{zeros}5"),
        _ => format!("0.{zeros}{digits}e{}", zeros.len()),
    }
}
