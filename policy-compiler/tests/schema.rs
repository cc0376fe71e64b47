//! The JSON Schemas say what the compiler says, as far as shapes go.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use policy_compiler::diagnostic::{Diagnostics, Id, Severity};
use policy_compiler::sources::Sources;
use policy_compiler::tree::{Node, Value};
use policy_compiler::{cases, compile, files, json_schema};
use serde_json::json;

/// Diagnostics that speak of nothing but shape, which a schema must see too.
const OF_SHAPE: [&str; 6] =
    ["unknown-key", "missing-key", "wrong-type", "wrong-value", "empty-list", "conflicting-keys"];
/// Inputs whose mistake is called so and takes more than a look at the shape to see.
const BEYOND_SHAPE: [&str; 5] = [
    "conflicting-keys-arguments", // what goes with which type
    "conflicting-keys-effects",   // what goes with which verb
    "conflicting-keys-route",     // what goes with which protocol
    "missing-key-tools",          // `arguments` needs `tools`
    "missing-key-capability",     // an `allow` rule and a Capability name methods
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn validators() -> (Validator, Validator) {
    let validator = |schema| jsonschema::draft202012::new(schema).unwrap();
    (validator(&json_schema::policy()), validator(&json_schema::cases()))
}

/// A document as an editor reads it.
fn value(node: &Node<'_>) -> serde_json::Value {
    match &node.value {
        Value::Invalid => serde_json::Value::Null,
        Value::List(items) => items.iter().map(value).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.to_string(), value(&entry.node)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Scalar(scalar) if scalar.quoted => json!(scalar.text),
        Value::Scalar(scalar) => match &*scalar.text {
            "" | "~" | "null" => serde_json::Value::Null,
            "true" => json!(true),
            "false" => json!(false),
            text => {
                serde_json::from_str(text).ok().filter(serde_json::Value::is_number).unwrap_or(json!(text))
            }
        },
    }
}

/// Every document of a file, and what the schema has against it.
fn complaints(schema: &Validator, path: &Path) -> Vec<String> {
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), fs::read_to_string(path).unwrap());
    let mut out = Diagnostics::default();
    let documents = files::parse(&sources, file, &mut out);
    let against = |node: &Node<'_>| -> Vec<String> {
        let value = value(node);
        schema.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    documents.iter().flat_map(against).collect()
}

/// The files with an ending below a folder.
fn below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            below(&entry, ending, found);
        } else if entry.to_str().unwrap().ends_with(ending) {
            found.push(entry);
        }
    }
}

/// The files of the examples and the corpus: policy, and cases.
fn ours() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut all = Vec::new();
    for folder in ["examples", "tests/cases"] {
        below(&repository().join(folder), ".yaml", &mut all);
    }
    let speaks_of_policy =
        |path: &PathBuf| fs::read_to_string(path).unwrap().contains("apiVersion: sallyport");
    all.into_iter().partition(speaks_of_policy)
}

#[test]
fn our_own_files_fit() {
    let (policy, cases) = validators();
    let (policies, case_files) = ours();
    assert!(policies.len() >= 5 && case_files.len() >= 30, "{policies:?} {case_files:?}");
    for (schema, files) in [(policy, policies), (cases, case_files)] {
        for file in files {
            let complaints = complaints(&schema, &file);
            assert!(complaints.is_empty(), "{}: {complaints:#?}", file.display());
        }
    }
}

#[test]
fn what_is_out_of_shape_is_refused_and_what_compiles_is_not() {
    let (policy, cases_schema) = validators();
    let folder = repository().join("policy-compiler/tests/diagnostics");
    let (mut refused, mut accepted) = (0, 0);
    for (schema, folder, of_cases) in
        [(policy, folder.clone(), false), (cases_schema, folder.join("cases"), true)]
    {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_stem().unwrap().to_str().unwrap();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let (_, report) = match of_cases {
                true => (None, cases::load(std::slice::from_ref(&path)).1),
                false => compile(std::slice::from_ref(&path)),
            };
            let shape = OF_SHAPE.iter().any(|id| name.starts_with(id)) && !BEYOND_SHAPE.contains(&name);
            if shape {
                assert!(!complaints(&schema, &path).is_empty(), "{name} fits the schema");
                refused += 1;
            } else if report.diagnostics.count(Severity::Error) == 0 {
                let complaints = complaints(&schema, &path);
                assert!(complaints.is_empty(), "{name}: {complaints:#?}");
                accepted += 1;
            }
        }
    }
    assert!(refused >= 8 && accepted >= 10, "{refused} refused, {accepted} accepted");
    assert!(OF_SHAPE.iter().all(|name| Id::of(name).is_some()));
}

#[test]
fn editors_get_a_description_and_a_default_for_every_key() {
    let schema = json_schema::policy();
    let limit = schema.pointer("/$defs/Gate.spec/properties/maxBodyBytes").unwrap();
    assert_eq!((&limit["default"], &limit["maximum"]), (&json!(1_048_576), &json!(16_777_216)));
    let private = schema.pointer("/$defs/field/properties/private").unwrap();
    assert_eq!((&private["default"], &private["enum"]), (&json!("deny"), &json!(["deny", "allow"])));
    for (name, object) in schema["$defs"].as_object().unwrap() {
        for (key, property) in
            object["properties"].as_object().unwrap().iter().filter(|(key, _)| *key != "kind")
        {
            assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}.{key}");
        }
    }
}
