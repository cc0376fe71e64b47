//! Cases of our own to the coverage of N. Seriot's "Parsing JSON is a minefield" (2016): what every reader accepts, what every
//! reader refuses, and what RFC 8259 leaves to the implementation, which is where gates are passed by; of those, what we decided.

mod accepted;
mod decided;
mod refused;

use sallyport_engine::json::{Fault, MAX_DEPTH, MAX_NODES};
use std::borrow::Cow;

/// A text and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: Cow<'static, str>,
    /// The text.
    pub text: Cow<'static, [u8]>,
    /// Why it is refused; `None` where it is accepted.
    pub fault: Option<Fault>,
    /// Whether the RFC leaves no choice.
    pub by_grammar: bool,
}

/// Every case.
pub fn cases() -> impl Iterator<Item = Case> {
    let case = |name: &'static str, text: &'static [u8], fault, by_grammar| Case {
        name: name.into(),
        text: text.into(),
        fault,
        by_grammar,
    };
    let accepted = accepted::CASES.iter().map(move |&(name, text)| case(name, text, None, true));
    let refused = refused::CASES.iter().map(move |&(name, fault, text)| case(name, text, Some(fault), true));
    let decided = decided::CASES.iter().map(move |&(name, fault, text)| case(name, text, fault, false));
    accepted.chain(refused).chain(decided).chain(limits())
}

/// Cases about our limits, which are too long to write down.
fn limits() -> Vec<Case> {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let objects = |depth: usize| [r#"{"a":"#.repeat(depth), "0".to_string(), "}".repeat(depth)].concat();
    let wide = |values: usize| format!("[{}]", vec!["0"; values].join(","));
    let long = "x".repeat(1 << 20);
    [
        ("as deep as may be", nested(MAX_DEPTH), None),
        ("as deep as may be, of objects", objects(MAX_DEPTH), None),
        ("one deeper", nested(MAX_DEPTH + 1), Some(Fault::TooDeep)),
        ("one deeper, of objects", objects(MAX_DEPTH + 1), Some(Fault::TooDeep)),
        ("500 deep", nested(500), Some(Fault::TooDeep)),
        ("100000 deep and never closed", "[".repeat(100_000), Some(Fault::TooDeep)),
        ("50000 objects deep and never closed", r#"[{"":"#.repeat(50_000), Some(Fault::TooDeep)),
        ("as many values as may be", wide(MAX_NODES - 1), None),
        ("one value more", wide(MAX_NODES), Some(Fault::TooMany)),
        ("a string of a mebibyte", format!("\"{long}\""), None),
        ("a key of a mebibyte", format!("{{\"{long}\":1}}"), None),
        ("a mebibyte of white space", format!("1{}", " ".repeat(1 << 20)), None),
        ("a zero of 999 digits", format!("0.{}", "0".repeat(997)), None),
    ]
    .map(|(name, text, fault)| Case {
        name: name.into(),
        text: text.into_bytes().into(),
        fault,
        by_grammar: false,
    })
    .into()
}
