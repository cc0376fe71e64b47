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

/// A lane. Out of line, as its counterpart below: the steps are small then, and here size counts, not speed.
#[inline(never)]
fn lane(state: &[u64; 25], at: usize) -> u64 {
    state.get(at).copied().unwrap_or(0)
}

#[inline(never)]
fn set(state: &mut [u64; 25], at: usize, value: u64) {
    if let Some(lane) = state.get_mut(at) {
        *lane = value;
    }
}

/// Where a lane is, by column and row; columns wrap.
fn place(column: usize, row: usize) -> usize {
    (column % 5).wrapping_add(row.wrapping_mul(5))
}

fn permute(state: &mut [u64; 25]) {
    let mut register = 1_u8;
    for _ in 0..black_box(24) {
        theta(state);
        rho_and_pi(state);
        for row in 0..black_box(5) {
            chi(state, row);
        }
        let first = lane(state, 0) ^ round_constant(&mut register);
        set(state, 0, first);
    }
}

#[inline(never)]
fn column(state: &[u64; 25], column: usize) -> u64 {
    (0..black_box(5)).fold(0, |sum, row| sum ^ lane(state, place(column, row)))
}

fn theta(state: &mut [u64; 25]) {
    let before = *state;
    for at in 0..black_box(25_usize) {
        let (left, right) = (column(&before, at.wrapping_add(4)), column(&before, at.wrapping_add(1)));
        set(state, at, lane(&before, at) ^ left ^ right.rotate_left(1));
    }
}

fn rho_and_pi(state: &mut [u64; 25]) {
    let mut moved = lane(state, 1);
    for (&to, &by) in LANES.iter().zip(&ROTATIONS).take(black_box(24)) {
        let next = lane(state, usize::from(to));
        set(state, usize::from(to), moved.rotate_left(u32::from(by)));
        moved = next;
    }
}

#[inline(never)]
fn chi(state: &mut [u64; 25], row: usize) {
    let before = *state;
    for at in 0..black_box(5_usize) {
        let of = |by: usize| lane(&before, place(at.wrapping_add(by), row));
        set(state, place(at, row), of(0) ^ (!of(1) & of(2)));
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
