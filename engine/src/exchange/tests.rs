mod modes;
mod responses;

use super::*;
use crate::http::HeaderPair;
use crate::policy::fixture;
use crate::surroundings::Nowhere;

const RESEARCH: &str = "spiffe://acme.internal/sa/research";
const WORKER: &str = "spiffe://acme.internal/sa/work-7";

struct Ask<'a> {
    sans: &'a [&'a str],
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            sans: &[RESEARCH],
            method: "GET",
            authority: "tool-api",
            path: "/docs/1",
            headers: &[],
            body: None,
        }
    }
}

impl Ask<'_> {
    fn judge(&self) -> (Vec<HeaderEdit>, Step, Record) {
        self.judge_by(&Rc::new(fixture::policy()), Rc::new(Nowhere))
    }

    fn judge_by(&self, policy: &Rc<Policy>, around: Rc<dyn Surroundings>) -> (Vec<HeaderEdit>, Step, Record) {
        let mut pairs: Vec<HeaderPair<'_>> = Vec::new();
        for (name, value) in [(":method", self.method), (":authority", self.authority), (":path", self.path)]
        {
            pairs.push((name.as_bytes(), value.as_bytes()));
        }
        pairs.extend(self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let sans: Vec<&[u8]> = self.sans.iter().map(|san| san.as_bytes()).collect();
        let end = if self.body.is_some() { End::More } else { End::Last };
        let mut exchange = Exchange::new(Some(Rc::clone(policy)), around);
        let HeadStep { edits, mut step } =
            exchange.request_head(&Head::new(&pairs), &Peer::Verified(&sans), end);
        if let (Step::Hold, Some(body)) = (&step, self.body) {
            step = exchange.request_body(body.as_bytes());
        }
        if step == Step::Forward {
            exchange.response_head(&Head::new(&[(b":status", b"200")]), End::Last);
        }
        (edits, step, exchange.end().clone())
    }

    fn reason(&self) -> String {
        let (_, step, record) = self.judge();
        assert_eq!(matches!(step, Step::Reply(_)), record.refusal.is_some());
        record.reason().into_owned()
    }
}

fn call(tool: &str) -> String {
    alloc::format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}

fn mcp(body: &str) -> Ask<'_> {
    Ask {
        method: "POST",
        path: "/mcp",
        body: Some(body),
        headers: &[("content-type", "application/json")],
        ..Ask::default()
    }
}

#[test]
fn identity_comes_first() {
    for (sans, reason) in [
        (&[][..], "identity.absent"),
        (&["https://acme.internal/x"][..], "identity.malformed"),
        (&[RESEARCH, WORKER][..], "identity.malformed"),
        (&["spiffe://partner/sa/research"][..], "identity.untrusted_domain"),
        (&["spiffe://acme.internal/sa/research-2"][..], "identity.unmapped"),
        (&[RESEARCH][..], "allowed"),
        (&[WORKER][..], "allowed"),
    ] {
        assert_eq!(Ask { sans, ..Ask::default() }.reason(), reason, "{sans:?}");
    }
}

#[test]
fn a_head_is_judged_by_host_path_and_method() {
    for (method, authority, path, reason) in [
        ("GET", "tool-api", "/docs/1", "allowed"),
        ("GET", "Tool-API.:8080", "/docs/a/b?x=1", "allowed"),
        ("GET", "a.tools", "/docs/1", "allowed"),
        ("GET", "nowhere", "/docs/1", "scope.host"),
        ("GET", "other:9090", "/api/1", "scope.host"),
        ("GET", "other:8080", "/api/1", "scope.host"),
        ("GET", "other:8080", "/elsewhere", "scope.path"),
        ("GET", "tool-api", "/admin", "scope.path"),
        ("PUT", "tool-api", "/docs/1", "scope.method"),
        ("GET", "tool-api", "/docs/drafts", "policy.denied"),
        ("GET", "tool-api", "/docs/DRAFTS/", "policy.denied"),
        ("GET", "tool-api", "//docs/1", "request.ambiguous"),
        ("POST", "tool-api", "/MCP", "request.ambiguous"),
        ("POST", "tool-api", "/mcp/", "request.ambiguous"),
        ("GET", "user@tool-api", "/docs/1", "request.malformed"),
        ("get", "tool-api", "/docs/1", "request.malformed"),
        ("CONNECT", "tool-api", "/docs/1", "request.unsupported"),
        ("GET", "tool-api", "/docs/1?_method=DELETE", "request.ambiguous"),
        ("GET", "tool-api", "/docs/1?_method=get", "allowed"),
    ] {
        assert_eq!(
            Ask { method, authority, path, ..Ask::default() }.reason(),
            reason,
            "{method} {authority} {path}"
        );
    }
}

#[test]
fn tools_are_granted_by_name_and_denied_loosely() {
    for (tool, reason) in [
        ("search_docs", "allowed"),
        ("fetch", "allowed"),
        ("Fetch", "scope.tool"),
        ("drop_table", "scope.tool"),
        ("search_secrets", "policy.denied"),
        ("Search_Secrets", "policy.denied"),
        ("search_docs ", "scope.tool"),
        ("search_d\u{43e}cs", "scope.tool"),
        ("search_docs\u{200b}", "scope.tool"),
    ] {
        assert_eq!(mcp(&call(tool)).reason(), reason, "{tool}");
    }
}

#[test]
fn a_session_may_be_kept_and_nothing_else() {
    for (body, reason) in [
        (r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}"#, "allowed"),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "allowed"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, "allowed"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "allowed"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#, "scope.method"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///x"}}"#,
            "scope.resource",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel"}"#, "scope.method"),
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"fetch"}}"#, "request.malformed"),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"fetch"}}"#,
            "request.malformed",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fetch"},"result":1}"#,
            "request.malformed",
        ),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "request.malformed"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fetch","Name":"drop"}}"#,
            "request.ambiguous",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop","name":"fetch"}}"#,
            "request.ambiguous",
        ),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "request.unsupported"),
        ("", "request.malformed"),
        ("\u{feff}{}", "request.encoding"),
    ] {
        assert_eq!(mcp(body).reason(), reason, "{body}");
    }
    let session = |method| Ask { method, path: "/mcp", ..Ask::default() }.reason();
    assert_eq!(
        (session("GET"), session("DELETE"), session("PUT")),
        ("allowed".into(), "allowed".into(), "scope.method".into())
    );
    assert_eq!(
        Ask { sans: &[WORKER], method: "POST", path: "/mcp", body: Some(""), ..Ask::default() }.reason(),
        "scope.path"
    );
}

#[test]
fn headers_say_what_the_body_says() {
    let json = ("content-type", "application/json");
    for (headers, reason) in [
        (&[json, ("mcp-method", "tools/call"), ("mcp-name", "fetch")][..], "allowed"),
        (&[json, ("mcp-name", "=?base64?ZmV0Y2g=?=")], "allowed"),
        (&[json, ("mcp-name", "search_docs")], "request.mismatch"),
        (&[json, ("mcp-method", "tools/list")], "request.mismatch"),
        (&[json, ("mcp-name", "=?base64?ZXZpbA==?=")], "request.mismatch"),
        (&[json, ("mcp-name", "=?BASE64?ZmV0Y2g=?=")], "request.mismatch"),
        (&[json, ("mcp-name", "fetch"), ("mcp-name", "fetch")], "request.mismatch"),
        (&[json, ("mcp-protocol-version", "2026-07-28")], "request.mismatch"),
        (&[json, ("mcp-protocol-version", "2025-11-25")], "allowed"),
        (&[json, ("content-type", "text/plain")], "request.ambiguous"),
        (&[json, ("content-encoding", "gzip")], "request.encoding"),
        (&[("content-type", "application/json; charset=utf-16")], "request.encoding"),
        (&[("content-type", "text/plain")], "allowed"),
        (&[], "allowed"),
        (&[json, ("content-length", "1048577")], "request.too_large"),
        (&[json, ("x-http-method-override", "DELETE")], "request.ambiguous"),
        (&[json, ("upgrade", "websocket")], "request.unsupported"),
    ] {
        let body = call("fetch");
        assert_eq!(Ask { headers, ..mcp(&body) }.reason(), reason, "{headers:?}");
    }
}

#[test]
fn the_identity_is_stamped_and_never_taken_from_the_client() {
    let headers = &[
        ("x-workload-spiffe-id", "spiffe://acme.internal/admin"),
        ("X_Workload_Spiffe_Id", "x"),
        ("x-sallyport-a", "b"),
    ];
    let (edits, step, record) = Ask { headers, ..Ask::default() }.judge();
    assert_eq!(step, Step::Forward);
    let remove = |name: &str| HeaderEdit::Remove(name.into());
    let expected = [remove("x-workload-spiffe-id"), remove("X_Workload_Spiffe_Id"), remove("x-sallyport-a")];
    assert_eq!(edits.get(..3), Some(&expected[..]));
    assert_eq!(edits.last(), Some(&HeaderEdit::Add("x-workload-spiffe-id", RESEARCH.into())));
    assert_eq!(record.operation.as_deref(), Some("http GET /docs/**"));
}

#[test]
fn replies_speak_the_callers_protocol() {
    let body = call("drop_table");
    let (_, step, _) = mcp(&body).judge();
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &json["id"], &json["error"]["data"]["reason"]),
        (403, &7.into(), &"scope.tool".into())
    );
    let (_, step, _) = Ask { sans: &[], ..Ask::default() }.judge();
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &json["error"]), (401, &"missing workload identity".into()));
}

const MIXED: &str = "spiffe://acme.internal/sa/mixed";

fn mixed<'a>(method: &'a str, path: &'a str, body: Option<&'a str>) -> Ask<'a> {
    Ask { sans: &[MIXED], authority: "mixed", method, path, body, ..Ask::default() }
}

#[test]
fn a_batch_is_judged_element_by_element() {
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"/srv/a"}}}"#;
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    for (body, reason) in [
        (alloc::format!("[{read},{ping}]"), "allowed"),
        (alloc::format!("[{ping},{}]", read.replace("\"read\"", "\"drop\"")), "scope.tool"),
        (alloc::format!("[{ping},{}]", read.replace("/srv/a", "/etc")), "scope.arguments"),
        (alloc::format!("[[{ping}]]"), "request.malformed"),
        ("[]".into(), "request.malformed"),
    ] {
        assert_eq!(mixed("POST", "/mcp", Some(&body)).reason(), reason, "{body}");
    }
    let body = alloc::format!("[{ping}]");
    let headers = &[("mcp-protocol-version", "2025-06-18")];
    assert_eq!(Ask { headers, ..mixed("POST", "/mcp", Some(&body)) }.reason(), "request.unsupported");
}

#[test]
fn an_a2a_method_is_one_method_in_every_binding() {
    let rpc = |method: &str, params: &str| {
        alloc::format!(r#"{{"jsonrpc":"2.0","id":"x","method":"{method}","params":{params}}}"#)
    };
    for (method, params, reason) in [
        ("message/send", "{}", "allowed"),
        ("SendMessage", "{}", "allowed"),
        ("message/stream", "{}", "scope.method"),
        ("CancelTask", "{}", "scope.method"),
        ("DropEverything", "{}", "scope.method"),
        (
            "SendMessage",
            r#"{"configuration":{"pushNotificationConfig":{"url":"https://hooks.acme.example/x"}}}"#,
            "allowed",
        ),
        (
            "SendMessage",
            r#"{"configuration":{"pushNotificationConfig":{"url":"http://169.254.169.254/"}}}"#,
            "scope.arguments",
        ),
        (
            "tasks/pushNotificationConfig/set",
            r#"{"pushNotificationConfig":{"url":"https://evil.example"}}"#,
            "scope.arguments",
        ),
    ] {
        assert_eq!(mixed("POST", "/a2a/", Some(&rpc(method, params))).reason(), reason, "{method} {params}");
    }
    for (method, path, body, reason) in [
        ("POST", "/a2a/v1/message:send", Some("{}"), "allowed"),
        (
            "POST",
            "/a2a/tenant/message:send",
            Some(r#"{"configuration":{"x":{"url":"https://evil.example"}}}"#),
            "scope.arguments",
        ),
        ("POST", "/a2a/message:stream", Some("{}"), "scope.method"),
        ("GET", "/a2a/tasks/7", None, "allowed"),
        ("POST", "/a2a/tasks/7:cancel", Some("{}"), "scope.method"),
        ("GET", "/a2a/.well-known/agent-card.json", None, "allowed"),
        ("POST", "/a2a/lf.a2a.v1.A2AService/SendMessage", Some("x"), "request.unsupported"),
    ] {
        assert_eq!(mixed(method, path, body).reason(), reason, "{method} {path}");
    }
}

#[test]
fn grpc_is_granted_by_its_path_and_answered_in_its_way() {
    let grpc = &[("content-type", "application/grpc+proto")];
    for (path, headers, reason) in [
        ("/shop.Cart/GetItems", &grpc[..], "allowed"),
        ("/shop.Cart/DropItems", grpc, "scope.method"),
        ("/shop.Cart/GetItems", &[("content-type", "application/json")], "request.unsupported"),
        ("/shop.Cart/GetItems", &[("content-type", "application/grpc-web")], "request.unsupported"),
        ("/shop.Bank/Pay", grpc, "request.unsupported"),
    ] {
        assert_eq!(Ask { headers, ..mixed("POST", path, Some("\0\0\0")) }.reason(), reason, "{path}");
    }
    let (_, step, record) =
        Ask { headers: grpc, sans: &[], ..mixed("POST", "/shop.Cart/GetItems", Some("")) }.judge();
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    assert_eq!((reply.grpc_status, record.status), (Some(16), Some(200)));
}

#[test]
fn models_and_their_tools_are_granted_by_name() {
    for (method, path, body, reason) in [
        ("POST", "/v1/chat/completions", r#"{"model":"small-1","messages":[]}"#, "allowed"),
        ("POST", "/v1/chat/completions", r#"{"model":"large-1","messages":[]}"#, "scope.resource"),
        (
            "POST",
            "/v1/chat/completions",
            r#"{"model":"small-1","tools":[{"function":{"name":"search"}}]}"#,
            "allowed",
        ),
        (
            "POST",
            "/v1/chat/completions",
            r#"{"model":"small-1","tools":[{"function":{"name":"shell"}}]}"#,
            "scope.tool",
        ),
        ("POST", "/v1/chat/completions", r#"{"messages":[]}"#, "request.malformed"),
        ("POST", "/v1/messages", r#"{"model":"small-1","messages":[]}"#, "scope.method"),
        ("POST", "/v1/files", "{}", "scope.method"),
        ("GET", "/v1/models", "", "allowed"),
        ("GET", "/v1/models", "{}", "request.unsupported"),
    ] {
        assert_eq!(mixed(method, path, Some(body)).reason(), reason, "{method} {path} {body}");
    }
}

#[test]
fn a_coded_body_is_judged_and_forwarded_decoded() {
    let body = call("fetch");
    let gzip = |body: &[u8]| {
        let mut coded = alloc::vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        coded.extend(miniz_oxide::deflate::compress_to_vec(body, 6));
        coded.extend(crate::digest::CRC_32.checksum(body).to_le_bytes());
        coded.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        coded
    };
    let judge = |coding: &str, sent: &[u8]| {
        let pairs: [HeaderPair<'_>; 5] = [
            (b":method", b"POST"),
            (b":authority", b"tool-api"),
            (b":path", b"/mcp"),
            (b"content-type", b"application/json"),
            (b"content-encoding", coding.as_bytes()),
        ];
        let mut exchange = Exchange::new(Some(Rc::new(fixture::policy())), Rc::new(Nowhere));
        let head =
            exchange.request_head(&Head::new(&pairs), &Peer::Verified(&[RESEARCH.as_bytes()]), End::More);
        let step = if head.step == Step::Hold { exchange.request_body(sent) } else { head.step };
        (head.edits, step, exchange.end().reason().into_owned())
    };
    let (edits, step, _) = judge("gzip", &gzip(body.as_bytes()));
    assert_eq!(step, Step::Replace(body.clone().into_bytes()));
    assert!(edits.contains(&HeaderEdit::Remove("content-encoding".into())));
    assert_eq!(judge("gzip", &gzip(call("drop_table").as_bytes())).2, "scope.tool");
    assert_eq!(judge("gzip", body.as_bytes()).2, "request.encoding");
    assert_eq!(judge("br", body.as_bytes()).2, "request.encoding");
    assert_eq!(judge("gzip", &gzip(&alloc::vec![b' '; 2 << 20])).2, "request.too_large");
    // Without the header the bytes are just no JSON.
    assert_eq!(judge("identity", &gzip(body.as_bytes())).2, "request.encoding");
}

#[test]
fn a_caller_without_an_identity_is_answered_in_its_protocol() {
    let body = call("fetch");
    let (_, step, _) = Ask { sans: &[], ..mcp(&body) }.judge();
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    let json: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &json["id"], &json["error"]["data"]["reason"]),
        (401, &serde_json::Value::Null, &"identity.absent".into())
    );
}

#[test]
fn the_limit_is_exact_to_the_byte() {
    let limit = usize::try_from(crate::policy::Limits::DEFAULT_MAX_BODY_BYTES).unwrap();
    let body = |length: usize| {
        let frame = call("fetch").replace("{}", r#"{"q":""}"#);
        frame.replace(r#""q":"""#, &alloc::format!(r#""q":"{}""#, "x".repeat(length - frame.len())))
    };
    assert_eq!(body(limit).len(), limit);
    assert_eq!(mcp(&body(limit)).reason(), "allowed");
    assert_eq!(mcp(&body(limit + 1)).reason(), "request.too_large");
}

#[test]
fn without_a_policy_nothing_passes() {
    let mut exchange = Exchange::new(None, Rc::new(Nowhere));
    let step = exchange.request_head(&Head::new(&[]), &Peer::Anonymous, End::Last).step;
    assert!(matches!(step, Step::Reply(_)));
    assert_eq!(exchange.end().reason(), "policy.absent");
    // And a driver that goes on regardless gets no further.
    assert!(matches!(exchange.request_body(b""), Step::Reply(_)));
    assert!(matches!(exchange.request_trailers(&Head::new(&[])).step, Step::Reply(_)));
    assert_eq!(exchange.end().reason(), "internal");
    let mut unjudged = Exchange::new(Some(Rc::new(fixture::policy())), Rc::new(Nowhere));
    assert!(matches!(unjudged.request_trailers(&Head::new(&[])).step, Step::Reply(_)));
}

#[test]
fn an_exchange_that_was_never_judged_is_recorded_as_refused() {
    assert_eq!(
        Exchange::new(Some(Rc::new(fixture::policy())), Rc::new(Nowhere)).end().verdict(),
        crate::record::Verdict::Deny
    );
}

#[test]
fn what_a_grant_carries_along_is_recorded_under_its_rule() {
    let card = Ask {
        sans: &["spiffe://acme.internal/sa/mixed"],
        authority: "mixed",
        path: "/a2a/.well-known/agent-card.json",
        ..Ask::default()
    };
    let record = card.judge().2;
    assert_eq!((record.mission.as_deref(), record.rule.as_deref()), (Some("mixed"), Some("a2a")));
}
