//! Text patterns of policy, compiled to the tables that the engine reads.
//!
//! A pattern covers a whole text, as if it stood between `\A` and `\z`. It is determinised ahead, within a budget, so that
//! matching takes one step a byte and the module needs no compiler.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};
use sallyport_engine::policy::Pattern;
use sallyport_engine::scan::{ByteSet, Dfa};

/// The largest table of one pattern, in bytes.
pub const MAX_TABLE_BYTES: usize = 64 * 1024;
/// What determinising one pattern may use, in bytes.
const MAX_WORK_BYTES: usize = 8 * 1024 * 1024;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidPattern {
    /// It is no regular expression of the syntax; what is wrong with it.
    Syntax(String),
    /// Its table would be larger than [`MAX_TABLE_BYTES`].
    TooLarge,
    /// It would take a detector's table more than 256 states.
    TooManyStates,
    /// It asks for something that a table cannot decide.
    Unsupported,
}

/// Compiles a pattern of the syntax of the `regex` crate, without look-around beyond `^` and `$`; in any case if `fold` says so.
pub fn compile(pattern: &str, fold: bool) -> Result<Pattern, InvalidPattern> {
    let Table { classes, width, next, accepts } =
        determinise(pattern, syntax::Config::new().case_insensitive(fold))?;
    Ok(Pattern { classes, width, next, accepts })
}

/// Compiles what a detector's matches look like: the same syntax over bytes, read from the beginning of a match on.
pub fn dfa(pattern: &str) -> Result<Dfa, InvalidPattern> {
    let table = determinise(pattern, syntax::Config::new().unicode(false).utf8(false))?;
    let width = usize::from(table.width);
    let states = table.accepts.len();
    let row = |state: usize| &table.next[state * width..(state + 1) * width];
    let is_dead =
        |state: usize| !table.accepts[state] && row(state).iter().all(|&to| usize::from(to) == state);
    // The dead state is first, the start second; the others follow in their order.
    let dead = (0..states).find(|&state| is_dead(state));
    let mut order: Vec<Option<usize>> = vec![dead, Some(0)];
    order.extend((1..states).filter(|&state| Some(state) != dead).map(Some));
    if order.len() > 256 {
        return Err(InvalidPattern::TooManyStates);
    }
    let mut numbers = vec![0_u8; states];
    for (state, number) in order.iter().zip(0..=u8::MAX) {
        if let Some(state) = state {
            numbers[*state] = number;
        }
    }
    let next = order.iter().flat_map(|state| match state {
        Some(state) => row(*state).iter().map(|&to| numbers[usize::from(to)]).collect(),
        None => vec![0; width],
    });
    let accepting = |state: &Option<usize>| state.is_some_and(|state| table.accepts[state]);
    let accepts =
        order.iter().zip(0..=u8::MAX).filter(|(state, _)| accepting(state)).map(|(_, number)| number);
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for (byte, &class) in (0..=u8::MAX).zip(&table.classes) {
        if ranges.last().is_none_or(|&(_, last)| last != class) {
            ranges.push((byte, class));
        }
    }
    Ok(Dfa::new(ranges, table.width, next.collect(), accepts.collect()))
}

/// The bytes of a set, as `[0-9a-f]`.
pub fn byte_set(set: &str) -> Result<ByteSet, InvalidPattern> {
    let dfa = dfa(set)?;
    let mut bytes = ByteSet::default();
    for byte in 0..=u8::MAX {
        let state = dfa.step(dfa.start(), byte);
        if dfa.accepts_in(state) {
            bytes.insert(byte);
        }
        // Only sets are wanted here, not longer texts.
        if (0..=u8::MAX).any(|next| dfa.step(state, next) != 0) {
            return Err(InvalidPattern::Unsupported);
        }
    }
    Ok(bytes)
}

/// An automaton, written down.
struct Table {
    classes: Vec<u8>,
    width: u16,
    next: Vec<u16>,
    accepts: Vec<bool>,
}

fn determinise(pattern: &str, syntax: syntax::Config) -> Result<Table, InvalidPattern> {
    // Before it is wrapped, so that a stray parenthesis does not close the wrapping.
    regex_automata::util::syntax::parse_with(pattern, &syntax)
        .map_err(|error| InvalidPattern::Syntax(first_words(&error.to_string())))?;
    let utf8 = syntax.get_utf8();
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Anchored)
                .minimize(true)
                .dfa_size_limit(Some(MAX_WORK_BYTES))
                .determinize_size_limit(Some(MAX_WORK_BYTES)),
        )
        .thompson(thompson::Config::new().utf8(utf8).nfa_size_limit(Some(MAX_WORK_BYTES)))
        .syntax(syntax)
        .build(&format!(r"\A(?:{pattern})\z"))
        .map_err(|error| {
            if error.is_size_limit_exceeded() {
                InvalidPattern::TooLarge
            } else {
                InvalidPattern::Unsupported
            }
        })?;
    let start = dfa
        .start_state(&start::Config::new().anchored(Anchored::Yes))
        .map_err(|_| InvalidPattern::Unsupported)?;
    tabulate(&dfa, start)
}

/// Walks the automaton from its start and writes down what it does with each byte.
fn tabulate(dfa: &impl Automaton, start: StateID) -> Result<Table, InvalidPattern> {
    let mut numbers = HashMap::from([(start, 0_u16)]);
    let mut states = vec![start];
    let mut rows: Vec<[u16; 256]> = Vec::new();
    let mut accepts = Vec::new();
    while let Some(&state) = states.get(rows.len()) {
        let mut row = [0_u16; 256];
        for byte in 0..=u8::MAX {
            let next = dfa.next_state(state, byte);
            if dfa.is_quit_state(next) {
                return Err(InvalidPattern::Unsupported);
            }
            let number = match numbers.get(&next) {
                Some(&number) => number,
                None => {
                    let number = u16::try_from(states.len()).map_err(|_| InvalidPattern::TooLarge)?;
                    numbers.insert(next, number);
                    states.push(next);
                    number
                }
            };
            row[usize::from(byte)] = number;
        }
        // A row of 256 is what is held while the classes are not known; eight times the budget is plenty for those that fit it.
        if rows.len() * 512 > 8 * MAX_TABLE_BYTES {
            return Err(InvalidPattern::TooLarge);
        }
        rows.push(row);
        accepts.push(dfa.is_match_state(dfa.next_eoi_state(state)));
    }
    let (classes, representatives) = classes(&rows);
    let next: Vec<u16> =
        rows.iter().flat_map(|row| representatives.iter().map(|&byte| row[usize::from(byte)])).collect();
    let width = u16::try_from(representatives.len()).map_err(|_| InvalidPattern::TooLarge)?;
    if next.len() * 2 > MAX_TABLE_BYTES {
        return Err(InvalidPattern::TooLarge);
    }
    Ok(Table { classes, width, next, accepts })
}

/// Bytes that lead to the same state everywhere share a class; the class of each byte, and one byte of each class.
fn classes(rows: &[[u16; 256]]) -> (Vec<u8>, Vec<u8>) {
    let mut known: BTreeMap<Vec<u16>, u8> = BTreeMap::new();
    let mut representatives = Vec::new();
    let classes = (0..=u8::MAX).map(|byte| {
        let column: Vec<u16> = rows.iter().map(|row| row[usize::from(byte)]).collect();
        // There are at most 256 columns, so the number of a class fits.
        let fresh = u8::try_from(known.len()).unwrap_or(u8::MAX);
        *known.entry(column).or_insert_with(|| {
            representatives.push(byte);
            fresh
        })
    });
    (classes.collect(), representatives)
}

/// The last line of a multi-line error says what is wrong; the rest draws the pattern, which the diagnostic does itself.
fn first_words(error: &str) -> String {
    let last = error.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it cannot be read");
    last.trim().trim_start_matches("error: ").to_string()
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(what) => f.write_str(what),
            Self::TooLarge => write!(f, "its table would be over {} KiB", MAX_TABLE_BYTES / 1024),
            Self::TooManyStates => f.write_str("its table would have more than 256 states"),
            Self::Unsupported => f.write_str("it asks for something that cannot be decided byte by byte"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_whole_texts() {
        for (pattern, text, covered) in [
            ("[a-z]+", "abc", true),
            ("[a-z]+", "abc1", false),
            ("[a-z]+", "", false),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("^a$", "a", true),
            ("", "", true),
            ("", "x", false),
            (".{2}", "\u{e9}\u{1f600}", true),
            ("(?i)abc", "ABC", true),
            ("PROJ-[0-9]{1,6}", "PROJ-123456", true),
            ("PROJ-[0-9]{1,6}", "PROJ-1234567", false),
            ("a.c", "a\nc", false),
        ] {
            assert_eq!(compile(pattern, false).unwrap().matches(text), covered, "{pattern} {text:?}");
        }
    }

    #[test]
    fn case_is_folded_where_it_is_asked_for() {
        assert!(compile("Prod-[0-9]+", true).unwrap().matches("PROD-1"));
        assert!(!compile("Prod-[0-9]+", false).unwrap().matches("PROD-1"));
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        assert!(matches!(compile("a)", false), Err(InvalidPattern::Syntax(_))));
        assert!(matches!(compile("(?=a)", false), Err(InvalidPattern::Syntax(_))));
        assert_eq!(compile(r"\w{200}", false), Err(InvalidPattern::TooLarge));
        assert_eq!(compile("(a|b)*a(a|b){20}", false), Err(InvalidPattern::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn the_regex_crate_agrees(
            pattern in "(\\(?[ab.]{1,3}[*+?]?\\)?\\|?){1,4}",
            text in "[abc]{0,8}",
        ) {
            if let (Ok(ours), Ok(theirs)) = (compile(&pattern, false), regex::Regex::new(&format!(r"\A(?:{pattern})\z"))) {
                proptest::prop_assert_eq!(ours.matches(&text), theirs.is_match(&text), "{}", pattern);
            }
        }
    }
}
