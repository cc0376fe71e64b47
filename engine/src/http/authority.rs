//! The host and port that a request is for (RFC 9110 section 7.2), and patterns of hosts.

use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest host name, in bytes (RFC 1035 section 2.3.4).
const MAX_HOST_LEN: usize = 253;

/// A request's authority: a lower-case host without a trailing dot, and a port where one was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

/// A host as policy names it: exact, or `*.suffix`, which covers one or more labels before the suffix.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// One host.
    Exact(String),
    /// Every host that ends in this suffix, which begins with a dot.
    Suffix(String),
}

/// Why a text is no host, authority or host pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidHost {
    /// Empty, or an empty label.
    Empty,
    /// Longer than 253 bytes.
    TooLong,
    /// Something other than `a-z 0-9 . - _` or an IPv6 address in brackets: userinfo, spaces, percent-encoding.
    Character,
    /// The port is no number from 1 to 65535.
    Port,
    /// A `*` anywhere but in front, as `*.`.
    Star,
    /// A capital letter in a pattern; patterns are written in lower case.
    Case,
}

impl Authority {
    /// Reads `host`, `host:port` or `[v6]:port`.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let (host, port) = match text.rfind(':') {
            Some(colon) if !text.ends_with(']') => {
                let (host, port) = text.split_at_checked(colon).ok_or(InvalidHost::Character)?;
                (host, Some(parse_port(port.strip_prefix(':').unwrap_or_default())?))
            }
            _ => (text, None),
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        check_host(&host)?;
        Ok(Self { host, port })
    }

    /// The host, lower-case, without a trailing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where the authority names one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The host and port as a record shows them.
    pub(crate) fn shown(&self) -> String {
        match self.port {
            None => self.host.clone(),
            Some(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl HostPattern {
    /// Reads a host pattern as policy writes it.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidHost::Case);
        }
        let (suffix, host) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if host.contains('*') {
            return Err(InvalidHost::Star);
        }
        check_host(host)?;
        Ok(if suffix { Self::Suffix(alloc::format!(".{host}")) } else { Self::Exact(host.into()) })
    }

    /// Whether the pattern covers a host as [`Authority::host`] gives it.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty or has an empty label",
            Self::TooLong => "it is longer than 253 bytes",
            Self::Character => {
                "a host holds only letters, digits, `.`, `-` and `_`, or is an IPv6 address in brackets"
            }
            Self::Port => "the port must be a number from 1 to 65535",
            Self::Star => "a `*` stands only in front, as `*.example.com`",
            Self::Case => "write it in lower case",
        })
    }
}

impl core::error::Error for InvalidHost {}

fn parse_port(digits: &str) -> Result<u16, InvalidHost> {
    if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidHost::Port);
    }
    digits.parse().map_err(|_| InvalidHost::Port)
}

fn check_host(host: &str) -> Result<(), InvalidHost> {
    if host.len() > MAX_HOST_LEN {
        return Err(InvalidHost::TooLong);
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<core::net::Ipv6Addr>().map(|_| ()).map_err(|_| InvalidHost::Character);
    }
    let (mut before, mut empty, mut strange) = (b'.', false, false);
    for byte in host.bytes() {
        empty |= byte == b'.' && before == b'.';
        strange |= !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        before = byte;
    }
    match (empty || before == b'.', strange) {
        (true, _) => Err(InvalidHost::Empty),
        (_, true) => Err(InvalidHost::Character),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_spelling() {
        for (text, host, port) in [
            ("tool-api", "tool-api", None),
            ("Tool-API.Tools.", "tool-api.tools", None),
            ("tool-api.tools:8080", "tool-api.tools", Some(8080)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::1]:443", "[2001:db8::1]", Some(443)),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((authority.host(), authority.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        use InvalidHost as E;
        for (text, why) in [
            ("", E::Empty),
            (".", E::Empty),
            ("a..b", E::Empty),
            ("a..", E::Empty),
            ("user@host", E::Character),
            ("a b", E::Character),
            ("host:", E::Port),
            ("host:0", E::Port),
            ("host:080", E::Port),
            ("host:65536", E::Port),
            ("a:1:2", E::Character),
            ("[::1", E::Character),
            ("h%6fst", E::Character),
            ("\u{ff48}ost", E::Character),
        ] {
            assert_eq!(Authority::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_suffix_covers_labels_not_letters() {
        let pattern = HostPattern::parse("*.tools").unwrap();
        assert!(pattern.matches("api.tools") && pattern.matches("a.b.tools"));
        assert!(!pattern.matches("tools") && !pattern.matches("eviltools") && !pattern.matches(".tools"));
        assert_eq!(HostPattern::parse("a.*.b"), Err(InvalidHost::Star));
        assert_eq!(HostPattern::parse("API"), Err(InvalidHost::Case));
    }
}
