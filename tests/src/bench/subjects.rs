//! What is measured: requests as agents send them, all allowed by the example's policy.

use policy_compiler::cases::{Case, Message, Request, Response};

/// The caller.
pub(super) const CALLER: &str = "spiffe://acme.internal/ns/agents/sa/research-agent";

/// The service.
pub(super) const AUTHORITY: &str = "tool-api.tools.svc.cluster.local";

/// The sizes of the tool calls, in bytes: as they usually are, a large one, and as large as the default limit lets them be.
const CALL_BYTES: usize = 1024;
const LARGE_BYTES: usize = 64 * 1024;
const LARGEST_BYTES: usize = 1024 * 1024;

/// A request and what deciding it may cost.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) case: Case,
    /// Microseconds, in the module.
    pub(super) budget: Option<Budget>,
    /// How often it is sampled, and how many decisions make a sample.
    pub(super) effort: Effort,
}

/// How much is measured of a subject.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub(super) samples: usize,
    pub(super) batch: u32,
}

/// Microseconds at two percentiles.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) p50: f64,
    pub(super) p99: Option<f64>,
}

/// A request that its headers decide, and tool calls that take the full path: JSON, mission, arguments, detectors.
pub(super) fn subjects() -> Vec<Subject> {
    let call = |name: &'static str, bytes| case(name, "POST", "/mcp", Some(tool_call(bytes)));
    let budget = |p50, p99| Some(Budget { p50, p99 });
    vec![
        Subject {
            name: "header-only",
            case: case("header-only GET", "GET", "/docs/42", None),
            budget: budget(3.0, Some(10.0)),
            effort: Effort { samples: 10_000, batch: 16 },
        },
        Subject {
            name: SMALL,
            case: call(SMALL, CALL_BYTES),
            budget: budget(12.0, Some(30.0)),
            effort: Effort { samples: 10_000, batch: 16 },
        },
        Subject {
            name: LARGE,
            case: call(LARGE, LARGE_BYTES),
            budget: budget(400.0, None),
            effort: Effort { samples: 500, batch: 1 },
        },
        Subject {
            name: LARGEST,
            case: call(LARGEST, LARGEST_BYTES),
            budget: None,
            effort: Effort { samples: 60, batch: 1 },
        },
    ]
}

/// The call that is also put to a real Envoy.
pub(super) const SMALL: &str = "1 KiB tools/call";
/// The two that show whether the cost is linear.
pub(super) const LARGE: &str = "64 KiB tools/call";
pub(super) const LARGEST: &str = "1 MiB tools/call";
/// How many times as large the second is.
pub(super) const LARGEST_TO_LARGE: f64 = (LARGEST_BYTES / LARGE_BYTES) as f64;

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

/// A `tools/call` of exactly so many bytes, its argument filled up with prose.
fn tool_call(bytes: usize) -> Vec<u8> {
    const PROSE: &str = "which runbook says how the nightly index of the handbook is rebuilt after a failed migration, \
                         who may approve it, and where are its logs kept? ";
    let (before, after) = (
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_docs","arguments":{"limit":10,"query":""#,
        r#""}}}"#,
    );
    let room = bytes.saturating_sub(before.len() + after.len());
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
        repeat: 1,
        request,
        response: Response::default(),
        expect: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_call_is_json_of_its_size() {
        assert_eq!(tool_call(LARGEST_BYTES).len(), LARGEST_BYTES);
        let call = tool_call(CALL_BYTES);
        assert_eq!(call.len(), CALL_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&call).unwrap();
        assert_eq!(json["params"]["name"], "search_docs");
    }
}
