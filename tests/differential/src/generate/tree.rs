//! JSON as it is written: values whose leaves and keys are tokens, spelt as they will stand in the text.

use fastrand::Rng;

/// A value as it will be written.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A token: a number, a string with its quotes, a word.
    Leaf(Vec<u8>),
    /// An array.
    Array(Vec<Tree>),
    /// An object: keys with their quotes, and values. Nothing keeps a key from standing twice.
    Object(Vec<(Vec<u8>, Tree)>),
}

impl Tree {
    pub(super) fn leaf(token: impl Into<Vec<u8>>) -> Self {
        Self::Leaf(token.into())
    }

    /// Writes the value, with white space between the tokens as `space` has it.
    pub(super) fn render(&self, rng: &mut Rng, space: Space, out: &mut Vec<u8>) {
        space.put(rng, out);
        match self {
            Self::Leaf(token) => out.extend(token),
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    separate(at, out);
                    item.render(rng, space, out);
                }
                self.close(b']', rng, space, out);
            }
            Self::Object(members) => {
                out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    separate(at, out);
                    space.put(rng, out);
                    out.extend(key);
                    space.put(rng, out);
                    out.push(b':');
                    value.render(rng, space, out);
                }
                self.close(b'}', rng, space, out);
            }
        }
        space.put(rng, out);
    }

    fn close(&self, bracket: u8, rng: &mut Rng, space: Space, out: &mut Vec<u8>) {
        space.put(rng, out);
        out.push(bracket);
    }

    /// How many values there are, this one counted.
    pub(super) fn count(&self) -> usize {
        1 + match self {
            Self::Leaf(_) => 0,
            Self::Array(items) => items.iter().map(Self::count).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// The `at`-th value, depth first, this one being the first.
    pub(super) fn nth_mut(&mut self, at: usize) -> Option<&mut Self> {
        fn walk<'t>(tree: &'t mut Tree, left: &mut usize) -> Option<&'t mut Tree> {
            if *left == 0 {
                return Some(tree);
            }
            *left -= 1;
            match tree {
                Tree::Leaf(_) => None,
                Tree::Array(items) => items.iter_mut().find_map(|item| walk(item, left)),
                Tree::Object(members) => members.iter_mut().find_map(|(_, value)| walk(value, left)),
            }
        }
        let mut left = at;
        walk(self, &mut left)
    }
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

/// How much white space stands between tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Space {
    /// None.
    Tight,
    /// Here and there, of every kind that JSON has.
    Loose,
}

impl Space {
    fn put(self, rng: &mut Rng, out: &mut Vec<u8>) {
        if let (Self::Loose, 0) = (self, rng.u8(0..3)) {
            for _ in 0..rng.usize(1..4) {
                out.push(super::pick(rng, b" \t\n\r"));
            }
        }
    }
}
