//! Whatever a caller or an upstream sends, and wherever it stands: nothing of it is kept or told.
//!
//! Every field carries a mark: a word that nobody knows where nothing is ever shown, and a credential in the form that detectors know
//! where names are shown that a caller may choose (a tool, a model, a host).

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sallyport_engine::policy::Overflow;
use sallyport_playground::upstream::Answer;
use sallyport_playground::{Body, Request, Response};

use crate::archive::{Act, Archive};
use crate::gate::{Gate, HOST, Publisher, audit};

/// How many exchanges are tried.
const CASES: u32 = 200;
/// A part of each mark that nothing else here contains.
const WORD: &str = "qzxjmark";

/// A request of some kind, with marks in the fields that are chosen.
#[derive(Clone, Debug)]
struct Marked {
    kind: u8,
    /// A bit for each field.
    fields: u32,
    number: u32,
    key: String,
}

fn marked() -> impl Strategy<Value = Marked> {
    (0..7_u8, any::<u32>(), any::<u32>(), "[A-Z2-7]{16}".no_shrink())
        .prop_map(|(kind, fields, number, key)| Marked { kind, fields, number, key })
}

impl Marked {
    /// A mark for a field, if the field was chosen; else what an honest caller sends there.
    fn word(&self, field: u32, honest: &str) -> String {
        let chosen = (self.fields >> field) & 1 == 1;
        if chosen { format!("{WORD}-{}-{field}", self.number) } else { honest.to_owned() }
    }

    /// The same with a credential.
    fn credential(&self, field: u32, honest: &str) -> String {
        if (self.fields >> field) & 1 == 1 { format!("AKIA{}", self.key) } else { honest.to_owned() }
    }

    fn request(&self) -> Request {
        let word = |field, honest: &str| self.word(field, honest);
        let query = word(0, "q");
        let (method, path, media, body) = match self.kind {
            0 => ("GET", format!("/docs/{}", word(1, "1")), "", String::new()),
            1 => {
                let json =
                    serde_json::json!({word(2, "key"): word(3, "value"), "list": [1, {"a": word(4, "b")}]});
                ("POST", "/docs/1".to_owned(), "application/json", json.to_string())
            }
            2 => ("POST", "/docs/1".to_owned(), "text/plain", format!("hello {}", word(5, "there"))),
            3 => {
                let form = format!("{}={}", word(6, "key"), word(7, "value"));
                ("POST", "/docs/1".to_owned(), "application/x-www-form-urlencoded", form)
            }
            4 | 5 => {
                let (method, tool) = (self.credential(8, "tools/call"), self.credential(9, "search_docs"));
                let arguments = serde_json::json!({word(10, "q"): word(11, "x")});
                let params =
                    serde_json::json!({"name": tool, "arguments": arguments, "_meta": word(12, "m")});
                let call = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
                ("POST", "/mcp".to_owned(), "application/json", call.to_string())
            }
            _ => {
                let messages = serde_json::json!([{"role": "user", "content": word(13, "hello")}]);
                let call = serde_json::json!({"model": self.credential(14, "small"), "messages": messages});
                ("POST", "/v1/chat/completions".to_owned(), "application/json", call.to_string())
            }
        };
        let host =
            if (self.fields >> 15) & 1 == 1 { format!("AKIA{}.example", self.key) } else { HOST.to_owned() };
        let mut request = Request::new(method, host, format!("{path}?{query}={}", word(16, "v")))
            .header("authorization", format!("Bearer {}", word(17, "t")))
            .header("cookie", format!("session={}", word(18, "s")))
            .header("user-agent", word(19, "client"))
            .header("traceparent", format!("00-{}-00f067aa0ba902b7-01", word(20, "x")))
            .header("x-request-id", word(21, "1"))
            .header(format!("x-{}", word(22, "note")), word(23, "note"));
        if self.kind <= 1 {
            // A finding in a header is told with the header's name.
            let (name, value) = (self.credential(8, "more"), self.credential(9, "more"));
            request = request.header(format!("x-{}", name.to_lowercase()), value);
        }
        if !media.is_empty() {
            let accept = "application/json, text/event-stream";
            request = request.header("content-type", media).header("accept", accept).body(Body::whole(body));
        }
        request
    }

    fn answer(&self) -> Response {
        let word = |field, honest: &str| self.word(field, honest);
        let result = serde_json::json!({word(24, "text"): word(25, "text"), "key": self.credential(26, "k")});
        let reply = serde_json::json!({"jsonrpc": "2.0", "id": 1, "result": result});
        let mut answer = match self.kind {
            2 => Response::new(200, "text/plain", word(27, "text")),
            5 => Response::new(
                200,
                "text/event-stream",
                format!("event: {}\ndata: {reply}\n\n", word(28, "message")),
            ),
            _ => Response::new(200, "application/json", reply.to_string()),
        };
        answer.headers.push(format!("x-{}", word(29, "note")), word(30, "note"));
        answer.headers.push("set-cookie", format!("s={}", word(31, "s")));
        answer
    }

    /// What may stand nowhere.
    fn is_shown_by(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        text.contains(WORD) || text.contains(&self.key.to_lowercase())
    }
}

#[test]
fn no_mark_is_kept_or_told() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::DropOldest, 1000));
    let archive = Archive::start(bundle.clone(), Act::Keep);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 1);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let (keys, refusals) = (std::cell::RefCell::new(Vec::new()), std::cell::Cell::new(0));
    let result = runner.run(&marked(), |marked| {
        gate.upstream.answer_with(Answer::scripted(marked.answer()));
        let answer = gate.send(&marked.request());
        if let Some(record) = gate.envoy.next_record(Duration::from_secs(5)) {
            prop_assert!(!marked.is_shown_by(&record), "a record, or the log: {record}");
            let refused = record.starts_with(r#"{"verdict":"deny""#);
            refusals.set(refusals.get() + u32::from(refused));
            let body = answer.text();
            prop_assert!(!refused || !marked.is_shown_by(&body), "a refusal: {body}");
        }
        keys.borrow_mut().push(marked);
        Ok(())
    });
    result.unwrap();
    let asked = keys.take();
    assert!((20..CASES).contains(&refusals.get()), "some are refused, and some are not: {}", refusals.get());
    gate.wait_until("the records arrived", || gate.stat("sallyport_audit_queued") == Some(0));
    assert!(archive.kept() > u64::from(CASES) / 2, "{}", archive.kept());
    let mut told: Vec<String> = archive.records().iter().map(ToString::to_string).collect();
    told.extend(gate.envoy.log().iter().map(ToString::to_string));
    told.extend(gate.envoy.stats("").unwrap().into_keys());
    for text in told {
        assert!(!asked.iter().any(|marked| marked.is_shown_by(&text)), "{text}");
    }
    assert_eq!(archive.wrong(), Vec::<String>::new());
}
