//! Bodies of several parts (RFC 2046 section 5.1, RFC 7578), read in the one way that every parser shares: nothing before the first
//! delimiter or behind the last, no delimiter that is not one by itself on its line, no part that is coded or has parts of its own.
//! At most 256 parts, each with at most 4 KiB of headers.

use super::{Charset, MediaType};
use crate::reason::Reason;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const MAX_PARTS: usize = 256;
const MAX_HEAD: usize = 4096;
/// RFC 2046 section 5.1.1.
const MAX_BOUNDARY: usize = 70;

/// A part of a body.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Part<'b> {
    /// The field that it is the value of.
    pub(crate) name: &'b str,
    /// Its headers, and where in the body they stand.
    pub(crate) head: (&'b str, usize),
    /// Its content, and where that stands.
    pub(crate) content: (&'b [u8], usize),
    /// Whether it is text, which is UTF-8 then. Of other types nothing is known.
    pub(crate) is_text: bool,
}

/// The boundary that a Content-Type names, if it is plain what that is.
pub(crate) fn boundary(content_type: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(content_type).ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    parameter(text, "boundary")
        .ok()
        .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()) && boundary.bytes().all(plain))
}

/// The parts of a body.
pub(crate) fn parts<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, Reason> {
    let delimiter = Word::new(["--", boundary].concat());
    let mut parts = Vec::new();
    let mut rest = body.strip_prefix(delimiter.word.as_bytes()).ok_or(Reason::RequestMalformed)?;
    while !matches!(rest, b"--" | b"--\r\n") {
        let part = rest.strip_prefix(b"\r\n").ok_or(Reason::RequestMalformed)?;
        let at = body.len().saturating_sub(part.len());
        let (part, after) = delimiter.split(part).ok_or(Reason::RequestMalformed)?;
        let part = part.strip_suffix(b"\r\n").ok_or(Reason::RequestMalformed)?;
        if parts.len() == MAX_PARTS {
            return Err(Reason::RequestTooLarge);
        }
        parts.push(Part::read(part, at)?);
        rest = after;
    }
    Ok(parts)
}

impl<'b> Part<'b> {
    fn read(part: &'b [u8], at: usize) -> Result<Self, Reason> {
        let end = part.windows(4).take(MAX_HEAD).position(|window| window == b"\r\n\r\n");
        let (head, content) = match (part.strip_prefix(b"\r\n"), end) {
            (Some(content), _) => (&[][..], content),
            (None, Some(end)) => {
                (part.get(..end).unwrap_or_default(), part.get(end.saturating_add(4)..).unwrap_or_default())
            }
            (None, None) => return Err(Reason::RequestMalformed),
        };
        let head = core::str::from_utf8(head).map_err(|_| Reason::RequestEncoding)?;
        let (name, is_text) = read_head(head)?;
        let ends = at.saturating_add(part.len());
        let read =
            Self { name, head: (head, at), content: (content, ends.saturating_sub(content.len())), is_text };
        let text = core::str::from_utf8(content);
        if is_text && text.is_err() {
            return Err(Reason::RequestEncoding);
        }
        // RFC 7578 section 4.6: it says how the others are to be read.
        if name.eq_ignore_ascii_case("_charset_")
            && !text.is_ok_and(|text| text.eq_ignore_ascii_case("utf-8"))
        {
            return Err(Reason::RequestEncoding);
        }
        Ok(read)
    }
}

/// The name of a part, and whether it is text.
fn read_head(head: &str) -> Result<(&str, bool), Reason> {
    let (mut disposition, mut kind, mut coding) = (None, None, None);
    for line in head.split("\r\n").filter(|_| !head.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Reason::RequestMalformed)?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty()
            || !name.bytes().all(token)
            || value.contains(|c: char| c.is_control() && c != '\t')
        {
            return Err(Reason::RequestMalformed);
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let slot = if is("content-disposition") {
            &mut disposition
        } else if is("content-type") {
            &mut kind
        } else if is("content-transfer-encoding") || is("content-encoding") {
            &mut coding
        } else {
            continue;
        };
        if slot.replace(value.trim_matches([' ', '\t'])).is_some() {
            return Err(Reason::RequestAmbiguous);
        }
    }
    let as_it_is = |coding: &str| ["7bit", "8bit", "binary"].iter().any(|of| coding.eq_ignore_ascii_case(of));
    if !coding.is_none_or(as_it_is) {
        return Err(Reason::RequestEncoding);
    }
    let is_text = match kind.map(|kind| MediaType::parse(kind.as_bytes())).transpose()? {
        Some(kind) if kind.charset() == Charset::Other => return Err(Reason::RequestEncoding),
        Some(kind) if kind.is_multipart() => return Err(Reason::RequestUnsupported),
        Some(kind) => kind.is_text() || kind.is_json() || kind.is_escaped_text(),
        None => true,
    };
    Ok((disposition.map_or(Ok(""), |value| parameter(value, "name"))?, is_text))
}

/// A parameter of a header's value: empty if it has none of this name. What has two readings is refused: names that stand twice or are
/// coded (RFC 8187), backslashes, which some take for escapes, and quoted semicolons. Only file names may be coded; they are no part of what is decided.
fn parameter<'v>(value: &'v str, wanted: &str) -> Result<&'v str, Reason> {
    let mut found = None;
    for parameter in
        value.split(';').skip(1).filter(|parameter| !parameter.trim_matches([' ', '\t']).is_empty())
    {
        let (name, value) = parameter.split_once('=').ok_or(Reason::RequestMalformed)?;
        let (name, value) = (name.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
        let value = value.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or(value);
        let coded = name.contains('*') && !name.eq_ignore_ascii_case("filename*");
        // A quote is left where a semicolon is quoted.
        if coded || value.contains(['\\', '"']) {
            return Err(Reason::RequestMalformed);
        }
        if name.eq_ignore_ascii_case(wanted) && found.replace(value).is_some() {
            return Err(Reason::RequestAmbiguous);
        }
    }
    Ok(found.unwrap_or_default())
}

/// A word that is looked for in time that grows with the text, whatever both are (Knuth, Morris and Pratt).
struct Word {
    word: String,
    /// For each beginning of the word the length of the longest that it ends in.
    borders: Vec<usize>,
}

impl Word {
    fn new(word: String) -> Self {
        let mut found = Self { borders: vec![0; word.len()], word };
        let mut length = 0_usize;
        for at in 1..found.word.len() {
            length = found.step(length, found.word.as_bytes().get(at));
            if let Some(border) = found.borders.get_mut(at) {
                *border = length;
            }
        }
        found
    }

    /// How much of the word is there after one more byte.
    fn step(&self, mut length: usize, byte: Option<&u8>) -> usize {
        while length > 0 && self.word.as_bytes().get(length) != byte {
            length = self.borders.get(length.saturating_sub(1)).copied().unwrap_or(0);
        }
        if self.word.as_bytes().get(length) == byte { length.saturating_add(1) } else { 0 }
    }

    /// What stands before the first occurrence, and what behind it.
    fn split<'t>(&self, text: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
        let mut length = 0_usize;
        for (byte, end) in text.iter().zip(1_usize..) {
            length = self.step(length, Some(byte));
            if length == self.word.len() {
                return Some((text.get(..end.checked_sub(length)?)?, text.get(end..)?));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &str) -> Result<Vec<(&str, &str, bool)>, Reason> {
        let of =
            |part: Part<'static>| (part.name, core::str::from_utf8(part.content.0).unwrap(), part.is_text);
        let body: &'static str = alloc::boxed::Box::leak(body.into());
        Ok(parts(body.as_bytes(), "b.1")?.into_iter().map(of).collect())
    }

    #[test]
    fn parts_are_read_with_their_places() {
        let body = "--b.1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--b.1\r\ncontent-disposition: form-data; name=f; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\n\r\n\r\n--b.1\r\n\r\nbare\r\n--b.1--\r\n";
        assert_eq!(read(body), Ok([("a", "one", true), ("f", "\r\n", false), ("", "bare", true)].into()));
        for part in parts(body.as_bytes(), "b.1").unwrap() {
            let (head, at) = part.head;
            assert_eq!(body.get(at..at + head.len()), Some(head));
            let (content, at) = part.content;
            assert_eq!(body.as_bytes().get(at..at + content.len()), Some(content));
        }
        assert_eq!(read("--b.1--"), Ok([].into()));
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let part = |head: &str, content: &str| alloc::format!("--b.1\r\n{head}\r\n\r\n{content}\r\n--b.1--");
        use Reason::{
            RequestAmbiguous as Ambiguous, RequestEncoding as Encoding, RequestMalformed as Malformed,
        };
        for (body, reason) in [
            // Before, between and behind.
            ("preamble\r\n--b.1\r\n\r\nx\r\n--b.1--".into(), Malformed),
            ("\r\n--b.1\r\n\r\nx\r\n--b.1--".into(), Malformed),
            ("--b.1\r\n\r\nx\r\n--b.1--\r\nepilogue".into(), Malformed),
            ("--b.1\r\n\r\nx\r\n--b.1".into(), Malformed),
            ("--b.1\r\n\r\nx\r\n".into(), Malformed),
            ("".into(), Malformed),
            ("--b.1 \r\n\r\nx\r\n--b.1--".into(), Malformed),
            ("--b.1\n\nx\n--b.1--".into(), Malformed),
            (part("a: b", "x\n--b.1\r\n\r\ny"), Malformed),
            (part("a: b", "x\r\n--b.12\r\n\r\ny"), Malformed),
            (part("a: b", "x --b.1 y"), Malformed),
            // Headers.
            (part("a", "x"), Malformed),
            (part(" a: b", "x"), Malformed),
            (part("a: b\r\n c", "x"), Malformed),
            (part("a: b\nc: d", "x"), Malformed),
            (part("a : b", "x"), Malformed),
            (part("content-type: text/plain\r\nContent-Type: text/plain", "x"), Ambiguous),
            (part("content-disposition: form-data; name=a; NAME=b", "x"), Ambiguous),
            (part("content-disposition: form-data; name*=utf-8''a", "x"), Malformed),
            (part("content-disposition: form-data; name=\"a\\\"b\"", "x"), Malformed),
            (part("content-disposition: form-data; name=\"a\"b", "x"), Malformed),
            (part("content-disposition: form-data; name=\"a", "x"), Malformed),
            (part(&alloc::format!("a: {}", "b".repeat(5000)), "x"), Malformed),
            // What is not as it stands.
            (part("content-transfer-encoding: base64", "eA=="), Encoding),
            (part("Content-Transfer-Encoding: quoted-printable", "=41"), Encoding),
            (part("content-encoding: gzip", "x"), Encoding),
            (part("content-type: text/plain; charset=utf-16", "x"), Encoding),
            (part("content-type: text/plain; charset=utf-7", "x"), Encoding),
            (part("content-disposition: form-data; name=_charset_", "utf-16"), Encoding),
            (part("content-type: multipart/mixed; boundary=c", "x"), Reason::RequestUnsupported),
        ] {
            assert_eq!(read(&body), Err(reason), "{body}");
        }
        assert_eq!(read(&part("content-transfer-encoding: 8BIT", "x")), Ok([("", "x", true)].into()));
        assert_eq!(parts(b"--b.1\r\n\r\n\xff\r\n--b.1--", "b.1"), Err(Encoding));
        assert_eq!(
            read(&["--b.1\r\n\r\nx\r\n".repeat(257), "--b.1--".into()].concat()),
            Err(Reason::RequestTooLarge)
        );
    }

    #[test]
    fn a_boundary_is_plain_or_none() {
        for (content_type, expected) in [
            (
                "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk",
                Some("----WebKitFormBoundary7MA4YWxk"),
            ),
            ("multipart/form-data;charset=utf-8; Boundary=\"a:b\"", Some("a:b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/form-data; boundary*=utf-8''a", None),
            ("multipart/form-data; boundary*0=a", None),
            ("multipart/form-data; boundary=\"a\\b\"", None),
            ("multipart/form-data; boundary=\"a b\"", None),
            ("multipart/form-data; boundary=a b", None),
            ("multipart/form-data; boundary=\"a\"b", None),
        ] {
            assert_eq!(boundary(content_type.as_bytes()), expected, "{content_type}");
        }
        assert_eq!(boundary(["multipart/x; boundary=", &"a".repeat(71)].concat().as_bytes()), None);
    }

    proptest! {
        #[test]
        fn a_word_is_found_where_it_stands(word in "[ab-]{1,6}", text in "[ab-]{0,40}") {
            let found = Word::new(word.clone()).split(text.as_bytes()).map(|(before, _)| before.len());
            prop_assert_eq!(found, text.find(&word));
        }
    }
}
