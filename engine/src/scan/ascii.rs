//! Sets of ASCII bytes that are asked about nearly every byte of a text.

/// A bit for each of the lower and of the upper 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ascii(pub u64, pub u64);

impl Ascii {
    #[inline]
    pub(super) fn contains(self, byte: u8) -> bool {
        let half = if byte < 64 { self.0 } else { self.1 };
        byte.is_ascii() && half.wrapping_shr(u32::from(byte)) & 1 == 1
    }
}
