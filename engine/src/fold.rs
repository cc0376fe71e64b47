//! Case as lenient servers see it.

/// Whether a server that folds case could take `key` for `name`, which is ASCII. Besides ASCII's own case there are four letters that
/// Unicode's case mappings, or Go's and Java's comparisons, take to an ASCII one: ſ, K, ı and İ.
pub(crate) fn could_be(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{131}' | '\u{130}' => 'i',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(|c| c.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::could_be;

    #[test]
    fn letters_that_fold_to_ascii_are_known() {
        for key in ["params", "PARAMS", "param\u{17f}", "Param\u{17f}"] {
            assert!(could_be(key, "params"), "{key}");
        }
        assert!(
            could_be("to\u{212a}en", "token") && could_be("\u{131}d", "id") && could_be("\u{130}D", "id")
        );
        assert!(!could_be("param", "params") && !could_be("p\u{430}rams", "params"));
    }
}
