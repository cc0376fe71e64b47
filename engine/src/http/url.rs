//! URLs as arguments, read as the most generous client would, so that no spelling hides where they lead.
//!
//! Hosts are canonicalised as the WHATWG URL standard does (sections 3.5 and 3.6): percent-decoded, lower-cased, one trailing dot
//! dropped, and IPv4 addresses in decimal, octal, hexadecimal and short forms resolved.

use super::HostPattern;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The longest URL read, in bytes.
const MAX_URL_LEN: usize = 8 * 1024;

/// The parts of a URL that say where it leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Url {
    /// The scheme, lower-case.
    pub scheme: String,
    /// The host.
    pub host: Host,
    /// The port, where the URL names one.
    pub port: Option<u16>,
}

/// A host in its one canonical form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A DNS name, lower-case, without a trailing dot.
    Name(String),
    /// An IPv4 address, whatever its spelling; also one mapped or embedded in IPv6.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

/// Names that stand for an address within themselves: `169.254.169.254.nip.io`.
const EMBEDDING_DOMAINS: [&str; 6] =
    [".nip.io", ".sslip.io", ".xip.io", ".traefik.me", ".localtest.me", ".lvh.me"];
/// The last labels of names that only resolve inside.
const PRIVATE_SUFFIXES: [&str; 11] = [
    ".cluster.local",
    ".home.arpa",
    ".internal",
    ".intranet",
    ".lan",
    ".local",
    ".localhost",
    ".svc",
    ".consul",
    ".corp",
    ".home",
];

impl Url {
    /// Reads an absolute URL with a host; `None` for anything else, and for what could be read in two ways: user info, a
    /// backslash, a blank or control character, anything beyond ASCII.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        if !plain || text.len() > MAX_URL_LEN {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        let first = letters.next().is_some_and(|b| b.is_ascii_alphabetic());
        if !first || !letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next()?;
        if authority.contains('@') {
            return None;
        }
        let (host, port) = split_port(authority)?;
        Some(Self { scheme: scheme.to_ascii_lowercase(), host: Host::parse(host)?, port })
    }

    /// The port, or the scheme's own.
    pub fn effective_port(&self) -> Option<u16> {
        self.port.or(match self.scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            "ftp" => Some(21),
            _ => None,
        })
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (_, after) = rest.split_once(']')?;
            let host = authority.get(..authority.len().checked_sub(after.len())?)?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    match port {
        None | Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        Some(_) => None,
    }
}

impl Host {
    /// Reads a host in any of its spellings; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(v6) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return v6.parse().ok().map(Self::from_v6);
        }
        let decoded = percent_decode(text)?;
        let name = decoded.strip_suffix('.').unwrap_or(&decoded);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if name.is_empty()
            || name.len() > 253
            || !name.bytes().all(allowed)
            || name.split('.').any(str::is_empty)
        {
            return None;
        }
        let last = name.rsplit('.').next()?;
        if is_number(last) {
            return parse_v4(name).map(Self::V4);
        }
        Some(Self::Name(name.to_string()))
    }

    fn from_v6(address: Ipv6Addr) -> Self {
        let octets = address.octets();
        let embedded =
            |at: usize| octets.get(at..)?.first_chunk::<4>().map(|four| Self::V4(Ipv4Addr::from(*four)));
        let segments = address.segments();
        let v4 = match segments {
            // IPv4-mapped, IPv4-translated, IPv4-compatible (but not :: and ::1), NAT64 and 6to4.
            [0, 0, 0, 0, 0, 0xffff, ..] => embedded(12),
            [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => embedded(12),
            [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => {
                embedded(12)
            }
            [0x2002, ..] => embedded(2),
            _ => None,
        };
        v4.unwrap_or(Self::V6(address))
    }

    /// Whether the host is anything but a public one: private, loopback, link-local, a cloud's metadata service, or a name that
    /// only resolves inside.
    pub fn is_private(&self) -> bool {
        match self {
            Self::V4(address) => is_private_v4(*address),
            Self::V6(address) => is_private_v6(*address),
            Self::Name(name) => is_private_name(name),
        }
    }

    /// Whether a pattern of policy covers the host. Addresses are only ever named exactly.
    pub fn is_named_by(&self, pattern: &HostPattern) -> bool {
        match self {
            Self::Name(name) => pattern.matches(name),
            Self::V4(address) => *pattern == HostPattern::Exact(address.to_string()),
            Self::V6(address) => *pattern == HostPattern::Exact(alloc::format!("[{address}]")),
        }
    }
}

fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_ascii_lowercase());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            decoded.push(high.saturating_mul(16).saturating_add(low).to_ascii_lowercase());
        } else {
            decoded.push(byte.to_ascii_lowercase());
        }
    }
    String::from_utf8(decoded).ok()
}

/// Whether a last label makes the whole host an IPv4 address.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || label.bytes().all(|b| b.is_ascii_digit())
}

/// One to four numbers, each in decimal, octal (`0…`) or hexadecimal (`0x…`); the last fills what is left.
fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let parts = text.split('.').map(parse_v4_part).collect::<Option<Vec<u32>>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|&part| part > 255) {
        return None;
    }
    let shift = u32::try_from(first.len()).ok()?.checked_mul(8)?;
    let room = u32::MAX.checked_shr(shift)?;
    if *last > room {
        return None;
    }
    let places = [24_u32, 16, 8];
    let high = first
        .iter()
        .zip(places)
        .try_fold(0_u32, |sum, (&part, place)| sum.checked_add(part.checked_shl(place)?))?;
    high.checked_add(*last).map(Ipv4Addr::from)
}

fn parse_v4_part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // `0x` alone is zero to WHATWG.
    if digits.is_empty() { Some(0) } else { u32::from_str_radix(digits, radix).ok() }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let special = match octets {
        [0, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..] => true,
        // Azure's wire server; the other clouds' metadata services lie within the ranges.
        [168, 63, 129, 16] => true,
        _ => false,
    };
    special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    // Loopback and unspecified; Teredo, which tunnels anywhere; unique local, among them AWS's metadata service; link-local; site-local; multicast.
    matches!(
        address.segments(),
        [0, 0, 0, 0, 0, 0, 0, 0..=1]
            | [0x2001, 0, ..]
            | [0xfc00..=0xfdff, ..]
            | [0xfe80..=0xfeff, ..]
            | [0xff00..=0xffff, ..]
    )
}

fn is_private_name(name: &str) -> bool {
    let embeds = EMBEDDING_DOMAINS.iter().any(|domain| name.ends_with(domain));
    !name.contains('.') || embeds || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Option<Host> {
        Url::parse(url).map(|url| url.host)
    }

    #[test]
    fn every_spelling_of_the_metadata_service_is_the_metadata_service() {
        let metadata = Host::V4(Ipv4Addr::new(169, 254, 169, 254));
        for url in [
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0xA9.0xFE.0xA9.0xFE/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://169.16689662/",
            "http://169.254.169.254./",
            "http://%31%36%39.254.169.254/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::a9fe:a9fe]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::]/",
            "http://[::ffff:0:a9fe:a9fe]/",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "HTTP://169.254.169.254:80?x",
        ] {
            assert_eq!(host(url), Some(metadata.clone()), "{url}");
        }
        assert!(metadata.is_private());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_url() {
        for text in [
            "http://user@host/",
            "http://good.example@169.254.169.254/",
            "http://a\\@b/",
            "http:\\\\host/",
            "http:/host",
            "//host/",
            "http://",
            "http:///path",
            "http://ho st/",
            "http://h\u{f6}st/",
            "http://\u{ff11}27.0.0.1/",
            "http://256.1.1.1/",
            "http://1.2.3.4.5/",
            "http://a..b/",
            "http://host:port/",
            "http://host:99999/",
            "http://%zz/",
            "http://a%2fb/",
            "http://[::1/",
            "http://[::1]x/",
            "ht tp://host/",
            "1http://host/",
            "javascript:alert(1)",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_and_ports_are_kept() {
        let url = Url::parse("HTTPS://API.Example.com.:8443/x?y#z").unwrap();
        assert_eq!(
            (url.scheme.as_str(), url.host, url.port),
            ("https", Host::Name("api.example.com".into()), Some(8443))
        );
        assert_eq!(Url::parse("https://a.example").unwrap().effective_port(), Some(443));
        assert_eq!(Url::parse("gopher://a.example").unwrap().effective_port(), None);
        assert_eq!(host("http://0xcafe.example/"), Some(Host::Name("0xcafe.example".into())));
    }

    #[test]
    fn inside_and_outside_are_told_apart() {
        for inside in [
            "http://localhost/",
            "http://a.localhost/",
            "http://tool-api/",
            "http://a.svc.cluster.local/",
            "http://metadata.google.internal/",
            "http://127.1/",
            "http://10.0.0.1/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://0/",
            "http://100.64.0.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://[2001:0:a9fe::1]/",
            "http://a.localtest.me/",
            "http://db.consul/",
            "http://169.254.169.254.nip.io/",
            "http://168.63.129.16/",
            "http://255.255.255.255/",
            "http://224.0.0.1/",
        ] {
            assert!(host(inside).unwrap().is_private(), "{inside}");
        }
        for outside in [
            "http://example.com/",
            "http://8.8.8.8/",
            "http://[2606:4700::1111]/",
            "http://172.32.0.1/",
            "http://1.1/",
        ] {
            assert!(!host(outside).unwrap().is_private(), "{outside}");
        }
    }

    #[test]
    fn addresses_are_named_exactly() {
        let exact = |text: &str| HostPattern::parse(text).unwrap();
        assert!(host("http://0x7f.1/").unwrap().is_named_by(&exact("127.0.0.1")));
        assert!(!host("http://10.0.0.1/").unwrap().is_named_by(&exact("*.0.0.1")));
        assert!(host("http://a.example/").unwrap().is_named_by(&exact("*.example")));
    }
}
