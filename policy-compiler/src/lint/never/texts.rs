//! Whether some text fits what a rule asks of it.

use std::collections::BTreeSet;

use sallyport_engine::policy::{Pattern, TextMatch};

/// The longest texts that are tried, in characters; more is taken to be possible.
const MOST_TRIED: u32 = 1024;

/// Why one text does not fit; `None` if it does.
pub(super) fn misfit(wanted: &TextMatch, text: &str) -> Option<String> {
    let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    if characters < wanted.min_chars {
        return Some(format!("`minLength` is {}", wanted.min_chars));
    }
    if let Some(most) = wanted.max_chars.filter(|most| characters > *most) {
        return Some(format!("`maxLength` is {most}"));
    }
    let fits = wanted.pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
    (!fits).then(|| "it does not fit `pattern`".to_owned())
}

/// Whether the pattern covers a text of so many characters. Where it would take long to find out, it is taken to.
pub(super) fn has_text(pattern: &Pattern, least: u32, most: Option<u32>) -> bool {
    // A text that is longer than the least by more than there are states goes through one of them twice, and can be cut there.
    let enough = least.saturating_add(u32::try_from(pattern.accepts.len()).unwrap_or(u32::MAX));
    let last = most.map_or(enough, |most| most.min(enough));
    if last > MOST_TRIED {
        return true;
    }
    let mut states = BTreeSet::from([0_u16]);
    (0..=last).any(|length| {
        let here = length >= least && states.iter().any(|state| accepts(pattern, *state));
        states = after_one_character(pattern, &states);
        here
    })
}

fn accepts(pattern: &Pattern, state: u16) -> bool {
    pattern.accepts.get(usize::from(state)).copied().unwrap_or(false)
}

/// The states that a pattern can be in after another character: a byte that begins one, and those that continue it.
fn after_one_character(pattern: &Pattern, states: &BTreeSet<u16>) -> BTreeSet<u16> {
    let classes = |continues: bool| -> BTreeSet<u8> {
        let bytes = (0..=u8::MAX).zip(&pattern.classes);
        bytes.filter(|(byte, _)| (0x80..0xc0).contains(byte) == continues).map(|(_, class)| *class).collect()
    };
    let step = |state: u16, class: u8| {
        let row = usize::from(state) * usize::from(pattern.width);
        pattern.next.get(row + usize::from(class)).copied()
    };
    let (first, then) = (classes(false), classes(true));
    let mut fresh: Vec<u16> =
        states.iter().flat_map(|state| first.iter().filter_map(move |class| step(*state, *class))).collect();
    let mut reached = BTreeSet::new();
    while let Some(state) = fresh.pop() {
        if reached.insert(state) {
            fresh.extend(then.iter().filter_map(|class| step(state, *class)));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::compile;

    #[test]
    fn lengths_are_counted_in_characters() {
        for (pattern, least, most, has) in [
            ("[0-9]{5}", 0, Some(4), false),
            ("[0-9]{5}", 5, Some(5), true),
            ("[0-9]{5}", 6, None, false),
            ("[0-9]{3,}", 100, Some(100), true),
            (".{2}", 3, Some(10), false),
            ("\u{e9}{4}", 4, Some(4), true),
            ("\u{e9}{4}", 5, Some(9), false),
            ("(ab)+", 3, Some(3), false),
            (r"[^\s\S]", 0, Some(8), false),
        ] {
            assert_eq!(
                has_text(&compile(pattern, false).unwrap(), least, most),
                has,
                "{pattern} {least} {most:?}"
            );
        }
    }
}
