//! Policy as bytes: what the compiler writes and the filter loads.
//!
//! ```text
//!  0  magic    "SALLYPRT"
//!  8  format   u16, little-endian: a reader takes exactly the formats it knows
//! 10  length   u32, little-endian: of the payload
//! 14  payload  the policy's parts, in postcard's encoding
//! ```

use crate::policy::{InvalidPolicy, Policy, PolicyParts};
use alloc::vec::Vec;
use core::fmt;

/// How every bundle begins.
pub const MAGIC: &[u8; 8] = b"SALLYPRT";
/// The format that this engine writes and reads.
pub const FORMAT: u16 = 2;
/// The longest bundle, in bytes.
pub const MAX_LEN: usize = 32 * 1024 * 1024;

const HEADER_LEN: usize = 14;

/// Why bytes are no bundle that can be judged by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BundleError {
    /// Does not begin with [`MAGIC`].
    NotABundle,
    /// Of a format that this engine does not know.
    Format(u16),
    /// Shorter or longer than it says of itself, or longer than [`MAX_LEN`].
    Length,
    /// The policy is too large for a bundle of [`MAX_LEN`].
    TooLong,
    /// The payload does not decode.
    Payload,
    /// The payload decodes to something that is no policy.
    Policy(InvalidPolicy),
}

/// Writes a policy. The same policy gives the same bytes.
pub fn encode(policy: &Policy) -> Result<Vec<u8>, BundleError> {
    let payload = postcard::to_allocvec(policy.parts()).map_err(|_| BundleError::Payload)?;
    let length = u32::try_from(payload.len()).map_err(|_| BundleError::TooLong)?;
    let mut bundle = Vec::with_capacity(payload.len().saturating_add(HEADER_LEN));
    bundle.extend_from_slice(MAGIC);
    bundle.extend_from_slice(&FORMAT.to_le_bytes());
    bundle.extend_from_slice(&length.to_le_bytes());
    bundle.extend_from_slice(&payload);
    if bundle.len() > MAX_LEN { Err(BundleError::TooLong) } else { Ok(bundle) }
}

/// Reads a policy, and checks everything in it before it is used.
pub fn decode(bundle: &[u8]) -> Result<Policy, BundleError> {
    let rest = bundle.strip_prefix(MAGIC).ok_or(BundleError::NotABundle)?;
    if bundle.len() > MAX_LEN {
        return Err(BundleError::Length);
    }
    let (format, rest) = rest.split_first_chunk().ok_or(BundleError::Length)?;
    let format = u16::from_le_bytes(*format);
    if format != FORMAT {
        return Err(BundleError::Format(format));
    }
    let (length, payload) = rest.split_first_chunk().ok_or(BundleError::Length)?;
    if usize::try_from(u32::from_le_bytes(*length)) != Ok(payload.len()) {
        return Err(BundleError::Length);
    }
    let (parts, left) =
        postcard::take_from_bytes::<PolicyParts>(payload).map_err(|_| BundleError::Payload)?;
    if !left.is_empty() {
        return Err(BundleError::Length);
    }
    Policy::new(parts).map_err(BundleError::Policy)
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABundle => f.write_str("not a Sallyport bundle"),
            Self::Format(found) => {
                write!(
                    f,
                    "bundle format {found} is unknown here, this engine reads format {FORMAT}: upgrade the older of filter and compiler"
                )
            }
            Self::Length => f.write_str("the bundle is cut short, or longer than it says"),
            Self::TooLong => f.write_str(
                "the policy is too large for a bundle, of at most 32 MiB: compile it for one audience",
            ),
            Self::Payload => f.write_str("the bundle's payload is damaged"),
            Self::Policy(why) => write!(f, "the bundle holds no valid policy: {why}"),
        }
    }
}

impl core::error::Error for BundleError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture;

    #[test]
    fn a_policy_survives_the_round_trip() {
        let policy = fixture::policy();
        let bundle = encode(&policy).unwrap();
        assert_eq!(decode(&bundle), Ok(policy));
    }

    #[test]
    fn every_cut_and_every_longer_bundle_is_refused() {
        let mut bundle = encode(&fixture::policy()).unwrap();
        for length in 0..bundle.len() {
            assert!(decode(&bundle[..length]).is_err(), "{length}");
        }
        bundle.push(0);
        assert_eq!(decode(&bundle), Err(BundleError::Length));
        bundle.pop();
        bundle[8] = 3;
        assert_eq!(decode(&bundle), Err(BundleError::Format(3)));
        bundle[0] = b'x';
        assert_eq!(decode(&bundle), Err(BundleError::NotABundle));
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_bundle_never_panics(at in 14_usize..2000, bit in 0_u8..8) {
            let mut bundle = encode(&fixture::policy()).unwrap();
            let at = at % bundle.len();
            bundle[at] ^= 1 << bit;
            let _ = decode(&bundle);
        }
    }
}
