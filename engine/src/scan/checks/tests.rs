use super::*;
use proptest::prelude::*;

/// Values from the standards, the issuers' documentation and well-known examples. What looks like a secret is written in parts.
const VALID: &[(Check, &[&str])] = &[
    (Check::Luhn, &["79927398713", "7992 7398-713", "18"]),
    (
        Check::PaymentCard,
        &[
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "30569309025904",
            "3056 930902 5904",
            "3530111333300000",
            "6200000000000005",
            "6759649826438453",
            "2200000000000004",
        ],
    ),
    (
        Check::CardTrack,
        &[
            "%B4111111111111111^CARDHOLDER/JOHN^2512101123400001230?",
            "B4111111111111111^DOE/J^2512",
            ";4111111111111111=25121011234?",
            "4111111111111111=2512",
        ],
    ),
    (
        Check::Iban,
        &[
            "GB29NWBK60161331926819",
            "GB29 NWBK 6016 1331 9268 19",
            "DE89 3704 0044 0532 0130 00",
            "FR1420041010050500013M02606",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
            "gb29nwbk60161331926819",
            "SA0380000000608010167519",
            "BR1800360305000010009795493C1",
            "CH9300762011623852957",
        ],
    ),
    (Check::Aba, &["111000025", "021000021", "122105155", "0210-0002-1"]),
    (Check::SwiftBic, &["DEUTDEFF", "DEUTDEFF500", "NEDSZAJJXXX", "CHASUS33"]),
    (Check::Ssn, &["536-90-4399", "536 90 4399", "536904399", "899-01-0001"]),
    (Check::Itin, &["900-70-0000", "912 90 3456", "999-65-4321"]),
    (Check::Npi, &["1234567893"]),
    (Check::Dea, &["AB1234563", "F91234563", "ab1234563"]),
    (Check::CaSin, &["193 456 787", "130-692-544", "130692544"]),
    (
        Check::PhoneNanp,
        &["(212) 867-5309", "212-867-5309", "+1 212.867.5309", "1-212-867-5309", "2128675309"],
    ),
    (Check::Nhs, &["943 476 5919", "943-476-5919", "9434765919"]),
    (Check::Nino, &["AB123456C", "AB 12 34 56 C", "JG103759A"]),
    (Check::EsNif, &["12345678Z", "12345678-Z", "12.345.678-Z", "X1234567L", "x-1234567-l"]),
    (Check::ItFiscalCode, &["RSSMRA85T10A562S", "MRTMTT25D09F205Z", "mrtmtt25d09f205z"]),
    (Check::DeTaxId, &["86095742719", "36574261809", "65 929 970 489", "47036892816"]),
    (Check::FrNir, &["295109912611193", "2 95 10 99 126 111 93", "253072A07300443", "253072B07300470"]),
    (Check::PlPesel, &["44051401359", "02070803628"]),
    (Check::NlBsn, &["111222333", "123456782"]),
    (Check::SePersonnummer, &["811228-9874", "8112289874", "19811228-9874", "880320-0016", "811228+9874"]),
    (Check::FiHetu, &["131052-308T", "131052X308T", "131052-308t"]),
    (Check::Verhoeff, &["2363", "1428570"]),
    (Check::Aadhaar, &["9999 4105 7058", "999941057058", "2341-2341-2346"]),
    (Check::InPan, &["AAAPL1234C", "ABCPE1234F"]),
    (Check::AuTfn, &["123 456 782", "876543210"]),
    (Check::AuAbn, &["51 824 753 556", "53004085616"]),
    (Check::AuMedicare, &["2123 45670 1", "2428778132", "2123 45670 1/1"]),
    (Check::BrCpf, &["390.533.447-05", "529.982.247-25", "39053344705"]),
    (Check::BrCnpj, &["16.727.230/0001-97", "16727230000197", "12.ABC.345/01DE-35"]),
    (Check::CnResidentId, &["11010519491231002X", "440524188001010014", "11010519491231002x"]),
    (Check::SgNric, &["S1234567D", "T1234567J", "F1234567N", "G1234567X", "M1234567K"]),
    // The last digit of whoever was born after September 2020 is random.
    (Check::KrRrn, &["971013-9019902", "201001-3000000", "201001-3000001"]),
    (Check::ZaId, &["7503305044089", "8001015009087"]),
    (Check::Vin, &["1M8GDM9AXKP042788", "1HGCM82633A004352"]),
    (Check::Base58Check, &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"]),
    (Check::BtcAddress, &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"]),
    (
        Check::BtcWif,
        &[
            concat!("5HueCGU8rMjxEXxiPuD5BDku4MkF", "qeZyd4dZ1jvhTVqvbTLvyTJ"),
            concat!("KwdMAjGmerYanjeui5SHS7JkmpZv", "VipYvB2LJGU1ZxJwYvP98617"),
        ],
    ),
    (
        Check::BtcXprv,
        &[concat!(
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPP",
            "qjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"
        )],
    ),
    (
        Check::Bech32,
        &[
            "A12UEL5L",
            "a12uel5l",
            "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
            "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
            "?1ezyfcl",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "A1LQFN3A",
            "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        ],
    ),
    (
        Check::Eip55,
        &[
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
        ],
    ),
    (Check::Crc32Base62, &[concat!("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17")]),
    (
        Check::Jwt,
        &[
            // RFC 7519 section 3.1 and, unsecured, section 6.1.
            concat!(
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
                ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
                ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
            ),
            concat!("eyJhbGciOiJub25lIn0", ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODB9", "."),
        ],
    ),
    (Check::Base64, &["Zm9vYmFy", "Zm9vYg==", "Zm9vYg", "Zm9vYmE=", "-_-_", "+/+/"]),
    (Check::Base64Of32, &["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]),
    (
        Check::Base64Of64,
        // The storage emulator's key, which Microsoft publishes.
        &[concat!(
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsu",
            "Fq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
        )],
    ),
    (Check::UuidNot, &["", "9f86d081884c7d659a2feaa0c55ad015", "550e8400-e29b-41d4-a716-44665544000g"]),
    (Check::Date, &["2024-02-29", "29/2/2024", "2/29/2024", "31.12.1999", "1999/1/1"]),
    (
        Check::PhoneE164,
        &["+44 20 7946 0958", "+4930123456", "+1 (212) 867-5309", "+972-3-1234567", "+81312345678"],
    ),
    (Check::PublicIpv4, &["8.8.8.8", "172.32.0.1"]),
    (Check::PrivateIpv4, &["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1"]),
    (Check::Ipv6, &["2001:db8::1", "::1", "fe80::1%eth0", "::ffff:1.2.3.4"]),
    (Check::Mac, &["00:1A:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"]),
];

/// Values that come close.
const INVALID: &[(Check, &[&str])] = &[
    (Check::Luhn, &["", "0", "79927398710", "7992  73987", "-18", "18-", "1a8"]),
    (
        Check::PaymentCard,
        &[
            "",
            "4111111111111112",
            "411111111111111",
            "0000000000000000",
            "4111 1111-1111 1111",
            "411111 1111 111111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            // Right by Luhn, but of no network.
            "1234567812345670",
            "9999999999999995",
            "5600000000000003",
            "2721000000000004",
        ],
    ),
    (
        Check::CardTrack,
        &[
            "",
            "%B4111111111111111",
            "%B4111111111111112^DOE/J^2512",
            "%B4111111111111111^DOE/J^2513",
            "4111111111111111^DOE/J^2512",
            ";4111111111111111=25",
            "%B4111111111111111^A VERY LONG NAME OF A PERSON INDEED^2512",
        ],
    ),
    (
        Check::Iban,
        &[
            "",
            "GB29",
            "GB29NWBK6016133192681",
            "GB29NWBK601613319268190",
            "XX29NWBK60161331926819",
            "GB29NWBK60161331926810",
            "GB29  NWBK60161331926819",
            "DE00000000000000000000",
            "GB29 NWBK-6016 1331 9268 19",
        ],
    ),
    (Check::Aba, &["", "111000026", "000000000", "990000009", "11100002"]),
    (Check::SwiftBic, &["", "DEUTXYFF", "deutdeff", "DEUTDEFF5", "DEUT1EFF", "DEUTDEF"]),
    (
        Check::Ssn,
        &[
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "536-00-4399",
            "536-90-0000",
            "078-05-1120",
            "219-09-9999",
            "123-45-6789",
            "536-90 4399",
            "53690439",
            "457-55-5462",
        ],
    ),
    (
        Check::Itin,
        &["800-70-0000", "900-66-0000", "900-69-0000", "900-89-0000", "900-93-0000", "900-49-0000"],
    ),
    (Check::Npi, &["1234567890", "3234567893", "123456789"]),
    (Check::Dea, &["AB1234560", "QB1234563", "A11234563", "AB0000000"]),
    (Check::CaSin, &["193 456 788", "046 454 286", "193-456 787"]),
    (
        Check::PhoneNanp,
        &[
            "211-867-5309",
            "112-867-5309",
            "212-911-5309",
            "212-067-5309",
            "555-555-0123",
            "212-555-0123",
            "222-222-2222",
            "212-867-530",
        ],
    ),
    (Check::Nhs, &["943 476 5918", "943476591", "4444444444"]),
    (Check::Nino, &["QQ123456C", "BG123456C", "AB123456E", "AO123456C", "A1123456C", "AB12345C"]),
    (Check::EsNif, &["12345678A", "1234567Z", "W1234567L", "X1234567A", "X12345678L"]),
    (Check::ItFiscalCode, &["RSSMRA85T10A562T", "RSSMRA85X10A562S", "RSSMRA85T99A562S", "RSSMRA85T10A562"]),
    (Check::DeTaxId, &["86095742710", "01234567890", "12345678903", "11111111111", "86095742 719 "]),
    (Check::FrNir, &["295109912611194", "995109912611193", "295139912611193", "253072C07300443"]),
    (Check::PlPesel, &["44051401350", "44951401359", "4405140135"]),
    (Check::NlBsn, &["111222334", "000000000", "11122233"]),
    (Check::SePersonnummer, &["811228-9873", "811328-9874", "18811228 9874", "8112-289874", "811228-987"]),
    (Check::FiHetu, &["131052-308U", "131352-308T", "131052/308T", "131052-308", "131052-001"]),
    (Check::Verhoeff, &["2364", "3", "", "23a3"]),
    (Check::Aadhaar, &["9999 4105 7059", "1999 4105 7058", "222222222222", "99994105705"]),
    (Check::InPan, &["AAAXL1234C", "AAAPL0000C", "AAAPL123CC", "aaapl1234c"]),
    (Check::AuTfn, &["123 456 783", "000000000", "12345678"]),
    (Check::AuAbn, &["51 824 753 557", "01824753556"]),
    (Check::AuMedicare, &["2123 45671 1", "1123456701", "212345670"]),
    (
        Check::BrCpf,
        &["390.533.447-06", "231.002.999-00", "111.111.111-11", "390.53.3447-05", "390.533.447.0-5"],
    ),
    (Check::BrCnpj, &["16.727.230/0001-98", "00.000.000/0000-00", "12.ABC.345/01DE-36", "16727230/000197"]),
    (
        Check::CnResidentId,
        &["110105194912310020", "99010519491231002X", "11010519491331002X", "1101051949123100"],
    ),
    (Check::SgNric, &["S1234567E", "A1234567D", "S123456D"]),
    (Check::KrRrn, &["971013-9019903", "971313-9019902", "97101390199"]),
    (Check::ZaId, &["7503305044088", "7513305044089", "7503305044989"]),
    (Check::Vin, &["1M8GDM9A1KP042788", "IM8GDM9AXKP042788", "11111111111111111", "1M8GDM9AXKP04278"]),
    (Check::Base58Check, &["", "1", "11111", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "0OIl"]),
    (
        Check::BtcAddress,
        &[
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            concat!("5HueCGU8rMjxEXxiPuD5BDku4MkF", "qeZyd4dZ1jvhTVqvbTLvyTJ"),
        ],
    ),
    (Check::BtcWif, &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]),
    (Check::BtcXprv, &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]),
    (
        Check::Bech32,
        &[
            "",
            "1",
            "pzry9x0s0muk",
            "1pzry9x0s0muk",
            "x1b4n0q5v",
            "li1dgmt3",
            "A1G7SGD8",
            "10a06t8",
            "1qzzfhee",
            "A12uEL5L",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        ],
    ),
    (
        Check::Eip55,
        &[
            "",
            "0x",
            "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x0000000000000000000000000000000000000000",
            "0xzaAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        ],
    ),
    (
        Check::Crc32Base62,
        &["", "ghp_", "0mLq17", concat!("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkK", "0mLq17")],
    ),
    (
        Check::Jwt,
        &[
            "",
            "..",
            "a.b.c",
            "eyJhbGciOiJub25lIn0.eyJh",
            "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJqb2UifQ.AAAA",
            "WyJhbGciXQ.eyJpc3MiOiJqb2UifQ.AAAA",
            "eyJhbGciOjF9.eyJpc3MiOiJqb2UifQ.AAAA",
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.AAAA.AAAA.AAAA",
            "eyJhbGciOiJub25lIn0..",
        ],
    ),
    (Check::Base64, &["", "A", "AAAAA", "Zm9vYh==", "Zm9vYg=", "====", "-+-+", "Zm9v YmFy", "Zm9vYmF="]),
    (Check::Base64Of32, &["Zm9v", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="]),
    (Check::Base64Of64, &["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]),
    (Check::UuidNot, &["550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000"]),
    (
        Check::Date,
        &[
            "2023-02-29",
            "31/4/2024",
            "2024-13-01",
            "2024-00-10",
            "2024-1-1-1",
            "20240101",
            "1-1-24",
            "1700-01-01",
            "32/1/2000",
        ],
    ),
    (
        Check::PhoneE164,
        &[
            "+999 1234 5678",
            "+44 123",
            "+210 1234 5678",
            "+1234567890123456",
            "+44 20x7946",
            "+1 211 867 5309",
            "+49000000000",
        ],
    ),
    (Check::PublicIpv4, &["10.0.0.1", "256.1.1.1", "1.2.3", "192.0.2.1", "08.8.8.8"]),
    (Check::PrivateIpv4, &["8.8.8.8", "10.0.0", "10.0.0.256"]),
    (Check::Ipv6, &["::", "1:2:3", "2001:db8:::1", "12345::1", "\u{ff}"]),
    (
        Check::Mac,
        &[
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "00:1A-2b:3c:4d:5e",
            "00:1A:2b:3c:4d",
            "001A2B3C4D5E",
            "0g:1A:2b:3c:4d:5e",
        ],
    ),
];

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
