//! Bodies, made from numbers: the same seed and index give the same body.
//!
//! A body begins as a valid document ([`document`]), written with or without white space. Some stay so; the others have their
//! structure mutated ([`mutate`]), their bytes damaged ([`damage`]), or both. Random bytes alone would hardly ever be accepted,
//! and what is refused proves nothing about other parsers.

mod damage;
mod document;
mod midpoint;
mod mutate;
mod number;
mod string;
mod tree;

use fastrand::Rng;
use midpoint::Midpoints;
use tree::Space;

/// Makes bodies.
#[derive(Debug)]
pub struct Generator {
    seed: u64,
    midpoints: Midpoints,
}

impl Generator {
    /// Every body follows from the seed and its index.
    pub fn new(seed: u64) -> Self {
        Self { seed, midpoints: Midpoints::find() }
    }

    /// The body of an index.
    pub fn body(&self, index: u64) -> Vec<u8> {
        // The golden ratio spreads the indices of one seed over all seeds.
        let mut rng = Rng::with_seed(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rng = &mut rng;
        let mut tree = document::document(rng, &self.midpoints);
        let (mutations, damages) =
            pick(rng, &[(0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (2, 0), (0, 1), (0, 1), (1, 1), (3, 2)]);
        (0..mutations).for_each(|_| mutate::mutate(&mut tree, rng, &self.midpoints));
        let space = pick(rng, &[Space::Tight, Space::Tight, Space::Loose]);
        let mut body = Vec::new();
        tree.render(rng, space, &mut body);
        (0..damages).for_each(|_| damage::damage(&mut body, rng));
        body
    }
}

/// One of several, each as likely.
fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_engine::json::Document;
    use std::collections::BTreeMap;

    #[test]
    fn the_same_seed_gives_the_same_bodies() {
        let bodies = |seed| {
            let generator = Generator::new(seed);
            (0..200).map(|index| generator.body(index)).collect::<Vec<_>>()
        };
        assert_eq!(bodies(3), bodies(3));
        assert_ne!(bodies(3), bodies(4));
    }

    /// Half of all bodies accepted, and every fault met, or the comparison would say little.
    #[test]
    fn bodies_are_of_every_kind() {
        let generator = Generator::new(1);
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for index in 0..20_000 {
            let body = generator.body(index);
            let outcome =
                Document::parse(&body).err().map_or("accepted".into(), |error| format!("{:?}", error.fault));
            *outcomes.entry(outcome).or_default() += 1;
        }
        assert!(outcomes["accepted"] > 8_000, "{outcomes:?}");
        for fault in [
            "ByteOrderMark",
            "ControlCharacter",
            "DuplicateKey",
            "Escape",
            "Noncharacter",
            "NotUtf8",
            "NulInKey",
            "Number",
            "Surrogate",
            "Syntax",
            "TooDeep",
            "Trailing",
        ] {
            assert!(outcomes.get(fault).is_some_and(|&count| count > 20), "{fault} in {outcomes:?}");
        }
    }
}
