//! A text in pieces: whatever the cuts, the same is found, and the same goes on.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::sync::LazyLock;

use policy_compiler::detectors::{Finder, library, tables};
use policy_compiler::patterns::byte_set;
use proptest::prelude::*;
use sallyport_engine::scan::{
    self, Action, Aside, Catalogue, Channel, Detector, Hit, Place, Profile, Redaction, SetId, Severity,
    Treatment, Values, digest,
};

/// What `zz-values` finds.
const VALUES: [&str; 3] = ["EMP-204417", "xyzzy", "Frobnicate-Me-Now"];

/// Every detector redacts, so that everything that can be held back is.
fn strict() -> Profile {
    let redact = Action::Redact;
    let all = Treatment { request: redact, response: redact, tools: redact, redaction: Redaction::Label };
    Profile::new(vec![all; catalogue().detectors.len()], Vec::new())
}

/// The built-in detectors, and behind them one that knows values by their digests.
fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let mut catalogue = tables().catalogue.clone();
        let set = SetId(u8::try_from(catalogue.sets.len()).unwrap());
        catalogue.sets.push(byte_set("[0-9A-Za-z-]").unwrap());
        let mut digests = VALUES.map(|value| digest("salt", value.as_bytes()));
        digests.sort_unstable();
        let (lengths, salt) =
            (VALUES.iter().map(|value| u8::try_from(value.len()).unwrap()).collect(), "salt".into());
        let values = Values { set, lengths, salt, digests: digests.as_flattened().to_vec() };
        catalogue.detectors.push(Detector {
            id: "zz-values".into(),
            severity: Severity::High,
            threat: false,
            finder: scan::Finder::Values(values),
        });
        catalogue.prepare().unwrap();
        catalogue
    });
    &CATALOGUE
}

/// What a caller would receive, and what was found.
#[derive(Debug, PartialEq)]
struct Outcome {
    text: String,
    hits: Vec<Hit>,
    /// How many pieces were not passed on whole at once.
    delayed: usize,
}

fn run<'t>(pieces: impl Iterator<Item = &'t str>, profile: &Profile, json: bool) -> Outcome {
    let mut channel = Channel::new(Place::Response, json);
    let (mut all, mut text, mut hits) = (String::new(), String::new(), Vec::<Hit>::new());
    let (mut sent, mut before, mut delayed) = (0_usize, 0_usize, 0);
    let mut pieces = pieces.peekable();
    loop {
        let piece = pieces.next();
        all.push_str(piece.unwrap_or_default());
        let (catalogue, last) = (catalogue(), piece.is_none());
        let mut note = |hit: Hit| {
            assert!(hit.start >= before as u64, "{hit:?} reaches back before {before}");
            hits.push(hit);
        };
        let decided =
            channel.feed(catalogue, profile, Aside::default(), (piece.unwrap_or_default(), last), &mut note);
        let decided = index(decided);
        assert!(
            decided >= before && decided <= all.len(),
            "{before} was decided, now {decided}: {:?}",
            &all[decided..]
        );
        before = decided;
        hits.sort_by(|a, b| (a.start, b.end, a.detector).cmp(&(b.start, a.end, b.detector)));
        for hit in &hits {
            let (start, end) = (index(hit.start), index(hit.end));
            if start < decided && start >= sent {
                text.push_str(&all[sent..start]);
                text.push_str(&hit.with);
                sent = end;
            } else if start < decided {
                sent = sent.max(end);
            }
        }
        if decided > sent {
            text.push_str(&all[sent..decided]);
            sent = decided;
        }
        delayed += usize::from(sent < all.len());
        if last {
            assert_eq!(sent, all.len());
            return Outcome { text, hits, delayed };
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Some text around a sample of every detector that has a pattern.
fn texts() -> Vec<String> {
    let mut texts = Vec::new();
    for (definition, _) in library().detectors() {
        if matches!(definition.finder, Finder::Pattern(_)) {
            for (sample, _) in &definition.matches {
                texts.push(format!("Here it is: {sample} and that was it."));
            }
        }
    }
    texts.extend(VALUES.map(|value| format!("no-{value} but {value}, {value}s and ({value})")));
    // Hosts are looked for in whole texts only: so here in what an encoding makes of it.
    texts.extend(
        ["http://10.0.0.1/%41 and more", "go to 10.0.0.1%2fa", "to %31%30.0.0.1/ and to 10.0.0.2/%41%42"]
            .map(Into::into),
    );
    texts.push(format!("eHl6 base64 {} and \u{ff38}yzzy{}", "RU1QLTIwNDQxNw==", " xyzzy".repeat(40)));
    texts
}

#[test]
fn what_an_encoding_ends_counts_by_what_it_stands_for() {
    let outcome =
        run(["go to https://clerk:k7Qz", r"P2vX\u0040intra.example/a"].into_iter(), &strict(), false);
    let named = |hit: &Hit| catalogue().detector(hit.detector).unwrap().id.to_string();
    assert!(outcome.hits.iter().any(|hit| named(hit) == "url-credentials"), "{outcome:?}");
}

#[test]
fn values_are_found_by_themselves_and_nowhere_else() {
    let profile = strict();
    let hits = |text: &str| {
        let outcome = run(std::iter::once(text), &profile, false);
        outcome.hits.iter().map(|hit| text[index(hit.start)..index(hit.end)].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        hits("xyzzy, EMP-204417. \u{ff38}yzzy x\u{200b}yzzy Xyzzy"),
        ["xyzzy", "EMP-204417", "x\u{200b}yzzy"]
    );
    assert_eq!(hits("xyzzys -xyzzy EMP-2044170 EMP-20441 Frobnicate-Me"), Vec::<String>::new());
    assert_eq!(hits(&"xyzzy ".repeat(50)).len(), 50);
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    let profile = strict();
    for text in texts() {
        let whole = run(std::iter::once(text.as_str()), &profile, false);
        let boundaries: Vec<usize> = (1..text.len()).filter(|&at| text.is_char_boundary(at)).collect();
        for &cut in &boundaries {
            let (a, b) = text.split_at(cut);
            let cut_up = run([a, b].into_iter(), &profile, false);
            assert_eq!((&cut_up.text, &cut_up.hits), (&whole.text, &whole.hits), "cut at {cut}: {a}|{b}");
        }
        let letters: Vec<&str> = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect();
        let one_by_one = run(letters.iter().copied(), &profile, false);
        assert_eq!((&one_by_one.text, &one_by_one.hits), (&whole.text, &whole.hits), "one by one: {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn many_cuts_change_nothing(
        samples in prop::collection::vec(prop::sample::select(texts()), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        json: bool,
    ) {
        let text = samples.concat();
        let profile = strict();
        let whole = run(std::iter::once(text.as_str()), &profile, json);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|&at| text.is_char_boundary(at)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let cut_up = run(pieces.into_iter(), &profile, json);
        prop_assert_eq!(cut_up.text, whole.text);
        prop_assert_eq!(cut_up.hits, whole.hits);
    }
}

#[test]
fn encoded_secrets_are_found_whatever_the_cuts() {
    use base64::Engine as _;
    let key = ["AK", "IAZ3QX7NBTM2VKLR5D"].concat();
    let base64 = base64::engine::general_purpose::STANDARD.encode(format!("key={key}; more of it"));
    let hex: String = format!("key={key};").bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let unicode: String = key.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let wide: String = key.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c)).collect();
    let thin: String = key.chars().flat_map(|c| [c, '\u{200b}']).collect();
    let profile = strict();
    for encoded in [base64, hex, percent, unicode, wide, thin] {
        let text = format!("look at {encoded} now");
        let whole = run(std::iter::once(text.as_str()), &profile, false);
        let ids: Vec<&str> = whole
            .hits
            .iter()
            .map(|hit| tables().catalogue.detectors[usize::from(hit.detector.0)].id.as_str())
            .collect();
        assert!(ids.contains(&"aws-access-key-id"), "{text}: {ids:?}");
        for cut in (1..text.len()).filter(|&at| text.is_char_boundary(at)) {
            let (a, b) = text.split_at(cut);
            let cut_up = run([a, b].into_iter(), &profile, false);
            assert_eq!((&cut_up.text, &cut_up.hits), (&whole.text, &whole.hits), "cut at {cut}: {a}|{b}");
        }
    }
}

/// A context word within a match is none for it, also when the match is come upon again.
#[test]
fn words_in_an_open_match_do_not_hide_those_before() {
    let text = "append to it\0\0environment variables asappendappendappendI";
    let profile = strict();
    let whole = run(std::iter::once(text), &profile, false);
    assert!(!whole.hits.is_empty());
    for cut in 1..text.len() {
        let (a, b) = text.split_at(cut);
        assert_eq!(run([a, b].into_iter(), &profile, false).hits, whole.hits, "cut at {cut}");
    }
}

/// Prose that holds nothing, in pieces as a model sends them.
#[test]
fn clean_text_hardly_waits() {
    let text = include_str!("../../docs/evaluation.md");
    let mut pieces: Vec<String> = Vec::new();
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let letters: Vec<char> = word.chars().collect();
        pieces.extend(letters.chunks(5).map(|piece| piece.iter().collect::<String>()));
    }
    // Values by their digests are off here: each word could be one.
    let mut treatments = tables().default.treatments().to_vec();
    treatments.push(Treatment::default());
    let profile = Profile::new(treatments, Vec::new());
    let outcome = run(pieces.iter().map(String::as_str), &profile, false);
    println!("{} of {} pieces waited", outcome.delayed, pieces.len());
    assert!(outcome.delayed * 10 < pieces.len(), "{} of {}", outcome.delayed, pieces.len());
}
