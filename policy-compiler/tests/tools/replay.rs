//! `replay`: recorded exchanges under another policy.

use std::fs;

use serde_json::{Value, json};

use super::common::run;

const POLICY: &str = "\
apiVersion: sallyport.dev/v1
kind: TrustDomain
metadata: {name: acme.internal}
---
apiVersion: sallyport.dev/v1
kind: Agent
metadata: {name: research}
spec: {identities: ['spiffe://acme.internal/ns/agents/sa/research'], missions: [read]}
---
apiVersion: sallyport.dev/v1
kind: Service
metadata: {name: docs}
spec: {hosts: [docs.tools.svc], routes: [{path: /mcp, protocol: mcp}, {path: /**, protocol: http}]}
---
apiVersion: sallyport.dev/v1
kind: Mission
metadata: {name: read}
spec:
  allow:
    - {name: read, service: docs, http: {methods: [GET], paths: ['/docs/{id}']}}
    - {name: search, service: docs, mcp: {tools: [search_docs]}}
    - {name: fetch, service: docs, mcp: {tools: [fetch], arguments: {fields: [{at: /n, type: integer, max: 3}]}}}
";

fn line(seq: u64, verdict: &str, reason: &str, operation: &str, more: &[(&str, Value)]) -> String {
    let mut record = json!({
        "seq": seq, "time": 1_795_341_600_000_u64, "verdict": verdict, "reason": reason, "operation": operation,
        "agent": "research", "caller": "spiffe://acme.internal/ns/agents/sa/research", "destination": "docs.tools.svc",
    });
    for (key, value) in more {
        record[*key] = value.clone();
    }
    json!({"received": 1, "proxy": "node:a", "verified": false, "epoch": "", "place": seq, "record": record})
        .to_string()
}

#[test]
fn what_would_change_is_told_and_what_is_not_known_is_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("policy.yaml"), POLICY).unwrap();
    let lines = [
        line(1, "allow", "allowed", "mcp tools/call search_docs", &[]),
        line(2, "allow", "allowed", "mcp tools/call drop_table", &[]),
        line(3, "allow", "allowed", "mcp tools/call drop_table", &[]),
        line(4, "deny", "scope.method", "http GET /docs/{id}", &[]),
        line(5, "deny", "scope.path", "http GET /**", &[]),
        line(6, "allow", "allowed", "mcp tools/call fetch", &[]),
        line(7, "deny", "dlp.aws-access-key-id", "mcp tools/call search_docs", &[]),
        line(8, "allow", "allowed", "mcp tools/call search_docs", &[("destination", Value::Null)]),
        line(9, "deny", "identity.absent", "http GET /docs/{id}", &[("caller", Value::Null)]),
        line(
            10,
            "allow",
            "allowed",
            "mcp tools/call search_docs",
            &[("caller", json!("spiffe://acme.internal/ns/x/sa/y"))],
        ),
    ];
    fs::write(path("records"), lines.join("\n")).unwrap();
    let ran =
        run(&["replay", "--policy", &path("policy.yaml"), "--records", &path("records"), "--format", "json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        told["unknownBy"],
        json!({"arguments": 1, "caller": 1, "content": 1, "destination": 1, "path": 1}),
        "{told:#}"
    );
    assert_eq!(
        (&told["records"], &told["same"], &told["changed"], &told["unknown"]),
        (&json!(10), &json!(1), &json!(4), &json!(5))
    );
    let changes = told["changes"].as_array().unwrap();
    assert_eq!(
        (&changes[0]["count"], &changes[0]["change"]["becomesReason"]),
        (&json!(2), &json!("scope.tool"))
    );
    let becomes = |reason: &str| {
        changes.iter().find(|one| one["change"]["becomesReason"] == reason).unwrap()["change"]["becomes"]
            .clone()
    };
    assert_eq!((becomes("allowed"), becomes("identity.unmapped")), (json!("allow"), json!("deny")));
    let text = run(&["replay", "--policy", &path("policy.yaml"), "--records", &path("records")]).stdout;
    assert!(text.contains("       2  allow -> deny (allowed -> scope.tool)  research: mcp tools/call drop_table at docs.tools.svc\n"), "{text}");
    assert!(text.ends_with("10 records: 4 would change, 1 would not, 5 are not known\n"), "{text}");

    // What is asked of records counts for a file, too.
    for (asked, records) in [
        (["--agent", "research"], 10),
        (["--agent", "other"], 0),
        (["--proxy", "node:b"], 0),
        (["--since", "2026-11-21T00:00:00Z"], 0),
        (["--operation", "mcp tools/call drop_table"], 2),
    ] {
        let args = ["replay", "--policy", &path("policy.yaml"), "--records", &path("records")];
        let text = run(&[&args[..], &asked].concat()).stdout;
        assert!(text.contains(&format!("{records} records: ")), "{asked:?}");
    }

    fs::write(path("records"), &lines[0]).unwrap();
    let same = run(&["replay", "--policy", &path("policy.yaml"), "--records", &path("records")]);
    assert_eq!(same.code, Some(0), "{}", same.stdout);
    for bad in ["{}", "{\"record\":{}}", "x"] {
        fs::write(path("records"), bad).unwrap();
        let ran = run(&["replay", "--policy", &path("policy.yaml"), "--records", &path("records")]);
        assert!(ran.code == Some(2) && ran.stderr.contains("line 1 is no record"), "{}", ran.stderr);
    }
}
