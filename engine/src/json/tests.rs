use super::Numbers;
use crate::json::{Document, Fault, Kind, MAX_DEPTH, MAX_NODES, write_string};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

fn fault(text: &[u8]) -> Option<Fault> {
    Document::parse(text).err().map(|error| error.fault)
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for (text, expected) in [
        (&b"\xef\xbb\xbf{}"[..], Fault::ByteOrderMark),
        (b"\xff\xfe{\0}\0", Fault::NotUtf8),
        (b"\"\xc0\xaf\"", Fault::NotUtf8),
        (b"\"\xed\xa0\x80\"", Fault::NotUtf8),
        (b"{\"a\":1,\"a\":2}", Fault::DuplicateKey),
        (b"{\"name\":1,\"na\\u006de\":2}", Fault::DuplicateKey),
        (b"{\"x\":{\"\\u0061\":1,\"a\":2}}", Fault::DuplicateKey),
        (
            b"{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"c\":1}",
            Fault::DuplicateKey,
        ),
        (b"\"\\ud800\"", Fault::Surrogate),
        (b"\"\\udc00\"", Fault::Surrogate),
        (b"\"\\ud800\\u0041\"", Fault::Surrogate),
        (b"\"\\ud800x\"", Fault::Surrogate),
        (b"\"\\uffff\"", Fault::Noncharacter),
        (b"\"\\ud83f\\udffe\"", Fault::Noncharacter),
        (b"\"\xef\xb7\x90\"", Fault::Noncharacter),
        (b"{\"get\\u0000x\":1}", Fault::NulInKey),
        (b"\"a\nb\"", Fault::ControlCharacter),
        (b"\"\\x41\"", Fault::Escape),
        (b"\"\\u00g0\"", Fault::Escape),
        (b"\"\\u12\"", Fault::Escape),
        (b"[1,]", Fault::Syntax),
        (b"{\"a\":1,}", Fault::Syntax),
        (b"[1 2]", Fault::Syntax),
        (b"{'a':1}", Fault::Syntax),
        (b"{a:1}", Fault::Syntax),
        (b"// c\n{}", Fault::Syntax),
        (b"NaN", Fault::Syntax),
        (b"[Infinity]", Fault::Syntax),
        (b"-Infinity", Fault::Syntax),
        (b"[+1]", Fault::Syntax),
        (b"[.5]", Fault::Syntax),
        (b"[1.]", Fault::Syntax),
        (b"[1e]", Fault::Syntax),
        (b"[01]", Fault::Syntax),
        (b"[tru]", Fault::Syntax),
        (b"\"abc", Fault::Syntax),
        (b"", Fault::Syntax),
        (b"  ", Fault::Syntax),
        (b"{", Fault::Syntax),
        (b"\x0c{}", Fault::Syntax),
        (b"{}{}", Fault::Trailing),
        (b"{} x", Fault::Trailing),
        (b"{}\0", Fault::Trailing),
        (b"0x10", Fault::Trailing),
        (b"[1e309]", Fault::Number),
        (b"[1e-400]", Fault::Number),
        (b"[-0]", Fault::Number),
        (b"[-0.0]", Fault::Number),
        (b"[9007199254740992]", Fault::Number),
        (b"[10000000000000000000001]", Fault::Number),
        (b"[0.1234567890123456789]", Fault::Number),
        (b"[1e99999999999999999999]", Fault::Number),
        (b"[0e99999999999999999999]", Fault::Number),
    ] {
        assert_eq!(fault(text), Some(expected), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_has_one_meaning_is_read() {
    for text in [
        "0",
        "-1",
        "1.0",
        "1.5e300",
        "9007199254740991",
        "-9007199254740991",
        "0.1",
        "123456789.12345678",
        "1E5",
        "0e9",
        "10000000000000000000000.0",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\u{1f600}\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"a\":{\"a\":[]}}}",
        "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
        "\r\n\t null ",
    ] {
        assert_eq!(fault(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_number_is_written_in_a_bounded_space() {
    let written = |zeros: usize| format!("5{}e-{zeros}", "0".repeat(zeros));
    assert_eq!(fault(written(300).as_bytes()), None);
    assert_eq!(fault(written(900).as_bytes()), Some(Fault::Number));
    assert_eq!(fault(format!("0.{}", "0".repeat(510)).as_bytes()), None);
    assert_eq!(fault(format!("0.{}", "0".repeat(511)).as_bytes()), Some(Fault::Number));
}

#[test]
fn limits_are_exact() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(fault(nested(MAX_DEPTH).as_bytes()), None);
    assert_eq!(fault(nested(MAX_DEPTH + 1).as_bytes()), Some(Fault::TooDeep));
    assert_eq!(fault("[".repeat(100_000).as_bytes()), Some(Fault::TooDeep));
    let wide = |values: usize| format!("[{}]", ["0"].repeat(values).join(","));
    assert_eq!(fault(wide(MAX_NODES - 1).as_bytes()), None);
    assert_eq!(fault(wide(MAX_NODES).as_bytes()), Some(Fault::TooMany));
}

#[test]
fn values_keep_their_place_in_the_text() {
    let document = Document::parse(b" {\"a\" : [1, \"x\\ny\"], \"b\":{}} ").unwrap();
    let root = document.root().unwrap();
    assert_eq!(root.span(), (1, 28));
    let items: Vec<_> = root.get("a").unwrap().items().collect();
    assert_eq!((items[0].kind(), items[0].raw(), items[0].span()), (Kind::Number, "1", (9, 10)));
    assert_eq!(items[1].as_str().unwrap(), "x\ny");
    assert_eq!(root.get("b").unwrap().entries().count(), 0);
    assert!(root.get("c").is_none() && root.items().next().is_none());
}

/// Everything a document says, as serde_json has it.
fn to_serde(value: crate::json::Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(b) => b.into(),
        Kind::Number | Kind::OpaqueNumber => serde_json::from_str(value.raw()).unwrap(),
        Kind::String => value.as_str().unwrap().into_owned().into(),
        Kind::Array => value.items().map(to_serde).collect(),
        Kind::Object => value.entries().map(|(key, value)| (key.into_owned(), to_serde(value))).collect(),
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        (-1.0e6..1.0e6_f64).prop_filter("negative zero", |n| *n != 0.0).prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Into::into),
            prop::collection::hash_map("[^\0]*", inner, 0..12)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn another_parser_reads_the_same(value in json()) {
        let text = value.to_string();
        if let Ok(document) = Document::parse(text.as_bytes()) {
            prop_assert_eq!(to_serde(document.root().unwrap()), value);
        } else {
            // Only a number or a code point that is no character can be the cause here.
            prop_assert!(matches!(fault(text.as_bytes()), Some(Fault::Number | Fault::Noncharacter)));
        }
    }

    #[test]
    fn what_is_accepted_others_accept_too(text in "[\\[\\]{},:\"\\\\u0-9a-f.eE+\\-tnrl ]{0,40}") {
        if let Ok(document) = Document::parse(text.as_bytes()) {
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(to_serde(document.root().unwrap()), theirs);
        }
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&bytes);
    }

    #[test]
    fn written_strings_read_back_and_stay_on_one_line(text in "[^\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}\u{10000}-\u{10ffff}]*") {
        let mut written = String::new();
        write_string(&mut written, &text);
        prop_assert!(!written.chars().any(char::is_control));
        let document = Document::parse(written.as_bytes()).unwrap();
        prop_assert_eq!(document.root().unwrap().as_str().unwrap().to_string(), text);
    }
}

#[test]
fn numbers_that_parsers_read_differently_can_stand_unread() {
    for text in ["9007199254740993", "-0", "1e400", "0.12345678901234567890"] {
        assert_eq!(Document::parse(text.as_bytes()).unwrap_err().fault, Fault::Number, "{text}");
        let document = Document::parse_with(text.as_bytes(), Numbers::Opaque).unwrap();
        let value = document.root().unwrap();
        assert_eq!((value.kind(), value.raw()), (Kind::OpaqueNumber, text));
    }
    let plain = Document::parse_with(b"12.5", Numbers::Opaque).unwrap();
    assert_eq!(plain.root().unwrap().kind(), Kind::Number);
    // What is too long for some parser to read at all is refused all the same.
    for text in ["1".repeat(513), "1e1000".into(), "01".into()] {
        assert!(Document::parse_with(text.as_bytes(), Numbers::Opaque).is_err(), "{text}");
    }
}
