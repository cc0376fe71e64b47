//! Keccak-256 as Ethereum uses it: the original padding, not that of SHA-3.

use core::hint::black_box;

/// The bytes of a block: 1600 bits less twice 256.
const RATE: usize = 136;
/// The lanes in the order of the ρ and π steps, and the distance each is rotated by.
const LANES: [u8; 24] =
    [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];
const ROTATIONS: [u8; 24] =
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];

/// The hash of a text that fits into one block; of a longer one, of what fits.
pub(super) fn keccak256(text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; RATE];
    let text = text.get(..text.len().min(RATE.wrapping_sub(1))).unwrap_or_default();
    block.iter_mut().zip(text.iter().chain([&1])).for_each(|(to, from)| *to = *from);
    let [.., last] = &mut block;
    *last |= 0x80;
    let mut state = [0_u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
        *lane = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    }
    permute(&mut state);
    let mut hash = [0_u8; 32];
    for (to, lane) in hash.chunks_exact_mut(8).zip(state) {
        to.iter_mut().zip(lane.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    hash
}

/// The state, of a length that the compiler does not know, so that it does not unroll loops: here size counts, not speed.
fn rolled(state: &mut [u64; 25]) -> &mut [u64] {
    state.get_mut(..black_box(25)).unwrap_or_default()
}

fn permute(state: &mut [u64; 25]) {
    let mut register = 1_u8;
    for _ in 0..black_box(24) {
        theta(state);
        rho_and_pi(state);
        chi(state);
        let [first, ..] = state;
        *first ^= round_constant(&mut register);
    }
}

fn theta(state: &mut [u64; 25]) {
    let mut parity = [0_u64; 5];
    for row in rolled(state).chunks_exact(5) {
        parity.iter_mut().zip(row).for_each(|(sum, lane)| *sum ^= lane);
    }
    let [a, b, c, d, e] = parity;
    let left = [e, a, b, c, d];
    let right = [b, c, d, e, a];
    for row in rolled(state).chunks_exact_mut(5) {
        for ((lane, left), right) in row.iter_mut().zip(left).zip(right) {
            *lane ^= left ^ right.rotate_left(1);
        }
    }
}

fn rho_and_pi(state: &mut [u64; 25]) {
    let [_, mut moved, ..] = *state;
    let state = rolled(state);
    for (&to, &by) in LANES.iter().zip(&ROTATIONS).take(black_box(24)) {
        if let Some(lane) = state.get_mut(usize::from(to)) {
            moved = core::mem::replace(lane, moved.rotate_left(u32::from(by)));
        }
    }
}

fn chi(state: &mut [u64; 25]) {
    for row in rolled(state).chunks_exact_mut(5) {
        if let [a, b, c, d, e] = row {
            let (a0, b0) = (*a, *b);
            *a ^= !*b & *c;
            *b ^= !*c & *d;
            *c ^= !*d & *e;
            *d ^= !*e & a0;
            *e ^= !a0 & b0;
        }
    }
}

/// The next constant of the ι step: a bit at each place 2^j − 1, from a shift register of eight bits.
fn round_constant(register: &mut u8) -> u64 {
    [0_u32, 1, 3, 7, 15, 31, 63].iter().take(black_box(7)).fold(0, |constant, &place| {
        let bit = u64::from(*register & 1).rotate_left(place);
        let carry = if *register & 0x80 == 0 { 0 } else { 0x71 };
        *register = register.wrapping_shl(1) ^ carry;
        constant | bit
    })
}

#[cfg(test)]
mod tests {
    use super::keccak256;

    #[test]
    fn published_hashes_are_met() {
        let hex = |text: &[u8]| keccak256(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(b""), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(hex(b"abc"), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    }
}
