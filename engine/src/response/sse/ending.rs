//! How a stream ends that is refused half-way: in the words of its protocol, so that a client takes it for an error and not for a
//! connection that broke.

use super::channels::Dialect;
use crate::json::write_string;
use crate::policy::LlmApi;
use crate::reason::Reason;
use crate::reply::{Reply, Shape};
use alloc::format;
use alloc::string::{String, ToString};

/// What a stream has said of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spoken {
    pub(super) dialect: Dialect,
    /// How many choices there were.
    pub(super) choices: u8,
    /// The number of the next event, where they are numbered.
    pub(super) sequence: u32,
}

impl Spoken {
    /// Takes in what another event says.
    pub(super) fn heard(&mut self, dialect: Dialect, choices: u8, sequence: Option<u32>) {
        if dialect != Dialect::Other {
            self.dialect = dialect;
        }
        self.choices = self.choices.max(choices);
        self.sequence = sequence.map_or(self.sequence, |sequence| sequence.saturating_add(1));
    }
}

/// The most choices that are told why they end.
const MAX_CHOICES: u8 = 16;

/// The events that end a stream. The request says what protocol it is in, and where it does not, the stream has.
pub(super) fn ending(reason: &Reason, shape: Shape<'_>, spoken: Spoken) -> String {
    let dialect = match shape {
        Shape::Rpc(_) => Dialect::Rpc,
        Shape::Llm(LlmApi::Chat) => Dialect::Chat,
        Shape::Llm(LlmApi::Responses) => Dialect::Responses,
        Shape::Llm(LlmApi::Messages) => Dialect::Messages,
        Shape::Http | Shape::Grpc | Shape::Llm(LlmApi::Embeddings | LlmApi::Models) => spoken.dialect,
    };
    let body = |shape: Shape<'_>| Reply::refuse(reason, shape).body;
    match dialect {
        Dialect::Rpc => {
            let id = if let Shape::Rpc(id) = shape { id } else { None };
            event("", &body(Shape::Rpc(id)))
        }
        Dialect::Chat => chat(&body(Shape::Llm(LlmApi::Chat)), spoken.choices),
        Dialect::Responses => responses(reason, &body(Shape::Grpc), spoken.sequence),
        Dialect::Messages => event("error", &body(Shape::Llm(LlmApi::Messages))),
        Dialect::Other => event("error", &body(Shape::Http)),
    }
}

fn event(name: &str, data: &str) -> String {
    if name.is_empty() { format!("data: {data}\n\n") } else { format!("event: {name}\ndata: {data}\n\n") }
}

/// OpenAI's clients raise what a chunk's `error` says; those that do not look for one see that the choices were filtered.
fn chat(error: &str, choices: u8) -> String {
    let finished: String = (0..choices.clamp(1, MAX_CHOICES))
        .map(|index| {
            let comma = if index == 0 { "" } else { "," };
            format!(r#"{comma}{{"index":{index},"delta":{{}},"finish_reason":"content_filter"}}"#)
        })
        .collect();
    let last = format!(
        r#"{{"id":"","object":"chat.completion.chunk","created":0,"model":"","choices":[{finished}]}}"#
    );
    [event("", error), event("", &last), event("", "[DONE]")].concat()
}

fn responses(reason: &Reason, sentence: &str, sequence: u32) -> String {
    let (mut message, mut code) = (String::new(), String::new());
    write_string(&mut message, sentence);
    write_string(&mut code, &reason.code());
    let next = sequence.saturating_add(1).to_string();
    let error = format!(
        r#"{{"type":"error","sequence_number":{sequence},"code":{code},"message":{message},"param":null}}"#
    );
    let failed = format!(
        r#"{{"type":"response.failed","sequence_number":{next},"response":{{"id":"","object":"response","status":"failed","error":{{"code":{code},"message":{message}}},"output":[]}}}}"#
    );
    [event("error", &error), event("response.failed", &failed)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn data(stream: &str) -> Vec<serde_json::Value> {
        let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    #[test]
    fn a_refused_stream_ends_in_its_protocols_own_error() {
        let reason = Reason::Dlp("aws-access-key-id".into());
        let said = |dialect| Spoken { dialect, choices: 2, sequence: 7 };
        let chat = ending(&reason, Shape::Llm(LlmApi::Chat), said(Dialect::Other));
        let events = data(&chat);
        assert_eq!(events[0]["error"]["code"], "dlp.aws-access-key-id");
        assert_eq!(events[1]["choices"][1]["finish_reason"], "content_filter");
        assert!(chat.ends_with("data: [DONE]\n\n"));

        let messages = ending(&reason, Shape::Llm(LlmApi::Messages), said(Dialect::Other));
        assert!(messages.starts_with("event: error\ndata: "));
        assert_eq!((&data(&messages)[0]["type"], data(&messages).len()), (&"error".into(), 1));

        let responses = ending(&reason, Shape::Http, said(Dialect::Responses));
        let events = data(&responses);
        assert_eq!((&events[0]["type"], &events[0]["sequence_number"]), (&"error".into(), &7.into()));
        assert_eq!(
            (&events[1]["type"], &events[1]["sequence_number"]),
            (&"response.failed".into(), &8.into())
        );
        assert_eq!(events[1]["response"]["error"]["code"], "dlp.aws-access-key-id");

        let rpc = ending(&reason, Shape::Http, said(Dialect::Rpc));
        assert_eq!(data(&rpc)[0]["error"]["data"]["reason"], "dlp.aws-access-key-id");
        assert!(data(&rpc)[0]["id"].is_null());

        let other = ending(&reason, Shape::Http, said(Dialect::Other));
        assert!(other.starts_with("event: error\n"));
        assert_eq!(data(&other)[0]["reason"], "dlp.aws-access-key-id");
    }
}
