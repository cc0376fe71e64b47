//! `get_property`: the attributes of an exchange, byte for byte as Envoy serialises them.
//!
//! Numbers are 8 bytes little-endian, truths one byte, texts and maps' values as they are. What Envoy knows and this host does
//! not (addresses, routes, nodes, upstreams) is not found.

use std::time::{SystemTime, UNIX_EPOCH};

use super::abi::{Answer, Status};
use super::header_map::HeaderMap;
use super::host::Plugin;
use super::stream::Stream;

/// Where filter state that a filter sets is kept: `x` becomes `wasm.x`.
pub(super) const STATE_PREFIX: &[u8] = b"wasm.";

/// The value at a path whose parts are separated by zero bytes.
pub(super) fn get(path: &[u8], plugin: &Plugin, stream: Option<&Stream>) -> Answer<Vec<u8>> {
    let parts: Vec<_> = path.split(|&byte| byte == 0).collect();
    let found = match (parts.as_slice(), stream) {
        ([b"plugin_name"], _) => Some(plugin.name.as_bytes().to_vec()),
        ([b"plugin_root_id"], _) => Some(plugin.root_id.as_bytes().to_vec()),
        ([b"plugin_vm_id"], _) => Some(Vec::new()),
        // A whole map of attributes has no bytes.
        ([b"request" | b"response" | b"connection" | b"source" | b"filter_state"], Some(_)) => {
            return Err(Status::SerializationFailure.into());
        }
        ([b"connection_id"], Some(stream)) => Some(number(stream.connection)),
        ([b"connection", name], Some(stream)) => connection(name, stream),
        ([b"request", rest @ ..], Some(stream)) => request(rest, stream),
        ([b"response", rest @ ..], Some(stream)) => response(rest, stream),
        ([b"filter_state", name], Some(stream)) => stream.filter_state.get(*name).cloned(),
        ([name], Some(stream)) => stream.filter_state.get(&[STATE_PREFIX, name].concat()).cloned(),
        _ => None,
    };
    found.ok_or(Status::NotFound.into())
}

fn connection(name: &[u8], stream: &Stream) -> Option<Vec<u8>> {
    let peer = stream.peer.as_ref();
    match name {
        b"id" => Some(number(stream.connection)),
        b"mtls" | b"peer_certificate_valid" => Some(vec![u8::from(peer.is_some())]),
        b"requested_server_name" => Some(Vec::new()),
        b"tls_version" => Some(b"TLSv1.3".to_vec()),
        b"uri_san_peer_certificate" => Some(peer?.uri_sans.first()?.as_bytes().to_vec()),
        b"peer_certificate" => Some(peer?.certificate_pem.as_bytes().to_vec()),
        _ => None,
    }
}

fn request(rest: &[&[u8]], stream: &Stream) -> Option<Vec<u8>> {
    let headers = stream.request_headers();
    let header = |name: &str| headers.and_then(|headers| headers.get(name)).map(<[u8]>::to_vec);
    let path = || headers.map(|headers| headers.get(":path").unwrap_or_default());
    match rest {
        [b"path"] => header(":path"),
        [b"url_path"] => path().map(|path| split_at_byte(path, b'?').0.to_vec()),
        [b"query"] => path().map(|path| split_at_byte(split_at_byte(path, b'?').1, b'#').0.to_vec()),
        [b"host"] => header(":authority"),
        [b"scheme"] => header(":scheme"),
        [b"method"] => header(":method"),
        [b"id"] => header("x-request-id"),
        [b"referer"] => header("referer"),
        [b"useragent"] => header("user-agent"),
        [b"protocol"] => Some(b"HTTP/1.1".to_vec()),
        [b"time"] => Some(nanoseconds(stream.at).to_le_bytes().to_vec()),
        [b"size"] => size(headers, stream.request.bytes),
        [b"total_size"] => Some(number(stream.request.bytes + header_bytes(headers))),
        [b"headers", name] => joined(headers?, name),
        _ => None,
    }
}

fn response(rest: &[&[u8]], stream: &Stream) -> Option<Vec<u8>> {
    match rest {
        [b"code"] => stream.status.map(|code| number(code.into())),
        [b"code_details"] => stream.details.map(|details| details.as_bytes().to_vec()),
        [b"flags"] => Some(number(0)),
        [b"size"] => Some(number(stream.response.bytes)),
        [b"total_size"] => Some(number(stream.response.bytes + header_bytes(stream.response_headers()))),
        [b"headers", name] => joined(stream.response_headers()?, name),
        _ => None,
    }
}

/// Every value of a name, joined with commas.
fn joined(headers: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    let name = name.to_ascii_lowercase();
    let values: Vec<_> = headers.iter().filter(|(key, _)| *key == name).map(|(_, value)| value).collect();
    (!values.is_empty()).then(|| values.join(&b','))
}

/// The content-length if there is one, else what has come.
fn size(headers: Option<&HeaderMap>, arrived: u64) -> Option<Vec<u8>> {
    match headers.and_then(|headers| headers.get("content-length")) {
        Some(length) => std::str::from_utf8(length).ok()?.parse().ok().map(number),
        None => Some(number(arrived)),
    }
}

fn header_bytes(headers: Option<&HeaderMap>) -> u64 {
    headers.map_or(0, |headers| headers.byte_size() as u64)
}

fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|&b| b == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

fn number(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// Since the epoch; the present where no time is given.
pub(super) fn nanoseconds(at: Option<SystemTime>) -> u64 {
    let since = at.unwrap_or_else(SystemTime::now).duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
