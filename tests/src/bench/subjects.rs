//! What is measured: two requests as agents send them, both allowed by the example's policy.

use policy_compiler::cases::{Case, Message, Request, Response};

/// The caller.
pub(super) const CALLER: &str = "spiffe://acme.internal/ns/agents/sa/research-agent";

/// The service.
pub(super) const AUTHORITY: &str = "tool-api.tools.svc.cluster.local";

/// The size of the tool call, in bytes.
const CALL_BYTES: usize = 1024;

/// A request and what deciding it may cost.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) case: Case,
    /// Microseconds, in the module.
    pub(super) budget: Budget,
}

/// Microseconds at two percentiles.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// A request that its headers decide, and a tool call of 1 KiB that takes the full path: JSON, mission, arguments, detectors.
pub(super) fn subjects() -> [Subject; 2] {
    let get = case("header-only GET", "GET", "/docs/42", None);
    let call = case("1 KiB MCP tools/call", "POST", "/mcp", Some(tool_call()));
    [
        Subject { name: "header-only", case: get, budget: Budget { p50: 3.0, p99: 10.0 } },
        Subject { name: "1 KiB tools/call", case: call, budget: Budget { p50: 12.0, p99: 30.0 } },
    ]
}

/// The headers that an MCP client of 2025 sends, and a proxy before it.
fn headers(body: bool) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "gzip, deflate"),
        ("user-agent", "python-httpx/0.28.1"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    if body {
        headers.extend([
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-session-id", "3f1d2c4b5a69788796a5b4c3d2e1f001"),
        ]);
    }
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// A `tools/call` of exactly [`CALL_BYTES`], its argument filled up with prose.
pub(super) fn tool_call() -> Vec<u8> {
    const PROSE: &str = "which runbook says how the nightly index of the handbook is rebuilt after a failed migration, \
                         who may approve it, and where are its logs kept? ";
    let (before, after) = (
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_docs","arguments":{"limit":10,"query":""#,
        r#""}}}"#,
    );
    let room = CALL_BYTES.saturating_sub(before.len() + after.len());
    let query: String = PROSE.chars().cycle().take(room).collect();
    [before, &query, after].concat().into_bytes()
}

fn case(name: &str, method: &str, path: &str, body: Option<Vec<u8>>) -> Case {
    let request = Request {
        peers: Some(vec![CALLER.to_owned()]),
        method: method.to_owned(),
        authority: AUTHORITY.to_owned(),
        path: path.to_owned(),
        headers: headers(body.is_some()),
        message: Message { body, ..Message::default() },
    };
    Case {
        name: name.to_owned(),
        place: name.to_owned(),
        at: None,
        request,
        response: Response::default(),
        expect: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_call_is_one_kibibyte_of_json() {
        let call = tool_call();
        assert_eq!(call.len(), CALL_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&call).unwrap();
        assert_eq!(json["params"]["name"], "search_docs");
    }
}
