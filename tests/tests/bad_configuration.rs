//! A configuration that the module cannot use denies everything, in wasmtime and in a real Envoy, and says why in the log and in
//! the statistics. It never makes the module trap or Envoy leave it out: then traffic would pass.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::cases;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::bundle::{Terms, decode, encode_under, frame};
use sallyport_playground::Request;
use sallyport_playground::client::{Client, Protocol};
use sallyport_playground::envoy::{ClientCertificates, Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use sallyport_tests::wasm_host::{Metric, Module, Vm};
use sallyport_tests::wasm_runner::WasmRunner;

/// A caller that the core suite's policy lets in.
const CALLER: &str = "spiffe://acme.internal/ns/agents/sa/research-agent";
/// The service of that policy.
const HOST: &str = "tool-api.tools.svc.cluster.local";

fn bundle() -> Vec<u8> {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/core/policy.yaml");
    policy_compiler::load_bundle(&policy).0.unwrap()
}

/// Configurations that are wrong in one way each, with the label that the metric has for it.
fn bad_configurations() -> Vec<(&'static str, String)> {
    let good = bundle();
    let under = |terms: &Terms| encode_under(&decode(&good).unwrap(), terms).unwrap();
    let foreign = under(&Terms { audience: Some("tools/tool-api".to_owned()), ..Terms::default() });
    let expired = under(&Terms { not_after: 1_700_000_000, ..Terms::default() });
    let inline = |bundle: &[u8]| format!(r#"{{"bundle":"{}"}}"#, STANDARD.encode(bundle));
    let changed = |at: usize, to: u8| {
        let mut bundle = good.clone();
        bundle[at] = to;
        inline(&bundle)
    };
    let cut = |length: usize| inline(&good[..length]);
    // Far more nesting than any policy has, in the place of the payload.
    let nested = frame(&[7, 0].repeat(100_000), 0, &Terms::default()).unwrap();
    let with = |more: &str| inline(&good).replace('}', &format!(",{more}}}"));
    let (signer, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let raw = |key: &SecretKey| STANDARD.encode(key.public().unwrap().to_bytes());
    let signed = inline(&keys::sign(&good, &[signer]).unwrap());
    let known = |key: &SecretKey| format!(r#""keys":["{}"]"#, raw(key));
    vec![
        ("bundle", with(&known(&other))),
        ("bundle", signed.replace('}', &format!(",{}}}", known(&other)))),
        ("keys", with(r#""keys":[]"#)),
        ("keys", with(r#""keys":"""#)),
        ("keys", with(r#""keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]"#)),
        ("keys", with(&format!(r#""retiredKeys":["{}"]"#, raw(&other)))),
        ("keys", with(&format!(r#""keys":["{0}","{0}"]"#, raw(&other)))),
        ("audience", with(r#""audience":"Tools""#)),
        ("bundle", inline(&foreign).replace('}', r#","audience":"tools/other"}"#)),
        ("bundle", inline(&expired)),
        ("absent", String::new()),
        ("json", "not json".to_owned()),
        ("json", r#"{"bundle":"","bundle":""}"#.to_owned()),
        ("no_bundle", "{}".to_owned()),
        ("no_bundle", r#"{"bundle":7}"#.to_owned()),
        ("no_bundle", "[]".to_owned()),
        ("unknown_key", r#"{"bundel":""}"#.to_owned()),
        ("base64", r#"{"bundle":"%%%"}"#.to_owned()),
        ("bundle", r#"{"bundle":""}"#.to_owned()),
        ("bundle", changed(0, b'x')),
        ("bundle", changed(8, 99)),
        ("bundle", cut(14)),
        ("bundle", cut(good.len() - 1)),
        ("bundle", inline(&nested)),
        ("companion", with(r#""companion":{"cluster":"c","authority":"a"}"#)),
        ("companion", with(&format!(r#"{},"companion":{{"cluster":"c"}}"#, known(&other)))),
        ("companion", with(&format!(r#"{},"companion":{{"cluster":"c d","authority":"a"}}"#, known(&other)))),
        (
            "companion",
            with(&format!(r#"{},"companion":{{"cluster":"c","authority":"a","path":"p"}}"#, known(&other))),
        ),
        (
            "companion",
            with(&format!(r#"{},"companion":{{"cluster":"c","authority":"a","port":1}}"#, known(&other))),
        ),
        ("companion", with(&format!(r#"{},"companion":"c""#, known(&other)))),
        ("no_bundle", format!(r#"{{{}}}"#, known(&other))),
        ("interlock", with(r#""interlock":"short""#)),
        ("interlock", with(r#""interlock":"sixteen characters\r\n""#)),
        ("identity", with(r#""identity":"header""#)),
        ("hold", inline(&good).replace('}', r#","hold":"forever"}"#)),
    ]
}

#[test]
fn a_bundle_is_in_force_where_its_signer_is_known() {
    let signer = SecretKey::generate().unwrap();
    let (retired, public) = (SecretKey::generate().unwrap(), signer.public().unwrap());
    let terms = Terms { not_before: 1_700_000_000, not_after: u64::MAX, audience: Some("tools".to_owned()) };
    let bytes = encode_under(&decode(&bundle()).unwrap(), &terms).unwrap();
    let configuration = serde_json::json!({
        "bundle": STANDARD.encode(keys::sign(&bytes, &[signer]).unwrap()),
        "keys": [keys::public_pem(&public)],
        "retiredKeys": [STANDARD.encode(retired.public().unwrap().to_bytes())],
        "audience": "tools/tool-api",
    });
    let module = Module::load(&Module::default_path()).unwrap();
    let vm = Vm::start(&module, &configuration.to_string()).unwrap();
    assert_eq!(vm.metrics().get("sallyport_policy_loaded"), Some(&Metric::Gauge(1)), "{:?}", vm.start_log());
}

#[test]
fn a_bad_configuration_denies_everything_in_wasmtime() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/core/rest.cases.yaml");
    let case = cases::load(&[case]).0.into_iter().find(|case| case.name == "a granted path").unwrap();
    let mut runner = WasmRunner::start(&bundle()).unwrap();
    let exchange = runner.exchange(&case).unwrap();
    assert_eq!(
        runner.vm().exchange(&exchange).unwrap().status,
        200,
        "the case is no test if a good policy denies it"
    );
    let module = Module::load(&Module::default_path()).unwrap();
    for (label, configuration) in bad_configurations() {
        let shown: String = configuration.chars().take(60).collect();
        let mut vm = Vm::start(&module, &configuration).unwrap();
        let seen = vm.exchange(&exchange).unwrap();
        assert_eq!((seen.status, seen.upstream.is_none()), (403, true), "{shown}");
        assert!(String::from_utf8_lossy(&seen.client.body).contains("policy.absent"), "{shown}");
        assert!(
            vm.start_log().iter().any(|line| line.message.starts_with("sallyport denies everything: ")),
            "{shown}"
        );
        assert_eq!(vm.metrics().get("sallyport_policy_loaded"), Some(&Metric::Gauge(0)), "{shown}");
        let metric = format!("reason=.={label};.;sallyport_config_error");
        assert_eq!(vm.metrics().get(&metric), Some(&Metric::Gauge(1)), "{shown}");
    }
}

#[test]
fn a_bad_configuration_denies_everything_in_envoy() {
    let ca = Ca::new("acme.internal").unwrap();
    let caller = ca.mint(&[CALLER]).unwrap();
    for (label, configuration) in bad_configurations() {
        let shown: String = configuration.chars().take(60).collect();
        let upstream = Upstream::start(Answer::Echo).unwrap();
        let server = ca.mint_server("spiffe://acme.internal/gate").unwrap();
        let mut config = Config::new(Program::find(None).unwrap(), server, &ca, upstream.address());
        config.client_certificates = ClientCertificates::Requested;
        config.wasm = Some(Wasm::new(Module::default_path(), configuration));
        let envoy = Envoy::start(&config).unwrap();
        let client = Client::new(envoy.address(), Protocol::Http1, &ca, Some(&caller)).unwrap();
        let response = client.send(&Request::new("GET", HOST, "/docs/1")).unwrap();
        assert_eq!(response.status, 403, "{shown}");
        assert!(response.text().contains("policy.absent"), "{shown}: {}", response.text());
        assert!(upstream.take().is_empty(), "{shown}");
        let told = |line: &sallyport_playground::envoy::LogLine| {
            line.message.contains("sallyport denies everything: ")
        };
        assert!(envoy.log().iter().any(told), "{shown}");
        let stats = envoy.stats("sallyport_config_error").unwrap();
        assert!(stats.iter().any(|(name, value)| name.contains(label) && *value == 1), "{shown}: {stats:?}");
    }
}
