//! "Did you mean": the nearest known word to one that is not known.

/// The furthest that two words may be apart, as a share of the longer one's length.
const FURTHEST: f64 = 0.4;

/// "did you mean `tools`?", if one of the known words is near enough.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
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
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let (apart, candidate) = known.map(|candidate| (distance(candidate), candidate)).min()?;
    let longest = word.chars().count().max(candidate.chars().count()).max(1);
    // INVARIANT: both are short words, so the conversion to f64 is exact.
    let share = f64::from(u32::try_from(apart).ok()?) / f64::from(u32::try_from(longest).ok()?);
    (share <= FURTHEST).then_some(candidate)
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
    fn listings_read_as_sentences() {
        assert_eq!(listing(["a", "b", "c"].into_iter()), "`a`, `b` and `c`");
        assert_eq!(either(["a", "b"].into_iter()), "`a` or `b`");
        assert_eq!((listing(["a"].into_iter()), listing([].into_iter())), ("`a`".to_owned(), String::new()));
    }
}
