//! SHA-256, HMAC and CRC-32, once for all of their uses.

use alloc::string::String;
use crc::Crc;
use sha2::{Digest as _, Sha256};

/// The CRC-32 of gzip (RFC 1952 section 8), which some tokens end in too.
pub(crate) static CRC_32: Crc<u32> = Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// The SHA-256 (FIPS 180-4) of texts, one behind the other.
#[inline(never)]
pub(crate) fn sha256(texts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
    }
    hash.finalize().into()
}

/// The HMAC-SHA-256 (RFC 2104) of a text by a key of at most 64 bytes.
pub(crate) fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    sha256(&[&pad(0x5c), &sha256(&[&pad(0x36), text])])
}

/// Bytes in hexadecimal digits.
#[inline(never)]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |of: u8| char::from_digit(u32::from(of), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        // FIPS 180-4's `abc`, and RFC 4231's second case.
        assert!(hex(&sha256(&[b"a", b"", b"bc"])).starts_with("ba7816bf8f01cfea414140de5dae2223"));
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
