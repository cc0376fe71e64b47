//! Addresses and keys of Bitcoin and Ethereum, and the encodings that others share with them.

use super::keccak::keccak256;
use crate::digest::sha256;

/// The most characters and bytes of base58: an extended key has 111 and 82.
const MAX_BASE58_LEN: usize = 112;
const MAX_DECODED_LEN: usize = 84;
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The longest text over which the code finds all errors of three characters is shorter; keys of other projects are longer.
const MAX_BECH32_LEN: usize = 1023;
/// What the checksums of BIP 173 and BIP 350 leave.
const BECH32_SUMS: [u32; 2] = [1, 0x2bc8_30a3];
const BECH32_GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];

pub(super) fn is_base58check(text: &[u8]) -> bool {
    has_payload(text, |_| true)
}

pub(super) fn is_btc_address(text: &[u8]) -> bool {
    has_payload(text, |payload| payload.len() == 21 && matches!(payload, [0 | 5, ..]))
}

pub(super) fn is_btc_wif(text: &[u8]) -> bool {
    // A key of a compressed public key ends in 1.
    has_payload(text, |payload| match payload {
        [0x80, key @ ..] => key.len() == 32 || (key.len() == 33 && key.ends_with(&[1])),
        _ => false,
    })
}

pub(super) fn is_btc_xprv(text: &[u8]) -> bool {
    has_payload(text, |payload| payload.len() == 78 && payload.starts_with(&[0x04, 0x88, 0xad, 0xe4]))
}

/// Whether the text is base58check, and what it holds is wanted.
fn has_payload(text: &[u8], wanted: fn(&[u8]) -> bool) -> bool {
    let mut number = [0_u8; MAX_DECODED_LEN];
    let Some(bytes) = decode_base58(text, &mut number) else { return false };
    let Some((payload, sum)) = bytes.split_last_chunk::<4>() else { return false };
    wanted(payload) && !payload.is_empty() && is_sum(payload, sum)
}

fn is_sum(payload: &[u8], sum: &[u8]) -> bool {
    sha256(&[&sha256(&[payload])]).starts_with(sum)
}

/// Decodes into the end of `number`.
#[inline(never)]
fn decode_base58<'n>(text: &[u8], number: &'n mut [u8; MAX_DECODED_LEN]) -> Option<&'n [u8]> {
    if text.len() > MAX_BASE58_LEN {
        return None;
    }
    for &byte in text {
        let mut carry = u32::try_from(BASE58.iter().position(|&known| known == byte)?).ok()?;
        for place in number.iter_mut().rev() {
            let [low, rest @ ..] = u32::from(*place).wrapping_mul(58).wrapping_add(carry).to_le_bytes();
            *place = low;
            let [a, b, c] = rest;
            carry = u32::from_le_bytes([a, b, c, 0]);
        }
        if carry != 0 {
            return None;
        }
    }
    // Each leading 1 is a byte of zero.
    let zeros = text.iter().take_while(|&&byte| byte == b'1').count();
    let first = number.iter().position(|&byte| byte != 0).unwrap_or(MAX_DECODED_LEN);
    number.get(first.checked_sub(zeros)?..)
}

pub(super) fn is_bech32(text: &[u8]) -> bool {
    if text.len() > MAX_BECH32_LEN {
        return false;
    }
    let (lower, upper) = (text.iter().any(u8::is_ascii_lowercase), text.iter().any(u8::is_ascii_uppercase));
    let Some(one) = text.iter().rposition(|&byte| byte == b'1') else { return false };
    let (prefix, data) =
        (text.get(..one).unwrap_or_default(), text.get(one.wrapping_add(1)..).unwrap_or_default());
    let printable = prefix.iter().all(u8::is_ascii_graphic);
    if (lower && upper) || prefix.is_empty() || prefix.len() > 83 || !printable || data.len() < 6 {
        return false;
    }
    let high = prefix.iter().map(|byte| byte.to_ascii_lowercase() >> 5);
    let low = prefix.iter().map(|byte| byte.to_ascii_lowercase() & 31);
    let mut sum = high.chain([0]).chain(low).fold(1, bech32_step);
    for byte in data {
        let Some(value) = BECH32.iter().position(|&known| known == byte.to_ascii_lowercase()) else {
            return false;
        };
        sum = bech32_step(sum, u8::try_from(value).unwrap_or(0));
    }
    BECH32_SUMS.contains(&sum)
}

#[inline(never)]
fn bech32_step(sum: u32, value: u8) -> u32 {
    let top = sum >> 25;
    let shifted = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
    BECH32_GENERATORS.iter().zip(0_u32..).fold(shifted, |sum, (&generator, bit)| {
        if top.wrapping_shr(bit) & 1 == 1 { sum ^ generator } else { sum }
    })
}

pub(super) fn is_eip55(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    let Ok(digits) = <&[u8; 40]>::try_from(digits) else { return false };
    if !digits.iter().all(u8::is_ascii_hexdigit) || digits.iter().all(|&byte| byte == b'0') {
        return false;
    }
    if !digits.iter().any(u8::is_ascii_lowercase) || !digits.iter().any(u8::is_ascii_uppercase) {
        return true;
    }
    let hash = keccak256(&digits.to_ascii_lowercase());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .iter()
        .zip(nibbles)
        .all(|(byte, nibble)| !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() == (nibble > 7))
}
