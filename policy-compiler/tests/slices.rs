//! A bundle for one workload gives the verdicts of the whole policy, and carries nothing else.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::slice;

use policy_compiler::cases::{self, Case};
use policy_compiler::decide::{Observed, Runner};
use policy_compiler::native::Native;
use policy_compiler::{Audience, compile, compile_for};
use sallyport_engine::{Policy, bundle};

fn suite(name: &str) -> (PathBuf, Vec<Case>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(name);
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".cases.yaml")).collect();
    let (cases, report) = cases::load(&files);
    assert!(!report.has_errors() && !cases.is_empty());
    (folder.join("policy.yaml"), cases)
}

fn sliced(policy: &PathBuf, audience: &str) -> Policy {
    compile_for(slice::from_ref(policy), &Audience::parse(audience).unwrap()).0.unwrap()
}

fn ask(policy: &Policy, case: &Case) -> Observed {
    let mut native = Native::new(&bundle::encode(policy).unwrap()).unwrap();
    native.begin(case).unwrap();
    (1..case.repeat).for_each(|_| drop(native.run(case).unwrap()));
    native.run(case).unwrap()
}

/// How many cases for hosts that begin with one of `hosts` a slice judges as the whole does.
fn agreement(name: &str, audience: &str, hosts: &[&str]) -> usize {
    let (path, cases) = suite(name);
    let (whole, part) = (compile(slice::from_ref(&path)).0.unwrap(), sliced(&path, audience));
    let concerned =
        cases.iter().filter(|case| hosts.iter().any(|host| case.request.authority.starts_with(host)));
    let agree = concerned.map(|case| {
        let (whole, part) = (ask(&whole, case).record, ask(&part, case).record);
        assert_eq!(
            (&part.verdict, &part.enforced),
            (&whole.verdict, &whole.enforced),
            "{} at {audience}",
            case.name
        );
        let left_out = part.reason == "identity.unmapped" && whole.reason.starts_with("scope.");
        assert!(
            part.reason == whole.reason || left_out,
            "{} at {audience}: {} was {}",
            case.name,
            part.reason,
            whole.reason
        );
    });
    agree.count()
}

#[test]
fn a_slice_judges_as_the_whole_does() {
    assert!(agreement("rules", "tools/tool-api", &["tool-api"]) > 30);
    assert!(agreement("rules", "tools", &["tool-api"]) > 30);
    assert!(agreement("rules", "finance/ledger", &["ledger"]) > 2);
    // Where nobody is named, everything is for everyone.
    assert!(agreement("observe", "anyone", &[""]) > 10);
    assert!(agreement("evasion", "anyone", &[""]) > 500);
}

#[test]
fn a_slice_carries_only_what_concerns_it() {
    let (path, _) = suite("rules");
    let whole = compile(slice::from_ref(&path)).0.unwrap();
    let tools = sliced(&path, "tools/tool-api");
    let names = |policy: &Policy| {
        policy.parts().services.iter().map(|service| service.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&whole), names(&tools)),
        (vec!["ledger".into(), "models".into(), "tool-api".into()], vec!["models".into(), "tool-api".into()])
    );
    let missions = |policy: &Policy| {
        policy.parts().missions.iter().map(|mission| mission.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(missions(&tools), ["read", "work"]);
    // Callers that are no agent pass this gate, so nobody may cease to be one.
    assert_eq!(tools.parts().agents.len(), whole.parts().agents.len());
    let nobody = sliced(&path, "elsewhere");
    assert_eq!(names(&nobody), ["models"], "which is for everyone");
    assert_eq!(missions(&nobody), ["work"]);
}

#[test]
fn an_exact_identity_never_falls_to_another_agents_pattern() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    let agent = |name: &str, id: &str, mission: &str| {
        format!(
            "---\napiVersion: sallyport.dev/v1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  identities: ['spiffe://acme.internal/{id}']\n  missions: [{mission}]\n"
        )
    };
    let service = |name: &str| {
        format!(
            "---\napiVersion: sallyport.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  hosts: [{name}]\n  audiences: [{name}]\n  routes: [{{path: '/**', protocol: http}}]\n\
             ---\napiVersion: sallyport.dev/v1\nkind: Mission\nmetadata: {{name: {name}}}\nspec:\n  allow: [{{name: get, service: {name}, http: {{methods: [GET], paths: ['/**']}}}}]\n"
        )
    };
    let text = [
        "apiVersion: sallyport.dev/v1\nkind: TrustDomain\nmetadata: {name: acme.internal}\n".to_owned(),
        agent("many", "sa/*", "docs"),
        agent("one", "sa/clerk", "ledger"),
        agent("far", "other/clerk", "ledger"),
        service("docs"),
        service("ledger"),
    ];
    std::fs::write(&path, text.concat()).unwrap();
    let docs = sliced(&path, "docs");
    let agents: Vec<_> = docs.parts().agents.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(agents, ["many", "one"], "`one` stays, so that it does not become `many`; `far` goes");
    let case =
        "name: c\nrequest: {peer: spiffe://acme.internal/sa/clerk, method: GET, authority: docs, path: /x}\n";
    let case_path = directory.path().join("c.cases.yaml");
    std::fs::write(&case_path, case).unwrap();
    let (cases, _) = cases::load(&[case_path]);
    assert_eq!(ask(&docs, &cases[0]).record.verdict, "deny");
}

#[test]
fn a_host_never_falls_to_the_suffix_of_another_service() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    let service = |name: &str, host: &str| {
        format!(
            "---\napiVersion: sallyport.dev/v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  hosts: ['{host}']\n  audiences: [{name}]\n  routes: [{{path: '/**', protocol: http}}]\n"
        )
    };
    let text = [
        "apiVersion: sallyport.dev/v1\nkind: TrustDomain\nmetadata: {name: acme.internal}\n".to_owned(),
        "---\napiVersion: sallyport.dev/v1\nkind: Agent\nmetadata: {name: one}\nspec: {identities: ['spiffe://acme.internal/sa/one'], missions: [m]}\n".to_owned(),
        "---\napiVersion: sallyport.dev/v1\nkind: Mission\nmetadata: {name: m}\nspec:\n  allow:\n    - {name: get, service: all, http: {methods: [GET], paths: ['/**']}}\n    - {name: look, service: admin, http: {methods: [GET], paths: [/status]}}\n".to_owned(),
        service("all", "*.tools"),
        service("admin", "admin.tools"),
        service("below", "*.admin.tools"),
        service("far", "far.example"),
    ];
    std::fs::write(&path, text.concat()).unwrap();
    let (whole, part) = (compile(slice::from_ref(&path)).0.unwrap(), sliced(&path, "all"));
    let kept: Vec<_> = part.parts().services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(kept, ["admin", "all", "below"]);
    for (authority, target) in
        [("x.tools", "/x"), ("admin.tools", "/x"), ("admin.tools", "/status"), ("a.admin.tools", "/x")]
    {
        let case = format!(
            "name: c\nrequest: {{peer: spiffe://acme.internal/sa/one, method: GET, authority: {authority}, path: {target}}}\n"
        );
        let file = directory.path().join("c.cases.yaml");
        std::fs::write(&file, case).unwrap();
        let (cases, _) = cases::load(&[file]);
        let (whole, part) = (ask(&whole, &cases[0]).record, ask(&part, &cases[0]).record);
        assert_eq!((part.verdict, part.reason), (whole.verdict, whole.reason), "{authority}{target}");
    }
}
