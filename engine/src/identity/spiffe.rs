//! SPIFFE IDs, trust domains and patterns of IDs (SPIFFE-ID specification, sections 2.1 to 2.4).
//!
//! Parsing is strict where the specification leaves no choice, and nothing is normalised: two IDs are the same only if their
//! bytes are.

use crate::glob::Glob;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest SPIFFE ID, in bytes (section 2.3).
pub const MAX_SPIFFE_ID_LEN: usize = 2048;
/// The longest trust domain name, in bytes (section 2.3).
const MAX_TRUST_DOMAIN_LEN: usize = 255;
const SCHEME: &str = "spiffe://";

/// The name of a trust domain: lower-case letters, digits, dots, dashes and underscores.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustDomain(String);

/// The SPIFFE ID of a workload: a trust domain and a path of at least one segment. Copies share the text.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    text: Arc<str>,
    /// Where the trust domain ends and the path's first `/` stands.
    path_at: u16,
}

/// SPIFFE IDs of one trust domain whose path segments may hold `*`; a `*` never crosses a `/`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffePattern {
    trust_domain: TrustDomain,
    segments: Vec<Glob>,
}

/// Why a text is no SPIFFE ID, trust domain or pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidSpiffeId {
    /// Longer than [`MAX_SPIFFE_ID_LEN`] bytes, or a trust domain longer than 255.
    TooLong,
    /// Does not begin with `spiffe://` in lower case.
    Scheme,
    /// The trust domain is empty.
    NoTrustDomain,
    /// The trust domain holds something other than `a-z 0-9 . - _`: an upper-case letter, a port, userinfo.
    TrustDomainCharacter,
    /// There is no path, so the ID names a trust domain and no workload.
    NoPath,
    /// A path segment is empty: `//`, or a trailing `/`.
    EmptySegment,
    /// A path segment is `.` or `..`.
    DotSegment,
    /// A path segment holds something other than `A-Z a-z 0-9 . - _`: percent-encoding, a query, a fragment.
    PathCharacter,
    /// A segment of a pattern holds `**`, which in paths of requests stands for any rest.
    AnyRest,
}

// === impl TrustDomain ===

impl TrustDomain {
    /// Reads the bare name of a trust domain, such as `acme.internal`.
    pub fn parse(name: &str) -> Result<Self, InvalidSpiffeId> {
        check_trust_domain(name)?;
        Ok(Self(name.to_string()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl SpiffeId ===

impl SpiffeId {
    /// Reads a workload's SPIFFE ID.
    pub fn parse(id: &[u8]) -> Result<Self, InvalidSpiffeId> {
        let (trust_domain, path) = split(id)?;
        check_trust_domain(trust_domain)?;
        for segment in path.as_bytes().split(|&byte| byte == b'/') {
            check_segment(segment, false)?;
        }
        let text = core::str::from_utf8(id).map_err(|_| InvalidSpiffeId::PathCharacter)?.into();
        let path_at = SCHEME.len().saturating_add(trust_domain.len());
        Ok(Self { text, path_at: u16::try_from(path_at).map_err(|_| InvalidSpiffeId::TooLong)? })
    }

    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, to keep.
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// The name of the trust domain.
    pub fn trust_domain(&self) -> &str {
        self.text.get(SCHEME.len()..usize::from(self.path_at)).unwrap_or_default()
    }

    /// The path without its first `/`.
    pub fn path(&self) -> &str {
        self.text.get(usize::from(self.path_at).saturating_add(1)..).unwrap_or_default()
    }
}

impl SpiffeId {
    /// The namespace and service account, where the path is Kubernetes' `ns/<namespace>/sa/<service account>`, as Istio and SPIRE
    /// issue it.
    pub fn kubernetes(&self) -> Option<(&str, &str)> {
        let mut segments = self.path().split('/');
        let (ns, namespace) = (segments.next()?, segments.next()?);
        let (sa, account) = (segments.next()?, segments.next()?);
        (ns == "ns" && sa == "sa" && segments.next().is_none()).then_some((namespace, account))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// === impl SpiffePattern ===

impl SpiffePattern {
    /// Reads a pattern such as `spiffe://acme.internal/ns/agents/sa/research-*`. A plain ID is a pattern too.
    pub fn parse(pattern: &str) -> Result<Self, InvalidSpiffeId> {
        let (trust_domain, path) = split(pattern.as_bytes())?;
        let trust_domain = TrustDomain::parse(trust_domain)?;
        let segments = path
            .split('/')
            .map(|segment| check_segment(segment.as_bytes(), true).map(|()| Glob::new(segment)));
        Ok(Self { trust_domain, segments: segments.collect::<Result<_, _>>()? })
    }

    /// The trust domain that the IDs belong to.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The segments of its path; at least one.
    pub(crate) fn segments(&self) -> &[Glob] {
        &self.segments
    }

    /// Whether the pattern covers `id`.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        let mut segments = id.path().split('/');
        id.trust_domain() == self.trust_domain.as_str()
            && self.segments.iter().all(|glob| segments.next().is_some_and(|segment| glob.matches(segment)))
            && segments.next().is_none()
    }

    /// The one ID that the pattern stands for, if it holds no `*`.
    pub fn as_exact(&self) -> Option<SpiffeId> {
        if self.segments.iter().any(|glob| !glob.is_exact()) {
            return None;
        }
        SpiffeId::parse(self.to_string().as_bytes()).ok()
    }

    /// Whether some ID is covered by both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.trust_domain == other.trust_domain
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(a, b)| a.overlaps(b))
    }
}

impl fmt::Display for SpiffePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.trust_domain.as_str())?;
        self.segments.iter().try_for_each(|glob| write!(f, "/{}", glob.as_str()))
    }
}

// A bundle carries IDs as text, and reading one parses it: there is no way around the rules above.

impl TryFrom<String> for TrustDomain {
    type Error = InvalidSpiffeId;

    fn try_from(text: String) -> Result<Self, InvalidSpiffeId> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = InvalidSpiffeId;

    fn try_from(text: String) -> Result<Self, InvalidSpiffeId> {
        Self::parse(text.as_bytes())
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.text.to_string()
    }
}

impl TryFrom<String> for SpiffePattern {
    type Error = InvalidSpiffeId;

    fn try_from(text: String) -> Result<Self, InvalidSpiffeId> {
        Self::parse(&text)
    }
}

impl From<SpiffePattern> for String {
    fn from(pattern: SpiffePattern) -> Self {
        pattern.to_string()
    }
}

// === impl InvalidSpiffeId ===

impl fmt::Display for InvalidSpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "it is longer than 2048 bytes, or its trust domain longer than 255",
            Self::Scheme => "it must begin with `spiffe://` in lower case",
            Self::NoTrustDomain => "its trust domain is empty",
            Self::TrustDomainCharacter => "a trust domain holds only `a-z`, `0-9`, `.`, `-` and `_`",
            Self::NoPath => "it has no path, so it names a trust domain and no workload",
            Self::EmptySegment => "it has an empty path segment: `//`, or a `/` at the end",
            Self::DotSegment => "it has a path segment `.` or `..`",
            Self::AnyRest => "`**` does not stand for any rest here: a `*` stays within one path segment",
            Self::PathCharacter => "a path segment holds only `A-Z`, `a-z`, `0-9`, `.`, `-` and `_`",
        })
    }
}

impl core::error::Error for InvalidSpiffeId {}

/// Cuts an ID into trust domain and path (without its first `/`).
fn split(id: &[u8]) -> Result<(&str, &str), InvalidSpiffeId> {
    if id.len() > MAX_SPIFFE_ID_LEN {
        return Err(InvalidSpiffeId::TooLong);
    }
    let rest = id.strip_prefix(SCHEME.as_bytes()).ok_or(InvalidSpiffeId::Scheme)?;
    let rest = core::str::from_utf8(rest).map_err(|_| InvalidSpiffeId::PathCharacter)?;
    match rest.split_once('/') {
        Some(("", _)) => Err(InvalidSpiffeId::NoTrustDomain),
        Some(parts) => Ok(parts),
        None => {
            TrustDomain::parse(rest)?;
            Err(InvalidSpiffeId::NoPath)
        }
    }
}

fn check_trust_domain(name: &str) -> Result<(), InvalidSpiffeId> {
    if name.is_empty() {
        return Err(InvalidSpiffeId::NoTrustDomain);
    }
    if name.len() > MAX_TRUST_DOMAIN_LEN {
        return Err(InvalidSpiffeId::TooLong);
    }
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    if name.bytes().all(allowed) { Ok(()) } else { Err(InvalidSpiffeId::TrustDomainCharacter) }
}

fn check_segment(segment: &[u8], star: bool) -> Result<(), InvalidSpiffeId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') || (star && b == b'*');
    match segment {
        b"" => Err(InvalidSpiffeId::EmptySegment),
        b"." | b".." => Err(InvalidSpiffeId::DotSegment),
        _ if star && segment.windows(2).any(|pair| pair == b"**") => Err(InvalidSpiffeId::AnyRest),
        _ if segment.iter().all(|&byte| allowed(byte)) => Ok(()),
        _ => Err(InvalidSpiffeId::PathCharacter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_no_rest() {
        for pattern in ["spiffe://td/ns/a/**", "spiffe://td/**", "spiffe://td/ns/a**/b"] {
            assert_eq!(SpiffePattern::parse(pattern), Err(InvalidSpiffeId::AnyRest), "{pattern}");
        }
        assert!(SpiffePattern::parse("spiffe://td/*/a*b*").is_ok());
    }

    #[test]
    fn a_workload_id_keeps_its_parts() {
        let id = SpiffeId::parse(b"spiffe://acme.internal/ns/agents/sa/research-agent").unwrap();
        assert_eq!((id.trust_domain(), id.path()), ("acme.internal", "ns/agents/sa/research-agent"));
    }

    #[test]
    fn every_deviation_has_its_own_reason() {
        use InvalidSpiffeId as E;
        for (id, why) in [
            ("spiffe://td/ns/a/sa/b/../admin", E::DotSegment),
            ("spiffe://td/./a", E::DotSegment),
            ("spiffe://TD/ns/a", E::TrustDomainCharacter),
            ("SPIFFE://td/ns/a", E::Scheme),
            ("https://td/ns/a", E::Scheme),
            ("", E::Scheme),
            ("spiffe://td/ns/a/sa/b%2fadmin", E::PathCharacter),
            ("spiffe://td/ns/a/", E::EmptySegment),
            ("spiffe://td//a", E::EmptySegment),
            ("spiffe:///ns/a", E::NoTrustDomain),
            ("spiffe://td", E::NoPath),
            ("spiffe://td?x=/a", E::TrustDomainCharacter),
            ("spiffe://td/a?x=1", E::PathCharacter),
            ("spiffe://td/a#f", E::PathCharacter),
            ("spiffe://user@td/a", E::TrustDomainCharacter),
            ("spiffe://td:443/a", E::TrustDomainCharacter),
            ("spiffe://td/a,spiffe://td/b", E::PathCharacter),
            ("spiffe://td/caf\u{e9}", E::PathCharacter),
            ("spiffe://td/a ", E::PathCharacter),
            ("spiffe://td/a\0", E::PathCharacter),
            ("spiffe://td/ns/*", E::PathCharacter),
        ] {
            assert_eq!(SpiffeId::parse(id.as_bytes()), Err(why), "{id}");
        }
        assert_eq!(SpiffeId::parse(b"spiffe://td/\xff"), Err(E::PathCharacter));
    }

    #[test]
    fn length_is_exact_to_the_byte() {
        let id = alloc::format!("spiffe://td/{}", "a".repeat(MAX_SPIFFE_ID_LEN - 12));
        assert_eq!(id.len(), MAX_SPIFFE_ID_LEN);
        assert!(SpiffeId::parse(id.as_bytes()).is_ok());
        assert_eq!(SpiffeId::parse(alloc::format!("{id}a").as_bytes()), Err(InvalidSpiffeId::TooLong));
        assert!(TrustDomain::parse(&"a".repeat(255)).is_ok());
        assert_eq!(TrustDomain::parse(&"a".repeat(256)), Err(InvalidSpiffeId::TooLong));
    }

    #[test]
    fn a_star_stays_within_its_segment_and_trust_domain() {
        let pattern = SpiffePattern::parse("spiffe://acme.internal/ns/agents/sa/deploy*").unwrap();
        let id = |text: &str| SpiffeId::parse(text.as_bytes()).unwrap();
        assert!(pattern.matches(&id("spiffe://acme.internal/ns/agents/sa/deploy")));
        assert!(pattern.matches(&id("spiffe://acme.internal/ns/agents/sa/deploy-admin")));
        assert!(!pattern.matches(&id("spiffe://acme.internal/ns/agents/sa/deploy/admin")));
        assert!(!pattern.matches(&id("spiffe://partner/ns/agents/sa/deploy")));
        assert!(!pattern.matches(&id("spiffe://acme.internal/ns/agents/sa")));
        assert_eq!(SpiffePattern::parse("spiffe://*/ns/a"), Err(InvalidSpiffeId::TrustDomainCharacter));
    }

    #[test]
    fn an_exact_pattern_names_one_id() {
        let exact = SpiffePattern::parse("spiffe://td/sa/deploy").unwrap();
        assert_eq!(exact.as_exact().unwrap().as_str(), "spiffe://td/sa/deploy");
        assert_eq!(SpiffePattern::parse("spiffe://td/sa/*").unwrap().as_exact(), None);
    }
}
