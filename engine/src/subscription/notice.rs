//! What the worker that asks leaves for the others, in memory that the proxy's workers share.

use super::answer::is_tag;
use crate::bundle::{Active, DIGEST_LEN};
use alloc::vec::Vec;

/// How a notice begins; another layout gets another.
const MAGIC: &[u8; 4] = b"SPN1";

/// Which bundle the proxy has, and when its companion last said that it holds.
///
/// It is a hint: whoever can write to the proxy's shared memory can forge it. So the bundle that it tells of is verified by each worker,
/// and one that is forged can make a policy look confirmed, but not replace it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    active: Active,
    /// Seconds since 1970.
    pub confirmed: u64,
    /// The entity tag that the companion gave it; empty for a bundle that came with the configuration.
    pub tag: Vec<u8>,
}

impl Notice {
    /// Tells of a bundle.
    pub fn new(active: Active, confirmed: u64, tag: Vec<u8>) -> Self {
        Self { active, confirmed, tag }
    }

    /// The bundle that it tells of.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// Reads what [`Notice::to_bytes`] wrote; `None` for anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (confirmed, rest) = rest.split_first_chunk()?;
        let (digest, tag) = rest.split_first_chunk::<DIGEST_LEN>()?;
        if !tag.is_empty() && !is_tag(tag) {
            return None;
        }
        Some(Self {
            active: Active { serial: u64::from_le_bytes(*serial), digest: *digest },
            confirmed: u64::from_le_bytes(*confirmed),
            tag: tag.to_vec(),
        })
    }

    /// As bytes for the shared memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len().saturating_add(48).saturating_add(self.tag.len()));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.active.serial.to_le_bytes());
        bytes.extend_from_slice(&self.confirmed.to_le_bytes());
        bytes.extend_from_slice(&self.active.digest);
        bytes.extend_from_slice(&self.tag);
        bytes
    }
}
