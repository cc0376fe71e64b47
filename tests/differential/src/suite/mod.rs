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
        // Jackson refuses keys of more than 50000 bytes.
        ("a key as long as every reader takes", format!("{{\"{}\":1}}", "x".repeat(50_000)), None),
        ("a mebibyte of white space", format!("1{}", " ".repeat(1 << 20)), None),
        ("zeros behind the point, hundreds", format!("0.{}", "0".repeat(300)), None),
        ("zeros that an exponent takes back, hundreds", format!("5{0}e-300", "0".repeat(300)), None),
        // Go drops digits of a whole part from the 801st on, exponent or not; Jackson refuses more than 1000.
        (
            "zeros that an exponent takes back, more",
            format!("5{0}e-900", "0".repeat(900)),
            Some(Fault::Number),
        ),
        ("zeros behind the point, thousands", format!("0.{}", "0".repeat(3000)), Some(Fault::Number)),
    ]
    .map(|(name, text, fault)| Case {
        name: name.into(),
        text: text.into_bytes().into(),
        fault,
        by_grammar: false,
    })
    .into()
}
