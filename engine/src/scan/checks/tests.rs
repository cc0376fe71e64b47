mod samples;

use super::*;
use proptest::prelude::*;
use samples::{INVALID, VALID};

/// Checks that find every change of one digit.
const FIND_EVERY_DIGIT: &[Check] = &[
    Check::Luhn,
    Check::PaymentCard,
    Check::Iban,
    Check::Aba,
    Check::Npi,
    Check::CaSin,
    Check::Nhs,
    Check::EsNif,
    Check::DeTaxId,
    Check::FrNir,
    Check::PlPesel,
    Check::NlBsn,
    Check::FiHetu,
    Check::Verhoeff,
    Check::Aadhaar,
    Check::AuTfn,
    Check::AuAbn,
    Check::CnResidentId,
    Check::SgNric,
    Check::ZaId,
    Check::Base58Check,
    Check::BtcAddress,
    Check::BtcWif,
    Check::BtcXprv,
    Check::Bech32,
    Check::Crc32Base62,
    Check::ItFiscalCode,
];

fn values(table: &[(Check, &[&'static str])]) -> impl Iterator<Item = (Check, &'static str)> {
    table.iter().flat_map(|(check, values)| values.iter().map(|value| (*check, *value)))
}

#[test]
fn names_are_unique_and_found() {
    for &check in Check::ALL {
        assert_eq!(Check::of(check.name()), Some(check));
        assert!(check.doc().trim().ends_with('.'), "{check:?}");
    }
    assert_eq!(Check::of("Luhn"), None);
}

#[test]
fn published_examples_pass_and_near_misses_do_not() {
    for &check in Check::ALL {
        for table in [VALID, INVALID] {
            assert!(
                table.iter().any(|(tested, values)| *tested == check && !values.is_empty()),
                "{check:?} is not tested"
            );
        }
    }
    for (check, value) in values(VALID) {
        assert!(check.accepts(value.as_bytes()), "{} {value}", check.name());
    }
    for (check, value) in values(INVALID) {
        assert!(!check.accepts(value.as_bytes()), "{} {value}", check.name());
    }
}

#[test]
fn every_change_of_one_digit_is_found() {
    for (check, value) in values(VALID).filter(|(check, _)| FIND_EVERY_DIGIT.contains(check)) {
        for at in (0..value.len()).filter(|&at| value.as_bytes()[at].is_ascii_digit()) {
            for digit in (b'0'..=b'9').filter(|&digit| digit != value.as_bytes()[at]) {
                let mut changed = value.as_bytes().to_vec();
                changed[at] = digit;
                assert!(!check.accepts(&changed), "{} {}", check.name(), String::from_utf8_lossy(&changed));
            }
        }
    }
}

#[test]
fn every_change_of_one_letter_is_found_where_letters_count() {
    for check in [Check::Iban, Check::Base58Check, Check::Crc32Base62, Check::Bech32] {
        for (_, value) in values(VALID).filter(|(of, _)| *of == check) {
            for at in (0..value.len()).filter(|&at| value.as_bytes()[at].is_ascii_alphabetic()) {
                for letter in (b'A'..=b'Z')
                    .chain(b'a'..=b'z')
                    .filter(|b| !b.eq_ignore_ascii_case(&value.as_bytes()[at]))
                {
                    let mut changed = value.as_bytes().to_vec();
                    changed[at] = letter;
                    // The prefix of a GitHub token does not count.
                    let counts = check != Check::Crc32Base62 || at >= 4;
                    assert!(
                        !counts || !check.accepts(&changed),
                        "{} {}",
                        check.name(),
                        String::from_utf8_lossy(&changed)
                    );
                }
            }
        }
    }
}

/// The payload with the one check digit that is accepted.
fn completed(check: Check, payload: &[u8]) -> Vec<u8> {
    let all = (b'0'..=b'9').map(|digit| [payload, &[digit]].concat());
    let mut fitting = all.filter(|number| check.accepts(number));
    let number = fitting.next().unwrap();
    assert_eq!(fitting.next(), None);
    number
}

proptest! {
    #[test]
    fn check_digits_find_changes(
        payload in "[0-9]{1,30}", at in any::<prop::sample::Index>(), by in 1_u8..10,
    ) {
        for check in [Check::Luhn, Check::Verhoeff] {
            let mut number = completed(check, payload.as_bytes());
            let at = at.index(number.len());
            number[at] = b'0' + (number[at] - b'0' + by) % 10;
            prop_assert!(!check.accepts(&number));
        }
    }

    #[test]
    fn verhoeff_finds_transpositions(payload in "[0-9]{2,30}", at in any::<prop::sample::Index>()) {
        let mut number = completed(Check::Verhoeff, payload.as_bytes());
        let at = at.index(number.len() - 1);
        if number[at] != number[at + 1] {
            number.swap(at, at + 1);
            prop_assert!(!Check::Verhoeff.accepts(&number));
        }
    }

    #[test]
    fn an_account_number_has_one_pair_of_check_digits(account in "[0-9]{17}[1-9]") {
        let fitting = (0..100).filter(|pair| Check::Iban.accepts(format!("DE{pair:02}{account}").as_bytes())).count();
        // Accounts of one digit throughout are refused.
        let uniform = account.bytes().all(|b| b == account.as_bytes()[0]);
        prop_assert_eq!(fitting, usize::from(!uniform));
    }

    #[test]
    fn any_bytes_are_judged(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[0-9A-Z]{0,120}".prop_map(String::into_bytes),
            "[0-9 ./:+()^=;%B-]{0,60}".prop_map(String::into_bytes),
            "([0-9]{1,5}[-. /:]){0,9}[0-9]{0,4}".prop_map(String::into_bytes),
        ]
    ) {
        for check in Check::ALL {
            check.accepts(&bytes);
        }
    }
}

#[test]
fn work_is_bounded() {
    let start = std::time::Instant::now();
    for text in [vec![b'1'; 100_000], vec![b'z'; 100_000], b"1 ".repeat(50_000), b"eyJ".repeat(30_000)] {
        for check in Check::ALL {
            check.accepts(&text);
        }
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
