//! The suite, put to the engine's reader; scripts/differential puts it to the other parsers as well.

use sallyport_differential::{canonical, suite};
use sallyport_engine::json::Document;
use std::collections::BTreeSet;

#[test]
fn every_case_is_read_or_refused_as_it_says() {
    let mut wrong = Vec::new();
    for case in suite::cases() {
        let found = Document::parse(&case.text).err().map(|error| error.fault);
        if found != case.fault {
            wrong.push(format!("{}: {found:?}, not {:?}", case.name, case.fault));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_accepted_is_read_as_serde_json_reads_it() {
    let mut compared = 0;
    for case in suite::cases() {
        if let Ok(document) = Document::parse(&case.text) {
            let theirs = serde_json::from_slice(&case.text).unwrap();
            assert_eq!(canonical::of_document(&document), canonical::of_serde(&theirs), "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 80);
}

/// A case that the grammar decides is decided alike by another reader of the grammar: the tables hold no slips.
#[test]
fn the_grammar_is_not_ours_alone() {
    for case in suite::cases().filter(|case| case.by_grammar) {
        let theirs = serde_json::from_slice::<serde_json::Value>(&case.text);
        assert_eq!(theirs.is_ok(), case.fault.is_none(), "{}", case.name);
    }
}

#[test]
fn no_case_stands_twice() {
    let (mut names, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for case in suite::cases() {
        assert!(names.insert(case.name.clone()), "{} twice", case.name);
        assert!(texts.insert(case.text.clone().into_owned()), "{}: a text that stood before", case.name);
    }
    assert!(names.len() > 280, "{}", names.len());
}
