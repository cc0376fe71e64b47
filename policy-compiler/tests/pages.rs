//! The committed reference pages and schemas are what the program prints. `SALLYPORT_UPDATE=1 cargo test` writes them anew.

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
