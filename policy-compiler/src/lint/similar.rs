//! `similar-names`: names that people, and servers that fold case, take for one another.
//!
//! Two names are similar if they are equal in lower case, or if their skeletons are (UTS 39 section 4: `l`, `1` and `I` are one
//! letter, `0` and `O` another), with `-`, `_` and `.` for the same.

use std::collections::{BTreeMap, HashMap};

use unicode_security::skeleton;

use super::view::View;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::Text;

/// The lists of names in rules, and what one of them is.
const LISTS: [(&str, &str); 4] =
    [("tools", "tool"), ("resources", "resource"), ("prompts", "prompt"), ("models", "model")];

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    let looks = Looks::new();
    let kinds = [
        (&view.agents, "Agent"),
        (&view.missions, "Mission"),
        (&view.services, "Service"),
        (&view.capabilities, "Capability"),
    ];
    for (documents, what) in kinds {
        report_among(documents.iter().map(|document| document.name), what, &looks, out);
    }
    for (key, what) in LISTS {
        // What one service calls a name has nothing to do with the names of another.
        let mut by_service: BTreeMap<u16, Vec<Text<'_>>> = BTreeMap::new();
        for rule in view.rules().filter(|rule| rule.operations.entry(key).is_some()) {
            by_service.entry(rule.rule.service.0).or_default().extend(rule.operations.texts(key));
        }
        for names in by_service.into_values() {
            report_among(names.into_iter(), what, &looks, out);
        }
    }
}

fn report_among<'n>(names: impl Iterator<Item = Text<'n>>, what: &str, looks: &Looks, out: &mut Diagnostics) {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable_by_key(|name| name.at);
    let mut alike: HashMap<u64, Text<'n>> = HashMap::with_capacity(names.len());
    for name in names {
        let keys = looks.keys(name.text);
        // Hashes decide quickly; what they find is compared.
        let found =
            keys.iter().filter_map(|key| alike.get(key)).find(|other| looks.are_alike(other.text, name.text));
        match found {
            Some(other) if other.text == name.text => {}
            Some(other) => report_pair(*other, name, what, out),
            None => keys.into_iter().for_each(|key| {
                alike.entry(key).or_insert(name);
            }),
        }
    }
}

fn report_pair(first: Text<'_>, second: Text<'_>, what: &str, out: &mut Diagnostics) {
    let same = first.text.to_lowercase() == second.text.to_lowercase();
    let how = if same { "differ only by case" } else { "look alike" };
    let message = format!("{what} `{}` and {what} `{}` {how}", first.text, second.text);
    let diagnostic = Diagnostic::new(Id::SimilarNames, second.at, message);
    let help = "if one of them is a slip, mend it; else rename one, so that nobody takes it for the other";
    out.push(diagnostic.help(help).also(first.at, "the other one"));
}

/// What characters look like at a glance; of ASCII it is worked out once.
struct Looks {
    ascii: Vec<String>,
}

impl Looks {
    fn new() -> Self {
        Self {
            ascii: (0_u8..128).map(|byte| Self::seen(char::from(byte).encode_utf8(&mut [0; 4]))).collect(),
        }
    }

    fn seen(text: &str) -> String {
        let separator = |c| if matches!(c, '_' | '.') { '-' } else { c };
        skeleton(text).map(separator).collect::<String>().to_lowercase()
    }

    /// What a name looks like.
    fn look(&self, name: &str) -> String {
        if !name.is_ascii() {
            return Self::seen(name);
        }
        name.bytes().filter_map(|byte| self.ascii.get(usize::from(byte))).map(String::as_str).collect()
    }

    fn are_alike(&self, one: &str, other: &str) -> bool {
        one == other || one.to_lowercase() == other.to_lowercase() || self.look(one) == self.look(other)
    }

    /// Hashes of a name in lower case and of its look: similar names have one of them in common.
    fn keys(&self, name: &str) -> [u64; 2] {
        if !name.is_ascii() {
            return [hash(name.to_lowercase().bytes()), hash(self.look(name).bytes())];
        }
        let seen = name.bytes().filter_map(|byte| self.ascii.get(usize::from(byte)));
        [hash(name.bytes().map(|byte| byte.to_ascii_lowercase())), hash(seen.flat_map(|seen| seen.bytes()))]
    }
}

/// FNV-1a, which is quick for texts as short as names.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::Looks;

    #[test]
    fn names_that_look_alike_have_one_look() {
        for (one, other, alike) in [
            ("list_files", "1ist_files", true),
            ("list_files", "list-files", true),
            ("Item", "ltem", true),
            ("zone0", "zoneO", true),
            ("gpt-4", "gpt\u{2010}4", true),
            ("paypal", "p\u{430}ypal", true),
            ("search_docs", "search_doc", false),
            ("a1", "a2", false),
            ("read", "write", false),
            ("Modern", "modern", true),
            ("IO", "lo", true),
        ] {
            let looks = Looks::new();
            assert_eq!(looks.are_alike(one, other), alike, "{one} {other}");
            let [one_keys, other_keys] = [one, other].map(|name| looks.keys(name));
            let shared = one_keys.iter().zip(&other_keys).any(|(a, b)| a == b);
            assert_eq!(shared, alike, "{one} {other}");
        }
    }
}
