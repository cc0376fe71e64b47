//! `verify-install` before real Envoys with the real module, and with each fault made real.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[expect(dead_code, reason = "shared with the tests of the companion, which use all of it")]
#[path = "../companion/common.rs"]
mod common;
#[expect(dead_code, reason = "likewise")]
#[path = "../companion/http.rs"]
mod http;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{PROGRAM, Project, run, until};
use sallyport_playground::envoy::{ClientCertificates, Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

/// As the policy of [`Project`] has them.
const HOST: &str = "docs.tools.svc";
const CALLER: &str = "spiffe://acme.internal/ns/agents/sa/research";
const STRANGER: &str = "spiffe://acme.internal/ns/x/sa/x";

/// An Envoy as an installation left it, and the files of a caller.
struct Installed {
    envoy: Envoy,
    upstream: Upstream,
    files: TempDir,
}

impl Installed {
    /// With this configuration of the module, or without the module.
    fn new(
        configuration: Option<Value>,
        certificates: ClientCertificates,
        companion: Option<SocketAddr>,
    ) -> Self {
        let ca = Ca::new("acme.internal").unwrap();
        let upstream = Upstream::start(Answer::Echo).unwrap();
        // As in a mesh: the certificate names a workload, and no host.
        let server = ca.mint(&["spiffe://acme.internal/ns/tools/sa/docs"]).unwrap();
        let program = Program::find(None).unwrap();
        let configuration = configuration.map(|configuration| program.fitted(configuration));
        let mut config = Config::new(program, server, &ca, upstream.address());
        config.client_certificates = certificates;
        config.companion = companion.map(Into::into);
        config.wasm = configuration.map(|text| Wasm::new(module(), text.to_string()));
        let envoy = Envoy::start(&config).unwrap();
        let files = tempfile::tempdir().unwrap();
        ca.write_certificate(&files.path().join("ca.pem")).unwrap();
        ca.mint(&[CALLER]).unwrap().write(files.path(), "caller").unwrap();
        let case = |name: &str, peer: &str, path: &str, expect: &str| {
            let request = format!("{{method: GET, authority: {HOST}, path: {path}, peer: \"{peer}\"}}");
            format!("name: {name}\nrequest: {request}\nexpect: {expect}\n---\n")
        };
        let cases = [
            case("may read a document", CALLER, "/docs/1", "{verdict: allow, status: 200}"),
            case("may read nothing else", CALLER, "/users", "{verdict: deny, reason: scope.path}"),
            case("somebody else", STRANGER, "/docs/1", "{verdict: deny}"),
        ];
        fs::write(files.path().join("probes.yaml"), cases.concat()).unwrap();
        Self { envoy, upstream, files }
    }

    fn sound(project: &Project) -> Self {
        Self::new(Some(with_bundle(project)), ClientCertificates::Required, None)
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// Probes it over mTLS; what is wrong, and the exit code.
    fn verify(&self, more: &[&str]) -> (Vec<String>, i32) {
        let url = format!("https://{}", self.envoy.address());
        let files = ["caller.pem", "caller.key", "ca.pem"].map(|name| self.file(name));
        let shown = ["--cert", &files[0], "--key", &files[1], "--ca", &files[2]];
        wrong(&self.run(&url, &[&shown[..], more].concat()))
    }

    fn run(&self, url: &str, more: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(["verify-install", url, "--cases", &self.file("probes.yaml"), "--format", "json"]);
        command.args(more).output().unwrap()
    }
}

/// The module, as scripts/test names it.
fn module() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sallyport.wasm");
    let path = std::env::var_os("SALLYPORT_MODULE").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "there is no module at {}: run scripts/build-module", path.display());
    path
}

/// The configuration of a module with the project's policy in it.
fn with_bundle(project: &Project) -> Value {
    let (policy, key) = (project.policy().display().to_string(), project.name("key"));
    let args = ["compile", "--policy", &policy, "--plugin-config", "--serial", "1", "--sign-with", &key];
    serde_json::from_str(&run(&args)).unwrap()
}

/// That of one that follows a companion.
fn following(project: &Project) -> Value {
    json!({"keys": with_bundle(project)["keys"], "companion": {"cluster": "companion", "authority": "companion.test"}})
}

fn wrong(done: &Output) -> (Vec<String>, i32) {
    let told: Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    let probes = told["probes"].as_array().unwrap();
    let wrong = probes.iter().filter_map(|probe| {
        let id = probe["problem"]["id"].as_str()?;
        Some(format!("{} {id}", probe["probe"].as_str().unwrap()))
    });
    let wrong: Vec<_> = wrong.collect();
    assert_eq!(told["ok"], wrong.is_empty());
    (wrong, done.status.code().unwrap())
}

fn found(what: &[&str]) -> (Vec<String>, i32) {
    (what.iter().map(|id| (*id).to_owned()).collect(), i32::from(!what.is_empty()))
}

fn at(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[test]
fn a_sound_installation_has_nothing_wrong() {
    let installed = Installed::sound(&Project::new());
    // A port that nobody listens on is as good as one that refuses.
    assert_eq!(installed.verify(&["--direct", "http://127.0.0.1:1"]), found(&[]));
    assert_eq!(installed.upstream.take().len(), 1, "only what policy allows reaches the workload");
}

#[test]
fn a_gate_that_is_not_there_is_missed() {
    let installed = Installed::new(None, ClientCertificates::Required, None);
    assert_eq!(installed.verify(&[]), found(&["request gate-absent"]));
}

#[test]
fn a_gate_without_policy_is_told_from_one_that_refuses() {
    let installed = Installed::new(Some(json!({"bundle": "AAAA"})), ClientCertificates::Required, None);
    assert_eq!(installed.verify(&[]), found(&["request policy-absent"; 2]));
}

#[test]
fn mtls_that_is_not_mandatory_is_found() {
    let project = Project::new();
    let installed = Installed::new(Some(with_bundle(&project)), ClientCertificates::Requested, None);
    assert_eq!(installed.verify(&[]), found(&["mtls mtls-not-strict"]));
    // The application itself speaks plain text.
    let installed = Installed::sound(&project);
    let plain = at(installed.upstream.address());
    assert_eq!(installed.verify(&["--plain", &plain]), found(&["mtls mtls-not-strict"]));
}

#[test]
fn a_way_around_the_gate_is_found() {
    let installed = Installed::sound(&Project::new());
    let direct = at(installed.upstream.address());
    assert_eq!(installed.verify(&["--direct", &direct]), found(&["interlock interlock-missing"]));
}

#[test]
fn a_workload_without_a_gate_is_found_in_plain_text_too() {
    let installed = Installed::sound(&Project::new());
    let done = installed.run(&at(installed.upstream.address()), &["--as", CALLER]);
    assert_eq!(wrong(&done), found(&["request gate-absent"]));
}

#[test]
fn another_policy_than_that_of_the_cases_is_found() {
    let project = Project::new();
    let text = fs::read_to_string(project.policy()).unwrap();
    fs::write(project.policy(), text.replace("/docs/{id}", "/users")).unwrap();
    let installed = Installed::sound(&project);
    assert_eq!(
        installed.verify(&[]),
        found(&["request refused", "request gate-absent"]),
        "this one lets /users pass"
    );
}

#[test]
fn nothing_is_proved_by_nothing() {
    let installed = Installed::sound(&Project::new());
    for caller in [STRANGER, "spiffe://acme.internal/nobody"] {
        let done = installed.run(&at(installed.upstream.address()), &["--as", caller]);
        let told = String::from_utf8_lossy(&done.stdout);
        assert_eq!((done.status.code(), told.lines().count()), (Some(2), 1), "{told}");
        assert!(told.contains("nothing would be proved"), "{told}");
    }
    assert!(installed.upstream.take().is_empty());
}

#[test]
fn a_companion_whose_bundle_is_not_in_force_is_found() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let installed = Installed::sound(&project);
    let url = at(companion.address);
    let told = |more: &[&str]| {
        let (wrong, _) = installed.verify(&[&["--companion", url.as_str()][..], more].concat());
        wrong.join(" ")
    };
    let becomes = |wanted: &str| until(wanted, || (told(&[]) == wanted).then_some(()));
    becomes("companion nobody-asks");
    // This one follows the companion, and so is current.
    let follower = |keys: &Project| {
        Installed::new(Some(following(keys)), ClientCertificates::Required, Some(companion.address))
    };
    let _current = follower(&project);
    becomes("");
    assert_eq!(told(&["--serial", "18446744073709551615"]), "companion bundle-stale");
    assert_eq!(told(&["--audience", "tools/other"]), "companion nobody-asks");
    // This one trusts another key, and can not take what is published.
    let _stale = follower(&Project::new());
    becomes("companion bundle-stale");
    drop(companion);
    assert_eq!(told(&[]), "companion companion-unreachable");
}
