//! Values in, resources or diagnostics out. That the resources are those that Helm makes is tested in `tests/istio/test_chart.py`.

use std::fs;
use std::path::Path;

use super::*;
use crate::report::Colour;

const RELEASE: Release<'_> = Release { name: "sallyport", namespace: "tools" };

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/istio/values")
}

/// Renders the least values, and these over them.
fn with(text: &str) -> (Result<Rendered, String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    fs::write(&path, text).unwrap();
    let (rendered, report) = render(&[samples().join("minimal.yaml"), path], &RELEASE);
    (rendered, report.text(Colour::Never))
}

#[test]
fn every_sample_is_rendered() {
    let mut count = 0;
    for entry in fs::read_dir(samples()).unwrap() {
        let path = entry.unwrap().path();
        let (rendered, report) = render(slice::from_ref(&path), &RELEASE);
        assert!(rendered.is_ok(), "{}: {:?}\n{}", path.display(), rendered.err(), report.text(Colour::Never));
        count += 1;
    }
    assert!(count >= 5);
}

#[test]
fn resources_come_in_the_order_that_they_need() {
    let (rendered, _) = render(&[samples().join("everything.yaml")], &RELEASE);
    let rendered = rendered.unwrap();
    let kinds: Vec<_> = rendered.resources.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    let at = |kind| kinds.iter().position(|known| *known == kind).unwrap();
    assert!(at("ServiceAccount") < at("Service") && at("Service") < at("Deployment"), "{kinds:?}");
    assert!(rendered.resources.contains("app.kubernetes.io/managed-by: policy-compiler"));
    assert!(rendered.notes.starts_with("The gate is loaded by a TrafficExtension"), "{}", rendered.notes);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, id, words) in [
        ("gate: {bodylimit: 1}", "unknown-key", "help: did you mean `bodyLimit`?"),
        ("istioVersion: 1.30", "needs-quotes", "`istioVersion` takes text, not a number"),
        ("gate: {installMode: held}", "wrong-value", "help: write `plain`, `buffered` or `headers`"),
        ("gate: {ports: [0]}", "wrong-value", "`gate.ports[0]` is at least 1 and at most 65535"),
        ("gate: {ports: [80, 80]}", "conflicting-keys", "`gate.ports` has this item twice"),
        ("gate: {module: {sha256: abc}}", "malformed", "help: Without the sha256: in front."),
        ("gate: {enabled: yes}", "needs-quotes", "some readers of YAML"),
        ("companion:", "wrong-type", "`companion` takes a mapping, not nothing"),
        ("gate: [1]", "wrong-type", "`gate` takes a mapping, not a list"),
        ("gate: {targetRefs: [{name: x}]}", "missing-key", "needs the key `kind`"),
        ("gate: {selector: {app: tool api}}", "malformed", "`gate.selector.app`"),
        (
            "commonLabels: {helm.sh/chart: x}",
            "conflicting-keys",
            "help: leave it out, the chart itself says so",
        ),
        ("interlock: {secret: 'a \": b'}", "malformed", "secret: *******"),
        ("companion: {resources: {limits: {cpu: 0x1}}}", "needs-quotes", "`companion.resources.limits.cpu`"),
        ("gate:\n  bundle: ''", "conflicting-keys", "there is no policy"),
        ("gate:\n  mode: CLIENT\n  installMode: headers", "conflicting-keys", "values.yaml:2:3"),
        ("gate: {a: *x}", "yaml-syntax", "values.yaml:1"),
        ("gate: {}\n---\ngate: {}", "wrong-type", "a second document"),
    ] {
        let (rendered, report) = with(text);
        assert!(rendered.is_err(), "{text}");
        assert!(report.contains(&format!("error[{id}]")) && report.contains(words), "{text}\n{report}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let secret = ["not", "-long-16"].concat();
    for text in [
        format!("interlock: {{secret: '{secret}'}}"),
        format!("interlock:\n  \"secret\": \"{secret}"),
        format!("interlock:\n  secret: |\n    {secret}\n"),
        format!("interlock:\n  secret:\n  - {secret}\n"),
        format!("interlock: {{secret: {secret}, secret: x}}"),
    ] {
        let (rendered, report) = with(&text);
        assert!(rendered.is_err() && report.contains("error["), "{text}");
        assert!(!report.contains(&secret), "{report}");
    }
}
