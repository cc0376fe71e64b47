use super::*;
use alloc::string::{String, ToString};

/// The pieces of an event: text, whether JSON, whether of nothing else; and the keys.
fn pieces(event: &str) -> (Vec<(String, bool, bool)>, Vec<Key>) {
    let document = Document::parse(event.as_bytes()).unwrap();
    let reading = read(&document);
    let of = |piece: &Piece<'_>| (piece.text.to_string(), piece.json, piece.exclusive);
    (reading.pieces.iter().map(of).collect(), reading.pieces.iter().map(|piece| piece.key).collect())
}

fn keys(event: &str) -> Vec<Key> {
    pieces(event).1
}

fn over(event: &str) -> Vec<Over> {
    read(&Document::parse(event.as_bytes()).unwrap()).over
}

#[test]
fn pieces_are_found_in_every_protocol() {
    for (event, expected) in [
        (
            r#"{"choices":[{"delta":{"content":"a","refusal":"b","reasoning_content":"c","role":"d"}}],"id":"e"}"#,
            &["c", "a", "b"][..],
        ),
        (r#"{"choices":[{"delta":{"reasoning":"a","content":null}},{"text":"b"}]}"#, &["a", "b"]),
        (r#"{"choices":[{"delta":{"function_call":{"name":"a","arguments":"b"}}}]}"#, &["a", "b"]),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"i","function":{"name":"a","arguments":"b"}},{"custom":{"name":"c","input":"d"}}]}}]}"#,
            &["a", "b", "c", "d"],
        ),
        (r#"{"type":"response.output_text.delta","item_id":"i","delta":"a","obfuscation":"x"}"#, &["a"]),
        (r#"{"type":"response.mcp_call_arguments.delta","item_id":"i","delta":"a"}"#, &["a"]),
        (
            r#"{"type":"response.shell_call_output_content.delta","output_index":0,"command_index":0,"delta":{"stdout":"a","stderr":"b"}}"#,
            &["a", "b"],
        ),
        (r#"{"type":"response.audio.delta","delta":"QUJD"}"#, &[]),
        (r#"{"type":"response.output_text.done","text":"a"}"#, &[]),
        (r#"{"type":"response.output_item.added","item":{"type":"function_call","arguments":"a"}}"#, &["a"]),
        (r#"{"type":"response.reasoning_summary_part.added","part":{"text":"a"}}"#, &["a"]),
        (r#"{"type":"response.content_part.added","part":{"text":""}}"#, &[]),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"a"}}"#,
            &["a"],
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"a"}}"#,
            &["a"],
        ),
        (
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"a"}}"#,
            &[],
        ),
        (r#"{"type":"message_start","message":{"content":[]}}"#, &[]),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b","thought":true},{"functionCall":{}}]}}]}"#,
            &["a", "b"],
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"}]}}"#, &[]),
        (r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"a"}}"#, &[]),
    ] {
        let found: Vec<_> = pieces(event).0;
        let texts: Vec<_> = found.iter().map(|(text, ..)| text.as_str()).collect();
        assert_eq!(texts, expected, "{event}");
        assert!(found.iter().all(|(_, _, exclusive)| *exclusive), "{event}");
    }
}

#[test]
fn what_may_be_a_piece_is_looked_at_both_ways() {
    for (event, expected) in [
        (r#"{"response":"a","done":false,"model":"m"}"#, &["a"][..]),
        (r#"{"token":{"id":7,"text":"a"},"generated_text":"b"}"#, &["a", "b"]),
        (r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}"#, &["a"]),
        (r#"{"output":["a","b"]}"#, &["a", "b"]),
        (r#"{"type":"message_chunk","text":"a"}"#, &["a"]),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"new_delta","content":"a"}}"#, &["a"]),
        (r#""a""#, &["a"]),
        (
            r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}],"audio":{"transcript":"b"}},"logprobs":{"content":[{"token":"c"}]}}]}"#,
            &["a", "b"],
        ),
        (
            r#"[{"text":"1"},{"text":"2"},{"text":"3"},{"text":"4"},{"text":"5"},{"text":"6"},{"text":"7"},{"text":"8"},{"text":"9"}]"#,
            &[],
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"artifact-update","artifact":{"artifactId":"x","parts":[{"text":"a"},{"text":"b"}]}}}"#,
            &["a", "b"],
        ),
        (
            r#"{"artifactUpdate":{"artifact":{"artifactId":"x","parts":[{"text":"a"}]},"lastChunk":true}}"#,
            &["a"],
        ),
        (
            r#"{"result":{"statusUpdate":{"taskId":"t","status":{"message":{"parts":[{"text":"a"}]}}}},"jsonrpc":"2.0"}"#,
            &["a"],
        ),
    ] {
        let found: Vec<_> = pieces(event).0;
        let texts: Vec<_> = found.iter().map(|(text, ..)| text.as_str()).collect();
        assert_eq!(texts, expected, "{event}");
        assert!(found.iter().all(|(_, _, exclusive)| !exclusive), "{event}");
    }
    assert!(LOOSE_NAMES.is_sorted());
}

#[test]
fn a_text_has_one_key_and_no_other_text_has_it() {
    let call = |choice: u8, call: u8| {
        keys(&alloc::format!(
            r#"{{"choices":[{{"index":{choice},"delta":{{"tool_calls":[{{"index":{call},"function":{{"arguments":"x"}}}}]}}}}]}}"#
        ))
    };
    assert_eq!(call(1, 2), call(1, 2));
    assert_ne!(call(1, 2), call(2, 1));
    assert_ne!(call(0, 1), call(0, 2));
    let delta = |of: &str, place: &str| {
        keys(&alloc::format!(r#"{{"type":"response.{of}.delta",{place},"delta":"x"}}"#))
    };
    let (first, second) = (r#""output_index":0,"content_index":1"#, r#""output_index":1,"content_index":0"#);
    assert_ne!(delta("output_text", first), delta("output_text", second));
    assert_ne!(delta("output_text", first), delta("refusal", first));
    // An item's id may change between events; its place does not.
    assert_eq!(
        delta("output_text", r#""output_index":0,"item_id":"a""#),
        delta("output_text", r#""item_id":"b","output_index":0"#)
    );
    let added = keys(
        r#"{"type":"response.content_part.added","output_index":0,"content_index":1,"part":{"type":"output_text","text":"x"}}"#,
    );
    assert_eq!(added, delta("output_text", first));
    let block = |index: u8, kind: &str| {
        keys(&alloc::format!(r#"{{"type":"content_block_delta","index":{index},"delta":{{"{kind}":"x"}}}}"#))
    };
    assert_ne!(block(0, "text"), block(1, "text"));
    assert_ne!(block(0, "text"), block(0, "thinking"));
    // A number of the event is no part of a key.
    assert_eq!(keys(r#"{"index":1,"token":{"text":"x"}}"#), keys(r#"{"index":2,"token":{"text":"y"}}"#));
    assert_ne!(keys(r#"{"type":"a","text":"x"}"#), keys(r#"{"type":"b","text":"x"}"#));
}

#[test]
fn the_end_of_a_text_is_heard() {
    let key =
        keys(r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"x"}"#)[0];
    assert_eq!(
        over(r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"x"}"#)[0],
        Over::Text(key)
    );
    assert_eq!(over(r#"{"type":"response.completed","response":{}}"#), [Over::All]);
    assert_eq!(over(r#"{"type":"message_stop"}"#), [Over::All]);
    assert!(matches!(over(r#"{"type":"content_block_stop","index":0}"#)[..], [Over::Speaker(_)]));
    assert!(matches!(over(r#"{"choices":[{"finish_reason":"stop"}]}"#)[..], [Over::Paused(_)]));
    assert_eq!(over(r#"{"choices":[{"finish_reason":null}]}"#), []);
    assert!(matches!(
        over(r#"{"kind":"artifact-update","artifact":{"artifactId":"x"},"lastChunk":true}"#)[..],
        [Over::Speaker(_)]
    ));
}
