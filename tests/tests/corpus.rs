//! Every suite of the corpus, put to the engine, to the module in wasmtime and to a real Envoy.
//!
//! Every expectation must hold with every runner, and what the runners say of a case must be the same, field by field.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use policy_compiler::cases::{Case, Header, Message};
use policy_compiler::decide::{self, Runner};
use policy_compiler::native::Native;
use proptest::prelude::{ProptestConfig, Strategy, any, prop};
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::Value;

use sallyport_playground::envoy::Program;
use sallyport_tests::envoy_runner::EnvoyRunner;
use sallyport_tests::suites::Suite;
use sallyport_tests::wasm_host::{BodyEnd, Module};
use sallyport_tests::wasm_runner::WasmRunner;

/// How many cut cases are tried on each runner and suite.
const CUTS: u32 = 512;
/// The longest body that the engine is shown cut in two at every byte.
const CUT_EVERYWHERE: usize = 512;

/// What a runner said: a line per case.
struct Said {
    runner: &'static str,
    lines: Vec<Value>,
}

fn suites() -> Vec<Suite> {
    sallyport_tests::suites::suites().unwrap()
}

/// Those that are put to a real Envoy, with the cases that it can pass.
fn shown_suites() -> Vec<Suite> {
    let program = Program::find(None).unwrap();
    let mut suites = suites();
    for suite in &mut suites {
        let left_out = suite.leave_out_what_is_not_shown(&program);
        if left_out > 0 {
            println!("{}: {left_out} cases need an Envoy that shows filters certificates", suite.name);
        }
    }
    suites
}

/// Runs the cases; expectations that do not hold go to `wrong`.
fn run(runner: &'static str, gate: &mut impl Runner, suite: &Suite, wrong: &mut String) -> Said {
    let (mut lines, mut notes) = (Vec::new(), Vec::new());
    let passed = decide::run_all(gate, &suite.cases, &mut lines, &mut notes).unwrap();
    let notes = String::from_utf8_lossy(&notes).into_owned();
    println!("{}: {runner}: {}", suite.name, notes.lines().last().unwrap_or_default());
    if !passed {
        *wrong += &format!("suite `{}`, runner {runner}:\n{notes}", suite.name);
    }
    let lines: Vec<Value> =
        serde_json::Deserializer::from_slice(&lines).into_iter().map(Result::unwrap).collect();
    assert_eq!(lines.len(), suite.cases.len());
    Said { runner, lines }
}

/// What two runners say differently of one case.
fn differences(one: &Value, other: &Value) -> BTreeMap<String, (Value, Value)> {
    let (one, other) = (one.as_object().unwrap(), other.as_object().unwrap());
    let keys = one.keys().chain(other.keys());
    let value =
        |line: &serde_json::Map<String, Value>, key: &str| line.get(key).cloned().unwrap_or(Value::Null);
    keys.filter(|key| one.get(*key) != other.get(*key))
        .map(|key| (key.clone(), (value(one, key), value(other, key))))
        .collect()
}

/// Compares two runners; what they say differently goes to `wrong`.
fn compare(suite: &Suite, one: &Said, other: &Said, wrong: &mut String) {
    for ((case, left), right) in suite.cases.iter().zip(&one.lines).zip(&other.lines) {
        for (key, (left, right)) in differences(left, right) {
            let (place, name) = (&case.place, &case.name);
            *wrong += &format!("{place} ({name}): {key}: {} {left}, {} {right}\n", one.runner, other.runner);
        }
    }
}

fn native(suite: &Suite, wrong: &mut String) -> Said {
    run("native", &mut Native::new(&suite.bundle).unwrap(), suite, wrong)
}

fn module() -> Module {
    Module::load(&Module::default_path()).unwrap()
}

#[test]
fn the_module_in_wasmtime_does_what_the_engine_does() {
    let (module, mut wrong) = (module(), String::new());
    for suite in suites() {
        let native = native(&suite, &mut wrong);
        let mut wasm = WasmRunner::start_module(module.clone(), &suite.bundle).unwrap();
        compare(&suite, &native, &run("wasm", &mut wasm, &suite, &mut wrong), &mut wrong);
        let mut wasm = wasm.with_end(BodyEnd::WithLastPiece);
        compare(&suite, &native, &run("wasm, HTTP/2", &mut wasm, &suite, &mut wrong), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_real_envoy_does_what_the_engine_does() {
    let mut wrong = String::new();
    for suite in shown_suites() {
        let mut envoy = EnvoyRunner::start(&suite.bundle).unwrap();
        let envoy = run("envoy", &mut envoy, &suite, &mut wrong);
        compare(&suite, &native(&suite, &mut wrong), &envoy, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where the headers of responses wait for their bodies, a refusal has its own status; what the cases expect is for where they do not.
#[test]
fn where_heads_are_held_the_runners_agree_too() {
    let (module, mut wrong) = (module(), String::new());
    for suite in shown_suites().iter().filter(|suite| suite.name.starts_with("responses")) {
        let mut unexpected = String::new();
        let mut native = Native::new(&suite.bundle).unwrap().holding_heads();
        let native = run("native", &mut native, suite, &mut unexpected);
        assert!(native.lines.iter().any(|line| line["status"] == 403), "no refusal has its own status");
        let mut wasm = WasmRunner::start_holding_heads(module.clone(), &suite.bundle).unwrap();
        compare(suite, &native, &run("wasm", &mut wasm, suite, &mut unexpected), &mut wrong);
        let mut envoy = EnvoyRunner::start_holding_heads(&suite.bundle).unwrap();
        compare(suite, &native, &run("envoy", &mut envoy, suite, &mut unexpected), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A message of a case that can be cut.
#[derive(Clone, Copy)]
struct Part {
    of: fn(&mut Case) -> &mut Message,
    headers: fn(&Case) -> &[Header],
    /// The cuts that leave it whole. A response's is of one piece, but of no known length, as one that is cut.
    whole: &'static [usize],
}

const REQUEST: Part =
    Part { of: |case| &mut case.request.message, headers: |case| &case.request.headers, whole: &[] };
const RESPONSE: Part = Part {
    of: |case| &mut case.response.message,
    headers: |case| &case.response.headers,
    whole: &[usize::MAX],
};

/// Cases with a body that can be cut.
fn with_body(suite: &Suite, part: Part) -> Vec<Case> {
    // A claimed length fixes the framing; it is not for cutting.
    let claims = |case: &Case| {
        (part.headers)(case).iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    };
    let mut cases: Vec<Case> = suite.cases.iter().filter(|case| !claims(case)).cloned().collect();
    cases.retain_mut(|case| (part.of)(case).body.is_some());
    cases
}

/// Cases with a body, and a way to cut it.
fn cut_cases(suite: &Suite, part: Part) -> impl Strategy<Value = Case> + use<> {
    (prop::sample::select(with_body(suite, part)), prop::collection::vec(any::<prop::sample::Index>(), 1..6))
        .prop_map(move |(mut case, cuts)| {
            let message = (part.of)(&mut case);
            let length = message.body.as_ref().map_or(0, Vec::len);
            message.cuts = cuts.iter().map(|cut| cut.index(length + 1)).collect();
            case
        })
}

/// What a runner says of one case; whether that is expected is not asked here.
fn line(gate: &mut impl Runner, case: &Case) -> Result<Value, TestCaseError> {
    let (mut line, mut notes) = (Vec::new(), Vec::new());
    decide::run_all(gate, std::slice::from_ref(case), &mut line, &mut notes)
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    serde_json::from_slice(&line).map_err(|error| TestCaseError::fail(error.to_string()))
}

/// What a runner says of a case that is whole.
fn said_of_whole(gate: &mut impl Runner, mut case: Case, part: Part) -> Result<Value, TestCaseError> {
    (part.of)(&mut case).cuts = part.whole.to_vec();
    line(gate, &case)
}

/// Puts a case to a runner that is cut, and compares what it said of the whole one.
fn indifferent(
    gate: &mut impl Runner,
    whole: &Value,
    mut cut: Case,
    part: Part,
) -> Result<(), TestCaseError> {
    let differences = differences(whole, &line(gate, &cut)?);
    if differences.is_empty() {
        return Ok(());
    }
    let cuts = std::mem::take(&mut (part.of)(&mut cut).cuts);
    Err(TestCaseError::fail(format!("{} cut {cuts:?}: {differences:?}", cut.place)))
}

fn check_cuts(gate: &mut impl Runner, suite: &Suite) {
    let gate = RefCell::new(gate);
    let config = ProptestConfig { failure_persistence: None, cases: CUTS, ..ProptestConfig::default() };
    for part in [REQUEST, RESPONSE] {
        TestRunner::new(config.clone())
            .run(&cut_cases(suite, part), |cut| {
                let gate = &mut **gate.borrow_mut();
                let whole = said_of_whole(gate, cut.clone(), part)?;
                indifferent(gate, &whole, cut, part)
            })
            .unwrap();
    }
}

#[test]
fn a_verdict_does_not_depend_on_how_a_body_is_cut() {
    let module = module();
    for suite in suites() {
        check_cuts(&mut Native::new(&suite.bundle).unwrap(), &suite);
        let wasm = WasmRunner::start_module(module.clone(), &suite.bundle).unwrap();
        check_cuts(&mut wasm.with_end(BodyEnd::WithLastPiece), &suite);
        check_cuts(&mut WasmRunner::start_module(module.clone(), &suite.bundle).unwrap(), &suite);
    }
}

#[test]
fn the_engine_may_be_shown_a_body_cut_at_any_byte() {
    for suite in suites() {
        let mut gate = Native::new(&suite.bundle).unwrap();
        for part in [REQUEST, RESPONSE] {
            for mut case in with_body(&suite, part) {
                let whole = said_of_whole(&mut gate, case.clone(), part).unwrap();
                let length = (part.of)(&mut case).body.as_ref().map_or(0, Vec::len);
                for cut in 1..length.min(CUT_EVERYWHERE) {
                    (part.of)(&mut case).cuts = vec![cut];
                    indifferent(&mut gate, &whole, case.clone(), part).unwrap();
                }
            }
        }
    }
}
