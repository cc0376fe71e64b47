//! Every diagnostic, as users see it: `tests/diagnostics/<id>[-<what>].yaml` and beside it the exact text in `.txt`.
//!
//! Files under `cases/` are case files, all others policy. `SALLYPORT_UPDATE=1 cargo test` writes the texts anew.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use policy_compiler::diagnostic::Id;
use policy_compiler::report::{Colour, Report};
use policy_compiler::sources::MAX_FILE_BYTES;
use policy_compiler::{cases, compile, compile_files, load_bundle};

/// What no file in the folder can show; each has a test of its own below.
const WITHOUT_A_FILE: [Id; 3] = [Id::BadBundle, Id::TooLarge, Id::TooMany];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// The inputs of one folder, by name.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "json")).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{}", folder.display());
    inputs
}

fn ids_in(report: &Report) -> BTreeSet<Id> {
    report.diagnostics.sorted().into_iter().map(|diagnostic| diagnostic.id).collect()
}

/// Compares the report with the text beside the input, the folder's own path left out.
fn compare(input: &Path, report: &Report) {
    let shown = report.text(Colour::Never).replace(&format!("{}/", folder().display()), "");
    let expected = input.with_extension("txt");
    if std::env::var_os("SALLYPORT_UPDATE").is_some() {
        fs::write(&expected, &shown).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(shown, expected, "{}: SALLYPORT_UPDATE=1 writes it anew", input.display());
}

#[test]
fn every_diagnostic_reads_as_it_should_and_has_a_case() {
    let mut seen: BTreeSet<Id> = BTreeSet::from(WITHOUT_A_FILE);
    for input in inputs(&folder()) {
        let (policy, report) = compile(std::slice::from_ref(&input));
        assert_eq!(policy.is_none(), report.has_errors(), "{}", input.display());
        check(&input, &report, &mut seen);
    }
    for input in inputs(&folder().join("cases")) {
        let (_, report) = cases::load(std::slice::from_ref(&input));
        check(&input, &report, &mut seen);
    }
    let missing: Vec<_> = Id::ALL.iter().filter(|id| !seen.contains(id)).map(|id| id.name()).collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

/// The file is named after a diagnostic that it shows.
fn check(input: &Path, report: &Report, seen: &mut BTreeSet<Id>) {
    let name = input.file_stem().unwrap().to_str().unwrap();
    let shown = ids_in(report);
    let named = shown.iter().any(|id| name == id.name() || name.starts_with(&format!("{}-", id.name())));
    assert!(named, "{name} shows {shown:?}");
    seen.extend(shown);
    compare(input, report);
}

#[test]
fn json_says_the_same() {
    let input = folder().join("unknown-key.yaml");
    let (_, report) = compile(std::slice::from_ref(&input));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let all = json["diagnostics"].as_array().unwrap();
    assert_eq!(all.len(), report.diagnostics.sorted().len());
    let tool = all.iter().find(|one| one["message"] == "unknown key `tool` in `mcp`").unwrap();
    assert_eq!((&tool["id"], &tool["severity"]), (&"unknown-key".into(), &"error".into()));
    assert_eq!((&tool["line"], &tool["column"]), (&24.into(), &9.into()));
    assert_eq!(tool["help"], "did you mean `tools`?");
    assert_eq!(
        (&tool["excerpt"], &tool["marker"]),
        (&"        tool: [search_docs]".into(), &"        ^^^^".into())
    );
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.yaml");
    fs::write(&path, " ".repeat(MAX_FILE_BYTES)).unwrap();
    let (_, report) = compile(std::slice::from_ref(&path));
    assert_eq!(ids_in(&report), BTreeSet::from([Id::NothingHere]));
    fs::write(&path, " ".repeat(MAX_FILE_BYTES + 1)).unwrap();
    let (_, report) = compile(std::slice::from_ref(&path));
    assert_eq!(ids_in(&report), BTreeSet::from([Id::TooLarge]));
}

#[test]
fn a_directory_without_policy_is_told_apart_from_one_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("README.md"), "no policy").unwrap();
    let (_, report) = compile(&[directory.path().to_owned()]);
    assert_eq!(ids_in(&report), BTreeSet::from([Id::NothingHere]));
    let (_, report) = compile(&[directory.path().join("none")]);
    assert_eq!(ids_in(&report), BTreeSet::from([Id::Unreadable]));
}

#[test]
fn a_damaged_bundle_is_no_policy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.bundle");
    fs::write(&path, b"SALLYPRT and nothing more").unwrap();
    let (bundle, report) = load_bundle(&path);
    assert!(bundle.is_none());
    assert_eq!(ids_in(&report), BTreeSet::from([Id::BadBundle]));
}

#[test]
fn more_missions_than_a_bundle_can_number_are_refused() {
    let mut report = Report::default();
    let numbers: Vec<u32> = (0..=u32::from(u16::MAX)).collect();
    for (at, numbers) in numbers.chunks(16_384).enumerate() {
        let documents = numbers.iter().map(|number| {
            format!(
                "{{apiVersion: sallyport.dev/v1, kind: Mission, metadata: {{name: m{number}}}, spec: {{deny: \
                 [{{name: r, service: s, mcp: {{tools: [t]}}}}]}}}}\n"
            )
        });
        report.sources.add(format!("{at}.yaml"), documents.collect::<Vec<_>>().join("---\n"));
    }
    let ids: Vec<_> = report.sources.ids().collect();
    let Report { sources, diagnostics } = &mut report;
    assert!(compile_files(sources, &ids, diagnostics).is_none());
    assert!(ids_in(&report).contains(&Id::TooMany));
}

/// What is too much for the tables says which tables, and how it could be less.
#[test]
fn more_detectors_than_the_tables_have_room_for_are_refused() {
    let digits = |number: usize| {
        format!(
            "{{doc: d, trigger: digits, pattern: '{number:03}[0-9]{{4}}', samples: {{match: [], miss: []}}}}"
        )
    };
    let contexts = |number: usize| {
        format!(
            "{{doc: d, anchors: [ab], pattern: 'ab[0-9]+', context: {{words: [w{number}]}}, samples: {{match: [], miss: []}}}}"
        )
    };
    let anchors = |number: usize| {
        let anchors: Vec<String> =
            (0..40).map(|at| format!("a{number:03}-{at:02}-{}", "x".repeat(50))).collect();
        format!(
            "{{doc: d, anchors: [{}], pattern: 'a[0-9x-]+', samples: {{match: [], miss: []}}}}",
            anchors.join(", ")
        )
    };
    type Spec<'s> = &'s dyn Fn(usize) -> String;
    let kinds: [(&str, usize, Spec<'_>); 3] = [
        ("digits trigger", 130, &digits),
        ("context words", 260, &contexts),
        ("anchors and words", 20, &anchors),
    ];
    for (what, count, spec) in kinds {
        let mut report = Report::default();
        let documents = (0..count).map(|number| {
            let spec = spec(number);
            format!("{{apiVersion: sallyport.dev/v1, kind: Detector, metadata: {{name: d{number}}}, spec: {spec}}}\n")
        });
        report.sources.add("detectors.yaml", documents.collect::<Vec<_>>().join("---\n"));
        let ids: Vec<_> = report.sources.ids().collect();
        let Report { sources, diagnostics } = &mut report;
        assert!(compile_files(sources, &ids, diagnostics).is_none());
        let told = report.diagnostics.sorted();
        let told = told.iter().find(|told| told.id == Id::TooMany);
        assert!(
            told.is_some_and(|told| told.message.contains(what) && told.help.is_some()),
            "{what}: {told:?}"
        );
    }
}

#[test]
fn more_exceptions_than_are_asked_about_are_refused() {
    let entries: Vec<String> = (0..1025).map(|number| format!("{{text: t{number}}}")).collect();
    let policy = format!(
        "{{apiVersion: sallyport.dev/v1, kind: DlpProfile, metadata: {{name: p}}, spec: {{allow: [{}]}}}}\n",
        entries.join(", ")
    );
    let mut report = Report::default();
    report.sources.add("profile.yaml", policy);
    let ids: Vec<_> = report.sources.ids().collect();
    let Report { sources, diagnostics } = &mut report;
    assert!(compile_files(sources, &ids, diagnostics).is_none());
    assert!(ids_in(&report).contains(&Id::TooMany));
}
