//! A policy as lints look at it: every document and rule as written, beside what it was compiled to.

use std::sync::OnceLock;

use sallyport_engine::Policy;
use sallyport_engine::policy::{Effect, Field, McpMatch, Mission, Operations, Rule, Service};

use super::callers::Callers;
use crate::compile::in_parallel;
use crate::diagnostic::Diagnostics;
use crate::language::Kind;
use crate::shape::{Fields, Text};
use crate::source::{Document, Source};

/// A policy without errors.
pub(super) struct View<'v, 'n, 's> {
    pub(super) policy: &'v Policy,
    /// By name, and so in the order of the engine's table.
    pub(super) services: Vec<Document<'n, 's>>,
    pub(super) missions: Vec<Document<'n, 's>>,
    pub(super) agents: Vec<Document<'n, 's>>,
    pub(super) capabilities: Vec<Document<'n, 's>>,
    pub(super) profiles: Vec<Document<'n, 's>>,
    pub(super) detectors: Vec<Document<'n, 's>>,
    gates: Vec<Document<'n, 's>>,
    /// Of each mission, by name.
    rules: Vec<Vec<RuleView<'v, 'n, 's>>>,
    callers: OnceLock<Callers>,
}

/// One rule; or one operation of a capability that a rule names, for the engine has a rule for each.
#[derive(Clone, Copy)]
pub(super) struct RuleView<'v, 'n, 's> {
    pub(super) name: Text<'n>,
    /// The name of its Mission.
    pub(super) mission: Text<'n>,
    /// Its keys.
    pub(super) fields: Fields<'n, 's>,
    /// What stands under the key of its protocol, in the rule itself or in an operation of a capability.
    pub(super) operations: Fields<'n, 's>,
    /// What it was compiled to.
    pub(super) rule: &'v Rule,
    /// What stands at its service.
    pub(super) service: Option<&'v Service>,
}

// === impl View ===

impl<'v, 'n, 's> View<'v, 'n, 's> {
    pub(super) fn new(source: &Source<'n, 's>, policy: &'v Policy) -> Self {
        // Names that stand twice were errors, so nothing is left to say here.
        let mut said = Diagnostics::default();
        let mut of = |kind| source.of_kind(kind, &mut said);
        let (missions, capabilities) = (of(Kind::Mission), of(Kind::Capability));
        let compiled: Vec<_> = missions.iter().zip(&policy.parts().missions).collect();
        let services = &policy.parts().services;
        let rules = in_parallel(&compiled, |(written, read)| rules(written, read, services, &capabilities));
        Self {
            policy,
            services: of(Kind::Service),
            agents: of(Kind::Agent),
            gates: of(Kind::Gate),
            profiles: of(Kind::DlpProfile),
            detectors: of(Kind::Detector),
            missions,
            capabilities,
            rules,
            callers: OnceLock::new(),
        }
    }

    /// The keys of the Gate, if there is one.
    pub(super) fn gate(&self) -> Option<Fields<'n, 's>> {
        self.gates.first().map(|gate| gate.spec)
    }

    /// Who calls; put together when it is first asked for.
    pub(super) fn callers(&self) -> &Callers {
        self.callers.get_or_init(|| Callers::new(self.policy.parts()))
    }

    /// Every rule.
    pub(super) fn rules(&self) -> impl Iterator<Item = &RuleView<'v, 'n, 's>> {
        self.rules.iter().flatten()
    }

    /// The rules of a mission, by its number.
    pub(super) fn rules_of(&self, mission: usize) -> &[RuleView<'v, 'n, 's>] {
        self.rules.get(mission).map_or(&[], Vec::as_slice)
    }
}

/// The rules of a mission: what was compiled, each with what was written under the same name.
fn rules<'v, 'n, 's>(
    written: &Document<'n, 's>,
    read: &'v Mission,
    services: &'v [Service],
    capabilities: &[Document<'n, 's>],
) -> Vec<RuleView<'v, 'n, 's>> {
    let lists = ["allow", "hold", "deny"].into_iter().flat_map(|key| written.spec.list(key));
    let named = |node| Some((Fields::of(node).text("name")?, Fields::of(node)));
    let mut named: Vec<_> = lists.filter_map(named).collect();
    named.sort_by_key(|(name, _)| name.text);
    let parts = named.into_iter().flat_map(|(name, fields)| {
        operations(fields, capabilities).map(move |operation| (name, fields, operation))
    });
    // Both are in the order of names, and within a rule in that of its operations.
    let view = |(rule, (name, fields, operation)): (&'v Rule, (Text<'n>, _, Fields<'n, 's>))| {
        let service = services.get(usize::from(rule.service.0));
        let operations = operation.object(protocol(&rule.operations));
        let matches = rule.name == name.text;
        matches.then_some(RuleView { name, mission: written.name, fields, operations, rule, service })
    };
    read.rules.iter().zip(parts).filter_map(view).collect()
}

/// The mappings that name what a rule covers: itself, or the operations of its capabilities in the order of their names.
fn operations<'n, 's>(
    rule: Fields<'n, 's>,
    capabilities: &[Document<'n, 's>],
) -> impl Iterator<Item = Fields<'n, 's>> {
    let mut names: Vec<_> = rule.texts("capabilities").map(|name| name.text).collect();
    names.sort_unstable();
    names.dedup();
    let own = names.is_empty().then_some(rule);
    let found = |name: &str| {
        let at = capabilities.binary_search_by(|document| document.name.text.cmp(name)).ok()?;
        capabilities.get(at).map(|document| document.spec.list("operations"))
    };
    own.into_iter().chain(names.into_iter().filter_map(found).flatten().map(Fields::of))
}

/// The key of a protocol.
fn protocol(operations: &Operations) -> &'static str {
    match operations {
        Operations::Http(_) => "http",
        Operations::Mcp(_) => "mcp",
        Operations::A2a(_) => "a2a",
        Operations::Grpc(_) => "grpc",
        Operations::Llm(_) => "llm",
    }
}

/// A pointer as policy writes it.
fn pointer(steps: &[String]) -> String {
    steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

// === impl RuleView ===

impl<'v, 'n, 's> RuleView<'v, 'n, 's> {
    /// Whether it is an `allow` rule.
    pub(super) fn allows(&self) -> bool {
        self.rule.effect == Effect::Allow
    }

    /// The key of its protocol.
    pub(super) fn protocol(&self) -> &'static str {
        protocol(&self.rule.operations)
    }

    /// What its service is called.
    pub(super) fn service_name(&self) -> &str {
        self.service.map_or("", |service| &service.name)
    }

    /// The constraints on arguments, each as it is written and as it was compiled.
    pub(super) fn arguments(&self) -> Vec<(Fields<'n, 's>, &'v Field)> {
        let Operations::Mcp(McpMatch { arguments: Some(arguments), .. }) = &self.rule.operations else {
            return Vec::new();
        };
        let written = self.operations.object("arguments").list("fields").iter().map(Fields::of);
        let mut written: Vec<_> = written.filter_map(|field| Some((field.text("at")?.text, field))).collect();
        written.sort_by_key(|(at, _)| *at);
        let find = |field: &'v Field| {
            let at = pointer(&field.pointer);
            let found = written.binary_search_by(|(known, _)| (*known).cmp(&at)).ok()?;
            Some((written.get(found)?.1, field))
        };
        arguments.fields.iter().filter_map(find).collect()
    }

    /// The fields under `arguments`, and the `items` of those that are lists.
    pub(super) fn constraints(&self) -> impl Iterator<Item = Fields<'n, 's>> + use<'n, 's> {
        let fields = self.operations.object("arguments").list("fields");
        fields.iter().map(Fields::of).flat_map(|field| [field, field.object("items")])
    }
}
