//! Telephone numbers, network addresses, vehicles.

use super::digits::{Number, decimal, digits, holds, is_uniform, letters_and_digits, weighted};
use crate::http::Host;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The first three digits of numbers with an assigned country code (ITU-T E.164), whether that has one, two or three: from, to.
const COUNTRY_CODES: [(u16, u16); 30] = [
    (100, 209),
    (211, 213),
    (216, 216),
    (218, 218),
    (220, 258),
    (260, 279),
    (290, 291),
    (297, 383),
    (385, 387),
    (389, 421),
    (423, 423),
    (430, 670),
    (672, 683),
    (685, 692),
    (700, 800),
    (808, 808),
    (810, 829),
    (840, 850),
    (852, 853),
    (855, 856),
    (860, 870),
    (878, 878),
    (880, 883),
    (886, 886),
    (888, 888),
    (900, 968),
    (970, 977),
    (979, 989),
    (992, 996),
    (998, 998),
];

pub(super) fn is_e164(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let mut number = [0_u8; 15];
    let mut length = 0_usize;
    for &byte in text {
        if byte.is_ascii_digit() {
            let Some(digit) = number.get_mut(length) else { return false };
            *digit = byte.wrapping_sub(b'0');
            length = length.wrapping_add(1);
        } else if !b" -.()".contains(&byte) {
            return false;
        }
    }
    let digits = number.get(..length).unwrap_or_default();
    let [a, b, c, rest @ ..] = digits else { return false };
    let code = decimal(&[*a, *b, *c]);
    let assigned = |&(from, to): &(u16, u16)| (u64::from(from)..=u64::from(to)).contains(&code);
    let national = match digits {
        [1, number @ ..] => is_nanp_number(number),
        _ => true,
    };
    digits.len() >= 8 && COUNTRY_CODES.iter().any(assigned) && !is_uniform(rest) && national
}

pub(super) fn is_nanp(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"+1").or_else(|| text.strip_prefix(b"1")).unwrap_or(text);
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b".")).unwrap_or(text);
    // (212) 867-5309
    if let Some((&[b'(', a, b, c, b')'], rest)) = text.split_first_chunk::<5>() {
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let Some(rest) = digits::<7>(rest, b" -.") else { return false };
        let Some(area) = digits::<3>(&[a, b, c], b"") else { return false };
        let mut whole = [0_u8; 10];
        whole.iter_mut().zip(area.iter().chain(&rest)).for_each(|(to, from)| *to = *from);
        return is_nanp_number(&whole);
    }
    holds(
        Number::read(text, b" -.").and_then(Number::into_values).map(|number| is_nanp_number(number.bytes())),
    )
}

/// Area code and exchange start at 2 and are no service (N11); area codes with a 9 in the middle, 37x and 96x are kept free; 555-0100 to 555-0199 are for
/// fiction.
#[inline(never)]
fn is_nanp_number(number: &[u8]) -> bool {
    let &[a1, a2, a3, e1, e2, e3, l1, l2, ..] = number else { return false };
    let area = a1 >= 2 && [a2, a3] != [1, 1] && a2 != 9 && !matches!([a1, a2], [3, 7] | [9, 6]);
    let exchange = e1 >= 2 && [e2, e3] != [1, 1];
    let fictional = [e1, e2, e3, l1, l2] == [5, 5, 5, 0, 1];
    number.len() == 10 && area && exchange && !fictional && !is_uniform(number)
}

#[inline(never)]
fn ipv4(text: &[u8]) -> Option<Host> {
    core::str::from_utf8(text).ok()?.parse::<Ipv4Addr>().ok().map(Host::V4)
}

pub(super) fn is_public_ipv4(text: &[u8]) -> bool {
    ipv4(text).is_some_and(|host| !host.is_private() && !is_documentation(&host))
}

pub(super) fn is_private_ipv4(text: &[u8]) -> bool {
    ipv4(text).is_some_and(|host| host.is_private())
}

/// The networks that RFC 5737 keeps for examples.
fn is_documentation(host: &Host) -> bool {
    matches!(host, Host::V4(address) if address.is_documentation())
}

pub(super) fn is_ipv6(text: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(text) else { return false };
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok_and(|address| !address.is_unspecified())
}

pub(super) fn is_mac(text: &[u8]) -> bool {
    let Some(number) = Number::read(text, b":-.") else { return false };
    let shape = match text.iter().find(|b| !b.is_ascii_alphanumeric()) {
        Some(b'.') => number.groups() == [4, 4, 4],
        Some(_) => number.groups() == [2; 6],
        None => false,
    };
    let digits = number.bytes();
    let group = !digits.iter().all(|&b| b == b'0') && !digits.iter().all(|&b| b == b'F');
    shape && !number.mixed && group && digits.iter().all(u8::is_ascii_hexdigit)
}

/// The values of the letters from A to Z; I, O and Q are not used.
const VIN_VALUES: [u8; 26] = [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9];

#[inline(never)]
fn vin_value(byte: u8) -> Option<u8> {
    match byte {
        b'I' | b'O' | b'Q' => None,
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        _ => VIN_VALUES.get(usize::from(byte.wrapping_sub(b'A'))).copied(),
    }
}

pub(super) fn is_vin(text: &[u8]) -> bool {
    holds(letters_and_digits::<17>(text, b"").and_then(|vin| {
        let mut values = [0_u8; 17];
        for (value, byte) in values.iter_mut().zip(vin) {
            *value = vin_value(byte)?;
        }
        let sum = weighted(&values, &[8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        let expected = b"0123456789X".get(usize::try_from(sum).ok()?)?;
        Some(vin.get(8) == Some(expected) && !is_uniform(&vin))
    }))
}
