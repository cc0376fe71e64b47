//! Replies that never came from the upstream: those of the filter, and Envoy's own.

use super::header_map::HeaderMap;

/// A reply made on the spot.
#[derive(Debug)]
pub(super) struct LocalReply {
    status: u16,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    grpc_status: Option<i32>,
    /// Envoy's word for the cause.
    pub(super) details: &'static str,
}

/// A reply as the client's protocol has it.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl LocalReply {
    /// A reply that the filter asked for.
    pub(super) fn of_filter(
        status: u16,
        headers: Vec<(Vec<u8>, Vec<u8>)>,
        body: Vec<u8>,
        grpc_status: i32,
    ) -> Self {
        // SDKs send -1 for "none".
        let grpc_status = (0..=16).contains(&grpc_status).then_some(grpc_status);
        Self { status, headers, body, grpc_status, details: "" }
    }

    /// A reply of Envoy itself.
    pub(super) fn of_envoy(status: u16, body: &str, details: &'static str) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), grpc_status: None, details }
    }

    /// What is sent: to gRPC callers a status in the headers, to others the body; to HEAD no body.
    pub(super) fn render(self, request: Option<&HeaderMap>) -> Rendered {
        let of_request = |name: &str| request.and_then(|request| request.get(name)).unwrap_or_default();
        if is_grpc(of_request("content-type")) {
            return self.render_grpc();
        }
        let mut headers = HeaderMap::from_iter([(":status", self.status.to_string())]);
        for (name, value) in &self.headers {
            headers.add(name, value);
        }
        if !self.body.is_empty() {
            headers.replace("content-length", self.body.len().to_string());
            if headers.get("content-type").is_none() {
                headers.add("content-type", "text/plain");
            }
        }
        let body = if of_request(":method") == b"HEAD" { Vec::new() } else { self.body };
        Rendered { status: self.status, headers, body }
    }

    fn render_grpc(self) -> Rendered {
        let code = self.grpc_status.unwrap_or(grpc_status(self.status));
        let mut headers = HeaderMap::from_iter([(":status", "200"), ("content-type", "application/grpc")]);
        headers.add("grpc-status", code.to_string());
        if !self.body.is_empty() {
            headers.add("grpc-message", percent_encoded(&self.body));
        }
        Rendered { status: 200, headers, body: Vec::new() }
    }
}

fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// The gRPC status that stands for an HTTP status.
fn grpc_status(status: u16) -> i32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// As gRPC wants it in a header: everything but printable ASCII, and `%`.
fn percent_encoded(message: &[u8]) -> String {
    message
        .iter()
        .map(|&byte| match byte {
            b'%' | 0..=0x1f | 0x7f.. => format!("%{byte:02X}"),
            _ => char::from(byte).to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_speaks_the_callers_protocol() {
        let reply =
            || LocalReply::of_filter(403, vec![(b"X-A".to_vec(), b"1".to_vec())], b"no\n".to_vec(), -1);
        let plain = reply().render(None);
        assert_eq!((plain.status, plain.body.as_slice()), (403, b"no\n".as_slice()));
        assert_eq!(plain.headers.get("content-type"), Some(b"text/plain".as_slice()));
        let head = reply().render(Some(&HeaderMap::from_iter([(":method", "HEAD")])));
        assert!(head.body.is_empty());
        assert_eq!(head.headers.get("content-length"), Some(b"3".as_slice()));
        let grpc = reply().render(Some(&HeaderMap::from_iter([("content-type", "application/grpc+proto")])));
        assert_eq!((grpc.status, grpc.headers.get("grpc-status")), (200, Some(b"7".as_slice())));
        assert_eq!(grpc.headers.get("grpc-message"), Some(b"no%0A".as_slice()));
    }
}
