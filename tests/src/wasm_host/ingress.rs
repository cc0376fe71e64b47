//! What Envoy's HTTP/1 codec and connection manager make of a request before any filter sees it.
//!
//! Read off Envoy 1.40, set up as the playground does (paths as they come, no request ids): names in lower case, duplicates
//! joined, hop-by-hop and Envoy's own headers taken out, a scheme and `x-forwarded-proto` put in, some requests refused.

use super::header_map::HeaderMap;
use super::message::{Message, Refusal};

/// Methods that the codec knows; others, and lower case, are refused.
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Headers that end at the proxy.
const HOP_BY_HOP: &[&str] = &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Headers that only a proxy may send.
const PROXY_ONLY: &[&str] = &[
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-internal",
    "x-envoy-max-retries",
    "x-envoy-original-url",
    "x-envoy-retry-on",
    "x-envoy-upstream-rq-timeout-ms",
    "x-forwarded-client-cert",
];

/// The largest head, in bytes, and the most headers that Envoy accepts unless told otherwise.
const MAX_HEAD_BYTES: usize = 60 * 1024;
const MAX_HEADERS: usize = 100;

/// A refusal by the codec: the request never becomes headers.
const BAD_REQUEST: Refusal = Refusal { status: 400, body: "Bad Request", details: "http1.codec_error" };
/// A refusal by the connection manager, before it adds anything to the headers.
const BAD_PATH: Refusal = Refusal { status: 400, body: "", details: "path_normalization_failed" };
const TOO_LARGE: Refusal =
    Refusal { status: 431, body: "Request Header Fields Too Large", details: "http1.headers_too_large" };

/// A request as a client writes it over TLS.
#[derive(Clone, Debug)]
pub struct ClientRequest<'c> {
    /// The method.
    pub method: &'c str,
    /// The host.
    pub authority: &'c str,
    /// The request target.
    pub path: &'c str,
    /// The other headers, as written. Those that frame the body are not among them.
    pub headers: &'c [(String, Vec<u8>)],
    /// The pieces of the body.
    pub body: Option<Vec<Vec<u8>>>,
    /// The body has `transfer-encoding: chunked`, not `content-length`. Trailers need it.
    pub chunked: bool,
    /// The trailers.
    pub trailers: &'c [(String, Vec<u8>)],
}

/// The message that the filter sees, and the refusal if Envoy refuses it.
pub fn admit(request: &ClientRequest<'_>) -> (Message, Option<Refusal>) {
    if let Some(refusal) = refusal(request) {
        return (Message::default(), Some(refusal));
    }
    let upgrade = is_upgrade(request);
    let chunked = request.chunked || !request.trailers.is_empty();
    let size: usize = request.body.iter().flatten().map(Vec::len).sum();
    let mut headers = HeaderMap::new();
    headers.add(":authority", request.authority);
    headers.add(":path", request.path);
    headers.add(":method", request.method);
    for (name, value) in request.headers.iter().filter(|(name, value)| goes_on(name, value, upgrade)) {
        headers.add(name, value);
    }
    if request.body.is_some() && !chunked && headers.get("content-length").is_none() {
        headers.add("content-length", size.to_string());
    }
    if request.path.contains('#') {
        return (Message { headers, ..Message::default() }, Some(BAD_PATH));
    }
    headers.add(":scheme", "https");
    if headers.get("x-forwarded-proto").is_none() {
        headers.add("x-forwarded-proto", "https");
    }
    // `content-length: 0` ends the message with its headers; an upgrade never ends with them.
    let body = request.body.clone().or(upgrade.then(Vec::new)).filter(|_| chunked || upgrade || size > 0);
    let trailers =
        (!request.trailers.is_empty()).then(|| request.trailers.iter().map(|(n, v)| (n, v)).collect());
    (Message { headers, body, trailers, ..Message::default() }, None)
}

/// Whether the client asks to speak another protocol: the two headers of that are kept then.
fn is_upgrade(request: &ClientRequest<'_>) -> bool {
    let values = |wanted: &'static str| {
        request
            .headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    let asks = |value: &Vec<u8>| {
        value.split(|&byte| byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    values("connection").any(asks) && values("upgrade").next().is_some()
}

fn goes_on(name: &str, value: &[u8], upgrade: bool) -> bool {
    let among = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let kept = upgrade && among(&["connection", "upgrade"]);
    let te = name.eq_ignore_ascii_case("te") && value != b"trailers";
    kept || !(among(HOP_BY_HOP) || among(PROXY_ONLY) || te)
}

fn refusal(request: &ClientRequest<'_>) -> Option<Refusal> {
    let head = [request.method, request.authority, request.path].iter().map(|part| part.len()).sum::<usize>();
    let fields = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let path = request.path.as_bytes();
    if head + fields > MAX_HEAD_BYTES || request.headers.len() + 1 > MAX_HEADERS {
        Some(TOO_LARGE)
    } else if !METHODS.contains(&request.method)
        || !(path.starts_with(b"/") || (path == b"*" && request.method == "OPTIONS"))
        || !path.iter().all(|byte| matches!(byte, 0x21..=0x7e))
        || !request.authority.bytes().all(is_host_byte)
        || !request.headers.iter().chain(request.trailers).all(is_field)
    {
        Some(BAD_REQUEST)
    } else {
        None
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@[]%".contains(&byte)
}

fn is_field((name, value): &(String, Vec<u8>)) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(token)
        && value.iter().all(|&byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'c>(method: &'c str, authority: &'c str, path: &'c str) -> ClientRequest<'c> {
        ClientRequest { method, authority, path, headers: &[], body: None, chunked: false, trailers: &[] }
    }

    #[test]
    fn envoy_refuses_what_it_cannot_parse() {
        for (method, authority, path, refused) in [
            ("GET", "a", "/", None),
            ("PURGE", "user@x", "//a/../?q=/%00", None),
            ("GET", "", "/", None),
            ("GET", "[::1]:80", "/\\a", None),
            ("GET", "a", "/%00", None),
            ("get", "a", "/", Some(BAD_REQUEST)),
            ("FROBNICATE", "a", "/", Some(BAD_REQUEST)),
            ("GET", "a b", "/", Some(BAD_REQUEST)),
            ("GET", "a/b", "/", Some(BAD_REQUEST)),
            ("GET", "a", "a", Some(BAD_REQUEST)),
            ("GET", "a", "*", Some(BAD_REQUEST)),
            ("GET", "a", "/\u{e9}", Some(BAD_REQUEST)),
            ("GET", "a", "/a b", Some(BAD_REQUEST)),
            ("GET", "a", "/a#f", Some(BAD_PATH)),
        ] {
            assert_eq!(admit(&request(method, authority, path)).1, refused, "{method} {authority} {path}");
        }
        let path = format!("/{}", "x".repeat(MAX_HEAD_BYTES));
        assert_eq!(admit(&request("GET", "a", &path)).1, Some(TOO_LARGE));
    }

    #[test]
    fn an_upgrade_keeps_its_headers_and_stays_open() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let headers =
            [pair("Connection", "keep-alive, Upgrade"), pair("Upgrade", "websocket"), pair("TE", "gzip")];
        let (message, _) = admit(&ClientRequest { headers: &headers, ..request("GET", "a", "/") });
        assert_eq!(message.headers.get("upgrade"), Some(b"websocket".as_slice()));
        assert!(message.headers.get("connection").is_some() && message.headers.get("te").is_none());
        assert!(!message.ends_at_headers());
        let (message, _) = admit(&ClientRequest { headers: &headers[1..], ..request("GET", "a", "/") });
        assert!(message.headers.get("upgrade").is_none() && message.ends_at_headers());
    }

    #[test]
    fn a_body_is_framed_by_length_or_by_chunks() {
        let post = request("POST", "a", "/");
        let length = |body: &[u8], chunked| {
            let body = Some(vec![body.to_vec()]);
            let (message, _) = admit(&ClientRequest { body, chunked, ..post.clone() });
            (message.headers.get("content-length").map(<[u8]>::to_vec), message.body.is_some())
        };
        assert_eq!(length(b"ab", false), (Some(b"2".to_vec()), true));
        assert_eq!(length(b"", false), (Some(b"0".to_vec()), false));
        assert_eq!(length(b"", true), (None, true));
    }
}
