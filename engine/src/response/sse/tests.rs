//! Streams of every protocol, whole and in pieces.
#![expect(clippy::string_slice, reason = "a test may panic")]

pub(crate) mod catalogue;
mod corners;
mod streams;
mod tokens;

use super::SseStream;
use crate::exchange::End;
use crate::json::Document;
use crate::operation::A2aCall;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::record::FindingRecord;
use crate::reply::Shape;
use crate::response::{Context, Memory};
use catalogue::{LABEL, killer, policy, secret};
use proptest::prelude::*;
use streams::*;

/// What came of a stream.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    out: String,
    findings: Vec<FindingRecord>,
    refusal: Option<Reason>,
    /// For each piece, how many bytes had gone on after it.
    gone: Vec<usize>,
}

impl Outcome {
    /// What may not depend on how the stream was cut.
    fn same(&self) -> (&str, &[FindingRecord], &Option<Reason>) {
        (&self.out, &self.findings, &self.refusal)
    }

    /// What was found in texts, rather than in what tells of their tokens again.
    fn detectors(&self) -> Vec<&str> {
        let told = self.findings.iter().filter(|finding| !finding.pointer.contains("logprobs"));
        told.map(|finding| finding.detector.as_str()).collect()
    }
}

fn run_with(policy: &Policy, memory: &Memory, pieces: &[&[u8]]) -> Outcome {
    let profile = &policy.parts().profiles[0];
    let context = Context { policy, profile, memory };
    let mut stream = SseStream::new();
    let mut outcome = Outcome { out: String::new(), findings: Vec::new(), refusal: None, gone: Vec::new() };
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let end = if at + 1 == pieces.len() { End::Last } else { End::More };
        let pushed = stream.push(&context, piece, end);
        out.extend_from_slice(pushed.instead.as_deref().unwrap_or(piece));
        outcome.gone.push(out.len());
        outcome.findings.extend(pushed.findings);
        if pushed.refusal.is_some() {
            outcome.refusal = pushed.refusal;
            break;
        }
    }
    outcome.out = String::from_utf8(out).unwrap();
    outcome
}

fn run(pieces: &[&[u8]]) -> Outcome {
    thread_local!(static POLICY: Policy = policy());
    POLICY.with(|policy| run_with(policy, &Memory::default(), pieces))
}

fn whole(stream: &str) -> Outcome {
    run(&[stream.as_bytes()])
}

/// The pieces between these places.
fn cut<'s>(stream: &'s str, cuts: &[usize]) -> Vec<&'s [u8]> {
    let mut at = 0;
    let mut pieces = Vec::new();
    for &cut in cuts.iter().chain([&stream.len()]) {
        pieces.push(&stream.as_bytes()[at..cut]);
        at = cut;
    }
    pieces
}

#[test]
fn a_secret_that_is_split_anywhere_is_replaced_in_every_protocol() {
    let secret = secret();
    let text = format!("the key is {secret}, keep it");
    let clean = text.replace(&secret, LABEL);
    for protocol in ALL {
        for first in 0..=text.len() {
            for second in [first, (first + 3).min(text.len()), text.len()] {
                let texts = [&text[..first], &text[first..second], &text[second..]];
                let stream = protocol.stream(&texts);
                let outcome = whole(&stream);
                assert_eq!(outcome.refusal, None, "{stream}");
                assert_eq!(outcome.detectors(), ["a"], "{stream}\n{:?}", outcome.findings);
                assert_eq!(protocol.text(&outcome.out), clean, "{stream}\n{}", outcome.out);
                // Nothing else was changed: as many events, with the same names.
                assert_eq!(shape(&outcome.out), shape(&stream));
            }
        }
    }
}

#[test]
fn cuts_do_not_matter_at_any_byte() {
    let (secret, killer) = (secret(), killer());
    let texts = ["a ", &secret[..9], &secret[9..], " b \u{1f600}\"\n", &killer[..7], &killer[7..], " c"];
    for protocol in ALL {
        let ends = if protocol == Protocol::Chat { &["\n", "\r", "\r\n"][..] } else { &["\n"] };
        for &end in ends {
            for texts in [&texts[..4], &texts[..]] {
                let stream = protocol.stream(texts).replace('\n', end);
                let expected = whole(&stream);
                assert_eq!(expected.refusal.is_some(), texts.len() > 4, "{stream}");
                assert!(!expected.out.contains(&secret[3..9]) && !expected.out.contains(&killer[7..]));
                for at in 0..=stream.len() {
                    let outcome = run(&cut(&stream, &[at]));
                    assert_eq!(outcome.same(), expected.same(), "{protocol:?} cut at {at}");
                }
                let bytes: Vec<_> = (1..stream.len()).collect();
                assert_eq!(run(&cut(&stream, &bytes)).same(), expected.same());
            }
        }
    }
}

proptest! {
    #[test]
    fn cuts_do_not_matter_anywhere(
        protocol in prop::sample::select(ALL.to_vec()),
        texts in prop::collection::vec(pieces(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let stream = protocol.stream(&texts).replace('\n', end);
        let boundaries: Vec<_> = (0..=stream.len()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|at| *at.get(&boundaries)).collect();
        cuts.sort_unstable();
        let outcome = run(&cut(&stream, &cuts));
        let expected = whole(&stream);
        prop_assert_eq!(outcome.same(), expected.same());
    }

    #[test]
    fn what_a_text_is_replaced_by_does_not_depend_on_its_deltas(
        protocol in prop::sample::select(ALL.to_vec()),
        text in prop::collection::vec(pieces(), 1..6),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = text.concat();
        let boundaries: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut at: Vec<usize> = at.iter().map(|at| *at.get(&boundaries)).collect();
        at.sort_unstable();
        let mut texts: Vec<&str> = Vec::new();
        let mut start = 0;
        for at in at.into_iter().chain([text.len()]) {
            texts.push(&text[start..at]);
            start = at;
        }
        let (one, many) = (whole(&protocol.stream(&[&text])), whole(&protocol.stream(&texts)));
        prop_assert!(one.refusal.is_none() || one.refusal == many.refusal);
        prop_assert!(many.refusal == one.refusal || !protocol.is_known());
        if one.refusal.is_none() && protocol.is_known() {
            prop_assert_eq!(protocol.text(&one.out), protocol.text(&many.out));
            prop_assert_eq!(one.detectors(), many.detectors());
        } else if one.refusal.is_none() {
            // Each event is a text of its own too, so that more can be found; never less.
            let left = |outcome: &Outcome| protocol.text(&outcome.out).matches(&secret()).count();
            prop_assert!(left(&many) <= left(&one));
            prop_assert!(many.detectors().len() >= one.detectors().len());
        }
    }
}

#[test]
fn clean_streams_are_not_delayed() {
    let (mut events, mut late) = (0, 0);
    for protocol in ALL {
        let words: Vec<String> = prose(400);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let stream = protocol.stream(&words);
        let pieces: Vec<&[u8]> = stream.split_inclusive("\n\n").map(str::as_bytes).collect();
        let outcome = run(&pieces);
        assert_eq!((outcome.out.as_str(), outcome.findings.len()), (stream.as_str(), 0));
        let mut came = 0;
        for (piece, gone) in pieces.iter().zip(&outcome.gone) {
            came += piece.len();
            events += 1;
            late += usize::from(*gone < came);
        }
    }
    println!("{late} of {events} events waited");
    assert!(late * 200 <= events, "{late} of {events}");
}

#[test]
fn a_comment_does_not_wait() {
    let pieces: [&[u8]; 4] = [b"data: a", b"\n\n: alive\n", b": on\ndata: b\n", b"\n"];
    assert_eq!(run(&pieces).gone, [0, 17, 22, 31]);
}

#[test]
fn a_refused_stream_ends_in_the_words_of_its_protocol() {
    let killer = killer();
    let texts = ["fine ", &killer[..6], &killer[6..], " never"];
    for (protocol, end) in [
        (Protocol::Chat, "data: [DONE]\n\n"),
        (Protocol::Messages, "\n\n"),
        (Protocol::Responses, "\n\n"),
        (Protocol::A2a, "\n\n"),
        (Protocol::Plain, "\n\n"),
    ] {
        let outcome = whole(&protocol.stream(&texts));
        assert_eq!(outcome.refusal, Some(Reason::Dlp("b".into())));
        assert!(outcome.out.contains("fine") && outcome.out.contains("dlp.b"), "{}", outcome.out);
        assert!(!outcome.out.contains("never") && outcome.out.ends_with(end));
    }
    let request =
        Document::parse(br#"{"jsonrpc":"2.0","id":"q7","method":"tasks/get","params":{"id":"t"}}"#).unwrap();
    let (id, _) = A2aCall::read_rpc(request.root().unwrap()).map_err(|refusal| refusal.reason).unwrap();
    let mut memory = Memory { shape: Some(Shape::Rpc(None)), ..Memory::default() };
    memory.note_call(id);
    let stream = Protocol::A2a.stream(&texts);
    let outcome = run_with(&policy(), &memory, &[stream.as_bytes()]);
    assert!(outcome.out.contains(r#""id":"q7","error""#), "{}", outcome.out);
}

impl SseStream {
    /// All the memory that it has.
    fn footprint(&self) -> usize {
        let queue = self.queue.capacity() * size_of::<super::Held>();
        size_of::<Self>() + self.partial.capacity() + queue + self.texts.heap()
    }
}

#[test]
fn a_clean_stream_takes_little_memory_and_time() {
    let (policy, memory) = (policy(), Memory::default());
    let context = Context { policy: &policy, profile: &policy.parts().profiles[0], memory: &memory };
    for protocol in [Protocol::Chat, Protocol::ToolCall, Protocol::Responses, Protocol::Messages] {
        let words = prose(2000);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = protocol.stream(&words);
        let mut stream = SseStream::new();
        let mut most = 0;
        let began = std::time::Instant::now();
        for event in text.split_inclusive("\n\n") {
            let _ = stream.push(&context, event.as_bytes(), End::More);
            if stream.queue.is_empty() {
                most = most.max(stream.footprint());
            }
        }
        let each = began.elapsed() / 2000;
        println!("{protocol:?}: {most} bytes at most, {each:?} an event of {} bytes", text.len() / 2000);
        assert!(most <= 1024, "{protocol:?}: {most}");
    }
}
