//! Streams as services send them, around given texts.

use super::catalogue::secret;
use proptest::prelude::*;
use serde_json::{Value, json};

/// How a text can be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Protocol {
    Chat,
    ToolCall,
    Completions,
    Responses,
    Arguments,
    Messages,
    InputJson,
    Gemini,
    A2a,
    Generic,
    Tokens,
    Plain,
}

pub(super) const ALL: [Protocol; 12] = [
    Protocol::Chat,
    Protocol::ToolCall,
    Protocol::Completions,
    Protocol::Responses,
    Protocol::Arguments,
    Protocol::Messages,
    Protocol::InputJson,
    Protocol::Gemini,
    Protocol::A2a,
    Protocol::Generic,
    Protocol::Tokens,
    Protocol::Plain,
];

fn event(out: &mut String, name: &str, data: &Value) {
    if !name.is_empty() {
        out.push_str(&format!("event: {name}\n"));
    }
    out.push_str(&format!("data: {data}\n\n"));
}

impl Protocol {
    /// Whether it is known what is a piece of what, so that no event is a text of its own.
    pub(super) fn is_known(self) -> bool {
        !matches!(self, Self::A2a | Self::Generic | Self::Tokens | Self::Plain)
    }

    /// A stream that says these pieces of a text.
    pub(super) fn stream(self, texts: &[&str]) -> String {
        let mut out = String::new();
        self.before(&mut out);
        for (at, text) in texts.iter().enumerate() {
            self.piece(&mut out, text, at);
        }
        self.after(&mut out);
        out
    }

    fn before(self, out: &mut String) {
        match self {
            Self::Chat | Self::ToolCall => event(
                out,
                "",
                &json!({"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}),
            ),
            Self::Messages | Self::InputJson => {
                event(
                    out,
                    "message_start",
                    &json!({"type":"message_start","message":{"id":"msg_1","content":[]}}),
                );
                out.push_str(": ping\n\n");
                event(
                    out,
                    "content_block_start",
                    &json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}),
                );
            }
            Self::Responses | Self::Arguments => {
                event(
                    out,
                    "response.created",
                    &json!({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","output":[]}}),
                );
            }
            Self::A2a => event(
                out,
                "",
                &json!({"jsonrpc":"2.0","id":1,"result":{"kind":"task","id":"t1","status":{"state":"working"}}}),
            ),
            _ => {}
        }
    }

    fn piece(self, out: &mut String, text: &str, at: usize) {
        let (name, data) = match self {
            Self::Chat => (
                "",
                json!({"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":text},"finish_reason":null,"logprobs":{"content":[{"token":text}]}}]}),
            ),
            Self::ToolCall => (
                "",
                json!({"id":"chatcmpl-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":text}}]}}]}),
            ),
            Self::Completions => ("", json!({"id":"cmpl-1","choices":[{"index":0,"text":text}]})),
            Self::Responses => (
                "response.output_text.delta",
                json!({"type":"response.output_text.delta","sequence_number":at,"item_id":"msg_1","output_index":0,"content_index":0,"delta":text,"logprobs":[]}),
            ),
            Self::Arguments => (
                "response.function_call_arguments.delta",
                json!({"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":text}),
            ),
            Self::Messages => (
                "content_block_delta",
                json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":text}}),
            ),
            Self::InputJson => (
                "content_block_delta",
                json!({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":text}}),
            ),
            Self::Gemini => (
                "",
                json!({"candidates":[{"content":{"role":"model","parts":[{"text":text}]},"index":0,"finishReason":"STOP"}]}),
            ),
            Self::A2a => (
                "",
                json!({"jsonrpc":"2.0","id":1,"result":{"kind":"artifact-update","taskId":"t1","artifact":{"artifactId":"a1","parts":[{"kind":"text","text":text}]},"append":at > 0}}),
            ),
            Self::Generic => ("token", json!({"type":"token","index":at,"data":{"text":text}})),
            Self::Tokens => ("", json!({"output":[text]})),
            Self::Plain => {
                // One line of data for each line of text.
                let lines: Vec<String> = text.split('\n').map(|line| format!("data: {line}\n")).collect();
                out.push_str(&format!("{}\n", lines.concat()));
                return;
            }
        };
        event(out, name, &data);
    }

    fn after(self, out: &mut String) {
        match self {
            Self::Chat | Self::ToolCall | Self::Completions => {
                event(
                    out,
                    "",
                    &json!({"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}),
                );
                out.push_str("data: [DONE]\n\n");
            }
            Self::Responses => event(
                out,
                "response.output_text.done",
                &json!({"type":"response.output_text.done","output_index":0,"content_index":0,"text":"."}),
            ),
            Self::Arguments => event(
                out,
                "response.completed",
                &json!({"type":"response.completed","response":{"output":[]}}),
            ),
            Self::Messages | Self::InputJson => {
                event(out, "content_block_stop", &json!({"type":"content_block_stop","index":0}));
                event(out, "message_stop", &json!({"type":"message_stop"}));
            }
            Self::A2a => event(
                out,
                "",
                &json!({"jsonrpc":"2.0","id":1,"result":{"kind":"status-update","taskId":"t1","status":{"state":"completed"},"final":true}}),
            ),
            _ => {}
        }
    }

    /// The text that a client would put together.
    pub(super) fn text(self, stream: &str) -> String {
        let mut text = String::new();
        for event in stream.split("\n\n") {
            let lines: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            let data = lines.join("\n");
            if self == Self::Plain {
                text.push_str(&data);
                continue;
            }
            let Ok(data) = serde_json::from_str::<Value>(&data) else { continue };
            let pointer = match self {
                Self::Chat => "/choices/0/delta/content",
                Self::ToolCall => "/choices/0/delta/tool_calls/0/function/arguments",
                Self::Completions => "/choices/0/text",
                Self::Responses | Self::Arguments => "/delta",
                Self::Messages => "/delta/text",
                Self::InputJson => "/delta/partial_json",
                Self::Gemini => "/candidates/0/content/parts/0/text",
                Self::A2a => "/result/artifact/parts/0/text",
                Self::Generic => "/data/text",
                Self::Tokens => "/output/0",
                Self::Plain => "",
            };
            text.push_str(data.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
        }
        text
    }
}

/// The events of a stream without their data.
pub(super) fn shape(stream: &str) -> Vec<String> {
    stream
        .lines()
        .map(|line| match line.strip_prefix("data: ") {
            Some(_) => "data".into(),
            None => line.into(),
        })
        .collect()
}

/// Pieces of text, some of which make a finding together.
pub(super) fn pieces() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("sk-".to_string()),
        Just("7c1f0e9ab2".to_string()),
        Just("d34859bd67".to_string()),
        Just(secret()),
        Just("pub-90".to_string()),
        Just("d1e2ab34x".to_string()),
        Just("hint-".to_string()),
        Just(" ".to_string()),
        "[a-z \\n\"\\\\\u{e9}\u{1f600}]{0,6}",
    ]
}

/// Text of made-up words, cut like a model's tokens are.
pub(super) fn prose(tokens: usize) -> Vec<String> {
    let words = [
        " the", " model", " answers", " in", " pieces", ",", " each", " of", " which", " is", " a", " few",
        " letters", " long", ".", " It", " costs", " 42", " euros", " or", " $3.50", " as", " of", " 2026",
        "-", "11", "-", "22", ".\n\n", "```", "rust", "\n", "fn", " main", "()", " {", " let", " skill",
        " =", " \"", "kite", "\";", " }", " see", " https", "://", "example", ".com", "/a", "?b", "=1",
    ];
    let mut seed = 7_usize;
    (0..tokens)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            words[(seed >> 33) % words.len()].to_string()
        })
        .collect()
}
