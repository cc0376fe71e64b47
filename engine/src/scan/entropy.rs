//! Shannon entropy in integers, so that native and wasm agree.

/// `n·log2(n)` in 1/4096 bit for n from 0 to 16; larger counts are built from these.
const N_LOG_N: [u32; 17] = [
    0, 0, 8192, 19476, 32768, 47553, 63528, 80492, 98304, 116856, 136066, 155868, 176208, 197041, 218329,
    240039, 262144,
];

/// Shannon entropy in sixteenths of a bit per byte, rounded down, over the first 255 bytes.
pub(crate) fn entropy(text: &[u8]) -> u32 {
    let text = text.get(..text.len().min(255)).unwrap_or_default();
    let mut counts = [0_u32; 256];
    for &byte in text {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total = u32::try_from(text.len()).unwrap_or(0);
    let spread = counts.iter().fold(0_u32, |sum, &count| sum.saturating_add(n_log_n(count)));
    // H = log2(N) − Σ n·log2(n) / N, and 4096 / 16 = 256.
    n_log_n(total).saturating_sub(spread).checked_div(total).unwrap_or(0) >> 8
}

/// `n·log2(n)` in 1/4096 bit: from the table, and beyond it by halving (`2n·log2(2n) = 2(n·log2(n) + n)`).
fn n_log_n(n: u32) -> u32 {
    if let Some(&value) = usize::try_from(n).ok().and_then(|n| N_LOG_N.get(n)) {
        return value;
    }
    let half = n >> 1;
    let even = n_log_n(half).saturating_add(half.saturating_mul(4096)).saturating_mul(2);
    if n & 1 == 0 {
        return even;
    }
    let next = half.saturating_add(1);
    let above = n_log_n(next).saturating_add(next.saturating_mul(4096)).saturating_mul(2);
    even.saturating_add(above) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_agrees_with_floating_point() {
        let exact = |text: &[u8]| {
            let n = text.len() as f64;
            let mut counts = [0_u32; 256];
            text.iter().for_each(|&b| counts[usize::from(b)] += 1);
            let bits: f64 = counts
                .iter()
                .filter(|&&c| c > 0)
                .map(|&c| -(f64::from(c) / n) * (f64::from(c) / n).log2())
                .sum();
            bits * 16.0
        };
        let long: Vec<u8> = (0..255).collect();
        for text in [
            &b"IOSFODNN7EXAMPLE"[..],
            b"aaaaaaaaaaaaaaaaaaaaaaaa",
            b"0123456789abcdef0123456789abcdef",
            b"ab",
            &long,
        ] {
            let difference = f64::from(entropy(text)) - exact(text);
            assert!((-1.1..=0.1).contains(&difference), "{text:?}: {} {}", entropy(text), exact(text));
        }
        assert_eq!((entropy(b""), entropy(b"a")), (0, 0));
    }
}
