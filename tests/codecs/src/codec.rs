//! The codecs: each writes a policy, and reads one that nobody vouches for.

use crate::shape::PolicyParts;
use crate::touch::Touch as _;

type Sum = Option<u32>;

#[cfg(feature = "postcard")]
pub mod by_postcard {
    use super::*;

    pub fn encode(parts: &PolicyParts) -> Vec<u8> {
        postcard::to_allocvec(parts).unwrap()
    }

    pub fn load(bytes: &[u8]) -> Sum {
        let (parts, left) = postcard::take_from_bytes::<PolicyParts>(bytes).ok()?;
        left.is_empty().then(|| parts.touch())
    }
}

#[cfg(feature = "wincode")]
pub mod by_wincode {
    use super::*;

    pub fn encode(parts: &PolicyParts) -> Vec<u8> {
        wincode::serialize(parts).unwrap()
    }

    pub fn load(bytes: &[u8]) -> Sum {
        Some(wincode::deserialize_exact::<PolicyParts>(bytes).ok()?.touch())
    }
}

#[cfg(feature = "wincode")]
pub mod by_wincode_varint {
    use super::*;
    use wincode::config::{self, Configuration};

    pub fn encode(parts: &PolicyParts) -> Vec<u8> {
        config::serialize(parts, Configuration::default().with_varint_encoding()).unwrap()
    }

    pub fn load(bytes: &[u8]) -> Sum {
        let config = Configuration::default().with_varint_encoding();
        Some(config::deserialize_exact::<PolicyParts, _>(bytes, config).ok()?.touch())
    }
}

#[cfg(feature = "rkyv")]
pub mod by_rkyv {
    use super::*;
    use rkyv::rancor::Failure;

    pub fn encode(parts: &PolicyParts) -> Vec<u8> {
        rkyv::to_bytes::<Failure>(parts).unwrap().into_vec()
    }

    pub fn load(bytes: &[u8]) -> Sum {
        Some(rkyv::from_bytes::<PolicyParts, Failure>(bytes).ok()?.touch())
    }

    pub fn access(bytes: &[u8]) -> Sum {
        Some(rkyv::access::<rkyv::Archived<PolicyParts>, Failure>(bytes).ok()?.touch())
    }
}

#[cfg(feature = "bitcode")]
pub mod by_bitcode {
    use super::*;

    pub fn encode(parts: &PolicyParts) -> Vec<u8> {
        bitcode::encode(parts)
    }

    pub fn load(bytes: &[u8]) -> Sum {
        Some(bitcode::decode::<PolicyParts>(bytes).ok()?.touch())
    }
}

/// The codec that this module is built with.
#[cfg(target_arch = "wasm32")]
pub(crate) fn chosen(bytes: &[u8]) -> Sum {
    #[cfg(feature = "postcard")]
    return by_postcard::load(bytes);
    #[cfg(feature = "wincode-varint")]
    return by_wincode_varint::load(bytes);
    #[cfg(all(feature = "wincode", not(feature = "wincode-varint")))]
    return by_wincode::load(bytes);
    #[cfg(feature = "rkyv-access")]
    return by_rkyv::access(bytes);
    #[cfg(all(feature = "rkyv", not(feature = "rkyv-access")))]
    return by_rkyv::load(bytes);
    #[cfg(feature = "bitcode")]
    return by_bitcode::load(bytes);
    #[cfg(feature = "held")]
    return held(bytes);
}

/// Takes the bytes for the address of a policy that somebody left, so that nothing of the walk and the release is left out.
#[cfg(all(target_arch = "wasm32", feature = "held"))]
fn held(bytes: &[u8]) -> Sum {
    let copy = core::hint::black_box(bytes.to_vec());
    let address = u32::from_le_bytes(*copy.first_chunk()?) as *mut PolicyParts;
    // SAFETY: never run; it is measured for its size alone.
    let parts = unsafe { Box::from_raw(address) };
    Some(parts.touch())
}
