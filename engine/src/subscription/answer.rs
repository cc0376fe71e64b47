//! What the companion answered. Nothing of it is believed but a bundle that verifies.

use crate::bundle::{BundleError, MAX_LEN};
use crate::http::{Coding, Head};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The longest entity tag that is kept, in bytes.
pub const MAX_TAG_LEN: usize = 128;

/// An answer that can be used.
#[derive(Debug, Eq, PartialEq)]
pub enum Answer<'a> {
    /// What the proxy has still holds.
    Unchanged,
    /// A bundle, to be verified, and its entity tag; empty if it has none that can be used.
    Bundle(Cow<'a, [u8]>, Vec<u8>),
}

/// Why a call brought nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchError {
    /// There was no answer: no connection, no cluster of that name, too late.
    Unreachable,
    /// An answer with another status than 200 and, where there was a tag to compare, 304.
    Status,
    /// A body that does not decode, or is far larger than it came.
    Encoding,
    /// A body longer than a bundle may be.
    TooLarge,
    /// A bundle that is refused.
    Refused(BundleError),
}

impl<'a> Answer<'a> {
    /// Reads an answer. `asked` is the tag that the call named: without one, nothing can be unchanged.
    pub fn read(head: &Head<'_>, body: &'a [u8], asked: &[u8]) -> Result<Self, FetchError> {
        match head.all(":status").next() {
            Some(b"200") => {}
            Some(b"304") if !asked.is_empty() => return Ok(Self::Unchanged),
            _ => return Err(FetchError::Status),
        }
        if body.len() > MAX_LEN {
            return Err(FetchError::TooLarge);
        }
        let body = match Coding::read(head).map_err(|_| FetchError::Encoding)? {
            None => Cow::Borrowed(body),
            Some(coding) => Cow::Owned(coding.decode(body, MAX_LEN).map_err(|_| FetchError::Encoding)?),
        };
        let tag = head.all("etag").next().filter(|tag| is_tag(tag)).unwrap_or_default();
        Ok(Self::Bundle(body, tag.to_vec()))
    }
}

impl FetchError {
    /// A stable word for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Status => "status",
            Self::Encoding => "encoding",
            Self::TooLarge => "too_large",
            Self::Refused(error) => error.code(),
        }
    }
}

/// Whether these bytes are a strong entity tag (RFC 9110 section 8.8.3) that can stand in a header and in a notice.
pub(super) fn is_tag(tag: &[u8]) -> bool {
    let inner = tag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let plain = |inner: &[u8]| inner.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"');
    tag.len() <= MAX_TAG_LEN && inner.is_some_and(plain)
}
