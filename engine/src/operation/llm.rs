//! Requests to large language models: OpenAI's chat completions, responses and embeddings, Anthropic's messages.

use super::rpc::refuse_look_alikes;
use crate::json::{Kind, Value};
use crate::policy::LlmApi;
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The members of requests that rules depend on.
const MEMBERS: [&str; 6] = ["model", "messages", "input", "tools", "functions", "mcp_servers"];

/// What a request asks of a model.
#[derive(Debug)]
pub(crate) struct LlmCall<'d> {
    pub(crate) api: LlmApi,
    pub(crate) model: Cow<'d, str>,
    /// The tools that it defines, and those whose calls it replays.
    pub(crate) tools: Vec<Cow<'d, str>>,
}

/// The API of a method and path; `None` for one that is not known here.
pub(crate) fn api_of(method: &str, segments: &[Cow<'_, str>]) -> Option<LlmApi> {
    let from_end = |n: usize| segments.iter().rev().nth(n).map_or("", |segment| segment.as_ref());
    match (method, from_end(1), from_end(0)) {
        ("POST", "chat", "completions") => Some(LlmApi::Chat),
        ("POST", _, "responses") => Some(LlmApi::Responses),
        ("POST", _, "embeddings") => Some(LlmApi::Embeddings),
        ("POST", _, "messages") | ("POST", "messages", "count_tokens") => Some(LlmApi::Messages),
        ("GET", _, "models") | ("GET", "models", _) => Some(LlmApi::Models),
        _ => None,
    }
}

impl<'d> LlmCall<'d> {
    /// Reads a body.
    pub(crate) fn read(api: LlmApi, root: Value<'d>) -> Result<Self, Reason> {
        refuse_look_alikes(root, &MEMBERS)?;
        let model = root.get("model").and_then(|model| model.as_str()).ok_or(Reason::RequestMalformed)?;
        let mut tools = Vec::new();
        for list in ["tools", "functions", "mcp_servers"] {
            for definition in elements(root.get(list))? {
                tools.push(definition_name(definition).ok_or(Reason::RequestMalformed)?);
            }
        }
        for list in ["messages", "input"] {
            // `input` may also be one text.
            if root.get(list).is_some_and(|value| value.kind() != Kind::Array && list == "input") {
                continue;
            }
            for message in elements(root.get(list))? {
                calls(message, &mut tools)?;
            }
        }
        Ok(Self { api, model, tools })
    }
}

fn elements<'d>(list: Option<Value<'d>>) -> Result<impl Iterator<Item = Value<'d>>, Reason> {
    match list {
        Some(list) if !matches!(list.kind(), Kind::Array | Kind::Null) => Err(Reason::RequestMalformed),
        list => Ok(list.into_iter().flat_map(|list| list.items())),
    }
}

/// A definition's name; the type of one that is built in and has no other.
fn definition_name(definition: Value<'_>) -> Option<Cow<'_, str>> {
    let nested = ["function", "custom"].into_iter().find_map(|kind| definition.get(kind));
    let named = nested.unwrap_or(definition).get("name").or_else(|| definition.get("server_label"));
    named.or_else(|| definition.get("type")).and_then(|name| name.as_str())
}

/// The tools that a message of a conversation calls.
fn calls<'d>(message: Value<'d>, tools: &mut Vec<Cow<'d, str>>) -> Result<(), Reason> {
    if message.kind() == Kind::String {
        return Ok(());
    }
    if message.kind() != Kind::Object {
        return Err(Reason::RequestMalformed);
    }
    let mut note = |name: Option<Value<'d>>| -> Result<(), Reason> {
        tools.push(name.and_then(|name| name.as_str()).ok_or(Reason::RequestMalformed)?);
        Ok(())
    };
    for call in elements(message.get("tool_calls"))? {
        let inner = call.get("function").or_else(|| call.get("custom"));
        note(inner.and_then(|inner| inner.get("name")))?;
    }
    if let Some(call) = message.get("function_call").filter(|call| call.kind() != Kind::Null) {
        note(call.get("name"))?;
    }
    let parts = message.get("content").filter(|content| content.kind() == Kind::Array);
    let parts = parts.into_iter().flat_map(|parts| parts.items()).chain([message]);
    for part in parts {
        let kind = part.get("type").and_then(|kind| kind.as_str());
        if matches!(
            kind.as_deref(),
            Some(
                "tool_use"
                    | "server_tool_use"
                    | "mcp_tool_use"
                    | "function_call"
                    | "custom_tool_call"
                    | "mcp_call"
            )
        ) {
            note(part.get("name"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn tools(json: &str) -> Result<Vec<alloc::string::String>, Reason> {
        let document = Document::parse(json.as_bytes()).unwrap();
        let call = LlmCall::read(LlmApi::Chat, document.root().unwrap())?;
        Ok(call.tools.iter().map(|tool| tool.clone().into_owned()).collect())
    }

    #[test]
    fn definitions_and_calls_are_found_in_every_dialect() {
        for (json, expected) in [
            (r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#, &[][..]),
            (r#"{"model":"m","tools":[{"type":"function","function":{"name":"a"}}],"messages":[]}"#, &["a"]),
            (
                r#"{"model":"m","tools":[{"type":"function","name":"a"},{"type":"web_search"}],"input":"hi"}"#,
                &["a", "web_search"],
            ),
            (
                r#"{"model":"m","tools":[{"type":"mcp","server_label":"s","server_url":"https://x"}],"input":[]}"#,
                &["s"],
            ),
            (r#"{"model":"m","functions":[{"name":"a"}],"messages":[]}"#, &["a"]),
            (
                r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"b"}}]}]}"#,
                &["b"],
            ),
            (r#"{"model":"m","messages":[{"role":"assistant","function_call":{"name":"b"}}]}"#, &["b"]),
            (
                r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","name":"c","input":{}}]}]}"#,
                &["c"],
            ),
            (r#"{"model":"m","input":[{"type":"function_call","name":"d"},"text"]}"#, &["d"]),
        ] {
            assert_eq!(tools(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (json, why) in [
            (r#"{"messages":[]}"#, Reason::RequestMalformed),
            (r#"{"model":7}"#, Reason::RequestMalformed),
            (r#"{"model":"m","tools":{}}"#, Reason::RequestMalformed),
            (r#"{"model":"m","tools":[{}]}"#, Reason::RequestMalformed),
            (r#"{"model":"m","messages":"hi"}"#, Reason::RequestMalformed),
            (r#"{"model":"m","messages":[{"tool_calls":[{}]}]}"#, Reason::RequestMalformed),
            (r#"{"model":"m","Tools":[]}"#, Reason::RequestAmbiguous),
            ("[]", Reason::RequestMalformed),
        ] {
            assert_eq!(tools(json), Err(why), "{json}");
        }
    }
}
