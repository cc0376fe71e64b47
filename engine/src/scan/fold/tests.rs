use super::*;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

fn folded(text: &str) -> String {
    String::from_utf8(fold(text).bytes().to_vec()).unwrap()
}

#[test]
fn the_tables_are_in_order() {
    assert!(ZEROS.iter().zip(&ZEROS[1..]).all(|(a, b)| a + 10 <= *b));
    assert!(RANGES.iter().all(|(first, last, _)| first <= last));
    assert!(RANGES.iter().zip(&RANGES[1..]).all(|((_, last, _), (first, _, _))| last < first));
    for (first, last, rule) in RANGES {
        let length = usize::try_from(last - first).unwrap() + 1;
        assert!(!matches!(rule, Rule::Table(table) if table.len() != length), "{first:x}");
        assert!(!(*first..=*last).any(is_far), "{first:x}");
    }
    assert!(ZEROS.iter().all(|&zero| !is_far(zero) && !is_far(zero + 9)));
}

/// The characters that fold to ASCII where NFKC has another answer, or none: dashes, quotes, digits, and enclosed letters that NFKC
/// keeps the enclosure of, or has nothing to say of.
fn differs_by_design(c: char, nfkc: &str) -> bool {
    let enclosed = |byte: u8| nfkc.len() > 1 && nfkc.trim_matches(['(', ')', '.', ',']).as_bytes() == [byte];
    match fold_char(c) {
        Fold::Drop => true,
        Fold::Ascii(byte) => {
            matches!(byte, b'-' | b'\'' | b'"' | b'/' | b'\n' | b' ')
                || enclosed(byte)
                // Unchanged by NFKC.
                || nfkc.chars().eq([c]) && (c.is_numeric() || c.is_alphanumeric() || is_unassigned_or_symbol(c))
        }
        Fold::Keep => is_modifier(c),
    }
}

/// Negative circled and squared letters, and the holes among the mathematical letters, whose forms are among the letterlike symbols.
fn is_unassigned_or_symbol(c: char) -> bool {
    matches!(u32::from(c), 0x1d400..=0x1d7ff | 0x1f10b..=0x1f10c | 0x1f150..=0x1f189)
        || ZEROS.iter().any(|&zero| (zero..zero + 10).contains(&u32::from(c)))
}

/// Letters above and below the line, and a few signs, of which none makes a secret or an instruction.
fn is_modifier(c: char) -> bool {
    matches!(
        u32::from(c),
        0xaa | 0xba | 0x2b0..=0x2e3 | 0x37e | 0x1d2c..=0x1dbf | 0x1fef | 0x2090..=0x209f | 0x2c7c..=0x2c7d
            | 0xa770 | 0xa7f1..=0xa7f9 | 0xab5c..=0xab5f | 0x10780..=0x107ba | 0xfe10..=0xfe48 | 0x2260..=0x226f | 0x1f12a..=0x1f12e | 0xff5f..=0xffe6 | 0xfb29
            | 0x1ccd6..=0x1ccf9
    )
}

#[test]
fn folding_is_nfkc_where_that_is_one_ascii_character() {
    for c in (0x80..=0x10_ffff).filter_map(char::from_u32) {
        let nfkc: String = c.nfkc().collect();
        let expected = match nfkc.as_bytes() {
            &[byte] => Fold::Ascii(byte),
            _ => Fold::Keep,
        };
        let found = fold_char(c);
        assert!(
            found == expected || differs_by_design(c, &nfkc),
            "U+{:04X} {c}: {found:?}, NFKC {nfkc:?}",
            u32::from(c)
        );
    }
}

#[test]
fn every_decimal_digit_is_known() {
    // Of those that NFKC knows, the test above; of the others, a few of each age.
    for (text, digits) in
        [("٠١٢٣٤٥٦٧٨٩", "0123456789"), ("०९", "09"), ("๕", "5"), ("\u{1e950}\u{1e959}", "09"), ("𝟘𝟡𝟢", "090")]
    {
        assert_eq!(folded(text), digits);
    }
    for &zero in &ZEROS {
        for (digit, code) in (zero..zero + 10).enumerate() {
            let c = char::from_u32(code).unwrap();
            assert_eq!(fold_char(c), Fold::Ascii(b'0' + u8::try_from(digit).unwrap()), "{code:x}");
        }
    }
}

#[test]
fn what_is_invisible_is_dropped() {
    for c in "\u{ad}\u{34f}\u{61c}\u{180e}\u{200b}\u{200d}\u{200f}\u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{e0000}\u{e0041}\u{e007f}\u{e0100}\u{e01ef}".chars() {
        assert_eq!(fold_char(c), Fold::Drop, "{:x}", u32::from(c));
    }
    assert_eq!(folded("A\u{200b}K\u{e0041}I\u{ad}A"), "AKIA");
}

#[test]
fn other_forms_become_plain() {
    assert_eq!(folded("ＡＫＩＡ＿１２"), "AKIA_12");
    assert_eq!(folded("𝐀𝒛𝟏 Ⓐⓑ① ² ₃ K ℝ Ⅿ"), "Az1 Ab1 2 3 K R M");
    assert_eq!(folded("a\u{a0}b\u{2009}c\u{3000}d"), "a b c d");
    assert_eq!(folded("1‐2‑3‒4–5—6―7−8"), "1-2-3-4-5-6-7-8");
    assert_eq!(folded("‘a’ “b” „c‟"), "'a' \"b\" \"c\"");
    assert_eq!(folded("Grüße, 世界, привет"), "Grüße, 世界, привет");
}

#[test]
fn plain_text_is_borrowed() {
    for text in ["", "plain", "Grüße 世界"] {
        let folded = fold(text);
        assert!(matches!(folded.bytes, Cow::Borrowed(_)) && folded.jumps.is_empty());
        assert_eq!(folded.original(text.len()), text.len());
    }
}

#[test]
fn ranges_lead_back() {
    // Offsets: x 0, ZWSP 1, A 4 (three bytes), ZWSP 7, B 10, ZWSP 11, é 14, end 16.
    let text = "x\u{200b}Ａ\u{200b}B\u{200b}é";
    let folded = fold(text);
    assert_eq!(folded.bytes(), "xABé".as_bytes());
    assert_eq!(folded.original_range(1, 3), (4, 11));
    assert_eq!(folded.original_range(0, 1), (0, 1));
    assert_eq!(folded.original_range(1, 2), (4, 7));
    assert_eq!(folded.original_range(0, 5), (0, 16));
    assert_eq!(folded.original_range(3, 4), (14, 16));
    assert_eq!(folded.original_range(2, 2), (10, 10));
}

proptest! {
    #[test]
    fn offsets_lead_back_to_the_same_character(text in "([a-z]|Ａ|\u{200b}|é|世|٣|\u{e0041}|𝐀|\\PC){0,40}") {
        let whole = fold(&text);
        // Character by character, as a stream folds.
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for (at, c) in text.char_indices() {
            let before = bytes.len();
            match fold_char(c) {
                Fold::Drop => {}
                Fold::Ascii(byte) => bytes.push(byte),
                Fold::Keep => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            if bytes.len() > before {
                places.push((before, bytes.len(), at, at + c.len_utf8()));
            }
        }
        prop_assert_eq!(whole.bytes(), &bytes[..]);
        prop_assert!(std::str::from_utf8(&bytes).is_ok());
        for &(start, end, from, to) in &places {
            prop_assert_eq!(whole.original(start), from);
            prop_assert_eq!(whole.original_range(start, end), (from, to));
        }
        if let (Some(first), Some(last)) = (places.first(), places.last()) {
            prop_assert_eq!(whole.original_range(first.0, last.1), (first.2, last.3));
        }
        // Folding is done once.
        let again = String::from_utf8(bytes.clone()).unwrap();
        let again = fold(&again);
        prop_assert_eq!(again.bytes(), &bytes[..]);
    }
}
