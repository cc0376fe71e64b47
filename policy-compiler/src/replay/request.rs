//! A request like the recorded one, as far as the record tells.

use std::time::{Duration, SystemTime};

use sallyport_engine::Policy;
use sallyport_engine::http::{Authority, HostPattern};
use sallyport_engine::policy::{Protocol, Service};
use serde_json::{Value, json};

use super::Unknown;
use crate::audit::Record;
use crate::cases::{Case, Header, Message, Request, Response};

/// What stands for a part of a path that is not known. No policy names it.
pub(super) const PART: &str = "sallyport-replay-part";

/// What is asked for, cut into its words.
struct Asked {
    method: String,
    path: String,
    body: Option<Vec<u8>>,
    headers: Vec<Header>,
}

/// The request, or what is missing for it.
pub(super) fn made_up(policy: &Policy, record: &Record) -> Result<Case, Unknown> {
    let caller = record.caller.clone().ok_or(Unknown::Caller)?;
    let authority = record.destination.clone().ok_or(Unknown::Destination)?;
    let operation = record.operation.as_deref().ok_or(Unknown::Operation)?;
    if operation.contains("(not shown)") || operation.contains(" batch of ") {
        return Err(Unknown::Operation);
    }
    let asked = asked(policy, &authority, operation)?;
    let message = Message { body: asked.body, cuts: Vec::new(), trailers: Vec::new() };
    let request = Request {
        peers: Some(vec![caller]),
        method: asked.method,
        authority,
        path: asked.path,
        headers: asked.headers,
        message,
    };
    // An answer without content: nobody looks at it.
    let response = Response { status: 204, headers: Vec::new(), message: Message::default() };
    Ok(Case {
        name: "replay".to_owned(),
        place: String::new(),
        at: SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(record.time)),
        repeat: 1,
        request,
        response,
        expect: None,
    })
}

fn asked(policy: &Policy, authority: &str, operation: &str) -> Result<Asked, Unknown> {
    let (protocol, what) = operation.split_once(' ').ok_or(Unknown::Operation)?;
    let service = service_at(policy, authority);
    // Where the policy has no such service, any path shows it.
    let path_of = |protocol: Protocol| match service {
        None => Ok("/".to_owned()),
        Some(service) => {
            let route = service.routes.iter().find(|route| route.protocol == protocol);
            route.map(|route| filled(route.path.as_str())).ok_or(Unknown::Operation)
        }
    };
    match protocol {
        "http" => http(service, what),
        "mcp" => mcp(path_of(Protocol::Mcp)?, what),
        "a2a" => rpc(path_of(Protocol::A2a)?, what, &json!({})),
        "grpc" if what.starts_with('/') && !what.contains('*') => Ok(Asked {
            method: "POST".to_owned(),
            path: what.to_owned(),
            body: Some(vec![0; 5]),
            headers: vec![header("content-type", "application/grpc"), header("te", "trailers")],
        }),
        "llm" => llm(&path_of(Protocol::Llm)?, what),
        _ => Err(Unknown::Operation),
    }
}

fn http(service: Option<&Service>, what: &str) -> Result<Asked, Unknown> {
    let (method, template) = what.split_once(' ').ok_or(Unknown::Operation)?;
    // Some of the paths may be judged by another protocol.
    let mut others = service.into_iter().flat_map(|service| &service.routes);
    if others.any(|route| route.protocol != Protocol::Http && covers_some(route.path.as_str(), template)) {
        return Err(Unknown::Path);
    }
    Ok(Asked { method: method.to_owned(), path: filled(template), body: None, headers: Vec::new() })
}

fn mcp(path: String, what: &str) -> Result<Asked, Unknown> {
    let (method, name) = what.split_once(' ').map_or((what, None), |(method, name)| (method, Some(name)));
    let params = match (method, name) {
        ("GET" | "DELETE", None) => {
            let headers = vec![header("accept", "text/event-stream"), header("mcp-session-id", "1")];
            return Ok(Asked { method: method.to_owned(), path, body: None, headers });
        }
        ("tools/call", Some(name)) => json!({"name": name, "arguments": {}}),
        ("prompts/get", Some(name)) => json!({"name": name}),
        ("initialize", None) => json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "replay", "version": "1"}
        }),
        ("POST" | "PUT" | "response" | "tools/call" | "prompts/get" | "resources/read", _) => {
            return Err(Unknown::Operation);
        }
        ("resources/subscribe" | "resources/unsubscribe", _) => return Err(Unknown::Operation),
        _ => json!({}),
    };
    rpc(path, method, &params)
}

fn rpc(path: String, method: &str, params: &Value) -> Result<Asked, Unknown> {
    if method.contains(' ') {
        return Err(Unknown::Operation);
    }
    let mut body = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if !method.starts_with("notifications/")
        && let Some(object) = body.as_object_mut()
    {
        object.insert("id".to_owned(), json!(1));
    }
    Ok(Asked {
        method: "POST".to_owned(),
        path,
        body: Some(body.to_string().into_bytes()),
        headers: vec![
            header("content-type", "application/json"),
            header("accept", "application/json, text/event-stream"),
        ],
    })
}

fn llm(route: &str, what: &str) -> Result<Asked, Unknown> {
    let (api, model) = what.split_once(' ').ok_or(Unknown::Operation)?;
    let messages = json!([{"role": "user", "content": "x"}]);
    let (end, body) = match api {
        "chat" => ("/v1/chat/completions", json!({"model": model, "messages": messages})),
        "messages" => ("/v1/messages", json!({"model": model, "messages": messages, "max_tokens": 1})),
        "responses" => ("/v1/responses", json!({"model": model, "input": "x"})),
        "embeddings" => ("/v1/embeddings", json!({"model": model, "input": "x"})),
        _ => return Err(Unknown::Operation),
    };
    // A route of all paths takes that of the API; one of a single path is that of the API.
    let path = if route.contains(PART) || route == "/" { end.to_owned() } else { route.to_owned() };
    Ok(Asked {
        method: "POST".to_owned(),
        path,
        body: Some(body.to_string().into_bytes()),
        headers: vec![header("content-type", "application/json")],
    })
}

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), value.as_bytes().to_vec())
}

/// The service that answers at an authority, as the engine finds it: the exact host first, then the longest suffix.
fn service_at<'p>(policy: &'p Policy, authority: &str) -> Option<&'p Service> {
    let authority = Authority::parse(authority).ok()?;
    let length = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(_) => usize::MAX,
        HostPattern::Suffix(text) => text.len(),
    };
    let hosts = policy
        .parts()
        .services
        .iter()
        .flat_map(|service| service.hosts.iter().map(move |host| (service, host)));
    let fitting = hosts.filter(|(_, host)| host.matches(authority.host()));
    fitting.max_by_key(|(_, host)| length(host)).map(|(service, _)| service)
}

/// A template with something in the place of what is not known.
fn filled(template: &str) -> String {
    let part = |segment: &str| if is_open(segment) { PART.to_owned() } else { segment.to_owned() };
    template.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn is_open(segment: &str) -> bool {
    segment.contains(['*', '{'])
}

/// Whether a rule's template covers some of the paths that the recorded one stands for, and not all of them.
pub(super) fn covers_some(rule: &str, recorded: &str) -> bool {
    let (rule, recorded): (Vec<_>, Vec<_>) = (rule.split('/').collect(), recorded.split('/').collect());
    let (mut all, mut at) = (true, 0);
    loop {
        match (rule.get(at).copied(), recorded.get(at).copied()) {
            (None, None) => return !all,
            (Some("**"), _) => return !all,
            // The rest may or may not be what the rule has there.
            (_, Some("**")) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(wanted), Some(_)) if is_open(wanted) => {}
            (Some(_), Some(open)) if is_open(open) => all = false,
            (Some(wanted), Some(there)) if wanted == there => {}
            _ => return false,
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_leaves_open_is_seen() {
        for (rule, recorded) in
            [("/docs/secret", "/docs/{id}"), ("/docs/{id}", "/**"), ("/a/x/{id}", "/a/*/{id}")]
        {
            assert!(covers_some(rule, recorded), "{rule} {recorded}");
        }
        for (rule, recorded) in [
            ("/docs/{id}", "/docs/{name}"),
            ("/**", "/docs/{id}"),
            ("/docs/**", "/docs/{id}"),
            ("/other", "/docs/{id}"),
            ("/docs", "/docs/{id}"),
            ("/docs/a", "/docs/a"),
        ] {
            assert!(!covers_some(rule, recorded), "{rule} {recorded}");
        }
    }
}
