//! The shapes of policy (`engine/src/policy`, `engine/src/scan`), field by field. Texts with rules of their own are plain texts:
//! parsing them costs the same whoever read the bytes.

use crate::shape;

/// As a bundle carries a trust domain, a SPIFFE ID, a glob, a host pattern and a path template.
pub type Text = String;

shape! { struct PolicyParts {
    trust_domains: Vec<Text>,
    services: Vec<Service>,
    agents: Vec<Agent>,
    identities: Vec<(Text, u32)>,
    patterns: Vec<(Text, u32)>,
    missions: Vec<Mission>,
    profiles: Vec<Profile>,
    catalogue: Catalogue,
    limits: Limits,
    settings: Settings,
} }
shape! { struct Service { name: String, hosts: Vec<Text>, ports: Vec<u16>, routes: Vec<Route>, profile: Option<u16>, tools: Vec<Text> } }
shape! { struct Route { path: Text, protocol: Protocol, opaque_bodies: bool, batches: bool, opaque_numbers: bool } }
shape! { enum Protocol { Http, Mcp, A2a, Grpc, Llm } }
shape! { struct Agent { name: String, missions: Vec<u16>, profile: u16, mode: Mode } }
shape! { struct Mission { name: String, mode: Mode, rules: Vec<Rule> } }
shape! { struct Rule {
    name: String,
    effect: Effect,
    service: u16,
    operations: Operations,
    conditions: Option<Box<Conditions>>,
    limit: Option<Limit>,
} }
shape! { enum Effect { Allow, Hold, Deny } }
shape! { enum Operations { Http(of: HttpMatch), Mcp(of: McpMatch), A2a(of: A2aMatch), Grpc(of: GrpcMatch), Llm(of: LlmMatch) } }
shape! { struct HttpMatch { methods: Vec<String>, paths: Vec<Text> } }
shape! { struct McpMatch {
    methods: Vec<Text>,
    tools: Vec<Text>,
    resources: Vec<Text>,
    prompts: Vec<Text>,
    arguments: Option<Arguments>,
} }
shape! { struct A2aMatch { methods: Vec<A2aMethod>, push_hosts: Vec<Text> } }
shape! { enum A2aMethod {
    SendMessage, SendStreamingMessage, GetTask, ListTasks, CancelTask, SubscribeToTask, CreatePushConfig, GetPushConfig,
    ListPushConfigs, DeletePushConfig, GetExtendedCard
} }
shape! { struct GrpcMatch { methods: Vec<Text> } }
shape! { struct LlmMatch { apis: Vec<LlmApi>, models: Vec<Text>, tools: Vec<Text> } }
shape! { enum LlmApi { Chat, Responses, Embeddings, Messages, Models } }
shape! { struct Limits { max_body_bytes: u32 } }
shape! { struct Settings {
    mode: Mode,
    unmapped: Otherwise,
    oversize: Otherwise,
    coded: Coded,
    unscannable: Otherwise,
    staleness: Option<Staleness>,
    audit: Audit,
} }
shape! { struct Audit { overflow: Overflow, records: u32, passed: LogLevel, refused: LogLevel } }
shape! { enum Overflow { DropOldest, Required } }
shape! { enum LogLevel { Off, Debug, Info, Warn } }
shape! { enum Mode { Enforce, Observe } }
shape! { enum Otherwise { Deny, Allow } }
shape! { enum Coded { Decode, Deny, Pass } }
shape! { struct Staleness { after: u32, then: Otherwise } }

shape! { struct Conditions {
    agents: Vec<u32>,
    trust_domains: Vec<Text>,
    namespaces: Vec<Text>,
    service_accounts: Vec<Text>,
    hosts: Vec<Text>,
    ports: Vec<u16>,
    windows: Vec<Window>,
} }
shape! { struct Window {
    days: u8,
    from: u16,
    until: u16,
    offset: i16,
    not_before: Option<u64>,
    not_after: Option<u64>,
} }
shape! { struct Limit { requests: u32, seconds: u32 } }

shape! { struct Arguments { fields: Vec<Field>, additional: bool } }
shape! { struct Field { pointer: Vec<String>, presence: Presence, constraint: Constraint } }
shape! { enum Presence { Required, Optional, Forbidden } }
shape! { enum Constraint { One(of: Element), List { max: u32, each: Element } } }
shape! { enum Element {
    Any,
    Boolean(of: Option<bool>),
    Integer { min: i64, max: i64 },
    Number { min: Decimal, max: Decimal },
    Text(of: TextMatch),
    PathBelow(of: Vec<String>),
    Url(of: UrlMatch),
    Object
} }
shape! { struct Decimal { digits: i64, exponent: i16 } }
shape! { struct TextMatch { one_of: Vec<String>, min_chars: u32, max_chars: Option<u32>, pattern: Option<TextPattern> } }
shape! { struct TextPattern { classes: Vec<u8>, width: u16, next: Vec<u16>, accepts: Vec<bool> } }
shape! { struct UrlMatch { schemes: Vec<String>, hosts: Vec<Text>, ports: Vec<u16>, private: bool } }

shape! { struct Profile { treatments: Vec<Treatment>, allow: Vec<u16> } }
shape! { struct Treatment { request: Action, response: Action, tools: Action, redaction: Redaction } }
shape! { enum Action { Off, Alert, Redact, Block } }
shape! { enum Redaction { Label, Hash, Mask { first: u8, last: u8 } } }

shape! { struct Catalogue {
    detectors: Vec<Detector>,
    sets: Vec<[u32; 8]>,
    groups: u8,
    triggers: Triggers,
    digits: Vec<u16>,
    shapes: Vec<u128>,
    exceptions: Vec<Exception>,
    key: Vec<u8>,
} }
shape! { struct Exception { detectors: Vec<u16>, value: Known, at: Option<Vec<String>>, tool: Option<Text> } }
shape! { enum Known { Anything, Digest { salt: String, digest: Vec<u8> }, Pattern(of: Dfa) } }
shape! { struct Detector { id: String, severity: Severity, threat: bool, finder: Finder } }
shape! { enum Severity { Low, Medium, High, Critical } }
shape! { enum Finder { Pattern(of: Pattern), Structural(of: Structural), Values(of: Values) } }
shape! { struct Values { set: u8, lengths: Vec<u8>, salt: String, digests: Vec<u8> } }
shape! { enum Structural {
    MetadataHost, PrivateHost, DangerousScheme, OperatorKey, SecretField, ToolChanged, ToolCollision, ToolLookalike,
    ScanTruncated, ScanBudget
} }
shape! { struct Pattern {
    lead: Option<(u8, u8)>,
    dfa: Dfa,
    not_beside: (u8, u8),
    length: (u16, u16),
    value: Option<u8>,
    prefix: u8,
    checks: Vec<Check>,
    min_entropy: u8,
    placeholders: bool,
    context: Option<(u8, u16)>,
    raw: bool,
} }
shape! { struct Dfa { ranges: Vec<(u8, u8)>, width: u16, next: Vec<u8>, accepts: Vec<u8> } }
shape! { struct Triggers {
    ranges: Vec<(u8, u8)>,
    children: Vec<u8>,
    labels: Vec<u8>,
    words: Vec<(u16, Word)>,
} }
shape! { struct Word { meaning: Meaning, length: u8 } }
shape! { enum Meaning { Anchor(of: u16), Context(of: u8), Escape, Url, Address } }
shape! { enum Check {
    Luhn, PaymentCard, CardTrack, Iban, Aba, SwiftBic, Ssn, Itin, Npi, Dea, CaSin, PhoneNanp, Nhs, Nino, EsNif,
    ItFiscalCode, DeTaxId, FrNir, PlPesel, NlBsn, SePersonnummer, FiHetu, Verhoeff, Aadhaar, InPan, AuTfn, AuAbn,
    AuMedicare, BrCpf, BrCnpj, CnResidentId, SgNric, KrRrn, ZaId, Vin, Base58Check, BtcAddress, BtcWif, BtcXprv,
    Bech32, Eip55, Crc32Base62, Jwt, Base64, Base64Of32, Base64Of64, UuidNot, Date, PhoneE164, PublicIpv4, PrivateIpv4,
    Ipv6, Mac
} }
