//! Comparing texts by words of eight bytes: WebAssembly has no instruction for it, and the library's comparison goes byte by byte.

use core::cmp::Ordering;

/// Whether two texts are the same.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) => {
            let mut words = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
            word(end) == word(other_end) && words.all(|(a, b)| word(a) == word(b))
        }
        _ => one.iter().zip(other).all(|(a, b)| a == b),
    }
}

/// The order of two texts: that of their bytes.
pub(crate) fn order(one: &[u8], other: &[u8]) -> Ordering {
    let (words, other_words) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let alike =
        words.iter().zip(other_words).take_while(|(a, b)| word(a) == word(b)).count().saturating_mul(8);
    let (rest, other_rest) = (one.get(alike..).unwrap_or_default(), other.get(alike..).unwrap_or_default());
    let differing = rest.iter().zip(other_rest).find(|(a, b)| a != b);
    differing.map_or_else(|| one.len().cmp(&other.len()), |(a, b)| a.cmp(b))
}

/// As arrays, they would be compared by the library.
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_say_what_the_library_says(text in prop::collection::vec(0..3_u8, 0..40), cut in 0..40_usize, tail in prop::collection::vec(any::<u8>(), 0..12)) {
            let other = [&text[..cut.min(text.len())], &tail].concat();
            prop_assert_eq!(same(&text, &other), text == other);
            prop_assert_eq!(order(&text, &other), text.cmp(&other));
            prop_assert!(same(&text, &text.clone()));
        }
    }
}
