use super::*;
use crate::decide::Origin;
use crate::http::Authority;
use crate::identity::SpiffeId;
use crate::policy::{AgentId, Policy, Protocol, ServiceId, fixture};
use crate::response::{Memory, rpc::judge_rpc_message};
use crate::scan::{Catalogue, Detector, Finder, Profile, Severity, Treatment, apply};
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::{format, vec};

const ODD: [Structural; 3] = [Structural::ToolChanged, Structural::ToolCollision, Structural::ToolLookalike];

/// Tools that all may call, `pay` pinned to two descriptors.
fn policy() -> Policy {
    let mut parts = fixture::parts();
    let detector = |which: &Structural| Detector {
        id: which.name().into(),
        severity: Severity::High,
        threat: true,
        finder: Finder::Structural(*which),
    };
    parts.catalogue = Catalogue::default();
    // By id.
    parts.catalogue.detectors = ODD.iter().map(detector).collect();
    parts.profiles = vec![Profile::new(vec![Treatment::default(); ODD.len()], vec![])];
    let crate::policy::Operations::Mcp(covered) = &mut parts.missions[0].rules[0].operations else {
        panic!("no rule of MCP")
    };
    covered.tools = vec![crate::glob::Glob::new("*")];
    let pin = |tool: &str| {
        let document = Document::parse(tool.as_bytes()).unwrap();
        ToolPin::new("pay", &ToolPin::digest_of(&document.root().unwrap()))
    };
    parts.services[0].tools = vec![pin(r#"{"name":"pay","v":2}"#), pin(r#"{"name":"pay","v":1}"#)];
    Policy::new(parts).unwrap()
}

/// What is left of a list of tools, and what was found in it, under an action.
fn judge(action: Action, tools: &[&str]) -> (Option<String>, Vec<(String, String)>) {
    let policy = policy();
    let treatment = Treatment { tools: action, ..Treatment::default() };
    let profile = Profile::new(vec![treatment; ODD.len()], vec![]);
    let memory = Memory {
        origin: Some(Rc::new(Origin {
            agent: AgentId(0),
            service: ServiceId(0),
            caller: SpiffeId::parse(b"spiffe://acme.internal/sa/research").unwrap(),
            authority: Authority::parse("tool-api").unwrap(),
        })),
        protocol: Some(Protocol::Mcp),
        ..Memory::default()
    };
    let context = Context { policy: &policy, profile: &profile, memory: &memory };
    let body = format!(r#"{{"id":1,"result":{{"tools":[{}]}}}}"#, tools.join(","));
    let document = Document::parse(body.as_bytes()).unwrap();
    let judged = judge_rpc_message(&context, &document);
    let found = judged.findings.iter().map(|of| (of.detector.clone(), of.pointer.clone())).collect();
    assert!(judged.findings.iter().all(|of| of.action == action));
    let left = judged.refusal.is_none().then(|| {
        let left = String::from_utf8(apply(body.as_bytes(), &judged.edits)).unwrap();
        left.strip_prefix(r#"{"id":1,"result":{"tools":["#).unwrap().strip_suffix("]}}").unwrap().to_string()
    });
    (left, found)
}

/// The places of the tools that are found, each with the detector.
fn found(tools: &[&str]) -> Vec<(usize, &'static str)> {
    let (_, found) = judge(Action::Alert, tools);
    let place = |pointer: &str| pointer.strip_prefix("/result/tools/").unwrap().parse().unwrap();
    let id = |id: &str| ODD.iter().map(|which| which.name()).find(|name| *name == id).unwrap();
    found.iter().map(|(detector, pointer)| (place(pointer), id(detector))).collect()
}

const PAY: &str = r#"{"name":"pay","v":1}"#;
const CHANGED: &str = r#"{"name":"pay","v":3}"#;
const OTHER: &str = r#"{"name":"search_docs"}"#;

#[test]
fn a_tool_is_as_pinned_or_it_is_cut_or_the_list_is_refused() {
    assert_eq!(judge(Action::Redact, &[PAY, OTHER]).0.unwrap(), [PAY, OTHER].join(","));
    assert_eq!(judge(Action::Redact, &[OTHER, r#"{"v":2,"name":"pay"}"#]).1, []);
    assert_eq!(judge(Action::Redact, &[CHANGED, OTHER]).0.unwrap(), OTHER);
    assert_eq!(judge(Action::Redact, &[OTHER, CHANGED]).0.unwrap(), OTHER);
    assert_eq!(judge(Action::Alert, &[CHANGED]).0.unwrap(), CHANGED);
    assert_eq!(judge(Action::Block, &[OTHER, CHANGED]).0, None);
    let (left, none) = judge(Action::Off, &[CHANGED, CHANGED]);
    assert_eq!((left.unwrap(), none), ([CHANGED, CHANGED].join(","), vec![]));
    assert_eq!(found(&[OTHER, CHANGED]).first(), Some(&(1, "tool-changed")));
}

#[test]
fn of_tools_that_could_be_taken_for_one_another_only_the_pinned_one_stays() {
    let named = |name: &str| format!(r#"{{"name":"{name}"}}"#);
    let of = |names: &[&str]| {
        let tools: Vec<String> = names.iter().map(|name| named(name)).collect();
        found(&tools.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (collision, lookalike) = ("tool-collision", "tool-lookalike");
    assert_eq!(of(&["a", "b", "a"]), [(0, collision), (2, collision)]);
    assert_eq!(of(&["send_mail", "Send_Mail"]), [(0, collision), (1, collision)]);
    assert_eq!(of(&["read_file", "read_fi1e"]), [(0, lookalike), (1, lookalike)]);
    assert_eq!(of(&["x", "log-0ut", "log.out"]), [(1, lookalike), (2, lookalike)]);
    assert_eq!(
        of(&["read_file", "read_fiIe", "read_file"]),
        [(0, collision), (1, lookalike), (2, collision)]
    );
    assert_eq!(of(&["list", "lists", "1ists", "play"]), [(1, lookalike), (2, lookalike)]);
    assert_eq!(of(&["a", "b", "ab", "a_b", "readItem", "read_item"]), []);
    // What is pinned is known, and so is what only looks like it, though it is not offered.
    assert_eq!(found(&[PAY, &named("Pay")]), [(1, collision)]);
    assert_eq!(of(&["PAY"]), [(0, collision)]);
    assert_eq!(found(&[CHANGED, PAY]), [(0, "tool-changed")]);
    assert_eq!(found(&[PAY, PAY]), []);
    assert_eq!(judge(Action::Redact, &[&named("a"), PAY, &named("A")]).0.unwrap(), PAY);
    // A list without names, and what is no tool, find nothing here: rights cut them.
    assert_eq!(found(&["7", "{}", r#"{"name":7}"#]), []);
}

#[test]
fn many_tools_of_one_name_take_no_longer_than_others() {
    let many = vec![r#"{"name":"a"}"#; 20_000];
    assert_eq!(judge(Action::Redact, &many).0.unwrap(), "");
}
