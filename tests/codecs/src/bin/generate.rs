//! Writes the policies that are measured, as each codec has them: `generate DIRECTORY TABLES BUNDLE`.

use codecs::shape::*;
use codecs::*;
use std::{env, fs, path::Path};

fn main() {
    let [directory, tables, bundle] =
        [1, 2, 3].map(|at| env::args().nth(at).expect("generate DIRECTORY TABLES BUNDLE"));
    check(&fs::read(bundle).expect("a bundle"));
    let tables = fs::read(tables).expect("the compiled detectors");
    let (catalogue, _) =
        postcard::take_from_bytes::<Catalogue>(&tables).expect("the shapes are the engine's");
    assert!(
        tables.starts_with(&postcard::to_allocvec(&catalogue).unwrap()),
        "the shapes are not the engine's"
    );
    let cases =
        [("10", 10, 100), ("1000", 1_000, 100), ("10000", 10_000, 100), ("10000-own", 10_000, 10_000)];
    for (name, agents, missions) in cases {
        write(Path::new(&directory), name, &policy(agents, missions, &catalogue));
    }
    // What bytes may become at worst: agents that say nothing.
    let mut hollow = policy(1, 1, &Catalogue { detectors: Vec::new(), ..catalogue });
    let nobody = Agent { name: String::new(), missions: Vec::new(), profile: 0, mode: Mode::Enforce };
    hollow.agents = vec![nobody; 60_000];
    write(Path::new(&directory), "hollow", &hollow);
}

/// Holds the shapes against a bundle that the engine reads: what is measured is to be what it carries.
fn check(bundle: &[u8]) {
    let policy = sallyport_engine::bundle::decode(bundle).expect("a bundle of this engine");
    let bytes = postcard::to_allocvec(policy.parts()).unwrap();
    let parts = postcard::from_bytes::<PolicyParts>(&bytes).expect("the shapes are the engine's");
    assert!(bytes == postcard::to_allocvec(&parts).unwrap(), "the shapes are not the engine's");
}

fn write(directory: &Path, name: &str, parts: &PolicyParts) {
    let put = |codec: &str, bytes: Vec<u8>, sum: Option<u32>| {
        fs::write(directory.join(format!("{codec}-{name}.bin")), &bytes).unwrap();
        sum.expect("what was written is read")
    };
    let mut sums = Vec::new();
    macro_rules! codec {
        ($name:literal, $module:ident) => {{
            let bytes = $module::encode(parts);
            let sum = $module::load(&bytes);
            sums.push(put($name, bytes, sum));
        }};
    }
    codec!("postcard", by_postcard);
    codec!("wincode", by_wincode);
    codec!("wincode-varint", by_wincode_varint);
    codec!("rkyv", by_rkyv);
    codec!("bitcode", by_bitcode);
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "codecs disagree: {sums:?}");
}

fn policy(agents: u32, missions: u32, catalogue: &Catalogue) -> PolicyParts {
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let namespace = |agent: u32| format!("team-{:03}", agent % 250);
    let service = |number: u16| Service {
        name: format!("service-{number:02}"),
        hosts: vec![
            format!("service-{number:02}.tools.svc.cluster.local"),
            format!("service-{number:02}.tools"),
        ],
        ports: vec![80, 8080],
        routes: vec![Route {
            path: "/**".into(),
            protocol: [Protocol::Mcp, Protocol::Http, Protocol::Llm, Protocol::Grpc][usize::from(number % 4)]
                .clone(),
            opaque_bodies: false,
            batches: number % 8 == 0,
            opaque_numbers: false,
        }],
        profile: None,
        tools: Vec::new(),
    };
    let treatment = Treatment {
        request: Action::Block,
        response: Action::Redact,
        tools: Action::Alert,
        redaction: Redaction::Label,
    };
    PolicyParts {
        trust_domains: texts(&["acme.internal"]),
        services: (0..40).map(service).collect(),
        agents: (0..agents)
            .map(|agent| Agent {
                name: format!("{}/agent-{agent:05}", namespace(agent)),
                missions: if missions == agents {
                    vec![agent as u16]
                } else {
                    vec![(agent % missions) as u16, (agent * 7 % missions) as u16]
                },
                profile: 0,
                mode: Mode::Enforce,
            })
            .collect(),
        identities: (0..agents)
            .map(|agent| {
                (format!("spiffe://acme.internal/ns/{}/sa/agent-{agent:05}", namespace(agent)), agent)
            })
            .collect(),
        patterns: vec![("spiffe://acme.internal/ns/shared/sa/batch-*".into(), 0)],
        missions: (0..missions)
            .map(|mission| Mission {
                name: format!("mission-{mission:05}"),
                mode: Mode::Enforce,
                rules: (0..20).map(|number| rule(mission, number)).collect(),
            })
            .collect(),
        profiles: vec![Profile::new(vec![treatment; catalogue.detectors.len()], Vec::new())],
        catalogue: catalogue.clone(),
        limits: Limits { max_body_bytes: 1 << 20 },
        settings: Settings {
            mode: Mode::Enforce,
            unmapped: Otherwise::Deny,
            oversize: Otherwise::Deny,
            coded: Coded::Decode,
            unscannable: Otherwise::Deny,
            staleness: Some(Staleness { after: 3_600, then: Otherwise::Deny }),
            audit: Audit {
                overflow: Overflow::DropOldest,
                records: 4096,
                passed: LogLevel::Info,
                refused: LogLevel::Info,
            },
        },
    }
}

/// Twelve rules of tools, five of methods and paths, two of models, one of gRPC.
fn rule(mission: u32, number: u16) -> Rule {
    let area = ["tickets", "invoices", "documents", "calendars", "builds"][usize::from(number % 5)];
    let operations = match number {
        0..12 => Operations::Mcp(McpMatch {
            methods: Vec::new(),
            tools: vec![format!("{area}_search"), format!("{area}_get_{mission}"), format!("{area}_list_*")],
            resources: Vec::new(),
            prompts: Vec::new(),
            arguments: (number % 4 == 0).then(|| Arguments {
                fields: vec![Field {
                    pointer: vec!["path".into()],
                    presence: Presence::Required,
                    constraint: Constraint::One(Element::PathBelow(vec![format!("/data/{area}/")])),
                }],
                additional: true,
            }),
        }),
        12..17 => Operations::Http(HttpMatch {
            methods: vec!["GET".into(), "POST".into()],
            paths: vec![format!("/v1/{area}/{{id}}"), format!("/v1/{area}/{mission}/**")],
        }),
        17..19 => Operations::Llm(LlmMatch {
            apis: vec![LlmApi::Chat, LlmApi::Messages],
            models: vec!["example-model-*".into()],
            tools: vec![format!("{area}_search")],
        }),
        _ => Operations::Grpc(GrpcMatch { methods: vec![format!("acme.{area}.v1.Store/Get*")] }),
    };
    Rule {
        name: format!("{area}-{number}"),
        effect: if number % 10 == 9 { Effect::Deny } else { Effect::Allow },
        service: number * 2 % 40,
        operations,
        conditions: (number == 3).then(|| {
            Box::new(Conditions {
                agents: Vec::new(),
                trust_domains: Vec::new(),
                namespaces: vec!["team-*".into()],
                service_accounts: Vec::new(),
                hosts: Vec::new(),
                ports: vec![8080],
                windows: vec![Window {
                    days: 0b1_1111,
                    from: 480,
                    until: 1080,
                    offset: 60,
                    not_before: None,
                    not_after: None,
                }],
            })
        }),
        limit: (number % 5 == 1).then_some(Limit { requests: 100, seconds: 60 }),
    }
}
