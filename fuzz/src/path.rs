//! Request targets, path templates and authorities: none of them panics, and what is accepted has one spelling and one reading.
//!
//! The first line of the input is a request target, the second a template, the third an authority, the fourth a host pattern.

use sallyport_engine::http::{Authority, HostPattern, PathTemplate, RequestPath};

/// Checks the four.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(4, '\n');
    let target = lines.next().unwrap_or_default();
    let template = lines.next().unwrap_or(target);
    let authority = lines.next().unwrap_or(target);
    let pattern = lines.next().unwrap_or(authority);
    check_target(target);
    check_template(template, target);
    check_authority(authority, pattern);
}

fn check_target(target: &str) {
    let Ok(path) = RequestPath::parse(target) else { return };
    let bare = target.split('?').next().unwrap_or_default();
    // Every byte of every segment escaped that may be: the same path.
    let segments: Vec<Vec<u8>> = bare[1..].split('/').map(decode).collect();
    assert!(segments.iter().map(Vec::as_slice).eq(path.segments().iter().map(|segment| segment.as_bytes())));
    let again = format!("/{}", segments.iter().map(|segment| encode(segment)).collect::<Vec<_>>().join("/"));
    match RequestPath::parse(&again) {
        Ok(reread) => assert_eq!(path, reread),
        Err(why) => assert!(again.len() > 8 * 1024, "{again}: {why:?}"),
    }
    for segment in &segments {
        let text = std::str::from_utf8(segment).expect("segments are text");
        assert!(!matches!(text, "." | "..") && !text.contains(['/', '\\', '%', ';', '\0']));
    }
    // A client or server that normalises as the WHATWG standard does finds nothing to change.
    let url = url::Url::parse(&format!("http://h{target}")).expect("an accepted target is a URL's");
    assert_eq!(url.path(), bare);
}

fn check_template(text: &str, target: &str) {
    let Ok(template) = PathTemplate::parse(text) else { return };
    assert_eq!(template.as_str(), text);
    if let Ok(path) = RequestPath::parse(target)
        && template.matches(&path)
    {
        assert!(template.matches_loosely(&path), "what an allow covers a deny covers");
        assert!(template.is_open() || path.segments().len() == template.depth());
    }
    // A template without variables covers its own text.
    if !text.contains(['{', '*'])
        && let Ok(path) = RequestPath::parse(text)
    {
        assert!(template.matches(&path), "{text}");
    }
}

fn check_authority(text: &str, pattern: &str) {
    let pattern = HostPattern::parse(pattern).ok();
    if let Some(pattern) = &pattern {
        assert_eq!(HostPattern::parse(&pattern.to_string()).as_ref(), Ok(pattern));
    }
    let Ok(authority) = Authority::parse(text) else { return };
    let host = authority.host();
    assert!(!host.is_empty() && !host.ends_with('.') && !host.bytes().any(|b| b.is_ascii_uppercase()));
    let written = authority.port().map_or(host.to_string(), |port| format!("{host}:{port}"));
    assert_eq!(Authority::parse(&written).as_ref(), Ok(&authority), "one spelling");
    let exact = HostPattern::parse(host).expect("a host is a pattern of itself");
    assert!(exact.matches(host));
    if let Some(HostPattern::Suffix(suffix)) = &pattern {
        assert!(suffix.starts_with('.'));
        let covered = pattern.as_ref().is_some_and(|pattern| pattern.matches(host));
        assert_eq!(covered, host.len() > suffix.len() && host.ends_with(suffix.as_str()));
    }
}

/// Percent-decoding, once, written apart from the engine's.
fn decode(segment: &str) -> Vec<u8> {
    let mut parts = segment.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        decoded.push(u8::from_str_radix(digits, 16).expect("an accepted escape"));
        decoded.extend(rest.bytes());
    }
    decoded
}

/// Everything escaped but what has no escape that is accepted.
fn encode(segment: &[u8]) -> String {
    segment.iter().map(|byte| if *byte == b'.' { ".".to_string() } else { format!("%{byte:02X}") }).collect()
}
