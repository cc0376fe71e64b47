//! A request head as the host hands it over: ordered pairs of bytes, pseudo-headers among them.

use crate::bytes::{Kind, are_all, same};
use crate::reason::Reason;
use crate::{IDENTITY_HEADER, OWNED_PREFIX};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Headers whose values are the protocol's own, the proxy's, or credentials, by their lengths. What is no secret of a known form may
/// stand there.
const EXPECTED: [&[&str]; 31] = [
    &[],
    &[],
    &["te"],
    &["via"],
    &["date", "dpop", "host"],
    &["range"],
    &["accept", "cookie", "expect", "origin"],
    &[],
    &["if-match"],
    &["forwarded", "x-api-key"],
    &["connection", "tracestate", "user-agent"],
    &["traceparent"],
    &["content-type", "grpc-timeout", "x-request-id"],
    &["authorization", "cache-control", "if-none-match", "last-event-id"],
    &["content-length", "mcp-session-id", "x-goog-api-key"],
    &["accept-encoding", "accept-language", "x-forwarded-for"],
    &["content-encoding", "x-envoy-internal"],
    &["if-modified-since", "transfer-encoding", "x-forwarded-proto"],
    &[],
    &["proxy-authorization"],
    &["mcp-protocol-version"],
    &["x-envoy-attempt-count"],
    &[],
    &["x-forwarded-client-cert"],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[],
    &["x-envoy-expected-rq-timeout-ms"],
];

/// Those of them that nobody looks at: credentials that are meant to be there, and what the proxy says of the caller.
const UNSEEN: [&str; 7] = [
    "authorization",
    "dpop",
    "host",
    "proxy-authorization",
    "x-api-key",
    "x-forwarded-client-cert",
    "x-goog-api-key",
];
/// The like of [`EXPECTED`] in responses.
const EXPECTED_BACK: [&str; 7] =
    ["content-location", "etag", "expires", "last-modified", "link", "location", "set-cookie"];
/// A value of fewer bytes holds no secret of a known form.
const SHORTEST_SECRET: usize = 20;
/// What clients of MCP accept, and how servers say what they answer with.
const USUAL: [&[u8]; 3] = [
    b"application/json, text/event-stream",
    b"application/json; charset=utf-8",
    b"text/event-stream; charset=utf-8",
];
/// A date (RFC 9110 section 5.6.7): `a` stands for a letter, `0` for a digit.
const DATE: &[u8; 29] = b"aaa, 00 aaa 0000 00:00:00 GMT";

/// A header's name and value, as received.
pub type HeaderPair<'a> = (&'a [u8], &'a [u8]);

/// The most headers read; Envoy's own default is 100.
const MAX_HEADERS: usize = 256;

/// A request head. Pseudo-headers (`:method`, `:path`, `:authority`) stand among the pairs, as HTTP/2 and Envoy have them.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pairs: &'a [HeaderPair<'a>],
}

impl<'a> Head<'a> {
    /// Wraps the pairs of a head.
    pub fn new(pairs: &'a [HeaderPair<'a>]) -> Self {
        Self { pairs }
    }

    /// Refuses what no reading of a head can be sure of.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        if self.pairs.len() > MAX_HEADERS {
            return Err(Reason::RequestTooLarge);
        }
        // Envoy moves Host into :authority; a Host that is still here and says something else is a second reading.
        let authority = self.only(":authority")?;
        match self.only("host")? {
            Some(host) if Some(host) != authority => Err(Reason::RequestAmbiguous),
            _ => Ok(()),
        }
    }

    /// Every value of a header whose name is `name` in any case, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.pairs.iter().filter(move |(key, _)| is_name(key, name)).map(|(_, value)| *value)
    }

    /// Every value of a header, also where its name is spelt with `_` for `-`: some servers read both alike.
    pub(crate) fn all_spelt(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key.len() == name.len() && begins(key, name))
            .map(|(_, value)| *value)
    }

    /// Whether there is a header that begins like this but for a `_` in the place of a `-`.
    pub(crate) fn has_misspelt(&self, prefix: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name.contains(&b'_') && begins(name, prefix))
    }

    /// Every header of a request to look at, and whether it is one that requests are expected to have. Of those, credentials and values
    /// that are plainly what they should be need no look.
    pub(crate) fn looked_at(&self) -> impl Iterator<Item = (HeaderPair<'a>, bool)> {
        let unseen = |name: &[u8]| UNSEEN.iter().any(|known| is_name(name, known));
        self.looked_at_but(is_expected, unseen)
    }

    /// The same of a response, where no credentials of the caller's belong.
    pub(crate) fn looked_at_back(&self) -> impl Iterator<Item = (HeaderPair<'a>, bool)> {
        let expected =
            |name: &[u8]| is_expected(name) || EXPECTED_BACK.iter().any(|known| is_name(name, known));
        self.looked_at_but(expected, |_| false)
    }

    fn looked_at_but(
        &self,
        is_expected: impl Fn(&[u8]) -> bool,
        is_unseen: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = (HeaderPair<'a>, bool)> {
        self.pairs.iter().copied().filter(|(name, _)| !name.starts_with(b":")).filter_map(
            move |(name, value)| {
                let expected = is_expected(name);
                let passes = expected && (is_plain(value) || is_unseen(name));
                (!passes).then_some(((name, value), expected))
            },
        )
    }

    /// Every header whose name begins with `prefix` in any case, in order: the rest of its name, and its value.
    pub(crate) fn all_with_prefix(&self, prefix: &str) -> impl Iterator<Item = HeaderPair<'a>> {
        self.pairs.iter().filter_map(move |(name, value)| {
            let (start, rest) = name.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix.as_bytes()).then_some((rest, *value))
        })
    }

    /// The value of a header that may stand once: more than once is ambiguous.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&'a [u8]>, Reason> {
        let mut value = None;
        for (key, of) in self.pairs {
            if is_name(key, name) {
                match value {
                    None => value = Some(*of),
                    Some(_) => return Err(Reason::RequestAmbiguous),
                }
            }
        }
        Ok(value)
    }

    /// The value of a header that must stand once, as text.
    pub(crate) fn required(&self, name: &str) -> Result<&'a str, Reason> {
        let value = self.only(name)?.ok_or(Reason::RequestMalformed)?;
        core::str::from_utf8(value).map_err(|_| Reason::RequestMalformed)
    }

    /// The names, as received, of headers that only the gate may set.
    pub(crate) fn owned_names(&self) -> Vec<String> {
        self.names(is_owned)
    }

    /// The names, as received, that are of a kind, each once.
    pub(crate) fn names(&self, of_kind: fn(&[u8]) -> bool) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.pairs {
            if of_kind(name)
                && let Ok(name) = core::str::from_utf8(name)
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_string());
            }
        }
        names
    }
}

/// Whether a header is ours, whatever its case, and whether it is spelt with `-` or `_`: some servers read both alike.
pub(crate) fn is_owned(name: &[u8]) -> bool {
    begins(name, OWNED_PREFIX) || (name.len() == IDENTITY_HEADER.len() && begins(name, IDENTITY_HEADER))
}

/// Whether a header has a name, in any case. The length alone tells most names apart.
#[inline(always)]
fn is_name(key: &[u8], name: &str) -> bool {
    key.len() == name.len() && is_as_long_name(key, name)
}

/// The same for one as long. As proxies hand names over, they are in small letters.
#[inline(never)]
fn is_as_long_name(key: &[u8], name: &str) -> bool {
    same(key, name.as_bytes()) || key.eq_ignore_ascii_case(name.as_bytes())
}

fn is_expected(name: &[u8]) -> bool {
    EXPECTED.get(name.len()).is_some_and(|known| known.iter().any(|known| is_as_long_name(name, known)))
}

/// Whether a value is too short for a secret, a date, or an identifier in hexadecimal: a UUID, a span of a trace. What is encoded in one
/// of those is too short as well.
fn is_plain(value: &[u8]) -> bool {
    match value.len() {
        0..SHORTEST_SECRET => true,
        32 | 36 if are_all(value, Kind::HEX_OR_HYPHEN) => true,
        // Version, trace, span and flags (W3C Trace Context).
        55 => {
            are_all(value, Kind::HEX_OR_HYPHEN) && [2, 35, 52].iter().all(|&at| value.get(at) == Some(&b'-'))
        }
        29 => value.iter().zip(DATE).all(|(byte, form)| match form {
            b'a' => byte.is_ascii_alphabetic(),
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        }),
        _ => USUAL.contains(&value),
    }
}

fn begins(name: &[u8], with: &str) -> bool {
    let same = |a: u8, b: u8| if a == b'_' { b == b'-' } else { a.eq_ignore_ascii_case(&b) };
    name.get(..with.len()).is_some_and(|start| start.iter().zip(with.bytes()).all(|(&a, b)| same(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_headers_are_known_in_every_spelling() {
        for name in [
            "x-workload-spiffe-id",
            "X-Workload-SPIFFE-ID",
            "x_workload_spiffe_id",
            "x-workload_spiffe-id",
            "x-sallyport-verdict",
            "X_Sallyport_Interlock",
            "x-sallyport-",
        ] {
            assert!(is_owned(name.as_bytes()), "{name}");
        }
        for name in
            ["x-workload-spiffe-id2", "x-workload", "x-sallyport", "workload-spiffe-id", "", "x_request_id"]
        {
            assert!(!is_owned(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn expected_headers_are_listed_by_length_and_known_in_any_case() {
        for (length, names) in EXPECTED.iter().enumerate() {
            assert!(names.iter().all(|name| name.len() == length), "{length}");
        }
        for name in ["accept", "X-Request-ID", "x-request-id", "Via"] {
            assert!(is_expected(name.as_bytes()), "{name}");
        }
        for name in ["", "accept2", "x-request", "x-secret", "X-SECRET"] {
            assert!(!is_expected(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn headers_that_are_expected_are_looked_at_where_they_could_hold_a_secret() {
        let looked_at = |name: &str, value: &str| {
            let pairs = [(name.as_bytes(), value.as_bytes())];
            Head::new(&pairs).looked_at().map(|(_, expected)| expected).next()
        };
        let long = "agent/1.0 (of twenty bytes and more)";
        assert_eq!(looked_at("x-note", "short"), Some(false));
        assert_eq!(looked_at(":path", long), None);
        for name in ["user-agent", "User-Agent", "cookie", "traceparent", "content-type"] {
            assert_eq!(looked_at(name, long), Some(true), "{name}");
        }
        for name in UNSEEN {
            assert_eq!(looked_at(name, long), None, "{name}");
            assert_eq!(looked_at(&name.to_ascii_uppercase(), long), None, "{name}");
        }
        for plain in [
            "agent/1.0",
            "application/json, text/event-stream",
            "3f1d2c4b5a69788796a5b4c3d2e1f001",
            "9f8c5a52-6f0e-4a9e-9d4b-2b1f0d6a7c11",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "text/event-stream; charset=utf-8",
        ] {
            assert_eq!(looked_at("x-request-id", plain), None, "{plain}");
        }
        for odd in [
            "3f1d2c4b5a69788796a5b4c3d2e1f00x",
            "00-4bf92f3577b34da6a3ce929d0e0e47360-0f067aa0ba902b7-01",
            "4bf92f3577b34da6a3ce929d0e0e47364bf92f35",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "AKIA, 06 Nov 1994 08:49:3 GMT",
        ] {
            assert_eq!(looked_at("x-request-id", odd), Some(true), "{odd}");
        }
    }

    #[test]
    fn a_header_that_may_stand_once_stands_once() {
        let head = Head::new(&[(b"content-type", b"a/b"), (b"Content-Type", b"c/d")]);
        assert_eq!(head.only("content-type"), Err(Reason::RequestAmbiguous));
        let head = Head::new(&[(b":authority", b"a"), (b"host", b"b")]);
        assert_eq!(head.check(), Err(Reason::RequestAmbiguous));
        let head = Head::new(&[(b":authority", b"a"), (b"host", b"a")]);
        assert_eq!(head.check(), Ok(()));
    }
}
