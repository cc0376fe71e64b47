//! The canonical form of a value (RFC 8785): however a document is written, a value has one.
//!
//! It differs from the standard in two points, neither of which matters to what is written in practice. The digits of numbers are kept,
//! not shortened to the fewest that mean the same double, as JavaScript and Python write them anyway. Keys are in the order of their
//! code points: the standard puts those beyond U+FFFF before U+E000 to U+FFFF.

use super::{Kind, Value};
use crate::sort::sort;
use alloc::borrow::Cow;
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// How far from the first digit the point may stand before there is an exponent (ECMA-262, `Number::toString`).
const MOST_PLACES: i32 = 21;
const MOST_ZEROS: i32 = -5;
/// What stands behind the backslash for a control character; `u` for those that only have a number.
const ESCAPES: &[u8; 32] = b"uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

impl Value<'_> {
    /// The value in its canonical form, in UTF-8.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut out);
        out
    }
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Object => write_object(value, out),
        Kind::Array => {
            out.push(b'[');
            for (at, item) in value.items().enumerate() {
                separate(at, out);
                write(&item, out);
            }
            out.push(b']');
        }
        Kind::String => write_text(&value.as_str().unwrap_or_default(), out),
        Kind::Number | Kind::OpaqueNumber => write_number(value.raw(), out),
        Kind::Null | Kind::Bool(_) => out.extend_from_slice(value.raw().as_bytes()),
    }
}

fn write_object(object: &Value<'_>, out: &mut Vec<u8>) {
    let place = |member: Value<'_>| u32::try_from(member.at).unwrap_or(u32::MAX);
    let mut members: Vec<(Cow<'_, str>, u32)> =
        object.entries().map(|(key, member)| (key, place(member))).collect();
    sort(&mut members);
    out.push(b'{');
    for (at, (key, place)) in members.iter().enumerate() {
        separate(at, out);
        write_text(key, out);
        out.push(b':');
        if let Some(member) = usize::try_from(*place).ok().and_then(|at| Value::at(object.document, at)) {
            write(&member, out);
        }
    }
    out.push(b'}');
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        let escape = match byte {
            b'"' | b'\\' => byte,
            _ => match ESCAPES.get(usize::from(byte)) {
                Some(&escape) => escape,
                None => {
                    out.push(byte);
                    continue;
                }
            },
        };
        out.push(b'\\');
        out.push(escape);
        if escape == b'u' {
            let last = byte & 15;
            let digit = if last < 10 { b'0' | last } else { last.wrapping_add(b'a').wrapping_sub(10) };
            out.extend_from_slice(&[b'0', b'0', b'0' | (byte >> 4), digit]);
        }
    }
    out.push(b'"');
}

fn write_number(raw: &str, out: &mut Vec<u8>) {
    let mut digits: Vec<u8> = Vec::with_capacity(raw.len());
    // Behind how many of the digits the point stands.
    let (mut point, mut fraction) = (0_i32, false);
    let mut bytes = raw.bytes();
    for byte in bytes.by_ref() {
        match byte {
            b'.' => fraction = true,
            b'0' if digits.is_empty() => point = point.saturating_sub(i32::from(fraction)),
            b'0'..=b'9' => {
                digits.push(byte);
                point = point.saturating_add(i32::from(!fraction));
            }
            b'e' | b'E' => break,
            _ => {}
        }
    }
    let mut down = false;
    let exponent = bytes.fold(0_i32, |exponent, byte| {
        down |= byte == b'-';
        if byte.is_ascii_digit() {
            exponent.saturating_mul(10).saturating_add(i32::from(byte & 15))
        } else {
            exponent
        }
    });
    let point = if down { point.saturating_sub(exponent) } else { point.saturating_add(exponent) };
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() {
        return out.push(b'0');
    }
    if raw.starts_with('-') {
        out.push(b'-');
    }
    write_digits(&digits, point, out);
}

fn write_digits(digits: &[u8], point: i32, out: &mut Vec<u8>) {
    let scientific = !(MOST_ZEROS..=MOST_PLACES).contains(&point);
    let before = if scientific { 1 } else { point };
    if before <= 0 {
        out.extend_from_slice(b"0.");
        out.extend((before..0).map(|_| b'0'));
    }
    let before = usize::try_from(before).unwrap_or(0);
    for at in 0..digits.len().max(before) {
        if at == before && at > 0 {
            out.push(b'.');
        }
        out.push(digits.get(at).copied().unwrap_or(b'0'));
    }
    if scientific {
        let exponent = point.saturating_sub(1);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(exponent.unsigned_abs().to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Document, Numbers};
    use alloc::string::String;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        let document = Document::parse_with(text.as_bytes(), Numbers::Opaque).unwrap();
        String::from_utf8(document.root().unwrap().canonical()).unwrap()
    }

    #[test]
    fn however_a_value_is_written_it_has_one_form() {
        for (written, form) in [
            // RFC 8785 section 3.2.2, but for a number that has more digits than it takes.
            (
                r#"{"numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
                "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                 \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
            ),
            // Section 3.2.3, but for the emoji, which comes last here.
            (
                r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#,
                "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{fb33}\":3,\"\u{1f600}\":5}",
            ),
            (r#""\u0000\u0008\u001f\u007f""#, "\"\\u0000\\b\\u001f\u{7f}\""),
            ("[ 0, -0, 0.0, 0e5, 100, 1e2, 1.5e0, -1.50, 0.1, 1E-1 ]", "[0,0,0,0,100,100,1.5,-1.5,0.1,0.1]"),
            (
                "[1e20,1e21,123456789012345680000,12.34e-8,1e-6,1e-7]",
                "[100000000000000000000,1e+21,123456789012345680000,1.234e-7,0.000001,1e-7]",
            ),
            ("[9007199254740993, 1.7976931348623157e308]", "[9007199254740993,1.7976931348623157e+308]"),
            (r#"{"b":{"d":1,"c":[]},"a":{}}"#, r#"{"a":{},"b":{"c":[],"d":1}}"#),
        ] {
            assert_eq!(canonical(written), form, "{written}");
        }
    }

    proptest! {
        #[test]
        fn the_form_means_the_same_and_has_itself_as_its_form(value in prop::num::f64::NORMAL, whole in -9_007_199_254_740_991_i64..=9_007_199_254_740_991, key in ".{0,8}") {
            prop_assume!(key != "x" && !key.contains(['\u{0}', '\u{fffe}', '\u{ffff}']));
            let written = serde_json::json!({ &key: [value, whole, value.trunc()], "x": null }).to_string();
            let Ok(document) = Document::parse_with(written.as_bytes(), Numbers::Opaque) else { return Ok(()) };
            let form = String::from_utf8(document.root().unwrap().canonical()).unwrap();
            let read: serde_json::Value = serde_json::from_str(&form).unwrap();
            let list = read[&key].as_array().unwrap();
            prop_assert_eq!(list[0].as_f64().unwrap(), value);
            prop_assert_eq!(list[1].as_i64().unwrap(), whole);
            prop_assert_eq!(canonical(&form), form);
        }
    }
}
