//! What ties a record to what others keep of the same request.
//!
//! Both come from the caller. So they are taken only where they are what they say they are, which leaves no room for other text.

use crate::http::Head;
use alloc::string::String;

/// Digits of a trace's number.
const TRACE_LEN: usize = 32;
/// The longest request id, in bytes: a UUID has 36.
const MAX_ID_LEN: usize = 64;

/// The number of the trace that a request belongs to (W3C Trace Context, section 3.2): `version-trace-parent-flags`, in lower case.
pub(crate) fn trace_id(head: &Head<'_>) -> Option<String> {
    let mut fields = text(head, "traceparent")?.split('-');
    let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let ends = fields.next().is_none() || version != "00";
    let sound = is_number(version, 2)
        && version != "ff"
        && is_number(trace, TRACE_LEN)
        && is_number(parent, 16)
        && is_number(flags, 2)
        && trace.bytes().any(|digit| digit != b'0');
    (sound && ends).then(|| trace.into())
}

/// What the proxy calls a request.
pub(crate) fn request_id(head: &Head<'_>) -> Option<String> {
    let id = text(head, "x-request-id")?;
    let plain = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (plain && (1..=MAX_ID_LEN).contains(&id.len())).then(|| id.into())
}

fn text<'h>(head: &Head<'h>, name: &str) -> Option<&'h str> {
    head.only(name).ok().flatten().and_then(|value| core::str::from_utf8(value).ok())
}

fn is_number(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_of(name: &str, values: &[&str], read: fn(&Head<'_>) -> Option<String>) -> Option<String> {
        let pairs: Vec<_> = values.iter().map(|value| (name.as_bytes(), value.as_bytes())).collect();
        read(&Head::new(&pairs))
    }

    #[test]
    fn a_trace_is_read_where_it_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let read = |text: &str| head_of("traceparent", &[text], trace_id);
        assert_eq!(read(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace));
        assert_eq!(read(&format!("01-{trace}-00f067aa0ba902b7-01-more")).as_deref(), Some(trace));
        for bad in [
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "secret-word".repeat(3)),
            format!("00-{trace}"),
            String::new(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        let twice = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(head_of("traceparent", &[&twice, &twice], trace_id), None);
    }

    #[test]
    fn a_request_id_holds_nothing_but_a_number() {
        let read = |text: &str| head_of("x-request-id", &[text], request_id);
        let uuid = "b1a9f6ab-7b1f-4f36-a6ac-0a1a4c31e57e";
        assert_eq!(read(uuid).as_deref(), Some(uuid));
        for bad in ["", "hunter2", "a b", "a\nb", "\u{1b}[31m", &"a".repeat(65)] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
