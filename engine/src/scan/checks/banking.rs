//! Bank accounts and banks.

use super::digits::{Number, decimal, digits, holds, is_uniform, weighted};

/// The length of an IBAN by country, from the registry of ISO 13616: two letters and two digits each.
const IBAN_LENGTHS: &[u8] = b"\
    AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28\
    EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26\
    IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28\
    NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25\
    SV28TL23TN24TR26UA29VA22VG24XK20YE30\
    ";

/// The country codes of ISO 3166-1, and Kosovo's: a word for each first letter, in which bit 0 stands for a second letter A.
const COUNTRIES: [u32; 26] = [
    0x2df5978, 0x36f7bfb, 0x3f27ded, 0x2005610, 0x00e00d4, 0x0025700, 0x15fb9fb, 0x01a3400, 0x00f7818,
    0x000d010, 0x342b1d0, 0x13e0507, 0x3fffcfd, 0x212c975, 0x0001000, 0x14e3cf1, 0x0000001, 0x0544010,
    0x3ae7fdf, 0x26a7eec, 0x3041041, 0x0102155, 0x0040020, 0x0000400, 0x0080010, 0x0401001,
];

pub(super) fn is_iban(text: &[u8]) -> bool {
    holds(Number::read(text, b" -").map(|number| !number.mixed && is_iban_number(number.bytes())))
}

fn is_iban_number(iban: &[u8]) -> bool {
    let Some((&[a, b, c, d], account)) = iban.split_first_chunk::<4>() else { return false };
    let length = u8::try_from(iban.len()).unwrap_or(0);
    let country = [a, b, length.wrapping_div(10).wrapping_add(b'0'), (length % 10).wrapping_add(b'0')];
    if !IBAN_LENGTHS.chunks_exact(4).any(|known| known == country) || is_uniform(account) {
        return false;
    }
    // The check digits run from 02 to 98: 00, 01 and 99 leave the same remainder as others.
    if !c.is_ascii_digit() || !d.is_ascii_digit() || matches!([c, d], [b'0', b'0' | b'1'] | [b'9', b'9']) {
        return false;
    }
    let remainder = account.iter().copied().chain([a, b, c, d]).fold(0_u32, |rest, byte| {
        let shifted = rest.wrapping_mul(if byte.is_ascii_digit() { 10 } else { 100 });
        shifted.wrapping_add(char::from(byte).to_digit(36).unwrap_or(0)) % 97
    });
    remainder == 1
}

pub(super) fn is_aba(text: &[u8]) -> bool {
    holds(digits::<9>(text, b" -").map(|digits| {
        let [a, b, ..] = digits;
        let issued = matches!(decimal(&[a, b]), 0..=12 | 21..=32 | 61..=72 | 80);
        issued && !is_uniform(&digits) && weighted(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
    }))
}

pub(super) fn is_bic(text: &[u8]) -> bool {
    let Some((bank, rest)) = text.split_first_chunk::<4>() else { return false };
    let Some((&country, place)) = rest.split_first_chunk::<2>() else { return false };
    matches!(place.len(), 2 | 5)
        && bank.iter().all(u8::is_ascii_uppercase)
        && place.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && is_country(country)
}

/// Whether two capitals are a country's.
fn is_country([first, second]: [u8; 2]) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase().then(|| byte.wrapping_sub(b'A'));
    let row = letter(first).and_then(|at| COUNTRIES.get(usize::from(at)));
    row.zip(letter(second)).is_some_and(|(row, bit)| row.wrapping_shr(u32::from(bit)) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ISO 3166-1 alpha-2, and XK.
    const LIST: &str = "\
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ \
        BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM \
        DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS \
        GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
        KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
        MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
        PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
        SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
        VN VU WF WS YE YT ZA ZM ZW XK \
        ";

    #[test]
    fn the_bits_are_the_list_of_countries() {
        let held: Vec<String> = (b'A'..=b'Z')
            .flat_map(|a| (b'A'..=b'Z').map(move |b| [a, b]))
            .filter(|&code| is_country(code))
            .map(|code| String::from_utf8(code.to_vec()).unwrap())
            .collect();
        let mut listed: Vec<&str> = LIST.split_whitespace().collect();
        listed.sort_unstable();
        assert_eq!(held, listed);
        assert!(!is_country(*b"de") && !is_country([0, 255]));
    }
}
