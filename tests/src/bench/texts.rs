//! Texts to look through, of 64 KiB each.

use std::fmt::Write as _;

use sallyport_engine::scan::Meaning;

/// The text that budgets are for.
pub(super) const CLEAN: &str = "clean JSON";

const BYTES: usize = 64 * 1024;
/// What people write: the project's own pages.
const PROSE: &str = concat!(
    include_str!("../../../docs/dlp.md"),
    include_str!("../../../docs/setup.md"),
    include_str!("../../../README.md")
);

/// A text and what it is called.
pub(super) struct Text {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// As messages are, then with much to find, then as those would write who want the gate to be busy.
pub(super) fn texts() -> Vec<Text> {
    let catalogue = &policy_compiler::detectors::tables().catalogue;
    let words = catalogue.triggers.texts();
    let anchors: Vec<&[u8]> = (catalogue.triggers.words.iter().zip(&words))
        .filter(|((_, word), _)| matches!(word.meaning, Meaning::Anchor(_)))
        .map(|(_, text)| &text[..])
        .collect();
    let repeated =
        |name, piece: &[u8]| Text { name, bytes: piece.iter().copied().cycle().take(BYTES).collect() };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let base64 = (0..BYTES).map(|_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(random >> 58) as usize]
    });
    vec![
        Text {
            name: CLEAN,
            bytes: json(|number| format!("the request was handled by worker {number} without incident")),
        },
        repeated("clean prose", PROSE.as_bytes()),
        Text { name: "secrets in JSON", bytes: json(secret) },
        repeated("anchors", &anchors.join(&b' ')),
        repeated("anchors, no blanks", &anchors.concat()),
        repeated("digits", b"4539131626517870 123-45-6789 10.1.2.3 2026-11-22 "),
        Text { name: "base64", bytes: base64.collect() },
        repeated("percent signs", b"%25%32%35%2e%2e%2f"),
        repeated("URLs", b"http://10.0.0.1/a?b=//c:d@e.example:8080/ "),
        repeated("one byte", b"a"),
    ]
}

/// A document as tools answer: records of names, numbers, times and sentences.
fn json(sentence: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = String::from("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"items\":[");
    let mut number = 0_usize;
    while text.len() < BYTES {
        let (day, hour, sentence) = (number % 28 + 1, number % 24, sentence(number));
        let comma = if number == 0 { "" } else { "," };
        // A String takes whatever is written.
        let _ = write!(
            text,
            "{comma}{{\"id\":{},\"title\":\"Weekly report of region {number}\",\"created\":\"2026-03-{day:02}T{hour:02}:15:00Z\",\"open\":{},\
             \"labels\":[\"billing\",\"north\"],\"summary\":\"As of this week, {sentence}; the next review is planned for Thursday.\"}}",
            48_211 + number * 7,
            number.is_multiple_of(3)
        );
        number += 1;
    }
    text.push_str("]}}");
    text.into_bytes()
}

/// One that no service ever issued; in parts, so that scanners of sources do not take it for one.
fn secret(number: usize) -> String {
    let tail: String = (0..16)
        .map(|at| char::from(b"QW7ERT2YUI5OPASDFG3HJKL4ZXCVBNM6"[(number * 7 + at * at * 5 + at) % 32]))
        .collect();
    format!("the key is {}{tail}", ["AK", "IA"].concat())
}
