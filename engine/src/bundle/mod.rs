//! Policy as bytes: what the compiler writes and the filter loads.
//!
//! ```text
//!  0  magic       "SALLYPRT"
//!  8  format      u16: a reader takes exactly the format that it knows
//! 10  audience    u16: bytes of the audience, at most 512
//! 12  engine      u32: the least engine that can judge by it
//! 16  payload     u32: bytes of the payload
//! 20  reserved    u32: 0
//! 24  serial      u64: counts up with every publication
//! 32  not before  u64: seconds since 1970, from which it may be put into force
//! 40  not after   u64: until then; 2^64-1 for ever
//! 48  digest      SHA-512/256 of the payload
//! 80  audience    `namespace` or `namespace/workload`; nothing if for all
//!     payload     the policy's parts, in postcard's encoding
//!     signatures  at most 8: key id (8 bytes), Ed25519 signature (64 bytes); by key id, each once
//! ```
//!
//! Numbers are little-endian. Each section begins at a multiple of four, with zeros before it. A signature is over all that comes
//! before the payload, which is in there by its digest; so signatures can be added without the others' being made anew.

mod trust;
mod wire;

pub use trust::{Active, Change, KeySet, MAX_KEYS, PublicKey, SPKI_PREFIX, Trust};
pub use wire::{Bundle, DIGEST_LEN, KeyId, MAX_AUDIENCE_LEN, MAX_SIGNATURES, frame, is_audience};

use crate::policy::{InvalidPolicy, Policy, PolicyParts};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// How every bundle begins.
pub const MAGIC: &[u8; 8] = b"SALLYPRT";
/// The format that this engine writes and reads.
pub const FORMAT: u16 = 4;
/// What this engine can judge by: raised whenever policy can say something that older engines would not understand.
pub const ENGINE: u32 = 1;
/// The longest bundle, in bytes.
pub const MAX_LEN: usize = 32 * 1024 * 1024;

/// What a bundle says of itself, beyond its policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
    /// Seconds since 1970 from which it may be put into force.
    pub not_before: u64,
    /// Seconds since 1970 from which it may no more.
    pub not_after: u64,
    /// The namespace, or the workload in one, that it is for.
    pub audience: Option<String>,
}

/// Why bytes are no bundle that can be judged by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BundleError {
    /// Does not begin with [`MAGIC`].
    NotABundle,
    /// Of a format that this engine does not know.
    Format(u16),
    /// For a newer engine than this.
    Engine(u32),
    /// Shorter or longer than it says of itself, or longer than [`MAX_LEN`].
    Length,
    /// A field of the header is outside of its limits.
    Header,
    /// The policy is too large for a bundle of [`MAX_LEN`].
    TooLong,
    /// The payload is not the one that the header names.
    Digest,
    /// The payload does not decode.
    Payload,
    /// The payload decodes to something that is no policy.
    Policy(InvalidPolicy),
    /// Nobody signed it, and keys are asked for.
    Unsigned,
    /// Signed by none of the keys that are known.
    UnknownKey,
    /// Signed only by a key that is retired.
    RetiredKey(KeyId),
    /// A signature is not by the key that it names.
    Signature(KeyId),
    /// For somebody else.
    Audience,
    /// Not to be put into force yet.
    NotYet,
    /// No longer to be put into force.
    Expired,
    /// Older than what is in force.
    Older,
    /// Of the same serial as what is in force, and not the same.
    Reused,
}

impl Default for Terms {
    fn default() -> Self {
        Self { not_before: 0, not_after: u64::MAX, audience: None }
    }
}

/// Writes a policy that is for anyone, for ever, and that nobody signed. The same policy gives the same bytes.
pub fn encode(policy: &Policy) -> Result<Vec<u8>, BundleError> {
    encode_under(policy, &Terms::default())
}

/// Writes a policy under terms; nobody signed it yet.
pub fn encode_under(policy: &Policy, terms: &Terms) -> Result<Vec<u8>, BundleError> {
    let payload = postcard::to_allocvec(policy.parts()).map_err(|_| BundleError::Payload)?;
    frame(&payload, policy.parts().serial, terms)
}

/// Reads a policy whoever made it, and checks everything in it before it is used.
pub fn decode(bundle: &[u8]) -> Result<Policy, BundleError> {
    Bundle::read(bundle)?.policy()
}

impl Bundle<'_> {
    /// The policy in it.
    pub fn policy(&self) -> Result<Policy, BundleError> {
        let (mut parts, left) =
            postcard::take_from_bytes::<PolicyParts>(self.payload()).map_err(|_| BundleError::Payload)?;
        if !left.is_empty() {
            return Err(BundleError::Length);
        }
        parts.serial = self.serial();
        Policy::new(parts).map_err(BundleError::Policy)
    }
}

impl BundleError {
    /// A stable word for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotABundle | Self::Length | Self::Header | Self::TooLong | Self::Digest | Self::Payload => {
                "damaged"
            }
            Self::Format(_) => "format",
            Self::Engine(_) => "engine",
            Self::Policy(_) => "policy",
            Self::Unsigned => "unsigned",
            Self::UnknownKey => "unknown_key",
            Self::RetiredKey(_) => "retired_key",
            Self::Signature(_) => "signature",
            Self::Audience => "audience",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::Older => "older",
            Self::Reused => "reused",
        }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(found) => {
                let (age, remedy) = if *found < FORMAT {
                    ("older", "compile it anew with this release")
                } else {
                    ("newer", "upgrade the filter, or what else reads it")
                };
                return write!(
                    f,
                    "the bundle is of the {age} format {found}, and this engine reads format {FORMAT}: {remedy}"
                );
            }
            Self::Engine(wanted) => {
                return write!(
                    f,
                    "the bundle needs engine {wanted}, and this is engine {ENGINE}: upgrade the filter"
                );
            }
            Self::Policy(why) => return write!(f, "the bundle holds no valid policy: {why}"),
            Self::RetiredKey(id) => {
                return write!(f, "only the retired key {id} signed the bundle: sign it with an active one");
            }
            Self::Signature(id) => {
                return write!(f, "the signature by key {id} is not of this bundle: fetch or sign it again");
            }
            _ => {}
        }
        f.write_str(match self {
            Self::NotABundle => "not a Sallyport bundle",
            Self::Length => "the bundle is cut short, or longer than it says",
            Self::Header => "a field of the bundle's header is outside of its limits",
            Self::TooLong => "the policy is too large for a bundle, of at most 32 MiB: compile it for one audience",
            Self::Digest => "the bundle's payload is not the one that its header names",
            Self::Unsigned => "nobody signed the bundle, and keys are configured: sign it with `policy-compiler sign`",
            Self::UnknownKey => "none of the configured keys signed the bundle: add the signer's public key, or sign it with a known one",
            Self::Audience => "the bundle is for another audience: compile one for this, or mend `audience`",
            Self::NotYet => "the bundle may not be put into force yet: check the clocks and its not-before time",
            Self::Expired => "the bundle has expired: publish a new one",
            Self::Older => "the bundle is older than what is in force: publish it with a higher serial",
            Self::Reused => "another bundle with this serial is in force: publish it with a higher serial",
            _ => "the bundle's payload is damaged",
        })
    }
}

impl core::error::Error for BundleError {}

#[cfg(test)]
mod tests;
