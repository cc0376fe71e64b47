//! Which runs of digits a match could begin with: asked of a detector's automaton, for every shape that the engine tells apart.

use sallyport_engine::scan::{ByteSet, Dfa, FOLLOWERS, MAX_NEXT, MAX_RUN, follower, shape};

use super::definition::Pattern;

/// The shapes of the runs that a match could begin with, behind a lead of at most so many bytes of a set.
pub(super) fn of(pattern: &Pattern, lead: Option<(ByteSet, u8)>) -> Vec<usize> {
    let dfa = &pattern.dfa;
    let mut shapes = Vec::new();
    let mut reached = States::behind(dfa, lead);
    // A match may end before its run does, where digits may follow it.
    let may_end_within = (b'0'..=b'9').any(|digit| !pattern.not_beside.1.contains(digit));
    let mut ended = false;
    for digits in 0..=MAX_RUN {
        if digits == MAX_RUN {
            reached.go_on(dfa, is_digit);
            ended |= may_end_within && reached.accept(dfa);
        }
        for kind in 0..FOLLOWERS {
            let follows = |byte: u8| !is_digit(byte) && follower(Some(byte)) == kind;
            let may_end = kind == follower(None)
                || (0..=u8::MAX).any(|byte| follows(byte) && !pattern.not_beside.1.contains(byte));
            let ends = ended || (may_end && reached.accept(dfa));
            let behind = reached.step(dfa, follows);
            let fitting = (0..=MAX_NEXT).filter(|&next| ends || goes_on(dfa, &behind, next));
            shapes.extend(fitting.map(|next| shape(digits, kind, next)));
        }
        ended |= may_end_within && reached.accept(dfa);
        reached = reached.step(dfa, is_digit);
    }
    shapes
}

/// Whether a match could end or go on behind so many digits more, and no other.
fn goes_on(dfa: &Dfa, behind: &States, digits: usize) -> bool {
    let mut reached = States(behind.0.clone());
    for _ in 0..digits {
        if reached.accept(dfa) {
            return true;
        }
        reached = reached.step(dfa, is_digit);
    }
    reached.accept(dfa)
        || !reached.step(dfa, |byte| !is_digit(byte)).0.is_empty()
        || (digits == MAX_NEXT && !reached.step(dfa, is_digit).0.is_empty())
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// The states that an automaton may be in, but the dead one, in order.
struct States(Vec<u8>);

impl States {
    fn behind(dfa: &Dfa, lead: Option<(ByteSet, u8)>) -> Self {
        let mut reached = Self(vec![dfa.start()]);
        if let Some((set, most)) = lead {
            let mut last = Self(reached.0.clone());
            for _ in 0..most {
                last = last.step(dfa, |byte| set.contains(byte));
                if !reached.take_in(&last) {
                    break;
                }
            }
        }
        reached
    }

    fn step(&self, dfa: &Dfa, bytes: impl Fn(u8) -> bool) -> Self {
        let bytes: Vec<u8> = (0..=u8::MAX).filter(|&byte| bytes(byte)).collect();
        let next = self.0.iter().flat_map(|&state| bytes.iter().map(move |&byte| dfa.step(state, byte)));
        let mut next: Vec<u8> = next.filter(|&state| state != 0).collect();
        next.sort_unstable();
        next.dedup();
        Self(next)
    }

    /// Takes in what is reached by any number of further bytes.
    fn go_on(&mut self, dfa: &Dfa, bytes: impl Fn(u8) -> bool) {
        while self.take_in(&self.step(dfa, &bytes)) {}
    }

    /// Takes in other states, and says whether one of them is new.
    fn take_in(&mut self, others: &Self) -> bool {
        let before = self.0.len();
        self.0.extend(&others.0);
        self.0.sort_unstable();
        self.0.dedup();
        self.0.len() > before
    }

    fn accept(&self, dfa: &Dfa) -> bool {
        self.0.iter().any(|&state| dfa.accepts_in(state))
    }
}
