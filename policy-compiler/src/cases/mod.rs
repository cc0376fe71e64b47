//! Cases: one HTTP exchange each, and what is expected of the gate in it.
//!
//! The same files are put to the engine, to the module in wasmtime and to a real Envoy; [`crate::decide`] drives all three.

mod format;
mod read;

pub use format::CASE;
pub use read::{load, parse};

use std::time::SystemTime;

/// The largest file that `bodyFile` may name: 64 MiB, four times what any gate buffers.
pub const MAX_BODY_FILE_BYTES: usize = 64 * 1024 * 1024;

/// What the upstream answers where a case does not say: status, content type and body.
pub const DEFAULT_RESPONSE: (u16, &str, &[u8]) = (200, "application/json", b"{}");

/// A header's name, as written, and its value.
pub type Header = (String, Vec<u8>);

/// One exchange and what is expected of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The case's name.
    pub name: String,
    /// Where it stands: `file:line`.
    pub place: String,
    /// What the gate's clock shall read; the present where it is not given.
    pub at: Option<SystemTime>,
    /// How often the request is made; what is expected is expected of the last.
    pub repeat: u32,
    /// What the client sends.
    pub request: Request,
    /// What the upstream answers if it is asked.
    pub response: Response,
    /// What the gate must do; without it the case is only shown.
    pub expect: Option<Expect>,
}

/// What the client sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The URI SANs of the client's certificate: `None` without mTLS, empty for a certificate that has none.
    pub peers: Option<Vec<String>>,
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`, query included.
    pub path: String,
    /// All other headers, in order.
    pub headers: Vec<Header>,
    /// The body and trailers.
    pub message: Message,
}

/// What the upstream answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// `:status`.
    pub status: u16,
    /// All other headers, in order.
    pub headers: Vec<Header>,
    /// The body and trailers.
    pub message: Message,
}

/// A body, how it arrives, and what follows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// `None`: the headers end the message. Empty: an empty body follows them.
    pub body: Option<Vec<u8>>,
    /// The sizes that the body is cut into; what is left over comes last.
    pub cuts: Vec<usize>,
    /// Trailers, in order.
    pub trailers: Vec<Header>,
}

/// What the gate must do; what is `None` is not compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// `allow`, `deny`, `hold` or `redact`.
    pub verdict: Option<String>,
    /// A reason code, or a family of them that ends in `.*`.
    pub reason: Option<String>,
    /// The status that the client sees.
    pub status: Option<u16>,
    /// The request body that the upstream receives; `Some(None)`: nothing may reach it.
    pub forwarded: Option<Option<Vec<u8>>>,
    /// The response body that the client receives; `Some(None)`: nothing of the upstream's answer may reach it.
    pub returned: Option<Option<Vec<u8>>>,
    /// Headers that the upstream must receive, and with `None` those that it must not.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Trailers that the client must receive, and with `None` those that it must not.
    pub trailers: Vec<(String, Option<Vec<u8>>)>,
    /// The ids of the detectors that must have found something: these and no others, each any number of times.
    pub findings: Option<Vec<String>>,
}

impl Case {
    /// The file that it stands in, and the line.
    pub fn file_and_line(&self) -> (&str, usize) {
        let (file, line) = self.place.rsplit_once(':').unwrap_or((&self.place, ""));
        (file, line.parse().unwrap_or(1))
    }
}

impl Message {
    /// The body in the pieces that it arrives in; none without a body, one empty one for an empty body.
    pub fn chunks(&self) -> Vec<&[u8]> {
        let Some(body) = &self.body else { return Vec::new() };
        let mut rest = body.as_slice();
        let mut chunks = Vec::new();
        for &size in &self.cuts {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        if !rest.is_empty() || chunks.is_empty() {
            chunks.push(rest);
        }
        chunks
    }
}

impl Default for Response {
    fn default() -> Self {
        let (status, content_type, body) = DEFAULT_RESPONSE;
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.into())],
            message: Message { body: Some(body.to_vec()), ..Message::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_as_asked_and_nothing_is_lost() {
        let message = |body: &[u8], cuts: &[usize]| Message {
            body: Some(body.to_vec()),
            cuts: cuts.to_vec(),
            trailers: Vec::new(),
        };
        assert_eq!(message(b"abcdef", &[2, 1]).chunks(), [&b"ab"[..], b"c", b"def"]);
        assert_eq!(message(b"abc", &[2, 0, 500]).chunks(), [&b"ab"[..], b"", b"c"]);
        assert_eq!(message(b"", &[]).chunks(), [&b""[..]]);
        assert!(Message::default().chunks().is_empty());
    }
}
