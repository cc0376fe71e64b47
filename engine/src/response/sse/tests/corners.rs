//! What is particular to one protocol, and what goes wrong.

use super::*;
use alloc::format;
use core::fmt::Write as _;

fn chat(choice: usize, delta: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":{choice},\"delta\":{delta}}}]}}\n\n")
}

fn content(choice: usize, text: &str) -> String {
    chat(choice, &format!("{{\"content\":\"{text}\"}}"))
}

/// How many bytes had gone on after each event.
fn gone(events: &[String]) -> Vec<usize> {
    let pieces: Vec<&[u8]> = events.iter().map(String::as_bytes).chain([&b""[..]]).collect();
    run(&pieces).gone
}

#[test]
fn escapes_are_replaced_whole() {
    let secret = secret();
    let stream = content(0, &format!("\\u0041\\ud83d\\ude00 \\u0073{}", &secret[1..8]))
        + &content(0, &format!("{}\\u006a\\/\\n", &secret[8..22]));
    assert_eq!(
        whole(&stream).out,
        content(0, &format!("\\u0041\\ud83d\\ude00 {LABEL}")) + &content(0, "\\/\\n")
    );
}

#[test]
fn a_change_finds_its_line() {
    let secret = secret();
    let stream = format!(
        ": a\nid: 7\ndata: {{\"choices\":\ndata:[{{\"delta\":{{\"content\":\"x {}\"}}}}]\r\nevent: e\ndata\ndata:}}\n\n{}",
        &secret[..9],
        content(0, &secret[9..])
    );
    let outcome = whole(&stream);
    assert_eq!(
        outcome.out,
        format!(
            ": a\nid: 7\ndata: {{\"choices\":\ndata:[{{\"delta\":{{\"content\":\"x {LABEL}\"}}}}]\r\nevent: e\ndata\ndata:}}\n\n{}",
            content(0, "")
        )
    );
    assert_eq!(outcome.findings[0].pointer, "/choices/0/delta/content");
    assert_eq!((outcome.findings[0].offset, outcome.findings[0].length), (2, secret.len()));
}

#[test]
fn comments_names_and_ids_are_looked_at() {
    let secret = secret();
    let outcome =
        whole(&format!(": {secret}\n\nid: {secret}\ndata: {{\"a\":1}}\n\nevent: {}\n\n", "e".repeat(99)));
    assert_eq!(
        outcome.out,
        format!(": {LABEL}\n\nid: {LABEL}\ndata: {{\"a\":1}}\n\nevent: {}\n\n", "e".repeat(99))
    );
    assert_eq!(outcome.findings.len(), 2);
}

#[test]
fn choices_do_not_mix_and_keep_their_order() {
    let secret = secret();
    let events = [
        content(0, &secret[..9]),
        content(1, "one"),
        content(0, &secret[9..]),
        content(1, " two"),
        content(0, " end"),
    ];
    let outcome = whole(&events.concat());
    let expected =
        [content(0, LABEL), content(1, "one"), content(0, ""), content(1, " two"), content(0, " end")];
    assert_eq!(outcome.out, expected.concat());
    let total: usize = events.iter().map(String::len).sum();
    let gone = gone(&events);
    assert_eq!(gone[..4], [0; 4], "all wait behind the first");
    assert_eq!(gone[4], total - secret.len() + LABEL.len());
    // Half a secret in each choice is none.
    assert_eq!(whole(&(content(0, &secret[..9]) + &content(1, &secret[9..]))).findings, []);
}

#[test]
fn what_speaks_on_does_not_hold_what_it_said() {
    let call = chat(0, r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}"#);
    let arguments = chat(0, r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#);
    let thought = chat(0, r#"{"reasoning_content":"see sk-01"}"#);
    let events = [thought, content(0, "go sk-0123"), call, arguments];
    let lengths: Vec<usize> = events.iter().map(String::len).collect();
    let gone = gone(&events);
    assert_eq!(gone[0], 0);
    assert_eq!(gone[1], lengths[0], "the thought went on when the answer came");
    assert_eq!(gone[3], lengths.iter().sum::<usize>());
}

#[test]
fn what_went_on_at_a_pause_is_still_remembered() {
    let secret = secret();
    let call = chat(0, r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#);
    let outcome =
        whole(&(content(0, &secret[..9]) + &call + &content(0, &secret[9..]) + &content(0, " end")));
    assert_eq!(outcome.out, content(0, &secret[..9]) + &call + &content(0, LABEL) + &content(0, " end"));
    // What is complete at the pause does not go on at all.
    let outcome = whole(&(content(0, &secret) + &call + &content(0, " end")));
    assert_eq!(outcome.out, content(0, LABEL) + &call + &content(0, " end"));
    assert_eq!(outcome.findings.len(), 1);
}

#[test]
fn a_text_that_is_over_is_decided() {
    let secret = secret();
    let start = |name: &str, text: &str| {
        format!(
            "data: {{\"type\":\"content_block_start\",\"index\":3,\"content_block\":{{\"type\":\"{name}\",\"text\":\"{text}\"}}}}\n\n"
        )
    };
    let delta = |text: &str| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        )
    };
    let stop = "data: {\"type\":\"content_block_stop\",\"index\":3}\n\n".to_string();
    let events = [start("text", &secret[..5]), delta(&secret[5..]), stop.clone(), delta("x")];
    let lengths = start("text", LABEL).len() + delta("").len() + stop.len();
    assert_eq!(gone(&events)[1..3], [0, lengths]);
    let expected = start("text", LABEL) + &delta("") + &stop + &delta("x");
    assert_eq!(whole(&events.concat()).out, expected);

    let delta = |text: &str| {
        format!(
            "data: {{\"type\":\"response.refusal.delta\",\"output_index\":1,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
        )
    };
    let done = "data: {\"type\":\"response.refusal.done\",\"output_index\":1,\"content_index\":0,\"refusal\":\"\"}\n\n";
    let added = |text: &str| {
        format!(
            "data: {{\"type\":\"response.content_part.added\",\"output_index\":1,\"content_index\":0,\"part\":{{\"refusal\":\"{text}\"}}}}\n\n"
        )
    };
    let events = [added(&secret[..5]), delta(&secret[5..]), done.to_string(), delta("y")];
    let lengths = added(LABEL).len() + delta("").len() + done.len();
    assert_eq!(gone(&events)[1..3], [0, lengths]);
}

#[test]
fn what_repeats_a_text_is_looked_at_whole() {
    let secret = secret();
    let done = |text: &str, tokens: &str| {
        format!(
            "data: {{\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"{text}\",\"logprobs\":[{tokens}]}}\n\n"
        )
    };
    let outcome = whole(&done(&secret, ""));
    assert_eq!((outcome.out, outcome.findings.len()), (done(LABEL, ""), 1));
    let whole_text = format!(
        "data: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{{\"content\":[{{\"text\":\"a {secret}\"}}]}}]}}}}\n\n"
    );
    assert_eq!(whole(&whole_text).out, whole_text.replace(&secret, LABEL));
}

#[test]
fn tokens_go_with_their_text() {
    let secret = secret();
    let event = |text: &str, tokens: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":{tokens}}}]}}\n\n"
        )
    };
    let tokens = r#"{"content":[{"token":"sk","bytes":[115,107]}]}"#;
    let outcome = whole(
        &(event("a ", tokens)
            + &event(&secret[..9], tokens)
            + &event(&secret[9..], tokens)
            + &event(" b", tokens)),
    );
    assert_eq!(
        outcome.out,
        event("a ", tokens) + &event(LABEL, "null") + &event("", "null") + &event(" b", tokens)
    );
}

#[test]
fn a_stream_without_its_last_blank_line_is_judged_all_the_same() {
    let secret = secret();
    let stream = format!("data: {}\n\ndata: {}", &secret[..9], &secret[9..]);
    assert_eq!(whole(&stream).out, format!("data: {LABEL}\n\ndata: "));
    assert_eq!(whole("data: x").out, "data: x");
    assert_eq!(whole("").out, "");
}

#[test]
fn plain_text_is_one_text_whatever_it_looks_like() {
    let secret = secret();
    // Pieces that are JSON themselves, and a line end in the middle of a text of two lines.
    let stream = format!(
        "data: null\n\ndata:  {}\n\ndata: {}\n\ndata: {}\ndata: \ndata: end\n\n",
        &secret[..3],
        &secret[3..13],
        &secret[13..]
    );
    let outcome = whole(&stream);
    assert_eq!(
        outcome.out,
        format!("data: null\n\ndata:  {LABEL}\n\ndata: \n\ndata: \ndata: \ndata: end\n\n")
    );
    let mut bytes = format!("data: {}\n\ndata: {} ", &secret[..9], &secret[9..]).into_bytes();
    bytes.extend_from_slice(b"\xff\xfe {\n\n");
    let mut expected = format!("data: {LABEL}\n\ndata:  ").into_bytes();
    expected.extend_from_slice(b"\xff\xfe {\n\n");
    let (policy, memory) = (policy(), Memory::default());
    let context = Context { policy: &policy, profile: &policy.parts().profiles[0], memory: &memory };
    assert_eq!(SseStream::new().push(&context, &bytes, End::Last).instead, Some(expected));
}

#[test]
fn json_of_two_readings_is_refused_where_that_matters() {
    let stream = "data: {\"choices\":[],\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    assert_eq!(whole(stream).refusal, Some(Reason::ResponseMalformed));
    assert_eq!(whole("data: {\"a\":\"\\ud83d\"}\n\n").refusal, Some(Reason::ResponseMalformed));
    // Every parser refuses this, so it is text.
    assert_eq!(whole("data: { let x = 1; }\n\n").refusal, None);
}

#[test]
fn an_event_has_a_limit() {
    let mut parts = policy().parts().clone();
    parts.limits.max_body_bytes = 100;
    let policy = Policy::new(parts).unwrap();
    let long = format!("data: {}\n\n", "x".repeat(93));
    let stream = format!("data: a\n\n{long}data: b\n\n");
    let expected = run_with(&policy, &Memory::default(), &[stream.as_bytes()]);
    assert_eq!(expected.refusal, Some(Reason::ResponseTooLarge));
    assert!(expected.out.starts_with("data: a\n\nevent: error\n"));
    for at in 0..stream.len() {
        let outcome = run_with(&policy, &Memory::default(), &cut(&stream, &[at]));
        assert_eq!(outcome.same(), expected.same(), "{at}");
    }
    let fits = format!("data: {}\n\n", "x".repeat(92));
    assert_eq!(run_with(&policy, &Memory::default(), &[fits.as_bytes()]).refusal, None);
}

#[test]
fn what_waits_has_a_limit() {
    let mut parts = policy().parts().clone();
    parts.limits.max_body_bytes = 1000;
    let policy = Policy::new(parts).unwrap();
    let mut stream = content(0, "a sk-01");
    for _ in 0..40 {
        stream += &content(1, " other words");
    }
    let outcome = run_with(&policy, &Memory::default(), &[stream.as_bytes()]);
    assert_eq!(outcome.refusal, Some(Reason::Dlp("scan-budget".into())));
    assert_eq!(outcome.findings.len(), 1);
}

#[test]
fn as_many_texts_as_there_are_can_pass_but_not_as_many_open_ones() {
    let stream = |text: &str| {
        let mut stream = String::new();
        for choice in 0..200 {
            stream += &content(choice, text);
        }
        stream
    };
    assert_eq!(whole(&stream("fine")).out, stream("fine"));
    let outcome = whole(&stream("sk-"));
    assert_eq!(outcome.refusal, Some(Reason::Dlp("scan-budget".into())));
    assert_eq!(outcome.detectors(), ["scan-budget"]);
}

#[test]
fn the_sixty_fifth_text_takes_the_place_of_one_that_is_not_open() {
    let secret = secret();
    let mut stream = content(7, &secret[..9]);
    for choice in 100..300 {
        let _ = write!(stream, "{}", content(choice, "fine"));
    }
    let outcome = whole(&(stream + &content(7, &secret[9..])));
    assert_eq!(outcome.detectors(), ["a"]);
    assert!(!outcome.out.contains(&secret[9..]));
}
