//! What ties a record to what others keep of the same request.
//!
//! Both come from the caller. So they are taken only where they are what they say they are, which leaves no room for other text.

use crate::bytes::{Kind, are_all};
use crate::http::Head;
use alloc::string::String;

/// Digits of a trace's number.
const TRACE_LEN: usize = 32;
/// The longest request id, in bytes: a UUID has 36.
const MAX_ID_LEN: usize = 64;

/// The number of the trace that a request belongs to (W3C Trace Context, section 3.2): `version-trace-parent-flags`, in lower case.
pub(crate) fn trace_id(head: &Head<'_>) -> Option<String> {
    let value = head.only("traceparent").ok().flatten()?;
    let (version, rest) = field(value, 2)?;
    let (trace, rest) = field(rest.strip_prefix(b"-")?, TRACE_LEN)?;
    let (_, rest) = field(rest.strip_prefix(b"-")?, 16)?;
    let (_, rest) = field(rest.strip_prefix(b"-")?, 2)?;
    // Later versions may say more.
    let ends = rest.is_empty() || (rest.starts_with(b"-") && version != b"00");
    let sound = version != b"ff" && trace.iter().any(|&digit| digit != b'0');
    core::str::from_utf8(trace).ok().filter(|_| sound && ends).map(Into::into)
}

/// A number of this many digits at the start of a text, and what follows.
fn field(text: &[u8], digits: usize) -> Option<(&[u8], &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    are_all(number, Kind::LOWER_HEX).then_some((number, rest))
}

/// What the proxy calls a request.
pub(crate) fn request_id(head: &Head<'_>) -> Option<String> {
    let id = head.only("x-request-id").ok().flatten()?;
    let plain = (1..=MAX_ID_LEN).contains(&id.len()) && are_all(id, Kind::HEX_OR_HYPHEN);
    core::str::from_utf8(id).ok().filter(|_| plain).map(Into::into)
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
