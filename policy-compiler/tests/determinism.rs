//! The same policy gives the same bundle, however it is written down: in which files, in which order, in YAML or JSON.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use policy_compiler::compile_files;
use policy_compiler::report::{Colour, Report};
use sallyport_engine::bundle;

const AGENT_A: &str = "apiVersion: sallyport.dev/v1\nkind: Agent\nmetadata: {name: a}\nspec:\n  identities: [spiffe://td.one/a, \
    'spiffe://td.one/x/*']\n  missions: [one, two]\n";
const AGENT_B: &str = "apiVersion: sallyport.dev/v1\nkind: Agent\nmetadata: {name: b}\nspec:\n  identities: [spiffe://td.two/b]\n  \
    missions: [two]\n";
const ONE: &str = "apiVersion: sallyport.dev/v1\nkind: Mission\nmetadata: {name: one}\nspec:\n  dlp: quiet\n  allow:\n    - {name: r1, \
    service: s, mcp: {tools: [t1, t2], prompts: [p]}}\n    - {name: r2, service: s, http: {methods: [GET, PUT], paths: [/a, /b]}}\n";
const TWO: &str = "apiVersion: sallyport.dev/v1\nkind: Mission\nmetadata: {name: two}\nspec:\n  deny:\n    - {name: r, service: z, \
    http: {methods: [GET], paths: ['/{x}/y']}}\n";
const S: &str = "apiVersion: sallyport.dev/v1\nkind: Service\nmetadata: {name: s}\nspec:\n  hosts: [s, '*.s']\n  ports: [80, 443]\n  \
    routes: [{path: /mcp, protocol: mcp}, {path: '/{a}', protocol: http}, {path: /b/**, protocol: http}]\n";
const Z: &str = "apiVersion: sallyport.dev/v1\nkind: Service\nmetadata: {name: z}\nspec:\n  hosts: [z]\n  routes: [{path: /**, \
    protocol: http}]\n";
const QUIET: &str = "apiVersion: sallyport.dev/v1\nkind: DlpProfile\nmetadata: {name: quiet}\nspec: {detectors: {github-token: off, \
    aws-access-key-id: alert}}\n";
const TDS: [&str; 2] = [
    "apiVersion: sallyport.dev/v1\nkind: TrustDomain\nmetadata: {name: td.two}\n",
    "apiVersion: sallyport.dev/v1\nkind: TrustDomain\nmetadata: {name: td.one}\n",
];

fn bundle_of(files: &[(&str, String)]) -> Vec<u8> {
    let mut report = Report::default();
    for (name, text) in files {
        report.sources.add(*name, text.clone());
    }
    let ids: Vec<_> = report.sources.ids().collect();
    let Report { sources, diagnostics } = &mut report;
    let policy = compile_files(sources, &ids, diagnostics);
    assert_eq!(report.text(Colour::Never).matches("error").count(), 0, "{}", report.text(Colour::Never));
    bundle::encode(&policy.unwrap()).unwrap()
}

fn documents() -> Vec<&'static str> {
    [AGENT_A, AGENT_B, ONE, TWO, S, Z, QUIET].into_iter().chain(TDS).collect()
}

#[test]
fn files_and_their_order_mean_nothing() {
    let mut documents = documents();
    let expected = bundle_of(&[("all.yaml", documents.join("---\n"))]);
    for turn in 0..documents.len() {
        documents.rotate_left(1);
        if turn % 2 == 0 {
            documents.reverse();
        }
        assert_eq!(bundle_of(&[("all.yaml", documents.join("---\n"))]), expected);
        let (left, right) = documents.split_at(turn);
        let divided = [("b.yaml", left.join("---\n")), ("a.yaml", right.join("---\n"))];
        assert_eq!(bundle_of(&divided), expected);
    }
}

#[test]
fn the_order_of_lists_means_nothing() {
    let expected = bundle_of(&[("all.yaml", documents().join("---\n"))]);
    let turned = documents().join("---\n");
    let turned = [
        ("[one, two]", "[two, one]"),
        ("[t1, t2]", "[t2, t1]"),
        ("[GET, PUT], paths: [/a, /b]", "[PUT, GET], paths: [/b, /a]"),
        ("[s, '*.s']", "['*.s', s]"),
        ("[80, 443]", "[443, 80]"),
        (
            "{path: /mcp, protocol: mcp}, {path: '/{a}', protocol: http}",
            "{path: '/{a}', protocol: http}, {protocol: mcp, path: /mcp}",
        ),
    ]
    .into_iter()
    .fold(turned, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    assert_eq!(bundle_of(&[("all.yaml", turned)]), expected);
}

#[test]
fn json_says_the_same_as_yaml() {
    let yaml = "apiVersion: sallyport.dev/v1\nkind: TrustDomain\nmetadata:\n  name: td.one\n---\n".to_owned()
        + Z
        + "---\n"
        + "apiVersion: sallyport.dev/v1\nkind: Mission\nmetadata: {name: m}\nspec:\n  allow:\n    - {name: r, service: z, http: {methods: \
           [GET], paths: [/caf]}}\n---\napiVersion: sallyport.dev/v1\nkind: Agent\nmetadata: {name: a}\nspec: {identities: \
           [spiffe://td.one/a], missions: [m]}\n";
    // Escapes, tabs and a repeated shape that YAML would read in its own way.
    let json = r#"[
	{"apiVersion": "sallyport.dev/v1", "kind": "TrustDomain", "metadata": {"name": "td.one"}},
	{"apiVersion": "sallyport.dev\/v1", "kind": "Service", "metadata": {"name": "z"},
	 "spec": {"hosts": ["z"], "routes": [{"path": "\u002f**", "protocol": "http"}]}},
	{"apiVersion": "sallyport.dev/v1", "kind": "Mission", "metadata": {"name": "m"},
	 "spec": {"allow": [{"name": "r", "service": "z", "http": {"methods": ["GET"], "paths": ["/caf"]}}]}},
	{"apiVersion": "sallyport.dev/v1", "kind": "Agent", "metadata": {"name": "a"},
	 "spec": {"identities": ["spiffe://td.one/a"], "missions"
	  : ["m"]}}
]"#;
    assert_eq!(bundle_of(&[("p.json", json.to_owned())]), bundle_of(&[("p.yaml", yaml)]));
}
