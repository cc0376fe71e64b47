//! Strings and keys, as texts and as tokens.

use super::pick;
use fastrand::Rng;

/// Characters that readers, databases and terminals have stumbled over.
#[rustfmt::skip]
const ODD: &[char] = &[
    '\0', '\u{1}', '\u{8}', '\u{c}', '\u{1b}', '\u{1f}', ' ', '"', '\\', '/', '\u{7f}', '\u{80}', '\u{85}',
    '\u{a0}', '\u{ad}', '\u{df}', '\u{e9}', '\u{130}', '\u{131}', '\u{17f}', '\u{301}', '\u{600}', '\u{7ff}',
    '\u{800}', '\u{2028}', '\u{2029}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{212a}', '\u{d7ff}',
    '\u{e000}', '\u{feff}', '\u{fffd}', '\u{10000}', '\u{1f600}', '\u{e0001}', '\u{10fffd}',
];

/// Words that protocols and languages give a meaning.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "", "a", "b", "name", "method", "params", "arguments", "uri", "id", "tools/call", "search_docs",
    "__proto__", "constructor", "toString", "hasOwnProperty", "length", "0", "1", "-1", "1.0", "1e3", "null",
    "true", "NaN", "$ref", "@type", "_meta", "//", "/*", "</script>", "$serde_json::private::Number",
    "$serde_json::private::RawValue", "e\u{301}", "\u{e9}", "K", "\u{212a}", "\u{17f}", "ss", "\u{df}",
];

/// Tokens that are no strings, or strings that no reader may accept.
#[rustfmt::skip]
const BROKEN: &[&[u8]] = &[
    b"\"", b"\"\\\"", b"\"\\x41\"", b"\"\\'\"", b"\"\\0\"", b"\"\\a\"", b"\"\\v\"", b"\"\\e\"",
    b"\"\\U0041\"", b"\"\\u\"", b"\"\\u0\"", b"\"\\u004\"", b"\"\\u00 41\"", b"\"\\u+041\"", b"\"\\u-041\"",
    b"\"\\u004g\"", b"\"\\u{41}\"", b"\"\\\n\"", b"'a'", b"`a`", b"a", b"\"a", b"a\"", b"\"a\"b",
    b"\"a\"\"b\"", b"\"\\\\\\\"", b"\"\t\"", b"\"\n\"", b"\"\r\"", b"\"\0\"", b"\"\x1f\"", b"\"\x01\"",
    // Surrogates alone, in the wrong order, interrupted.
    b"\"\\ud800\"", b"\"\\udbff\"", b"\"\\udc00\"", b"\"\\udfff\"", b"\"\\ud800\\ud800\"",
    b"\"\\udc00\\ud800\"", b"\"\\ud800\\u0041\"", b"\"\\ud800\\n\"", b"\"\\ud800x\\udc00\"",
    b"\"\\ud800\\udbff\"", b"\"\\uD83D\\u\"", b"\"\\ud800\\",
    // Code points that are no characters.
    b"\"\\uffff\"", b"\"\\ufdd0\"", b"\"\\ud83f\\udffe\"", b"\"\xef\xbf\xbe\"", b"\"\xef\xb7\x90\"", b"\"\xf4\x8f\xbf\xbf\"",
    // Not UTF-8: overlong forms, surrogates, beyond the last plane, cut short, bytes that never occur.
    b"\"\xc0\x80\"", b"\"\xc0\xaf\"", b"\"\xc1\xbf\"", b"\"\xe0\x80\xaf\"", b"\"\xe0\x9f\xbf\"",
    b"\"\xf0\x80\x80\xaf\"", b"\"\xf0\x8f\xbf\xbf\"", b"\"\xed\xa0\x80\"", b"\"\xed\xbf\xbf\"",
    b"\"\xed\xa0\xbd\xed\xb8\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xf5\x80\x80\x80\"",
    b"\"\xf8\x88\x80\x80\x80\"", b"\"\xfc\x84\x80\x80\x80\x80\"", b"\"\xff\"", b"\"\xfe\"", b"\"\x80\"",
    b"\"\xbf\"", b"\"\xc3\"", b"\"\xe2\x82\"", b"\"\xf0\x9f\x98\"", b"\"\xe9\"",
];

/// A text.
pub(super) fn text(rng: &mut Rng) -> String {
    match rng.u8(0..8) {
        0..=2 => pick(rng, WORDS).to_string(),
        3 | 4 => (0..rng.usize(0..12)).map(|_| rng.alphanumeric()).collect(),
        5 => (0..rng.usize(1..8)).map(|_| pick(rng, ODD)).collect(),
        6 => (0..rng.usize(1..6)).map(|_| rng.char(..)).collect(),
        _ => format!("{}{}", pick(rng, WORDS), pick(rng, ODD)),
    }
}

/// A long text, whose length lies about a power of two.
pub(super) fn long(rng: &mut Rng) -> String {
    let length = (1_usize << rng.u8(8..17)).saturating_add_signed(rng.isize(-3..3));
    let unit = pick(rng, &["x", "\u{e9}", "\u{20ac}", "\u{1f600}", "ab\"", "\\", "\n"]);
    unit.repeat(length / unit.len())
}

/// A key that can be an accepted one: any text without U+0000.
pub(super) fn key(rng: &mut Rng) -> Vec<u8> {
    let text = text(rng).replace('\0', "0");
    spell(rng, &text)
}

/// A string with its quotes.
pub(super) fn token(rng: &mut Rng) -> Vec<u8> {
    let text = text(rng);
    spell(rng, &text)
}

/// What is no string, or none that may pass.
pub(super) fn broken(rng: &mut Rng) -> Vec<u8> {
    pick(rng, BROKEN).to_vec()
}

/// A text as a token: each character as it is, or in one of its escapes, as JSON allows.
pub(super) fn spell(rng: &mut Rng, text: &str) -> Vec<u8> {
    let escapes = pick(rng, &[0, 0, 0, 20, 100]);
    let mut token = String::from("\"");
    for character in text.chars() {
        let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        if must || rng.u8(0..100) < escapes {
            escape(rng, character, &mut token)
        } else {
            token.push(character)
        }
    }
    token.push('"');
    token.into_bytes()
}

fn escape(rng: &mut Rng, character: char, token: &mut String) {
    let short = match character {
        '"' | '\\' | '/' => Some(character),
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        _ => None,
    };
    if let (Some(short), true) = (short, rng.bool()) {
        token.push('\\');
        token.push(short);
        return;
    }
    for unit in character.encode_utf16(&mut [0; 2]) {
        token.push_str("\\u");
        for digit in format!("{unit:04x}").chars() {
            token.push(if rng.bool() { digit.to_ascii_uppercase() } else { digit });
        }
    }
}

/// The text of a token that [`spell`] made; `None` for what is no string.
pub(super) fn unspell(token: &[u8]) -> Option<String> {
    serde_json::from_slice(token).ok()
}
