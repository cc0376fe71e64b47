//! Valid values of a detector, and such as are nearly valid.

use std::cell::Cell;

use policy_compiler::detectors::{Definition, Pattern};
use regex_syntax::hir::Hir;
use sallyport_engine::scan::Check;

use super::arithmetic;
use super::contexts::{Context, embed};
use super::sampler::{Random, Repeats, endless, parse, sample};

/// How often a value is drawn before it is given up: some check digits are right once in a few thousand.
const TRIES: usize = 600;
/// How often what has no end is repeated at most.
const REPEATS: [usize; 6] = [3, 12, 30, 60, 120, 220];

/// What values of one detector are made from.
pub(crate) struct Source<'d> {
    definition: &'d Definition,
    pattern: &'d Pattern,
    form: Hir,
    words: &'d [String],
    /// Whether nothing that is valid was drawn, so that samples stand in.
    rare: Cell<bool>,
}

impl<'d> Source<'d> {
    pub(crate) fn new(definition: &'d Definition, pattern: &'d Pattern) -> Self {
        let words = pattern.context.as_ref().map_or(&[][..], |(words, _)| words);
        Self { definition, pattern, form: parse(&pattern.regex), words, rare: Cell::new(false) }
    }

    /// A text of the form, of a length that counts, with check digits that are right; a sample of the detector's file, where such a text is
    /// hardly ever drawn.
    pub(crate) fn value(&self, random: &mut Random) -> String {
        let drawn = if self.rare.get() { None } else { self.draw(random) };
        self.rare.set(drawn.is_none());
        drawn.unwrap_or_else(|| random.one_of(&self.definition.matches).0.clone())
    }

    /// Whether its values are samples.
    pub(crate) fn is_rare(&self) -> bool {
        self.rare.get()
    }

    fn draw(&self, random: &mut Random) -> Option<String> {
        let digest = self.pattern.checks.iter().any(|check| arithmetic::is_digest(*check));
        (0..if digest { 0 } else { TRIES }).find_map(|_| {
            let mut bytes = Vec::new();
            sample(&self.form, self.repeats(random), random, &mut bytes);
            let value = String::from_utf8(bytes).ok()?;
            self.is_valid(&value).then_some(value)
        })
    }

    /// As often as a length that counts asks for, or any number of times.
    fn repeats(&self, random: &mut Random) -> Repeats {
        let (least, most) = (usize::from(self.pattern.length.0), usize::from(self.pattern.length.1));
        let shortest = self.form.properties().minimum_len().unwrap_or(0);
        let wanted = least + random.below(most.min(least + 40) - least + 1);
        match wanted.checked_sub(shortest) {
            Some(more) if random.below(4) > 0 => Repeats::Exactly(more, endless(&self.form)),
            _ => Repeats::UpTo(*random.one_of(&REPEATS)),
        }
    }

    fn is_valid(&self, value: &str) -> bool {
        let (least, most) = self.pattern.length;
        let lower = value.to_ascii_lowercase();
        let lead = self.pattern.lead.map_or(0, |(_, most)| usize::from(most));
        // A number that is written without a single digit is not announced by any.
        let digits = self.pattern.anchors.is_empty() && value.bytes().any(|byte| byte.is_ascii_digit());
        let anchored = digits
            || self
                .pattern
                .anchors
                .iter()
                .any(|anchor| lower.find(&anchor.to_ascii_lowercase()).is_some_and(|at| at <= lead));
        (usize::from(least)..=usize::from(most)).contains(&value.len())
            && anchored
            && self.is_random(value)
            && self.pattern.checks.iter().all(|check| arithmetic::accepts(*check, self.checked(value)))
    }

    /// Whether a value that people choose is as random as the detector says that it looks for. Tokens are drawn as they come.
    fn is_random(&self, value: &str) -> bool {
        let chosen = self.checked(value).as_bytes();
        let share =
            |byte: &u8| chosen.iter().filter(|other| *other == byte).count() as f64 / chosen.len() as f64;
        let bits: f64 = chosen.iter().map(|byte| -share(byte).log2() / chosen.len() as f64).sum();
        self.pattern.value.is_none() || bits * 16.0 >= f64::from(self.pattern.min_entropy) + 1.0
    }

    /// The part that checks are about.
    fn checked<'v>(&self, value: &'v str) -> &'v str {
        let Some(set) = self.pattern.value else { return value };
        let length = value.bytes().rev().take_while(|&byte| set.contains(byte)).count();
        &value[value.len() - length..]
    }

    /// The value where such values stand, behind a word where its detector asks for one.
    pub(crate) fn embed(&self, value: &str, context: Context, random: &mut Random) -> String {
        let word = if self.words.is_empty() { "" } else { random.one_of(self.words) };
        self.text(context, word, value)
    }

    /// In front of what may follow it: of some forms that is one sign, such as the `@` behind a password.
    fn text(&self, context: Context, word: &str, value: &str) -> String {
        let forbidden = self.pattern.not_beside.1;
        if b" \n\",".iter().any(|&byte| !forbidden.contains(byte)) {
            return embed(context, word, value);
        }
        let sign = (b'!'..=b'~').find(|&byte| !forbidden.contains(byte)).map_or(' ', char::from);
        embed(context, word, &format!("{value}{sign}host.example"))
    }

    /// Texts that are not what the detector is for, though they look like it.
    pub(crate) fn near_misses(&self, value: &str, random: &mut Random) -> Vec<(&'static str, String)> {
        let word = if self.words.is_empty() { "" } else { random.one_of(self.words) };
        let mut all = Vec::new();
        if self.is_rare() {
            return all;
        }
        let lower = value.to_ascii_lowercase();
        let anchors =
            self.pattern.anchors.iter().map(|anchor| lower.matches(&anchor.to_ascii_lowercase()).count());
        let one = self.pattern.lead.is_none() && anchors.sum::<usize>() <= 1;
        let bounded = value.starts_with(|first: char| first.is_ascii_alphanumeric());
        if one && bounded && self.pattern.not_beside.0.contains(b'w') {
            all.push(("a part of a longer word", self.text(Context::Prose, word, &format!("w{value}"))));
        }
        if self.pattern.checks.iter().any(|check| arithmetic::has_check_digit(*check))
            && let Some(wrong) = another_digit(value, random)
        {
            all.push(("a wrong check digit", self.text(Context::Json, word, &wrong)));
        }
        if !self.words.is_empty() {
            all.push(("one without its word", self.text(Context::Json, "", value)));
        }
        let (least, _) = self.pattern.length;
        if usize::from(least) > 8 && value.is_ascii() {
            let short = &value[..usize::from(least) - 1];
            all.push(("one that is too short", self.text(Context::Json, word, short)));
        }
        all
    }
}

/// The value with one digit changed.
fn another_digit(value: &str, random: &mut Random) -> Option<String> {
    let digits: Vec<usize> =
        value.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
    let at = *digits.last()?;
    let mut bytes = value.as_bytes().to_vec();
    bytes[at] = b'0' + (bytes[at] - b'0' + 1 + random.below(9) as u8) % 10;
    String::from_utf8(bytes).ok()
}

/// Whether the engine has such a check: what has no arithmetic of its own here is left to it.
pub(crate) fn left_to_the_engine(check: Check, value: &str) -> bool {
    check.accepts(value.as_bytes())
}
