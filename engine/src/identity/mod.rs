//! Who is calling: from what the TLS layer proved about the peer to one SPIFFE ID, or the reason why there is none.

mod certificate;
mod spiffe;

pub use certificate::uri_sans;
pub use spiffe::{InvalidSpiffeId, MAX_SPIFFE_ID_LEN, SpiffeId, SpiffePattern, TrustDomain};

use crate::reason::Reason;

/// What the TLS layer proved about the peer. Headers are never a source of identity.
#[derive(Clone, Copy, Debug)]
pub enum Peer<'a> {
    /// No mutual TLS, or a certificate that was not validated.
    Anonymous,
    /// A validated certificate with these URI subject alternative names, all of them.
    Verified(&'a [&'a [u8]]),
    /// A validated certificate whose only URI subject alternative name is this SPIFFE ID: read once for all requests of a connection.
    Identified(&'a SpiffeId),
    /// A validated certificate that could not be read. Its bearer is treated as malformed.
    Unreadable,
}

impl Peer<'_> {
    /// The caller's SPIFFE ID, or why there is none (X.509-SVID specification, section 2: exactly one URI SAN).
    pub(crate) fn spiffe_id(&self) -> Result<SpiffeId, Reason> {
        match self {
            Self::Anonymous | Self::Verified([]) => Err(Reason::IdentityAbsent),
            Self::Identified(id) => Ok((*id).clone()),
            Self::Verified([uri]) => SpiffeId::parse(uri).map_err(|_| Reason::IdentityMalformed),
            Self::Verified(_) | Self::Unreadable => Err(Reason::IdentityMalformed),
        }
    }
}
