//! Random texts that a regular expression matches, from its syntax tree.

use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind};

/// A small generator of random numbers (xorshift64*, Vigna 2016), seeded by a name: runs repeat.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (drawn % bound.max(1) as u64) as usize
    }

    pub(crate) fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// Parses as the compiler does: bytes, no Unicode classes.
pub(crate) fn parse(pattern: &str) -> Hir {
    regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap()
}

/// How often what may repeat without end does so, beyond its least.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repeats {
    /// So often in all, shared out among so many.
    Exactly(usize, usize),
    /// Each so often at most.
    UpTo(usize),
}

/// How many parts of an expression may repeat without end.
pub(crate) fn endless(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Capture(capture) => endless(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(endless).sum(),
        HirKind::Alternation(parts) => parts.iter().map(endless).max().unwrap_or(0),
        HirKind::Repetition(repetition) => {
            usize::from(repetition.max.is_none()).max(endless(&repetition.sub))
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => 0,
    }
}

/// Appends a text that the expression matches.
pub(crate) fn sample(hir: &Hir, repeats: Repeats, random: &mut Random, out: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => out.push(one_of(class, random)),
        HirKind::Class(Class::Unicode(class)) => {
            let range = random.one_of(class.ranges());
            let drawn = u32::from(range.start()) + random.below(range.len()) as u32;
            let drawn = char::from_u32(drawn).unwrap_or(range.start());
            out.extend_from_slice(drawn.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Capture(capture) => sample(&capture.sub, repeats, random, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, repeats, random, out)),
        HirKind::Alternation(parts) => sample(random.one_of(parts), repeats, random, out),
        HirKind::Repetition(repetition) => {
            let least = repetition.min as usize;
            let most = match (repetition.max, repeats) {
                (Some(max), _) => max as usize,
                (None, Repeats::Exactly(all, parts)) => least + all / parts.max(1),
                (None, Repeats::UpTo(most)) => least + most,
            };
            let exact = repetition.max.is_none() && matches!(repeats, Repeats::Exactly(..));
            // Both ends are where mistakes are.
            let times = match random.below(6) {
                _ if exact => most,
                0 => least,
                1 => most,
                _ => least + random.below(most - least + 1),
            };
            (0..times).for_each(|_| sample(&repetition.sub, repeats, random, out));
        }
    }
}

/// A byte of a class; of a class of nearly everything, one that is printed.
fn one_of(class: &ClassBytes, random: &mut Random) -> u8 {
    let all: Vec<u8> = class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect();
    let plain: Vec<u8> = all.iter().copied().filter(|byte| byte.is_ascii_alphanumeric()).collect();
    let printed: Vec<u8> = all.iter().copied().filter(|byte| (b' '..=b'~').contains(byte)).collect();
    match (all.len(), random.below(8)) {
        // Blanks are blanks, mostly.
        (..97, 1..) if all.contains(&b' ') && all.contains(&b'\t') => b' ',
        (..97, _) => *random.one_of(&all),
        (_, 0) if !printed.is_empty() => *random.one_of(&printed),
        _ if !plain.is_empty() => *random.one_of(&plain),
        _ => *random.one_of(&all),
    }
}
