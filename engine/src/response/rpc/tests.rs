use super::*;
use crate::decide::Origin;
use crate::http::Authority;
use crate::identity::SpiffeId;
use crate::operation::Message;
use crate::policy::{AgentId, Policy, Protocol, ServiceId, fixture};
use crate::response::Memory;
use crate::scan::Profile;
use alloc::rc::Rc;
use proptest::prelude::*;

/// The memory of an exchange of research's at tool-api, with these requests in it.
fn memory(requests: &[&str]) -> Memory {
    let mut memory = Memory {
        origin: Some(Rc::new(Origin {
            agent: AgentId(0),
            service: ServiceId(0),
            caller: SpiffeId::parse(b"spiffe://acme.internal/sa/research").unwrap(),
            authority: Authority::parse("tool-api").unwrap(),
        })),
        protocol: Some(Protocol::Mcp),
        ..Memory::default()
    };
    for request in requests {
        let document = Document::parse(request.as_bytes()).unwrap();
        let message = Message::read(document.root().unwrap()).unwrap();
        memory.note_message(&message, message.id().cloned());
    }
    memory
}

fn judge_by(policy: &Policy, memory: &Memory, body: &str) -> String {
    let profile = Profile::default();
    let context = Context { policy, profile: &profile, memory };
    let document = Document::parse_with(body.as_bytes(), Numbers::Opaque).unwrap();
    let inspection = judge_rpc_message(&context, &document);
    assert_eq!((inspection.refusal, inspection.findings.len()), (None, 0));
    String::from_utf8(apply(body.as_bytes(), &inspection.edits)).unwrap()
}

fn judge(requests: &[&str], body: &str) -> String {
    judge_by(&fixture::policy(), &memory(requests), body)
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"fetch"}}"#;

#[test]
fn a_list_is_cut_to_what_the_caller_may_use_and_stays_as_it_was_otherwise() {
    for (tools, left) in [
        (r#"[]"#, r#"[]"#),
        (r#"[ {"name":"fetch"} ]"#, r#"[ {"name":"fetch"} ]"#),
        (r#"[ {"name":"drop"} ]"#, r#"[  ]"#),
        (r#"[{"name":"drop"} , {"name":"fetch"}]"#, r#"[{"name":"fetch"}]"#),
        (r#"[{"name":"fetch"} , {"name":"drop"}]"#, r#"[{"name":"fetch"}]"#),
        (
            r#"[{"name":"a"},{"name":"b"},{"name":"fetch","x":[1]},{"name":"c"}]"#,
            r#"[{"name":"fetch","x":[1]}]"#,
        ),
        (
            r#"[{"name":"fetch"},{"name":"a"},{"name":"b"},{"name":"search_x"}]"#,
            r#"[{"name":"fetch"},{"name":"search_x"}]"#,
        ),
        (
            r#"[{"name":"search_secrets"},{"name":"f\u0065tch"},{"title":"x"},7,{"name":null}]"#,
            r#"[{"name":"f\u0065tch"}]"#,
        ),
    ] {
        let body = |tools: &str| {
            alloc::format!(r#"{{"jsonrpc":"2.0", "id":1,"result":{{"nextCursor":"c", "tools":{tools} }} }}"#)
        };
        assert_eq!(judge(&[LIST], &body(tools)), body(left));
        // The answer to another exchange's request, in a stream.
        assert_eq!(judge(&[], &body(tools)), body(left));
        let batch = alloc::format!(
            "[{}, {}]",
            body(tools),
            r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"drop"}]}}"#
        );
        let expected = alloc::format!(
            "[{}, {}]",
            body(left),
            r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"drop"}]}}"#
        );
        assert_eq!(judge(&[LIST, CALL], &batch), expected);
    }
}

#[test]
fn what_is_no_list_is_left_alone() {
    for body in [
        r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"drop"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{"name":"drop"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":[{"name":"drop"}]}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"tools":[{"name":"drop"}]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
        r#"["tools",[{"name":"drop"}]]"#,
        r#""tools""#,
    ] {
        assert_eq!(judge(&[LIST, CALL], body), body);
    }
}

#[test]
fn every_kind_of_offer_goes_by_its_own_member() {
    let mut parts = fixture::parts();
    let crate::policy::Operations::Mcp(covered) = &mut parts.missions[0].rules[0].operations else {
        panic!("no rule of MCP")
    };
    covered.resources = vec![Glob::new("docs://handbook/*")];
    covered.prompts = vec![Glob::new("summarise")];
    let policy = Policy::new(parts).unwrap();
    let cut = |result: &str| {
        let body = alloc::format!(r#"{{"id":9,"result":{{{result}}}}}"#);
        judge_by(&policy, &memory(&[]), &body)
    };
    assert_eq!(
        cut(r#""tools":[{"name":"drop"}],"prompts":[{"name":"summarise"},{"name":"leak"}]"#),
        r#"{"id":9,"result":{"tools":[],"prompts":[{"name":"summarise"}]}}"#
    );
    assert_eq!(
        cut(
            r#""resources":[{"uri":"docs://handbook/1","name":"x"},{"uri":"file:///etc/passwd","name":"docs://handbook/1"}],"tools":[{"name":"x"}]"#
        ),
        r#"{"id":9,"result":{"resources":[{"uri":"docs://handbook/1","name":"x"}],"tools":[]}}"#
    );
    assert_eq!(
        cut(
            r#""resourceTemplates":[{"uriTemplate":"docs://{book}/{page}"},{"uriTemplate":"file:///{path}"}]"#
        ),
        r#"{"id":9,"result":{"resourceTemplates":[{"uriTemplate":"docs://{book}/{page}"}]}}"#
    );
}

proptest! {
    /// What is left is what a plain reading of the list would leave, and edits behind cuts land where they should.
    #[test]
    fn what_is_left_is_json_with_the_rest_untouched(
        names in prop::collection::vec(prop::sample::select(vec!["fetch", "search_x", "drop", "search_secrets", ""]), 0..8),
        gap in prop::sample::select(vec!["", " ", "\n  "]),
    ) {
        let element = |name: &&str| alloc::format!(r#"{{"name":"{name}","n":1}}"#);
        let list: Vec<String> = names.iter().map(element).collect();
        let body = alloc::format!(r#"{{"id":1,"result":{{"tools":[{gap}{}{gap}],"z":1}}}}"#, list.join(&alloc::format!("{gap},{gap}")));
        let left: serde_json::Value = serde_json::from_str(&judge(&[LIST], &body)).unwrap();
        let kept: Vec<&str> = names.iter().copied().filter(|name| matches!(*name, "fetch" | "search_x")).collect();
        let got: Vec<&str> = left["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        prop_assert_eq!(got, kept);
        prop_assert_eq!(&left["result"]["z"], 1);
    }

    #[test]
    fn cuts_and_edits_together_do_what_they_do_one_after_the_other(
        text in "[a-z]{40}",
        bounds in prop::collection::btree_set(0_usize..40, 4),
        edits in prop::collection::btree_set(0_usize..20, 0..6),
    ) {
        let bounds: Vec<usize> = bounds.into_iter().collect();
        let cut = |start, end| Edit { start, end, with: String::new() };
        let cuts = vec![cut(bounds[0], bounds[1]), cut(bounds[2], bounds[3])];
        let shorter = apply(text.as_bytes(), &cuts);
        // An edit reaches over no cut: of one byte, it cannot.
        let edits: Vec<Edit> = edits.into_iter().filter(|at| *at < shorter.len()).map(|start| Edit { start, end: start + 1, with: "XY".into() }).collect();
        let expected = apply(&shorter, &edits);
        prop_assert_eq!(apply(text.as_bytes(), &merge(cuts, edits)), expected);
    }
}
