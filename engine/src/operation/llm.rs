//! Requests to large language models: OpenAI's chat completions, responses and embeddings, Anthropic's messages.

use super::rpc::refuse_look_alikes;
use crate::json::{Kind, Value};
use crate::policy::LlmApi;
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The members of requests that rules depend on.
const MEMBERS: [&str; 12] = [
    "model",
    "messages",
    "input",
    "tools",
    "functions",
    "container",
    "mcp_servers",
    "models",
    "plugins",
    "previous_response_id",
    "prompt",
    "web_search_options",
];

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

/// The members of a tool's definition and of a call that say which tool it is.
const TOOL_MEMBERS: [&str; 7] =
    ["type", "name", "function", "custom", "server_label", "server_url", "arguments"];
/// Parts of a conversation that are calls, by their type.
const CALL_TYPES: [&str; 6] =
    ["tool_use", "server_tool_use", "mcp_tool_use", "function_call", "custom_tool_call", "mcp_call"];
/// Members that give a model a tool without defining one, with the name that a rule must have for it.
const IMPLIED: [(&str, &str); 7] = [
    ("container", "container"),
    ("mcp_servers", "mcp"),
    ("models", "models"),
    ("plugins", "plugins"),
    ("previous_response_id", "previous_response"),
    ("prompt", "prompt"),
    ("web_search_options", "web_search"),
];

impl<'d> LlmCall<'d> {
    /// Reads a body.
    pub(crate) fn read(api: LlmApi, root: Value<'d>) -> Result<Self, Reason> {
        refuse_look_alikes(root, &MEMBERS)?;
        let model = root.get("model").and_then(|model| model.as_str()).ok_or(Reason::RequestMalformed)?;
        let mut tools = Vec::new();
        for list in ["tools", "functions"] {
            for definition in elements(root.get(list))? {
                names(definition, &mut tools)?;
            }
        }
        for (member, name) in IMPLIED {
            if root.get(member).is_some_and(|value| value.kind() != Kind::Null) {
                tools.push(Cow::Borrowed(name));
            }
        }
        elements(root.get("messages"))?.try_for_each(|message| calls(message, &mut tools))?;
        if let Some(input) = root.get("input") {
            calls(input, &mut tools)?;
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

/// Every name that a server could take a definition or call by: its own, its function's, its custom tool's, and the type of one that
/// is built in, whatever it calls itself.
fn names<'d>(tool: Value<'d>, tools: &mut Vec<Cow<'d, str>>) -> Result<(), Reason> {
    refuse_look_alikes(tool, &TOOL_MEMBERS)?;
    let before = tools.len();
    let mut note = |name: Value<'d>| -> Result<(), Reason> {
        tools.push(name.as_str().ok_or(Reason::RequestMalformed)?);
        Ok(())
    };
    for nested in ["function", "custom"].into_iter().filter_map(|kind| tool.get(kind)) {
        refuse_look_alikes(nested, &["name"])?;
        note(nested.get("name").ok_or(Reason::RequestMalformed)?)?;
    }
    if let Some(name) = tool.get("name") {
        note(name)?;
    }
    if let Some(kind) = tool.get("type") {
        let text = kind.as_str().ok_or(Reason::RequestMalformed)?;
        if !matches!(text.as_ref(), "function" | "custom") && !CALL_TYPES.contains(&text.as_ref()) {
            note(kind)?;
        }
    }
    if tools.len() == before { Err(Reason::RequestMalformed) } else { Ok(()) }
}

/// The tools that a part of a conversation calls, at any depth: results carry parts of their own.
fn calls<'d>(part: Value<'d>, tools: &mut Vec<Cow<'d, str>>) -> Result<(), Reason> {
    match part.kind() {
        Kind::Array => part.items().try_for_each(|item| calls(item, tools)),
        Kind::Object => {
            refuse_look_alikes(part, &["type", "tool_calls", "function_call", "content"])?;
            for call in elements(part.get("tool_calls"))? {
                names(call, tools)?;
            }
            if let Some(call) = part.get("function_call").filter(|call| call.kind() != Kind::Null) {
                names(call, tools)?;
            }
            let kind = part.get("type").and_then(|kind| kind.as_str());
            // Calls of built-in tools have a type and no name: `local_shell_call`, `computer_call`.
            if kind.is_some_and(|kind| kind.ends_with("_call") || kind.ends_with("_use")) {
                names(part, tools)?;
            }
            let inner = |key: &str| !matches!(key, "tool_calls" | "function_call" | "input" | "arguments");
            part.entries().filter(|(key, _)| inner(key)).try_for_each(|(_, member)| calls(member, tools))
        }
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::OpaqueNumber | Kind::String => Ok(()),
    }
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
                &["mcp"],
            ),
            (r#"{"model":"m","tools":[{"type":"code_interpreter","name":"a"}]}"#, &["a", "code_interpreter"]),
            (
                r#"{"model":"m","tools":[{"type":"function","name":"b","function":{"name":"a"}}]}"#,
                &["a", "b"],
            ),
            (
                r#"{"model":"m","tools":[{"type":"custom","function":{"name":"a"},"custom":{"name":"b"}}]}"#,
                &["a", "b"],
            ),
            (r#"{"model":"m","mcp_servers":[{"name":"a","url":"https://x"}]}"#, &["mcp"]),
            (r#"{"model":"m","web_search_options":{}}"#, &["web_search"]),
            (r#"{"model":"m","prompt":{"id":"p"},"input":"hi"}"#, &["prompt"]),
            (
                r#"{"model":"m","messages":[{"content":[{"type":"tool_result","content":[{"type":"tool_use","name":"c"}]}]}]}"#,
                &["c"],
            ),
            (r#"{"model":"m","messages":[{"content":{"type":"tool_use","name":"c"}}]}"#, &["c"]),
            (
                r#"{"model":"m","messages":[{"tool_calls":[{"function":{"name":"a"},"custom":{"name":"b"}}]}]}"#,
                &["a", "b"],
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
            (r#"{"model":"m","tools":[{"function":{"name":"a","Name":"b"}}]}"#, Reason::RequestAmbiguous),
            (r#"{"model":"m","tool\u017f":[]}"#, Reason::RequestAmbiguous),
            (r#"{"model":"m","messages":"hi"}"#, Reason::RequestMalformed),
            (r#"{"model":"m","messages":[{"tool_calls":[{}]}]}"#, Reason::RequestMalformed),
            (r#"{"model":"m","Tools":[]}"#, Reason::RequestAmbiguous),
            ("[]", Reason::RequestMalformed),
        ] {
            assert_eq!(tools(json), Err(why), "{json}");
        }
    }
}
