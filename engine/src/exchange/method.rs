//! Whether a request has one method and one path: frameworks let several other things change both behind a gate's back.

use crate::http::Head;
use crate::reason::Reason;
use alloc::vec::Vec;

/// Headers by which frameworks let a request change its method behind a gate's back.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];
/// Headers by which frameworks and web servers let a request change its path.
const PATH_OVERRIDES: [&str; 3] = ["x-original-uri", "x-original-url", "x-rewrite-url"];

/// Refuses methods that are none, that tunnel, or that something else in the request replaces.
pub(super) fn check_method(head: &Head<'_>, method: &str, target: &str) -> Result<(), Reason> {
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    {
        return Err(Reason::RequestMalformed);
    }
    let tunnels = head.all("upgrade").chain(head.all(":protocol")).next().is_some();
    if matches!(method, "CONNECT" | "TRACE") || tunnels {
        return Err(Reason::RequestUnsupported);
    }
    let other = |said: &[u8]| !said.eq_ignore_ascii_case(method.as_bytes());
    let mut methods = METHOD_OVERRIDES.iter().flat_map(|name| head.all_spelt(name));
    let mut paths = PATH_OVERRIDES.iter().flat_map(|name| head.all_spelt(name));
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let ambiguous = overrides_method(query, method) || methods.any(other) || paths.next().is_some();
    if ambiguous { Err(Reason::RequestAmbiguous) } else { Ok(()) }
}

/// Whether a query or form names another method by `_method`, as some frameworks let it.
pub(super) fn overrides_method(form: &str, method: &str) -> bool {
    let mut members = form.split(['&', ';']).filter_map(|member| member.split_once('='));
    members.any(|(key, value)| is_method_key(key) && !value.eq_ignore_ascii_case(method))
}

/// Whether a key is `_method` or `_method[…]`, in any case and with any of it escaped.
pub(super) fn is_method_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    let mut decoded = Vec::with_capacity(key.len());
    while let Some(byte) = bytes.next() {
        let digit =
            |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        decoded.push(match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => high.saturating_mul(16).saturating_add(low),
                _ => return false,
            },
            byte => byte,
        });
    }
    let name = decoded.split(|&b| b == b'[').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"_method")
}
