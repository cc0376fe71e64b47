//! CRC-32 as gzip has it (RFC 1952 section 8), a byte at a time.
//!
//! The crate that is quicker brings tables of 16 KiB, which no compression makes smaller: a seventeenth of what the module may weigh.
//! Decoding a body takes longer than its checksum either way.

/// What each byte does to a checksum of zero.
const TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut byte = 0_u32;
    let mut rows: &mut [u32] = &mut table;
    while let Some((row, rest)) = rows.split_first_mut() {
        let mut bits = byte;
        let mut left = 8_u32;
        while left > 0 {
            bits = (bits >> 1) ^ if bits & 1 == 1 { 0xedb8_8320 } else { 0 };
            left = left.saturating_sub(1);
        }
        *row = bits;
        byte = byte.saturating_add(1);
        rows = rest;
    }
    table
};

/// A checksum of what has come so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(u32::MAX)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            let row = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0);
            self.0 = (self.0 >> 8) ^ row;
        }
    }

    pub(crate) fn finish(self) -> u32 {
        !self.0
    }
}

/// The checksum of a text.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = Crc32::new();
    sum.update(bytes);
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::{Crc32, crc32};
    use proptest::prelude::*;

    #[test]
    fn it_is_the_one_that_everybody_uses() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_crate_however_it_is_cut(bytes: Vec<u8>, cut in any::<prop::sample::Index>()) {
            let (one, two) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut sum = Crc32::new();
            sum.update(one);
            sum.update(two);
            prop_assert_eq!(sum.finish(), crc32fast::hash(&bytes));
        }
    }
}
