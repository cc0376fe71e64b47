//! The committed reference pages and schemas are what the program prints. `SALLYPORT_UPDATE=1 cargo test` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::Path;

use policy_compiler::commands::{cli_page, detectors_page, language_page, schema_page};
use policy_compiler::json_schema;

#[test]
fn the_committed_pages_are_current() {
    for (file, page) in [
        ("docs/policy-reference.md", language_page()),
        ("docs/cli.md", cli_page()),
        ("docs/detectors.md", detectors_page()),
        ("docs/policy.schema.json", schema_page(&json_schema::policy())),
        ("docs/cases.schema.json", schema_page(&json_schema::cases())),
        ("docs/record.schema.json", schema_page(&json_schema::record())),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        if std::env::var_os("SALLYPORT_UPDATE").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page,
            "{file} is not what the program prints: SALLYPORT_UPDATE=1 writes it anew"
        );
    }
}

/// Tables of guarantees name their tests: each is there, under that name.
#[test]
fn every_test_that_a_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = String::new();
    for folder in
        ["engine/src", "filter/src", "playground/src", "policy-compiler", "tests/src", "tests/tests"]
    {
        read_all(&root.join(folder), "rs", &mut |_, text| sources += text);
    }
    let mut named = 0;
    read_all(&root.join("docs"), "md", &mut |page, text| {
        let (mut within, mut of_tests) = (false, false);
        for line in text.lines() {
            let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let starts = !within;
            within = line.starts_with('|');
            of_tests = within && if starts { last.contains("test") } else { of_tests };
            let words = last.split('`').skip(1).step_by(2).filter(|_| of_tests);
            for name in words.filter(|word| word.contains('_') && word.chars().all(is_of_names)) {
                named += 1;
                assert!(sources.contains(&format!("fn {name}(")), "{} names `{name}`", page.display());
            }
        }
    });
    assert!(named > 100, "{named}");
}

fn is_of_names(c: char) -> bool {
    c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn read_all(folder: &Path, extension: &str, take: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, extension, take);
        } else if path.extension().is_some_and(|of| of == extension) {
            take(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
