//! Where something is in a registry: `oci://host[:port]/repository:tag`, or `…@sha256:digest`.

use std::fmt;
use std::net::IpAddr;

/// What every reference begins with.
const SCHEME: &str = "oci://";
/// The longest host and repository together, as registries take it.
const MAX_NAME: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;
const DIGEST: &str = "sha256:";
const HOW: &str = "write it as `oci://host/repository:tag` or `oci://host/repository@sha256:…`";

/// A SHA-256, as registries write it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Digest(String);

/// The version that is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// A name that can be moved.
    Tag(String),
    /// One manifest and no other.
    Digest(Digest),
}

/// A place in a registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reference {
    /// Host and port, as the user wrote them.
    pub(crate) host: String,
    /// The path below the registry.
    pub(crate) repository: String,
    pub(crate) version: Version,
}

// === impl Digest ===

impl Digest {
    /// `sha256:` and 64 lower-case hexadecimal digits; registries know other algorithms, and we use none of them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(DIGEST)?;
        let good = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }

    /// The digest of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(bytes);
        Self(hash.iter().fold(DIGEST.to_owned(), |text, byte| text + &format!("{byte:02x}")))
    }

    /// With its algorithm before it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The hexadecimal digits alone.
    pub(crate) fn hex(&self) -> &str {
        self.0.strip_prefix(DIGEST).unwrap_or_default()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Version ===

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => f.write_str(digest.as_str()),
        }
    }
}

// === impl Reference ===

impl Reference {
    /// Reads a reference. A version must be named: `latest` would be a guess.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{what}: {HOW}"));
        let Some(rest) = text.strip_prefix(SCHEME) else { return wrong("it does not begin with `oci://`") };
        let Some((host, path)) = rest.split_once('/') else { return wrong("it names no repository") };
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => match Digest::parse(digest) {
                Some(digest) => (path, Some(digest)),
                None => return wrong("what follows the `@` is no SHA-256"),
            },
            None => (path, None),
        };
        let (repository, tag) = path.rsplit_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        if !is_host(host) {
            return wrong("the host is none");
        }
        if host.len() + repository.len() > MAX_NAME || !repository.split('/').all(is_component) {
            return wrong("the repository's name is none: lower case, digits and `.`, `_`, `-` between them");
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return wrong("the tag is none: letters, digits, `_`, `.` and `-`");
        }
        let version = match (digest, tag) {
            // A tag beside a digest is for readers.
            (Some(digest), _) => Version::Digest(digest),
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => return wrong("it names no version"),
        };
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), version })
    }

    /// Whom to connect to. Docker's own registry answers at another name than the one that it is known by.
    pub(crate) fn authority(&self) -> &str {
        if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host }
    }

    /// The repository as the registry knows it.
    pub(crate) fn path(&self) -> String {
        let short = self.host == "docker.io" && !self.repository.contains('/');
        if short { format!("library/{}", self.repository) } else { self.repository.clone() }
    }

    /// The same repository at one digest.
    pub(crate) fn at(&self, digest: &Digest) -> Self {
        Self { version: Version::Digest(digest.clone()), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if matches!(self.version, Version::Tag(_)) { ':' } else { '@' };
        write!(f, "{SCHEME}{}/{}{sign}{}", self.host, self.repository, self.version)
    }
}

/// Host and port apart; the host of an IPv6 address without its brackets.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
}

/// Whether the host is this machine by its very name, so that nobody else can listen to what is sent there.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_host(text: &str) -> bool {
    let (host, port) = split_port(text);
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let good_host = if text.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        host.split('.').all(label)
    };
    good_port && good_host
}

/// One part of a repository's name: runs of letters and digits, with separators between them.
fn is_component(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let inner = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b));
    let separated = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    inner
        && edge(bytes.first())
        && edge(bytes.last())
        && separated
            .into_iter()
            .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_read_and_written() {
        for text in [
            "oci://registry.example/team/filter:1.0",
            "oci://127.0.0.1:5000/filter:A_b.c-d",
            "oci://[::1]:5000/a/b__c/d--e:x",
            &format!("oci://registry.example/filter@sha256:{HEX}"),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
        }
        let both = Reference::parse(&format!("oci://h/filter:1@sha256:{HEX}")).unwrap();
        assert_eq!(both.version, Version::Digest(Digest::of(b"")));
        assert_eq!(Digest::of(b"").hex(), HEX);
        let docker = Reference::parse("oci://docker.io/filter:1").unwrap();
        assert_eq!((docker.authority(), docker.path().as_str()), ("registry-1.docker.io", "library/filter"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("oci://h/{}:1", "a".repeat(256));
        for text in [
            "registry.example/a:1",
            "https://h/a:1",
            "oci://h",
            "oci://h/a",
            "oci:///a:1",
            "oci://h/:1",
            "oci://h/A:1",
            "oci://h/a//b:1",
            "oci://h/../a:1",
            "oci://h/a..b:1",
            "oci://h/a___b:1",
            "oci://h/-a:1",
            "oci://h/a:",
            "oci://h/a:-x",
            "oci://h/a:x?y",
            "oci://user:secret@h/a:1",
            "oci://h:0/a:1",
            "oci://h:70000/a:1",
            "oci://h h/a:1",
            "oci://[::1/a:1",
            "oci://h/a@sha256:00",
            "oci://h/a@sha512:00",
            &format!("oci://h/a@sha256:{}", HEX.to_uppercase()),
            &long,
        ] {
            let refused = Reference::parse(text).unwrap_err();
            assert!(refused.contains("oci://host/repository:tag"), "{text}: {refused}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "0.0.0.0", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
        assert_eq!(split_port("[::1]:5000"), ("::1", Some("5000")));
        assert_eq!(split_port("h:1"), ("h", Some("1")));
    }
}
