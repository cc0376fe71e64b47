//! Reading a host in all the forms that some client accepts.

use super::{MAX_HOST_LEN, is_host};
use crate::http::Host;
use crate::scan::fold::{Fold, fold_char};
use alloc::borrow::Cow;
use alloc::string::String;

/// A host at the start of a text.
pub(super) struct HostText {
    pub(super) host: Host,
    /// The length of the host.
    pub(super) host_len: usize,
    /// The length with the port.
    pub(super) whole_len: usize,
}

/// What a character of a host, a port or their brackets counts as; `None` for others, and `Some(None)` for one that counts as nothing.
#[inline(never)]
pub(super) fn host_char(c: char) -> Option<Option<u8>> {
    let byte = match u8::try_from(u32::from(c)) {
        Ok(byte) if byte.is_ascii() => byte,
        _ => match fold_char(c) {
            Fold::Drop => return Some(None),
            Fold::Ascii(byte) => byte,
            // The full stops of IDNA (Unicode technical standard 46).
            Fold::Keep if matches!(c, '\u{3002}' | '\u{ff61}') => b'.',
            Fold::Keep => return None,
        },
    };
    is_host(byte).then_some(Some(byte))
}

/// Reads the host that a text begins with.
pub(super) fn read_host(text: &str) -> Option<HostText> {
    let (inner, brackets) = match text.strip_prefix('[') {
        Some(inner) => (inner.split(']').next()?, true),
        None => (text, false),
    };
    let Characters { plain, end, first_colon } = characters(inner)?;
    let colons = plain.bytes().filter(|&byte| byte == b':').take(2).count();
    if brackets {
        let closed = text.as_bytes().get(end.saturating_add(1)) == Some(&b']');
        return bracketed(text, v6(&plain).filter(|_| closed)?, end.saturating_add(2));
    }
    if colons > 1 {
        return v6(&plain).map(|host| HostText { host, host_len: end, whole_len: end });
    }
    let (host_len, length) = first_colon.unwrap_or((end, plain.len()));
    let (name, port) = plain.split_at_checked(length)?;
    let port_is_number = port.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    // A sentence may end after it.
    let host = Host::parse(name.trim_end_matches('.'))?;
    Some(HostText { host, host_len, whole_len: if port_is_number { end } else { host_len } })
}

/// The characters of a host that a text begins with.
struct Characters<'t> {
    /// As ASCII, without what counts as nothing.
    plain: Cow<'t, str>,
    /// Their length in the text.
    end: usize,
    /// Where the first colon stands in the text, and in `plain`.
    first_colon: Option<(usize, usize)>,
}

/// Reads the characters of a host; `None` if there are too many, or if they are a sentence's: of what has two colons, only an address in hex
/// is a host.
fn characters(text: &str) -> Option<Characters<'_>> {
    let bytes = text.as_bytes();
    let length = bytes.iter().take(MAX_HOST_LEN.saturating_add(1)).take_while(|&&byte| is_host(byte)).count();
    let read = if bytes.get(length).is_none_or(u8::is_ascii) {
        let plain = text.get(..length)?;
        let first_colon = plain.find(':').map(|at| (at, at));
        Characters { plain: Cow::Borrowed(plain), end: length, first_colon }
    } else {
        folded(text)
    };
    let before_zone = read.plain.split('%').next().unwrap_or_default();
    let named = before_zone.bytes().any(|byte| byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit());
    let address = !named || read.plain.bytes().filter(|&byte| byte == b':').nth(1).is_none();
    (read.end <= MAX_HOST_LEN && address).then_some(read)
}

/// Reads the characters of a host that are not all ASCII.
#[inline(never)]
fn folded(text: &str) -> Characters<'_> {
    let (mut plain, mut end, mut first_colon) = (String::new(), 0_usize, None);
    for (at, c) in text.char_indices() {
        let Some(byte) = host_char(c).filter(|_| end <= MAX_HOST_LEN) else { break };
        end = at.saturating_add(c.len_utf8());
        if byte == Some(b':') {
            first_colon = first_colon.or(Some((at, plain.len())));
        }
        plain.extend(byte.map(char::from));
    }
    Characters { plain: Cow::Owned(plain), end, first_colon }
}

/// A host in brackets of this length, and what follows.
fn bracketed(text: &str, host: Host, host_len: usize) -> Option<HostText> {
    let port = text.get(host_len..)?.strip_prefix(':').map_or(0, |port| port.len().saturating_add(1));
    Some(HostText { host, host_len, whole_len: host_len.saturating_add(port) })
}

/// An IPv6 address without brackets; its zone is left out.
#[inline(never)]
pub(super) fn v6(text: &str) -> Option<Host> {
    let address = text.split('%').next()?;
    let mut bracketed = String::with_capacity(address.len().saturating_add(2));
    bracketed.push('[');
    bracketed.push_str(address);
    bracketed.push(']');
    Host::parse(&bracketed)
}
