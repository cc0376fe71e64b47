//! A2A requests of versions 0.3 and 1.0, in their three bindings. One method is one thing here, whatever it is called by.

use super::rpc::{Envelope, Refusal, RequestId, refuse_look_alikes};
use crate::fold::could_be;
use crate::json::{Kind, Value};
use crate::policy::A2aMethod;
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The members of requests that rules depend on.
const PARAMS: [&str; 5] =
    ["configuration", "message", "pushNotificationConfig", "taskPushNotificationConfig", "url"];
/// The gRPC service of 1.0, whatever package it is generated into, and of 0.3.
const GRPC_SERVICE: &str = ".A2AService";

/// A method, and where it asks for notifications to be sent.
#[derive(Debug)]
pub(crate) struct A2aCall<'d> {
    pub(crate) method: A2aMethod,
    pub(crate) push_urls: Vec<Cow<'d, str>>,
}

/// What a path of an A2A route is, before its body is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// The public agent card.
    Card,
    /// The HTTP+JSON binding's path of a method.
    Rest(A2aMethod),
    /// The gRPC binding's path of a method.
    Grpc(A2aMethod),
    /// The JSON-RPC endpoint.
    Rpc,
}

impl Endpoint {
    /// Tells the bindings apart by method and path; `None` for a method that no binding has there.
    pub(crate) fn of(method: &str, segments: &[Cow<'_, str>]) -> Option<Self> {
        let from_end = |n: usize| segments.iter().rev().nth(n).map_or("", |segment| segment.as_ref());
        let (last, before) = (from_end(0), from_end(1));
        if before == ".well-known" && matches!(last, "agent-card.json" | "agent.json") {
            return (method == "GET").then_some(Self::Card);
        }
        if before.ends_with(GRPC_SERVICE) {
            return A2aMethod::of(last).filter(|_| method == "POST").map(Self::Grpc);
        }
        if let Some(rest) = rest_method(method, last, before, from_end(2), from_end(3)) {
            return Some(Self::Rest(rest));
        }
        (method == "POST" && !last.contains(':')).then_some(Self::Rpc)
    }
}

/// The method of an HTTP+JSON path, read from its end: what comes before is the route's own prefix, a version or a tenant.
fn rest_method(method: &str, last: &str, before: &str, second: &str, third: &str) -> Option<A2aMethod> {
    let of_task = second == "tasks";
    Some(match (method, last) {
        ("POST", "message:send") => A2aMethod::SendMessage,
        ("POST", "message:stream") => A2aMethod::SendStreamingMessage,
        ("GET", "tasks") => A2aMethod::ListTasks,
        ("GET", "extendedAgentCard") => A2aMethod::GetExtendedCard,
        ("GET", "card") if before == "v1" => A2aMethod::GetExtendedCard,
        ("POST", "pushNotificationConfigs") if of_task => A2aMethod::CreatePushConfig,
        ("GET", "pushNotificationConfigs") if of_task => A2aMethod::ListPushConfigs,
        ("GET", _) if before == "pushNotificationConfigs" && third == "tasks" => A2aMethod::GetPushConfig,
        ("DELETE", _) if before == "pushNotificationConfigs" && third == "tasks" => {
            A2aMethod::DeletePushConfig
        }
        ("POST", task) if before == "tasks" && task.ends_with(":cancel") => A2aMethod::CancelTask,
        ("POST" | "GET", task) if before == "tasks" && task.ends_with(":subscribe") => {
            A2aMethod::SubscribeToTask
        }
        ("GET", task) if before == "tasks" && !task.contains(':') => A2aMethod::GetTask,
        _ => return None,
    })
}

impl<'d> A2aCall<'d> {
    /// Reads a JSON-RPC body.
    pub(crate) fn read_rpc(root: Value<'d>) -> Result<(RequestId, Self), Refusal> {
        match Envelope::read(root, &PARAMS)? {
            Envelope::Request { id, method, params } => match A2aMethod::of(&method) {
                Some(method) => {
                    let push_urls = params.map(|params| push_urls(method, params)).unwrap_or_default();
                    Ok((id, Self { method, push_urls }))
                }
                None => Err(Refusal { reason: Reason::ScopeMethod, id: Some(id) }),
            },
            Envelope::Notification { .. } | Envelope::Response => {
                Err(Refusal { reason: Reason::RequestMalformed, id: None })
            }
        }
    }

    /// Reads a body of the HTTP+JSON binding; there need not be one.
    pub(crate) fn read_rest(method: A2aMethod, root: Option<Value<'d>>) -> Result<Self, Reason> {
        let Some(root) = root else { return Ok(Self { method, push_urls: Vec::new() }) };
        refuse_look_alikes(root, &PARAMS)?;
        Ok(Self { method, push_urls: push_urls(method, root) })
    }
}

/// Every URL that notifications would go to: any `url` in a push configuration, wherever the version puts it. One that is no
/// text counts as an empty one, which no rule covers.
fn push_urls<'d>(method: A2aMethod, params: Value<'d>) -> Vec<Cow<'d, str>> {
    let mut urls = Vec::new();
    if method == A2aMethod::CreatePushConfig {
        collect_urls(params, &mut urls);
    } else {
        for (_, configuration) in params.entries().filter(|(key, _)| key != "message" && key != "metadata") {
            collect_urls(configuration, &mut urls);
        }
    }
    urls
}

fn collect_urls<'d>(value: Value<'d>, urls: &mut Vec<Cow<'d, str>>) {
    match value.kind() {
        Kind::Object => {
            for (key, member) in value.entries() {
                if could_be(&key, "url") {
                    urls.push(member.as_str().unwrap_or_default());
                }
                collect_urls(member, urls);
            }
        }
        Kind::Array => value.items().for_each(|item| collect_urls(item, urls)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::RequestPath;
    use crate::json::Document;

    fn endpoint(method: &str, path: &str) -> Option<Endpoint> {
        Endpoint::of(method, RequestPath::parse(path).unwrap().segments())
    }

    #[test]
    fn one_method_is_known_in_every_binding() {
        use A2aMethod as M;
        for (method, path, expected) in [
            ("POST", "/a2a", Some(Endpoint::Rpc)),
            ("POST", "/a2a/", Some(Endpoint::Rpc)),
            ("POST", "/message:send", Some(Endpoint::Rest(M::SendMessage))),
            ("POST", "/a2a/v1/message:stream", Some(Endpoint::Rest(M::SendStreamingMessage))),
            ("POST", "/tenant-7/message:send", Some(Endpoint::Rest(M::SendMessage))),
            ("GET", "/tasks", Some(Endpoint::Rest(M::ListTasks))),
            ("GET", "/tasks/7", Some(Endpoint::Rest(M::GetTask))),
            ("POST", "/tasks/7:cancel", Some(Endpoint::Rest(M::CancelTask))),
            ("GET", "/tasks/7:subscribe", Some(Endpoint::Rest(M::SubscribeToTask))),
            ("POST", "/tasks/7/pushNotificationConfigs", Some(Endpoint::Rest(M::CreatePushConfig))),
            ("DELETE", "/tasks/7/pushNotificationConfigs/1", Some(Endpoint::Rest(M::DeletePushConfig))),
            ("GET", "/v1/card", Some(Endpoint::Rest(M::GetExtendedCard))),
            ("GET", "/.well-known/agent-card.json", Some(Endpoint::Card)),
            ("POST", "/lf.a2a.v1.A2AService/SendMessage", Some(Endpoint::Grpc(M::SendMessage))),
            ("POST", "/a2a.v1.A2AService/DropTables", None),
            ("POST", "/tasks/7:destroy", None),
            ("DELETE", "/tasks/7", None),
            ("GET", "/a2a", None),
        ] {
            assert_eq!(endpoint(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn push_urls_are_found_wherever_a_version_puts_them() {
        for (method, json, count) in [
            (
                "tasks/pushNotificationConfig/set",
                r#"{"taskId":"1","pushNotificationConfig":{"url":"http://a"}}"#,
                1,
            ),
            ("CreateTaskPushNotificationConfig", r#"{"url":"http://a"}"#, 1),
            (
                "message/send",
                r#"{"message":{"parts":[{"url":"http://file"}]},"configuration":{"pushNotificationConfig":{"url":"http://a"}}}"#,
                1,
            ),
            ("SendMessage", r#"{"message":{},"configuration":{"taskPushNotificationConfig":{"url":7}}}"#, 1),
            ("SendMessage", r#"{"message":{}}"#, 0),
        ] {
            let body = alloc::format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{json}}}"#);
            let document = Document::parse(body.as_bytes()).unwrap();
            let (_, call) = A2aCall::read_rpc(document.root().unwrap()).unwrap();
            assert_eq!(call.push_urls.len(), count, "{json}");
        }
    }
}
