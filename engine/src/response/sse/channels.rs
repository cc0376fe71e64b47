//! Which strings of an event are pieces of a longer text, and of which.
//!
//! What a model says comes in pieces, many texts at once: one for each choice, tool call or block of content. A text is told from the
//! others by a key, a hash of what names it in its protocol. Field names are those of the vendors' references: OpenAI's chat
//! completions, completions and Responses, Anthropic's Messages, Gemini's generateContent, and A2A.

use crate::json::{Document, Kind, NodeIndex, Value};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Members that hold a piece of a text in protocols that are not known, most often.
const LOOSE_NAMES: [&str; 16] = [
    "answer",
    "arguments",
    "completion",
    "content",
    "delta",
    "generated_text",
    "output",
    "output_text",
    "partial_json",
    "reasoning",
    "reasoning_content",
    "response",
    "text",
    "thinking",
    "token",
    "transcript",
];
/// An event with more such members than this is a listing, and no piece of anything.
const MAX_LOOSE: usize = 8;

/// The protocol that an event speaks, or a whole stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// OpenAI's chat completions, and completions before them.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// JSON-RPC: MCP and A2A.
    Rpc,
    /// Any other.
    #[default]
    Other,
}

/// A text that comes in pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Key(u64);

/// A string that is a piece of a text.
#[derive(Debug)]
pub(crate) struct Piece<'d> {
    pub(super) key: Key,
    /// What speaks in turns: a choice, for instance.
    pub(super) speaker: Key,
    /// Its turn: where a speaker has come to a later one, the earlier ones are over.
    pub(super) turn: u8,
    /// Whether the text is itself JSON.
    pub(super) json: bool,
    /// Whether the event's own scan has to leave this string out: all it means is a part of the longer text.
    pub(super) exclusive: bool,
    pub(super) text: Cow<'d, str>,
    /// Where the string stands in the event's data, quotes included.
    pub(super) span: (usize, usize),
    /// Its place in the document; none for plain text.
    pub(super) node: Option<NodeIndex>,
}

/// Texts that an event says are over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// This one, for good.
    Text(Key),
    /// All of this speaker's, for good.
    Speaker(Key),
    /// All of this speaker's, as it seems.
    Paused(Key),
    /// All of them.
    All,
}

/// What an event says.
#[derive(Debug, Default)]
pub(super) struct Reading<'d> {
    pub(super) pieces: Vec<Piece<'d>>,
    pub(super) over: Vec<Over>,
    pub(super) dialect: Dialect,
    /// How many choices there are.
    pub(super) choices: u8,
    /// The event's number, where events are numbered.
    pub(super) sequence: Option<u32>,
}

impl Key {
    /// What names nothing.
    pub(super) const NONE: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(crate) fn named(name: &str) -> Self {
        Self::NONE.text(name)
    }

    fn text(self, text: &str) -> Self {
        // A byte that UTF-8 does not have ends each part.
        Self(text.bytes().chain([0xff]).fold(self.0, Self::step))
    }

    fn number(self, number: usize) -> Self {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        Self(number.to_le_bytes().into_iter().fold(self.0, Self::step))
    }

    /// One step of FNV-1a.
    fn step(hash: u64, byte: u8) -> u64 {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }

    /// The members of an object that tell it from others of its kind.
    fn members(self, object: Value<'_>, names: &[&str]) -> Self {
        let plain = |value: &Value<'_>| matches!(value.kind(), Kind::Number | Kind::String);
        let member = |name| object.get(name).filter(plain).map_or("", |value| value.raw());
        names.iter().fold(self, |key, name| key.text(member(name)))
    }

    /// A text of OpenAI's Responses: by its place where that is given, for ids may change.
    fn of_response(root: Value<'_>, of: &str) -> Self {
        let item = if root.get("output_index").is_some() { "output_index" } else { "item_id" };
        Self::named(of).members(root, &[item, "content_index", "summary_index", "command_index"])
    }

    /// An element of a list: by the index that it gives itself, or by its place.
    fn element(self, element: Value<'_>, place: usize) -> Self {
        self.number(element.get("index").and_then(|index| index.raw().parse().ok()).unwrap_or(place))
    }
}

impl<'d> Piece<'d> {
    /// A piece of a stream of plain text.
    pub(super) fn plain(text: &'d str) -> Self {
        Self::of_message(Key::named(""), text)
    }

    /// A piece that is no part of a document.
    pub(crate) fn of_message(key: Key, text: &'d str) -> Self {
        let text = Cow::Borrowed(text);
        Self {
            key,
            speaker: Key::NONE,
            turn: 0,
            json: false,
            exclusive: false,
            text,
            span: (0, 0),
            node: None,
        }
    }
}

/// Reads an event's data.
pub(super) fn read<'d>(document: &'d Document<'_>) -> Reading<'d> {
    let mut reading = Reading::default();
    let Some(root) = document.root() else { return reading };
    let kind = root.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    if let Some(choices) = root.get("choices") {
        reading.dialect = Dialect::Chat;
        choices.items().enumerate().for_each(|(place, choice)| reading.choice(choice, place));
        reading.loose(root, Key::NONE);
    } else if let Some(event) = kind.strip_prefix("response.") {
        reading.dialect = Dialect::Responses;
        reading.sequence = root.get("sequence_number").and_then(|number| number.raw().parse().ok());
        reading.responses(root, event);
    } else if kind.starts_with("content_block_")
        || matches!(&*kind, "message_start" | "message_delta" | "message_stop")
    {
        reading.dialect = Dialect::Messages;
        reading.messages(root, &kind);
    } else if let Some(candidates) = root.get("candidates") {
        candidates.items().enumerate().for_each(|(place, candidate)| reading.candidate(candidate, place));
    } else if root.get("jsonrpc").is_some() {
        reading.dialect = Dialect::Rpc;
        if let Some(result) = root.get("result") {
            reading.a2a(result);
        }
    } else if !reading.a2a(root) {
        reading.loose(root, Key::NONE);
    }
    reading
}

impl<'d> Reading<'d> {
    /// Takes a string as a piece; anything else is none.
    fn piece(&mut self, value: Option<Value<'d>>, key: Key, speaker: Key, turn: u8, json: bool) {
        if let Some(value) = value
            && let Some(text) = value.as_str()
        {
            let (span, node) = (value.span(), Some(value.node()));
            self.pieces.push(Piece { key, speaker, turn, json, exclusive: true, text, span, node });
        }
    }

    /// A choice of OpenAI's chat completions, or of completions.
    fn choice(&mut self, choice: Value<'d>, place: usize) {
        let speaker = Key::named("choice").element(choice, place);
        let index: Option<u8> = choice.get("index").and_then(|index| index.raw().parse().ok());
        self.choices = self.choices.max(index.unwrap_or(0).saturating_add(1));
        self.piece(choice.get("text"), speaker.text("text"), speaker, 1, false);
        if let Some(delta) = choice.get("delta") {
            // Services that reason aloud do so before they answer.
            for (name, turn) in [("reasoning_content", 0), ("reasoning", 0), ("content", 1), ("refusal", 1)] {
                self.piece(delta.get(name), speaker.text(name), speaker, turn, false);
            }
            if let Some(call) = delta.get("function_call") {
                self.call(call, speaker.text("function_call"), speaker);
            }
            let calls = delta.get("tool_calls").into_iter().flat_map(|calls| calls.items());
            for (place, call) in calls.enumerate() {
                let key = speaker.text("tool_calls").element(call, place);
                for kind in ["function", "custom"] {
                    if let Some(call) = call.get(kind) {
                        self.call(call, key.text(kind), speaker);
                    }
                }
            }
        }
        if choice.get("finish_reason").is_some_and(|reason| reason.kind() == Kind::String) {
            self.over.push(Over::Paused(speaker));
        }
    }

    fn call(&mut self, call: Value<'d>, key: Key, speaker: Key) {
        for (name, turn, json) in [("name", 2, false), ("arguments", 3, true), ("input", 3, false)] {
            self.piece(call.get(name), key.text(name), speaker, turn, json);
        }
    }

    /// An event of OpenAI's Responses: pieces come in `*.delta`; `*.done` and all others repeat whole texts.
    fn responses(&mut self, root: Value<'d>, event: &str) {
        if let Some(of) = event.strip_suffix(".delta") {
            let key = Key::of_response(root, of);
            let delta = root.get("delta").filter(|_| of != "audio");
            self.piece(delta, key, Key::NONE, 0, of.ends_with("_arguments"));
            for name in ["stdout", "stderr"] {
                let output = delta.and_then(|delta| delta.get(name));
                self.piece(output, key.text(name), Key::NONE, 0, false);
            }
        } else if let Some(of) = event.strip_suffix(".done") {
            let key = Key::of_response(root, of);
            self.over.extend([key, key.text("stdout"), key.text("stderr")].map(Over::Text));
        } else if let Some(of) = event.strip_suffix(".added") {
            self.added(root, of);
        } else if matches!(event, "completed" | "failed" | "incomplete") {
            self.over.push(Over::All);
        }
    }

    /// What is added to a response may bring the beginning of a text along.
    fn added(&mut self, root: Value<'d>, what: &str) {
        let mut begin = |of: &str, text: Option<Value<'d>>| {
            if text.is_some_and(|text| text.raw().len() > 2) {
                self.piece(text, Key::of_response(root, of), Key::NONE, 0, of.ends_with("_arguments"));
            }
        };
        if let Some(part) = root.get("part") {
            let text =
                if what == "reasoning_summary_part" { "reasoning_summary_text" } else { "output_text" };
            begin(text, part.get("text"));
            begin("refusal", part.get("refusal"));
        } else if let Some(item) = root.get("item") {
            let arguments = match item.get("type").and_then(|kind| kind.as_str()).as_deref() {
                Some("mcp_call") => "mcp_call_arguments",
                _ => "function_call_arguments",
            };
            begin(arguments, item.get("arguments"));
            begin("custom_tool_call_input", item.get("input"));
        }
    }

    /// An event of Anthropic's Messages.
    fn messages(&mut self, root: Value<'d>, kind: &str) {
        let block = Key::named("block").members(root, &["index"]);
        let part = match kind {
            "content_block_start" => root.get("content_block"),
            "content_block_delta" => root.get("delta"),
            "content_block_stop" => {
                self.over.push(Over::Speaker(block));
                return;
            }
            "message_stop" => {
                self.over.push(Over::All);
                return;
            }
            _ => return,
        };
        for (name, json) in [("text", false), ("thinking", false), ("partial_json", true)] {
            let piece = part.and_then(|part| part.get(name));
            self.piece(piece, block.text(name), block, 0, json);
        }
        // Blocks of kinds that are newer than this.
        if kind == "content_block_delta" {
            self.loose(root, block);
        }
    }

    /// A candidate of Gemini's. Whether it is finished is said in every event by some versions.
    fn candidate(&mut self, candidate: Value<'d>, place: usize) {
        let speaker = Key::named("candidate").element(candidate, place);
        let parts = candidate.get("content").and_then(|content| content.get("parts"));
        for part in parts.into_iter().flat_map(|parts| parts.items()) {
            let thought = part.get("thought").is_some_and(|thought| thought.kind() == Kind::Bool(true));
            let (name, turn) = if thought { ("thought", 0) } else { ("text", 1) };
            self.piece(part.get("text"), speaker.text(name), speaker, turn, false);
        }
    }

    /// An update of an A2A task, of protocol versions before and since 1.0; whether it is one.
    fn a2a(&mut self, result: Value<'d>) -> bool {
        let (update, name) = match (result.get("artifactUpdate"), result.get("statusUpdate")) {
            (Some(update), _) => (update, "artifact"),
            (_, Some(update)) => (update, "status"),
            _ => match result.get("kind").and_then(|kind| kind.as_str()).as_deref() {
                Some("artifact-update") => (result, "artifact"),
                Some("status-update") => (result, "status"),
                _ => return false,
            },
        };
        let task = Key::named("task").members(update, &["taskId"]);
        let is_true = |name| update.get(name).is_some_and(|value| value.kind() == Kind::Bool(true));
        let (key, parts) = if name == "artifact" {
            let artifact = update.get("artifact");
            let key = artifact.map_or(task, |artifact| task.members(artifact, &["artifactId"]));
            (key, artifact.and_then(|artifact| artifact.get("parts")))
        } else {
            let message = update.get("status").and_then(|status| status.get("message"));
            (task, message.and_then(|message| message.get("parts")))
        };
        let before = self.pieces.len();
        for part in parts.into_iter().flat_map(|parts| parts.items()) {
            self.piece(part.get("text"), key, key, 0, false);
        }
        self.share(before);
        if is_true("lastChunk") || is_true("final") {
            self.over.push(Over::Speaker(key));
        }
        true
    }

    /// A protocol that is not known, or members that a protocol is not known to have: strings of telling names, in the same place in
    /// each event. Each may as well be a text of its own.
    fn loose(&mut self, root: Value<'d>, speaker: Key) {
        let before = self.pieces.len();
        let root_name = if root.kind() == Kind::String { "text" } else { "" };
        self.walk(root, speaker.text(""), root_name, before);
        if self.pieces.len() > before.saturating_add(MAX_LOOSE) {
            self.pieces.truncate(before);
        }
        self.share(before);
        self.pieces.iter_mut().skip(before).for_each(|piece| piece.speaker = speaker);
    }

    fn walk(&mut self, value: Value<'d>, key: Key, name: &str, known: usize) {
        match value.kind() {
            Kind::String if LOOSE_NAMES.binary_search(&name).is_ok() => {
                let span = value.span();
                if !self.pieces.iter().take(known).any(|piece| piece.span == span) {
                    self.piece(Some(value), key, Key::NONE, 0, matches!(name, "arguments" | "partial_json"));
                }
            }
            Kind::Object => {
                // Not `index`: where the protocol is not known, it may number the events.
                let key = key.members(value, &["type"]);
                value.entries().filter(|(name, _)| name != "logprobs").for_each(|(name, member)| {
                    self.walk(member, key.text(&name), &name, known);
                });
            }
            Kind::Array => value.items().enumerate().for_each(|(place, item)| match item.kind() {
                // A list of pieces is one text.
                Kind::String => self.walk(item, key, name, known),
                _ => self.walk(item, key.element(item, place), "", known),
            }),
            _ => {}
        }
    }

    fn share(&mut self, from: usize) {
        self.pieces.iter_mut().skip(from).for_each(|piece| piece.exclusive = false);
    }
}

#[cfg(test)]
mod tests;
