//! What callers may choose and records show: names, methods, hosts, headers. None of it is shown where a detector knows it for a credential.

use policy_compiler::cases;
use policy_compiler::compile_files;
use policy_compiler::decide::Runner as _;
use policy_compiler::diagnostic::Diagnostics;
use policy_compiler::native::Native;
use policy_compiler::sources::Sources;
use sallyport_engine::bundle;
use serde_json::{Value, json};

const POLICY: &str = "\
{apiVersion: sallyport.dev/v1, kind: TrustDomain, metadata: {name: acme.internal}}
---
{apiVersion: sallyport.dev/v1, kind: Agent, metadata: {name: a}, spec: {identities: [spiffe://acme.internal/a], missions: [m]}}
---
apiVersion: sallyport.dev/v1
kind: Service
metadata: {name: s}
spec:
  hosts: [s]
  routes: [{path: /mcp, protocol: mcp}, {path: /a2a/**, protocol: a2a}, {path: /v1/**, protocol: llm}, {path: /**, protocol: http}]
---
apiVersion: sallyport.dev/v1
kind: Mission
metadata: {name: m}
spec:
  allow:
    - {name: docs, service: s, http: {methods: [GET, POST], paths: ['/docs/{id}']}}
    - {name: tools, service: s, mcp: {tools: [search]}}
    - {name: models, service: s, llm: {apis: [chat], models: [small]}}
";

/// A credential whose letters are all capitals, so that it may also be a method.
fn credential() -> String {
    format!("AKIA{}", "ZQXVNBTMWVKLRYDJ")
}

/// The requests: a credential in each place that a caller may choose.
fn requests() -> Vec<(&'static str, Value)> {
    let key = credential();
    let ask =
        |method: &str, host: &str, path: &str| json!({"method": method, "authority": host, "path": path});
    let with = |mut request: Value, headers: &[(&str, &str)], body: Option<Value>| {
        request["headers"] = json!(headers);
        if let Some(body) = body {
            request["body"] = body.to_string().into();
        }
        request
    };
    let json_type = ("content-type", "application/json");
    let call =
        |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let post = |path: &str, body: Value| {
        let accept = ("accept", "application/json, text/event-stream");
        with(ask("POST", "s", path), &[json_type, accept], Some(body))
    };
    let named = format!("x-{}", key.to_lowercase());
    vec![
        ("a method", ask(&key, "s", "/docs/1")),
        ("a method of MCP's route", ask(&key, "s", "/mcp")),
        ("a method of A2A's route", ask(&key, "s", "/a2a/x")),
        ("a method of a model's route", ask(&key, "s", "/v1/models")),
        ("a host", ask("GET", &format!("{key}.example"), "/docs/1")),
        ("a path", ask("GET", "s", &format!("/docs/{key}"))),
        ("a query", ask("GET", "s", &format!("/docs/1?{key}={key}"))),
        ("a header", with(ask("GET", "s", "/docs/1"), &[("x-note", &key)], None)),
        ("the name of a header", with(ask("GET", "s", "/docs/1"), &[(&named, &key)], None)),
        ("a trace", with(ask("GET", "s", "/docs/1"), &[("traceparent", &key), ("x-request-id", &key)], None)),
        ("a method of JSON-RPC", post("/mcp", call(&key, json!({})))),
        ("a tool", post("/mcp", call("tools/call", json!({"name": key, "arguments": {}})))),
        (
            "a key",
            post("/mcp", call("tools/call", json!({"name": "search", "arguments": {&key: {"x": &key}}}))),
        ),
        ("a model", post("/v1/chat/completions", json!({"model": key, "messages": []}))),
        ("a key of a body", post("/docs/1", json!({&key: {&key: &key}}))),
    ]
}

#[test]
fn no_record_shows_what_a_detector_knows() {
    let mut sources = Sources::default();
    let file = sources.add("policy.yaml", POLICY);
    let policy = compile_files(&sources, &[file], &mut Diagnostics::default()).unwrap();
    let mut native = Native::new(&bundle::encode(&policy).unwrap()).unwrap();
    let key = credential().to_lowercase();
    for (what, mut request) in requests() {
        request["peer"] = "spiffe://acme.internal/a".into();
        let file = sources.add("case.yaml", json!({"name": what, "request": request}).to_string());
        let mut problems = Diagnostics::default();
        let case = cases::parse(&sources, file, &mut problems).pop();
        let observed = native.run(&case.unwrap()).unwrap();
        let record = serde_json::to_string(&observed.record).unwrap();
        assert!(!record.to_lowercase().contains(&key), "{what}: {record}");
        assert_ne!(observed.record.reason, "request.malformed", "{what}: {record}");
    }
}
