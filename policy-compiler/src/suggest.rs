//! "Did you mean": the nearest known word to one that is not known.

/// The furthest that two words may be apart, as a share of the longer one's length.
const FURTHEST: f64 = 0.4;

/// What other languages say, and the word for it here. Only where the word is one of those that could stand there it is offered.
const ALSO_CALLED: [(&str, &str); 17] = [
    ("accept", "allow"),
    ("approve", "hold"),
    ("array", "list"),
    ("audit", "observe"),
    ("block", "deny"),
    ("bool", "boolean"),
    ("dryrun", "observe"),
    ("float", "number"),
    ("forbid", "deny"),
    ("grant", "allow"),
    ("int", "integer"),
    ("monitor", "observe"),
    ("permit", "allow"),
    ("refuse", "deny"),
    ("reject", "deny"),
    ("string", "text"),
    ("uri", "url"),
];

/// An abbreviation has at least so many letters.
const ABBREVIATED: usize = 3;

/// "did you mean `tools`?", if one of the known words is near enough.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let near = nearest(word, known)?;
    let odd = odd_character(word).map_or(String::new(), |odd| format!(" {odd}"));
    Some(format!("did you mean `{near}`?{odd}"))
}

/// Names the first character of a word of ours that is not ASCII: it may be seen as one that is, or not be seen at all.
pub(crate) fn odd_character(word: &str) -> Option<String> {
    let odd = word.chars().find(|c| !c.is_ascii())?;
    let unseen =
        odd.is_whitespace() || matches!(odd, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let what = if unseen { "which is no blank of YAML" } else { "which is not ASCII" };
    Some(format!("U+{:04X} stands in it, {what}", u32::from(odd)))
}

/// All of the words, for a message: "`a`, `b` and `c`".
pub(crate) fn listing<'k>(words: impl Iterator<Item = &'k str>) -> String {
    joined(words, "and")
}

/// One of the words, for a message: "`a`, `b` or `c`".
pub(crate) fn either<'k>(words: impl Iterator<Item = &'k str>) -> String {
    joined(words, "or")
}

fn joined<'k>(words: impl Iterator<Item = &'k str>, last_by: &str) -> String {
    let quoted: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {last_by} {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

/// The nearest of the known words, if it is near enough.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    let known: Vec<_> = known.collect();
    let plain: String = lower.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    let here = ALSO_CALLED.iter().find(|(other, _)| *other == plain).map(|(_, here)| *here);
    if let Some(found) = known.iter().find(|known| here == Some(**known)) {
        return Some(found);
    }
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let (apart, candidate) = known.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    let longest = word.chars().count().max(candidate.chars().count()).max(1);
    // INVARIANT: both are short words, so the conversion to f64 is exact.
    let share = f64::from(u32::try_from(apart).ok()?) / f64::from(u32::try_from(longest).ok()?);
    if share <= FURTHEST {
        return Some(candidate);
    }
    let mut longer = known.iter().filter(|known| lower.len() >= ABBREVIATED && known.starts_with(&lower));
    longer.next().filter(|_| longer.next().is_none()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_offered() {
        let known = ["tools", "methods", "resources", "prompts"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("tool"), Some("tools"));
        assert_eq!(near("Tools"), Some("tools"));
        assert_eq!(near("mehtods"), Some("methods"));
        assert_eq!(near("arguments"), None);
        assert_eq!(nearest("x", [].into_iter()), None);
    }

    #[test]
    fn words_of_other_languages_and_abbreviations_are_understood() {
        let near = |word, known: &[&'static str]| nearest(word, known.iter().copied());
        assert_eq!(near("permit", &["allow", "deny", "hold"]), Some("allow"));
        assert_eq!(near("Dry-Run", &["enforce", "observe"]), Some("observe"));
        assert_eq!(near("reject", &["block", "off"]), None, "only what could stand there");
        assert_eq!(near("Mon", &["monday", "tuesday"]), Some("monday"));
        assert_eq!(near("aws", &["aws-access-key-id", "aws-secret-access-key"]), None, "which of them?");
    }

    #[test]
    fn what_only_looks_right_is_named() {
        let mean = |word| did_you_mean(word, ["tools"].into_iter());
        let cyrillic = "did you mean `tools`? U+043E stands in it, which is not ASCII";
        assert_eq!(mean("t\u{43e}ols").as_deref(), Some(cyrillic));
        let unseen = "did you mean `tools`? U+200B stands in it, which is no blank of YAML";
        assert_eq!(mean("tools\u{200b}").as_deref(), Some(unseen));
        assert_eq!(mean("tool").as_deref(), Some("did you mean `tools`?"));
    }

    #[test]
    fn listings_read_as_sentences() {
        assert_eq!(listing(["a", "b", "c"].into_iter()), "`a`, `b` and `c`");
        assert_eq!(either(["a", "b"].into_iter()), "`a` or `b`");
        assert_eq!((listing(["a"].into_iter()), listing([].into_iter())), ("`a`".to_owned(), String::new()));
    }
}
