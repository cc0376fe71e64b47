//! Request targets and path templates.
//!
//! A path is cut into decoded segments once. What Envoy, a framework and a file system could each read differently (an encoded
//! separator, a dot segment, an empty segment, a parameter, a double encoding) is refused as ambiguous, so there is no second
//! reading (RFC 3986 sections 3.3, 5.2.4 and 6.2.2).

use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The longest request target, in bytes.
const MAX_TARGET_LEN: usize = 8 * 1024;
/// The most segments of a path or template.
const MAX_SEGMENTS: usize = 64;

/// The path of a request: its decoded segments, the query left aside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestPath<'a> {
    segments: Vec<Cow<'a, str>>,
}

/// What is ambiguous or wrong about a request target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AmbiguousPath {
    /// Not a path at all: absolute form, `*`, empty.
    Form,
    /// An empty segment before the last.
    EmptySegment,
    /// `.` or `..`, or an encoded dot.
    DotSegment,
    /// A backslash, `;`, `#`, a control character or anything that is not ASCII.
    Character,
    /// A broken escape, or one that hides a separator, a percent sign or a control character.
    Escape,
    /// Longer than the limits.
    TooLong,
}

impl From<AmbiguousPath> for Reason {
    fn from(why: AmbiguousPath) -> Self {
        match why {
            AmbiguousPath::TooLong => Self::RequestTooLarge,
            _ => Self::RequestAmbiguous,
        }
    }
}

impl<'a> RequestPath<'a> {
    /// Reads the value of `:path`.
    pub fn parse(target: &'a str) -> Result<Self, AmbiguousPath> {
        if target.len() > MAX_TARGET_LEN {
            return Err(AmbiguousPath::TooLong);
        }
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let path = path.strip_prefix('/').ok_or(AmbiguousPath::Form)?;
        let segments = path.split('/').map(decode_segment).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(AmbiguousPath::TooLong);
        }
        let (_last, inner) = segments.split_last().ok_or(AmbiguousPath::Form)?;
        if inner.iter().any(|segment| segment.is_empty()) {
            return Err(AmbiguousPath::EmptySegment);
        }
        Ok(Self { segments })
    }

    /// The decoded segments; a path that ends in `/` has an empty last one.
    pub fn segments(&self) -> &[Cow<'a, str>] {
        &self.segments
    }
}

fn decode_segment(segment: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    if matches!(segment, "." | "..") {
        return Err(AmbiguousPath::DotSegment);
    }
    // RFC 3986 pchar without `;`, which some servers cut off as a parameter.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@%".contains(&b);
    if !segment.bytes().all(allowed) {
        return Err(AmbiguousPath::Character);
    }
    if segment.contains('%') { decode_escapes(segment).map(Cow::Owned) } else { Ok(Cow::Borrowed(segment)) }
}

fn decode_escapes(segment: &str) -> Result<String, AmbiguousPath> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err(AmbiguousPath::Escape);
        };
        match high.saturating_mul(16).saturating_add(low) {
            b'.' => return Err(AmbiguousPath::DotSegment),
            b'/' | b'\\' | b'%' | b';' | b'?' | b'#' | 0..=0x1f | 0x7f => return Err(AmbiguousPath::Escape),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| AmbiguousPath::Escape)
}

/// A path as policy names it: `/docs/{id}`, with `{name}` or `*` for one segment and `/**` at the end for any rest.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathTemplate {
    text: String,
    parts: Vec<Part>,
    open: bool,
}

/// One segment of a template. The order is that of precision: a literal is more precise than a variable.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Part {
    Any,
    Literal(String),
}

/// Why a text is no path template.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidTemplate {
    /// It does not begin with `/`.
    NoSlash,
    /// It has an empty segment: `//`.
    EmptySegment,
    /// A segment is `.` or `..`.
    DotSegment,
    /// `**` stands somewhere else than as the last segment.
    OpenInside,
    /// `*` or `{…}` is only a part of a segment.
    PartOfSegment,
    /// A query, a fragment, an escape or a character that no path holds.
    Character,
    /// Longer than the limits.
    TooLong,
}

impl PathTemplate {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let rest = text.strip_prefix('/').ok_or(InvalidTemplate::NoSlash)?;
        if text.len() > MAX_TARGET_LEN || rest.split('/').count() > MAX_SEGMENTS {
            return Err(InvalidTemplate::TooLong);
        }
        let (closed, open) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/').ok_or(InvalidTemplate::PartOfSegment)?, true),
            None => (rest, false),
        };
        let mut parts = Vec::new();
        let mut segments = closed.split('/').peekable();
        // `/**` has no segment of its own; `/`, and a `/` at the end, are the one empty segment that a template may have.
        while let Some(segment) = segments.next().filter(|_| !(open && closed.is_empty())) {
            parts.push(parse_part(segment, segments.peek().is_none() && !open)?);
        }
        Ok(Self { text: text.into(), parts, open })
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it ends in `/**`.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// How many segments come before the `/**`, or are all there is.
    pub fn depth(&self) -> usize {
        self.parts.len()
    }

    /// The first segment, if it is no variable. Paths that begin with another, whatever their case, are not covered.
    pub(crate) fn first_literal(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Literal(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether the template covers `path`, byte by byte.
    pub fn matches(&self, path: &RequestPath<'_>) -> bool {
        covers(&self.parts, self.open, &path.segments, |a, b| a == b)
    }

    /// Whether the template covers `path` for a server that ignores case or a trailing slash. For deny rules only.
    pub fn matches_loosely(&self, path: &RequestPath<'_>) -> bool {
        let loose = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let segments = without_trailing_slash(&path.segments, |segment| segment.is_empty());
        let parts = without_trailing_slash(&self.parts, |part| *part == Part::Literal(String::new()));
        covers(&self.parts, self.open, &path.segments, loose) || covers(parts, self.open, segments, loose)
    }

    /// Orders templates by precision: `a > b` where `a` should be asked first.
    pub fn precision(&self) -> impl Ord + '_ {
        (self.parts.iter().map(|part| matches!(part, Part::Literal(_))).collect::<Vec<_>>(), !self.open)
    }
}

impl TryFrom<String> for PathTemplate {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        Self::parse(&text)
    }
}

impl From<PathTemplate> for String {
    fn from(template: PathTemplate) -> Self {
        template.text
    }
}

fn covers(parts: &[Part], open: bool, segments: &[Cow<'_, str>], same: impl Fn(&str, &str) -> bool) -> bool {
    let fits = |(part, segment): (&Part, &Cow<'_, str>)| match part {
        Part::Any => !segment.is_empty(),
        Part::Literal(literal) => same(literal, segment),
    };
    (segments.len() == parts.len() || (open && segments.len() > parts.len()))
        && parts.iter().zip(segments).all(fits)
}

/// Leaves an empty last segment out, unless it is the only one.
fn without_trailing_slash<T>(segments: &[T], is_empty: impl Fn(&T) -> bool) -> &[T] {
    match segments.split_last() {
        Some((last, inner)) if is_empty(last) && !inner.is_empty() => inner,
        _ => segments,
    }
}

fn parse_part(segment: &str, may_be_empty: bool) -> Result<Part, InvalidTemplate> {
    match segment {
        "" if may_be_empty => return Ok(Part::Literal(String::new())),
        "" => return Err(InvalidTemplate::EmptySegment),
        "." | ".." => return Err(InvalidTemplate::DotSegment),
        "*" => return Ok(Part::Any),
        "**" => return Err(InvalidTemplate::OpenInside),
        _ => {}
    }
    if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let named =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        return if named { Ok(Part::Any) } else { Err(InvalidTemplate::PartOfSegment) };
    }
    if segment.contains(['{', '}', '*']) {
        return Err(InvalidTemplate::PartOfSegment);
    }
    if segment.contains('%') {
        return Err(InvalidTemplate::Character);
    }
    decode_segment(segment)
        .map(|literal| Part::Literal(literal.into_owned()))
        .map_err(|_| InvalidTemplate::Character)
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "it must begin with `/`",
            Self::EmptySegment => "it has an empty segment: `//`",
            Self::DotSegment => "it has a segment `.` or `..`",
            Self::OpenInside => "`**` stands only at the end, as the last segment",
            Self::PartOfSegment => "`*`, `**` and `{name}` stand only for whole segments",
            Self::Character => "it holds a character that no path segment may hold; write escapes decoded",
            Self::TooLong => "it is longer than 8192 bytes or has more than 64 segments",
        })
    }
}

impl core::error::Error for InvalidTemplate {}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(template: &str, path: &str) -> bool {
        PathTemplate::parse(template).unwrap().matches(&RequestPath::parse(path).unwrap())
    }

    #[test]
    fn what_could_be_read_twice_is_refused() {
        use AmbiguousPath as E;
        for (target, why) in [
            ("//admin", E::EmptySegment),
            ("/a//b", E::EmptySegment),
            ("/a/../admin", E::DotSegment),
            ("/a/./admin", E::DotSegment),
            ("/%2e%2e/admin", E::DotSegment),
            ("/%2E", E::DotSegment),
            ("/admin%2fx", E::Escape),
            ("/admin%5cx", E::Escape),
            ("/a%00", E::Escape),
            ("/a%252f", E::Escape),
            ("/a%3bx", E::Escape),
            ("/a%", E::Escape),
            ("/a%zz", E::Escape),
            ("/a%c3%28", E::Escape),
            ("/admin;x=1", E::Character),
            ("/admin#x", E::Character),
            ("/\\admin", E::Character),
            ("\\admin", E::Form),
            ("/a\u{e9}", E::Character),
            ("/a b", E::Character),
            ("http://host/admin", E::Form),
            ("*", E::Form),
            ("", E::Form),
            ("?x=1", E::Form),
        ] {
            assert_eq!(RequestPath::parse(target), Err(why), "{target}");
        }
        assert_eq!(RequestPath::parse(&alloc::format!("/{}", "a".repeat(MAX_TARGET_LEN))), Err(E::TooLong));
    }

    #[test]
    fn templates_cover_whole_segments() {
        for (template, path, covered) in [
            ("/docs/{id}", "/docs/1", true),
            ("/docs/{id}", "/docs/1?x=/admin", true),
            ("/docs/{id}", "/docs/caf%C3%A9", true),
            ("/docs/{id}", "/docs/", false),
            ("/docs/{id}", "/docs", false),
            ("/docs/{id}", "/docs/1/2", false),
            ("/docs/*", "/docs/1", true),
            ("/docs/**", "/docs", true),
            ("/docs/**", "/docs/", true),
            ("/docs/**", "/docs/1/2", true),
            ("/docs/**", "/docsx", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/", "/", true),
            ("/admin", "/admin/", false),
            ("/admin/", "/admin/", true),
            ("/admin", "/ADMIN", false),
            ("/admin", "/%61dmin", true),
        ] {
            assert_eq!(covers(template, path), covered, "{template} {path}");
        }
    }

    #[test]
    fn a_deny_reads_paths_as_the_loosest_server_would() {
        let template = PathTemplate::parse("/admin").unwrap();
        for path in ["/admin", "/ADMIN", "/admin/"] {
            assert!(template.matches_loosely(&RequestPath::parse(path).unwrap()), "{path}");
        }
        assert!(!template.matches_loosely(&RequestPath::parse("/admin/x").unwrap()));
        assert!(
            PathTemplate::parse("/admin/").unwrap().matches_loosely(&RequestPath::parse("/Admin").unwrap())
        );
        assert!(PathTemplate::parse("/").unwrap().matches_loosely(&RequestPath::parse("/").unwrap()));
    }

    #[test]
    fn bad_templates_say_what_is_wrong() {
        use InvalidTemplate as E;
        for (template, why) in [
            ("docs", E::NoSlash),
            ("/a//b", E::EmptySegment),
            ("/a/../b", E::DotSegment),
            ("/**/a", E::OpenInside),
            ("/a**", E::PartOfSegment),
            ("/a*", E::PartOfSegment),
            ("/{id}.json", E::PartOfSegment),
            ("/{}", E::PartOfSegment),
            ("/a?b", E::Character),
            ("/a%20b", E::Character),
        ] {
            assert_eq!(PathTemplate::parse(template), Err(why), "{template}");
        }
    }

    #[test]
    fn literals_are_more_precise_than_variables_and_rests() {
        let [mcp, id, rest] = ["/mcp", "/{id}", "/**"].map(|text| PathTemplate::parse(text).unwrap());
        assert!(mcp.precision() > id.precision() && id.precision() > rest.precision());
    }
}
