//! Check digits, reckoned here once more from their standards, so that the engine's are held against something. What is not here is left to
//! the engine, whose own tests hold it against published numbers.

use sallyport_engine::scan::Check;

use super::values::left_to_the_engine;

/// Whether the check is a digest that no drawing comes upon.
pub(crate) fn is_digest(check: Check) -> bool {
    matches!(
        check.name(),
        "base58check" | "btc-address" | "btc-wif" | "btc-xprv" | "bech32" | "eip55" | "crc32-base62" | "jwt"
    )
}

/// Whether every change of one digit is noticed.
pub(crate) fn has_check_digit(check: Check) -> bool {
    matches!(check.name(), "luhn" | "payment-card" | "iban" | "aadhaar" | "npi" | "ca-sin" | "nhs")
}

pub(crate) fn accepts(check: Check, value: &str) -> bool {
    let digits: Vec<u32> = value.chars().filter_map(|c| c.to_digit(10)).collect();
    let own = match check.name() {
        "luhn" | "payment-card" | "ca-sin" => luhn(&digits),
        "npi" => luhn(&[&[8, 0, 8, 4, 0], &digits[..]].concat()),
        "iban" => mod_97(value),
        "aadhaar" => verhoeff(&digits),
        "nhs" => nhs(&digits),
        "aba" => aba(&digits),
        _ => true,
    };
    // Which prefixes and ranges are issued is the engine's to say.
    own && left_to_the_engine(check, value)
}

/// ISO/IEC 7812-1 annex B: from the right, every second digit is doubled, and its digits are added.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &d)| if at % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { d })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 13616: the first four characters go to the end, letters count from ten, and the number leaves one when divided by 97.
fn mod_97(value: &str) -> bool {
    let plain: Vec<char> = value.chars().filter(char::is_ascii_alphanumeric).collect();
    let turned = plain.iter().cycle().skip(4).take(plain.len());
    let rest = turned
        .filter_map(|c| c.to_digit(36))
        .fold(0, |rest, digit| (if digit > 9 { rest * 100 + digit } else { rest * 10 + digit }) % 97);
    rest == 1
}

/// Verhoeff (1969), reckoned in the dihedral group of the pentagon rather than by its table: a digit below five turns it, others mirror.
fn verhoeff(digits: &[u32]) -> bool {
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (5 + a - b) % 5,
    };
    const TURN: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let turned = |digit: u32, times: usize| (0..times).fold(digit, |digit, _| TURN[digit as usize]);
    digits.iter().rev().enumerate().fold(0, |sum, (at, &digit)| product(sum, turned(digit, at % 8))) == 0
}

/// Weights ten to two, and eleven less the rest is the tenth digit.
fn nhs(digits: &[u32]) -> bool {
    let sum: u32 = digits.iter().take(9).zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    digits.len() == 10 && (11 - sum % 11) % 11 == digits[9]
}

/// Weights three, seven, one.
fn aba(digits: &[u32]) -> bool {
    let sum: u32 = digits.iter().zip([3, 7, 1].iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    digits.len() == 9 && sum.is_multiple_of(10)
}

#[test]
fn the_arithmetic_is_that_of_published_numbers() {
    let digits = |text: &str| text.chars().filter_map(|c| c.to_digit(10)).collect::<Vec<_>>();
    assert!(luhn(&digits("79927398713")) && !luhn(&digits("79927398710")));
    assert!(mod_97("GB82 WEST 1234 5698 7654 32") && !mod_97("GB82 WEST 1234 5698 7654 31"));
    assert!(verhoeff(&digits("2363")) && !verhoeff(&digits("2364")));
    assert!(nhs(&digits("943 476 5919")) && !nhs(&digits("943 476 5918")));
    assert!(aba(&digits("111000025")) && !aba(&digits("111000024")));
}
