//! Three detectors, as the compiler would make them: what `sk-` begins is redacted, `pub-` refused, `hint-` told.

use crate::policy::{Policy, fixture};
use crate::scan::{
    Action, ByteSet, Catalogue, Detector, DetectorId, Dfa, Finder, Meaning, Pattern, Profile, Redaction,
    SetId, Severity, Structural, Treatment, Triggers, Word,
};

/// What a text is replaced by.
pub(crate) const LABEL: &str = "[REDACTED:a]";

const WORDS: [(&str, &str, u16, Action); 3] =
    [("a", "sk-", 23, Action::Redact), ("b", "pub-", 14, Action::Block), ("c", "hint-", 10, Action::Alert)];

pub(crate) fn secret() -> String {
    ["sk", "-7c1f0e9ab2d34859bd67"].concat()
}

pub(crate) fn killer() -> String {
    ["pub", "-90d1e2ab34"].concat()
}

/// The bytes in classes: each letter of the words, other letters and digits, and the rest, which is 0.
fn classes() -> (Vec<(u8, u8)>, impl Fn(u8) -> u8) {
    let class = |byte: u8| match b"skpubhint-".iter().position(|&of| of == byte.to_ascii_lowercase()) {
        Some(at) => at as u8 + 2,
        None => u8::from(byte.is_ascii_alphanumeric()),
    };
    ((0..=255).map(|byte| (byte, class(byte))).collect(), class)
}

/// The word, and then letters and digits.
fn dfa(word: &str) -> Dfa {
    let (ranges, class) = classes();
    let width = 12;
    let last = word.len() + 1;
    let mut next = vec![0_u8; width * (last + 1)];
    for (at, byte) in word.bytes().enumerate() {
        next[width * (at + 1) + usize::from(class(byte))] = at as u8 + 2;
    }
    (1..width)
        .filter(|&of| of != usize::from(class(b'-')))
        .for_each(|of| next[width * last + of] = last as u8);
    Dfa::new(ranges, width as u16, next, vec![last as u8])
}

/// A trie of words that begin with different letters, and of which no end is another's beginning.
fn triggers() -> Triggers {
    let (ranges, class) = classes();
    let mut triggers = Triggers::default();
    (triggers.ranges, triggers.children) = (ranges, vec![WORDS.len() as u8]);
    for depth in 1..=5_u8 {
        for ((_, word, ..), id) in
            WORDS.iter().zip(0..).filter(|((_, word, ..), _)| word.len() >= depth.into())
        {
            triggers.labels.push(class(word.as_bytes()[usize::from(depth) - 1]));
            let ends = word.len() == usize::from(depth);
            if ends {
                let word = Word { meaning: Meaning::Anchor(DetectorId(id)), length: depth };
                triggers.words.push((triggers.children.len() as u16, word));
            }
            triggers.children.push(u8::from(!ends));
        }
    }
    triggers
}

fn catalogue() -> Catalogue {
    let mut word = ByteSet::default();
    (0..=255).filter(|byte: &u8| byte.is_ascii_alphanumeric()).for_each(|byte| word.insert(byte));
    let detector =
        |id: &str, finder| Detector { id: id.into(), severity: Severity::High, threat: false, finder };
    let pattern = |word, least| Pattern {
        lead: None,
        dfa: dfa(word),
        not_beside: (SetId(0), SetId(0)),
        length: (least, 4096),
        value: None,
        prefix: 0,
        checks: vec![],
        min_entropy: 0,
        placeholders: true,
        context: None,
        raw: false,
    };
    let mut detectors: Vec<_> = WORDS
        .iter()
        .map(|(id, word, least, _)| detector(id, Finder::Pattern(pattern(word, *least))))
        .collect();
    detectors.push(detector("scan-budget", Finder::Structural(Structural::ScanBudget)));
    let mut catalogue = Catalogue::default();
    (catalogue.detectors, catalogue.sets, catalogue.triggers) = (detectors, vec![word], triggers());
    catalogue
}

/// The policy that streams are judged by.
pub(crate) fn policy() -> Policy {
    let mut parts = fixture::parts();
    parts.catalogue = catalogue();
    let treatment =
        |action| Treatment { response: action, redaction: Redaction::Label, ..Treatment::default() };
    let actions = WORDS.iter().map(|(.., action)| *action).chain([Action::Block]);
    parts.profiles[0] = Profile::new(actions.map(treatment).collect(), Vec::new());
    Policy::new(parts).unwrap()
}
