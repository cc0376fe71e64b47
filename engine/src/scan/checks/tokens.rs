//! The structure of tokens and keys.

use crate::digest::CRC_32;
use crate::json::{Document, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

/// The digits of GitHub's base62, in order.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The longest header of a token that is read, in characters.
const MAX_HEADER_LEN: usize = 1024;

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn is_crc32_base62(text: &[u8]) -> bool {
    let body = text.rsplit(|&byte| byte == b'_').next().unwrap_or_default();
    let Some((random, tail)) = body.split_last_chunk::<6>() else { return false };
    let sum = tail.iter().try_fold(0_u64, |sum, byte| {
        let digit = BASE62.iter().position(|known| known == byte)?;
        Some(sum.wrapping_mul(62).wrapping_add(u64::try_from(digit).ok()?))
    });
    !random.is_empty() && sum == Some(u64::from(CRC_32.checksum(random)))
}

pub(super) fn is_jwt(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b'.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    // An unsecured token has an empty signature.
    header.len() <= MAX_HEADER_LEN
        && is_header(header)
        && decoded_len(claims).is_some_and(|n| n > 1)
        && decoded_len(signature).is_some()
}

fn is_header(header: &[u8]) -> bool {
    let Ok(json) = BASE64URL.decode(header) else { return false };
    let Ok(document) = Document::parse(&json) else { return false };
    let algorithm = document.root().and_then(|root| root.get("alg"));
    algorithm.is_some_and(|algorithm| algorithm.kind() == Kind::String)
}

pub(super) fn is_base64(text: &[u8]) -> bool {
    decoded_len(text).is_some_and(|length| length > 0)
}

pub(super) fn is_base64_of_32(text: &[u8]) -> bool {
    decoded_len(text) == Some(32)
}

pub(super) fn is_base64_of_64(text: &[u8]) -> bool {
    decoded_len(text) == Some(64)
}

/// The number of bytes that base64 or base64url stands for; `None` when it is neither, or its last character has bits over.
#[inline(never)]
fn decoded_len(text: &[u8]) -> Option<usize> {
    let padding = text.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let body = text.get(..text.len().wrapping_sub(padding))?;
    let (mut standard, mut url_safe) = (false, false);
    for byte in body {
        match byte {
            b'+' | b'/' => standard = true,
            b'-' | b'_' => url_safe = true,
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return None,
        }
    }
    let over = match body.len() % 4 {
        0 => 0,
        2 => 15,
        3 => 3,
        _ => return None,
    };
    let padded = padding == 0 || (text.len().is_multiple_of(4) && over != 0);
    let last = body.last().map_or(0, |&byte| value(byte));
    let whole = last & over == 0;
    (padded && whole && !(standard && url_safe)).then(|| body.len().wrapping_mul(3) / 4)
}

/// The six bits of a character.
fn value(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        _ => 63,
    }
}

pub(super) fn is_chosen(text: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| text.iter().any(kind);
    let sign = has(|byte| b"!#$&*+?@^~%".contains(byte));
    let path = has(|byte| matches!(byte, b'/' | b'.'));
    let plain =
        text.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'0'..=b'9'));
    // What is only small letters and a few digits is as often a name (`argon2id`, `user_password1`).
    let named = plain && (has(|byte| matches!(byte, b'-' | b'_')) || text.starts_with(b"argon2"));
    (7..=64).contains(&text.len())
        && has(u8::is_ascii_alphabetic)
        && (sign || (has(u8::is_ascii_digit) && !path && !named))
}

pub(super) fn is_no_uuid(text: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    !(text.len() == 36 && text.iter().enumerate().all(fits))
}
