//! The strings of gRPC messages, found without a schema.
//!
//! A message is a row of fields, each with its number and a wire type (Protocol Buffers, Encoding). Which of the fields with a length
//! are text, and which are messages, only the schema knows: so those that are UTF-8 are taken as text, and those that read as a
//! message to their last byte are looked into, too. What is neither stays unread.

use crate::http::Coding;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::string::ToString as _;

/// How deep messages are looked into, and how many fields of all.
const MAX_DEPTH: u32 = 16;
const MAX_FIELDS: u32 = 65_536;
/// Texts shorter than this are not looked at: no detector finds anything in them.
const MIN_TEXT: usize = 6;

/// How long a message is that begins with these bytes, with the flag and the length before it (gRPC over HTTP/2,
/// Length-Prefixed-Message); none where too few have come to tell.
pub(crate) fn framed(bytes: &[u8]) -> Option<usize> {
    let [_, length @ ..] = *bytes.first_chunk::<5>()?;
    Some(usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_add(5))
}

/// Hands every text in a body of gRPC messages to `each`, with the numbers of the fields that lead there, as in `1.3`. `coding` is how
/// messages are compressed that say that they are, and all of them are decompressed to `most` bytes. What cannot be, is passed over.
pub(crate) fn texts(body: &[u8], coding: Option<Coding>, mut most: usize, each: &mut dyn FnMut(&str, &[u8])) {
    let mut walk = Walk { fields: MAX_FIELDS, each };
    let mut rest = body;
    while let Some(length) = framed(rest) {
        // What is cut short is looked at as far as it goes.
        let (framed, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let message = framed.get(5..).unwrap_or_default();
        let message = match (framed.first(), coding) {
            (Some(0), _) => Some(Cow::Borrowed(message)),
            (_, Some(coding)) => coding.decode(message, most).ok().map(Cow::Owned),
            _ => None,
        };
        if let Some(message) = message {
            if let Cow::Owned(decoded) = &message {
                most = most.saturating_sub(decoded.len());
            }
            walk.message(&message, &mut String::new(), 0);
        }
        rest = after;
    }
}

struct Walk<'e> {
    fields: u32,
    each: &'e mut dyn FnMut(&str, &[u8]),
}

/// A field.
struct Field<'b> {
    number: u64,
    /// What it holds, if that has a length.
    bytes: Option<&'b [u8]>,
}

impl Walk<'_> {
    fn message(&mut self, mut rest: &[u8], path: &mut String, depth: u32) {
        while let Some((field, after)) = take_field(rest) {
            self.fields = self.fields.saturating_sub(1);
            if self.fields == 0 {
                return;
            }
            rest = after;
            let Some(bytes) = field.bytes.filter(|bytes| bytes.len() >= MIN_TEXT) else { continue };
            let length = path.len();
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&field.number.to_string());
            let nested = depth < MAX_DEPTH && is_message(bytes);
            if core::str::from_utf8(bytes).is_ok() && !(nested && has_controls(bytes)) {
                (self.each)(path, bytes);
            }
            if nested {
                self.message(bytes, path, depth.saturating_add(1));
            }
            path.truncate(length);
        }
    }
}

/// Tags and lengths of fields are control characters for the most part; text that reads as a message has hardly any.
fn has_controls(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte < b' ' && !b"\t\r\n".contains(byte))
}

fn is_message(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match take_field(bytes) {
            Some((_, rest)) => bytes = rest,
            None => return false,
        }
    }
    true
}

fn take_field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (tag, rest) = take_varint(bytes)?;
    let number = tag >> 3;
    let (bytes, rest) = match tag & 7 {
        0 => (None, take_varint(rest)?.1),
        1 => (None, rest.get(8..)?),
        2 => {
            let (length, rest) = take_varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Some(bytes), rest)
        }
        // Groups are only marks around fields.
        3 | 4 => (None, rest),
        5 => (None, rest.get(4..)?),
        _ => return None,
    };
    (number > 0).then_some((Field { number, bytes }, rest))
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in (0_u32..10).zip(bytes) {
        value |= u64::from(byte & 0x7f).checked_shl(place.saturating_mul(7))?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(usize::try_from(place).ok()?.saturating_add(1)..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
        [&[flag, 0, 0, 0, u8::try_from(message.len()).unwrap()], message].concat()
    }

    fn found(body: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        texts(body, None, 0, &mut |path, text| found.push((path.to_string(), text.to_vec())));
        found
    }

    #[test]
    fn texts_are_found_wherever_they_stand() {
        let inner = [field(4, b"deep text"), field(5, b"\xff\xfe\xfd\xfc\xfb\xfa")].concat();
        // A number, a fixed one of eight bytes, a text, a message, a fixed one of four.
        let message = [
            &[0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8][..],
            &field(3, b"plain text"),
            &field(7, &inner),
            &[0x25, 1, 2, 3, 4],
        ];
        let message = message.concat();
        let body =
            [frame(0, &message), frame(1, &field(1, b"compressed")), frame(0, &field(1, b"second one"))]
                .concat();
        let of = |path: &str, text: &[u8]| (path.to_string(), text.to_vec());
        assert_eq!(found(&body), [of("3", b"plain text"), of("7.4", b"deep text"), of("1", b"second one")]);
    }

    #[test]
    fn what_is_cut_or_damaged_ends_there() {
        let whole = frame(0, &[field(1, b"first text"), field(2, b"second text")].concat());
        for length in 0..whole.len() {
            assert!(found(&whole[..length]).len() <= 1, "{length}");
        }
        assert_eq!(found(&whole).len(), 2);
        assert_eq!(found(&frame(0, &[0xff; 40])), []);
        assert_eq!(
            found(&frame(0, &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, b'x'])),
            []
        );
    }

    #[test]
    fn depth_is_bounded() {
        let mut message = field(1, b"the text in the middle");
        for _ in 0..40 {
            let bytes = [0x0a].into_iter().chain(varint(message.len())).chain(message).collect();
            message = bytes;
        }
        let body = [&[0, 0, 0][..], &u16::try_from(message.len()).unwrap().to_be_bytes(), &message].concat();
        assert!(found(&body).iter().all(|(path, _)| path.split('.').count() <= 17));
    }

    fn varint(length: usize) -> Vec<u8> {
        if length < 0x80 {
            Vec::from([length as u8])
        } else {
            Vec::from([length as u8 | 0x80, (length >> 7) as u8])
        }
    }
}
