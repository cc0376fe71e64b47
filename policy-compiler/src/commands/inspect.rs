//! `inspect`: what a bundle says, for people and for programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use sallyport_engine::bundle::Bundle;
use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{
    Agent, AgentId, Field, Mission, Operations, PolicyParts, Rule, Service, ServiceId,
};
use sallyport_engine::{Policy, bundle};
use serde::Serialize;
use time::OffsetDateTime;

use super::{Format, print, table};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A bundle, or policy that would compile to one
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (policy, report) = crate::load_policy(&args.path);
    let Some(policy) = policy else { return args.format.refuse(&[&report]) };
    args.format.show(&[&report]);
    let view = match View::new(&policy, crate::bundle_file(&args.path).ok()) {
        Ok(view) => view,
        Err(why) => return args.format.fail(&why),
    };
    match args.format {
        Format::Text => print(&view.text()),
        Format::Json => print(&(serde_json::to_string_pretty(&view).unwrap_or_default() + "\n")),
    }
}

/// A bundle with every number replaced by the name it stands for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    format: u16,
    bytes: usize,
    serial: u64,
    /// For whom, from when and until when; what is not said is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    digest: String,
    /// The ids of the keys that signed it, as the bundle says: `verify` says whether they did.
    signed_by: Vec<String>,
    max_body_bytes: u32,
    trust_domains: Vec<String>,
    agents: Vec<AgentView>,
    missions: Vec<MissionView>,
    services: Vec<ServiceView>,
}

#[derive(Serialize)]
struct AgentView {
    name: String,
    identities: Vec<String>,
    missions: Vec<String>,
    detectors: BTreeMap<String, &'static str>,
}

#[derive(Serialize)]
struct MissionView {
    name: String,
    rules: Vec<RuleView>,
}

#[derive(Serialize)]
struct RuleView {
    name: String,
    effect: &'static str,
    service: String,
    protocol: &'static str,
    /// Each list that the rule has, by its key in policy.
    covers: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Serialize)]
struct ServiceView {
    name: String,
    hosts: Vec<String>,
    ports: Vec<u16>,
    routes: Vec<RouteView>,
}

#[derive(Serialize)]
struct RouteView {
    path: String,
    protocol: &'static str,
}

// === impl View ===

impl View {
    /// Of a bundle, or of what policy would compile to.
    fn new(policy: &Policy, bundle: Option<Vec<u8>>) -> Result<Self, String> {
        let parts = policy.parts();
        let bytes = bundle.map_or_else(|| bundle::encode(policy), Ok).map_err(|why| why.to_string())?;
        let header = Bundle::read(&bytes).map_err(|why| why.to_string())?;
        let valid = header.valid();
        Ok(Self {
            format: bundle::FORMAT,
            bytes: bytes.len(),
            serial: parts.serial,
            audience: Some(header.audience().to_owned()).filter(|audience| !audience.is_empty()),
            not_before: (valid.start > 0).then(|| time(valid.start)),
            not_after: (valid.end < u64::MAX).then(|| time(valid.end)),
            digest: header.digest().iter().map(|byte| format!("{byte:02x}")).collect(),
            signed_by: header.signatures().map(|(id, _)| id.hex()).collect(),
            max_body_bytes: parts.limits.max_body_bytes,
            trust_domains: parts.trust_domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
            agents: (0..)
                .zip(&parts.agents)
                .map(|(id, agent)| AgentView::new(AgentId(id), agent, parts))
                .collect(),
            missions: parts.missions.iter().map(|mission| MissionView::new(mission, parts)).collect(),
            services: parts.services.iter().map(ServiceView::new).collect(),
        })
    }

    fn terms(&self) -> String {
        let audience = self.audience.as_deref().unwrap_or("anyone");
        let from = self.not_before.as_ref().map(|time| format!(" from {time}")).unwrap_or_default();
        let until = self.not_after.as_ref().map(|time| format!(" until {time}")).unwrap_or_default();
        let always = if from.is_empty() && until.is_empty() { " at any time" } else { "" };
        format!("for {audience}, to be put into force{always}{from}{until}")
    }

    fn signatures(&self) -> String {
        match self.signed_by.as_slice() {
            [] => "signed by nobody".to_owned(),
            ids => format!("says it is signed by {}; `verify` checks it", ids.join(", ")),
        }
    }

    fn text(&self) -> String {
        let rules: usize = self.missions.iter().map(|mission| mission.rules.len()).sum();
        let mut out = format!(
            "bundle format {}, serial {}, {} bytes: {} agents, {} missions with {} rules, {} services\n\
             {}\n{}\n\
             request bodies up to {} bytes; trust domains {}\n\nagents\n",
            self.format,
            self.serial,
            self.bytes,
            self.agents.len(),
            self.missions.len(),
            rules,
            self.services.len(),
            self.terms(),
            self.signatures(),
            self.max_body_bytes,
            self.trust_domains.join(", "),
        );
        let agents: Vec<_> = self.agents.iter().map(AgentView::row).collect();
        out.push_str(&table::lines(&agents, 2));
        for mission in &self.missions {
            out.push_str(&format!("\nmission {}\n", mission.name));
            let rules: Vec<_> = mission.rules.iter().map(RuleView::row).collect();
            out.push_str(&table::lines(&rules, 2));
        }
        out.push_str("\nservices\n");
        let services: Vec<_> = self.services.iter().map(ServiceView::row).collect();
        out.push_str(&table::lines(&services, 2));
        out
    }
}

// === impl AgentView ===

impl AgentView {
    fn new(id: AgentId, agent: &Agent, parts: &PolicyParts) -> Self {
        let exact =
            parts.identities.iter().filter(|(_, of)| *of == id).map(|(identity, _)| identity.to_string());
        let patterns =
            parts.patterns.iter().filter(|(_, of)| *of == id).map(|(pattern, _)| pattern.to_string());
        let missions = agent.missions.iter().filter_map(|id| parts.missions.get(usize::from(id.0)));
        let profile = parts.profiles.get(usize::from(agent.profile.0));
        let actions = profile.map_or(&[][..], |profile| profile.treatments());
        let detectors = parts.catalogue.detectors.iter().zip(actions);
        Self {
            name: agent.name.clone(),
            identities: exact.chain(patterns).collect(),
            missions: missions.map(|mission| mission.name.clone()).collect(),
            detectors: detectors
                .map(|(detector, action)| (detector.id.clone(), action.request.as_str()))
                .collect(),
        }
    }

    fn row(&self) -> Vec<String> {
        let count = |action: &str| self.detectors.values().filter(|of| **of == action).count();
        let detectors =
            format!("detectors: {} block, {} alert, {} off", count("block"), count("alert"), count("off"));
        let missions =
            if self.missions.is_empty() { "(no mission)".to_owned() } else { self.missions.join(", ") };
        vec![self.name.clone(), self.identities.join(", "), missions, detectors]
    }
}

// === impl MissionView ===

impl MissionView {
    fn new(mission: &Mission, parts: &PolicyParts) -> Self {
        let rules = mission.rules.iter().map(|rule| RuleView::new(rule, parts)).collect();
        Self { name: mission.name.clone(), rules }
    }
}

// === impl RuleView ===

impl RuleView {
    fn new(rule: &Rule, parts: &PolicyParts) -> Self {
        let globs = |globs: &[Glob]| globs.iter().map(|glob| glob.as_str().to_owned()).collect::<Vec<_>>();
        let (protocol, lists) = match &rule.operations {
            Operations::Http(http) => {
                let paths = http.paths.iter().map(|path| path.as_str().to_owned()).collect();
                ("http", vec![("methods", http.methods.clone()), ("paths", paths)])
            }
            Operations::Mcp(mcp) => {
                let lists = [
                    ("tools", &mcp.tools),
                    ("resources", &mcp.resources),
                    ("prompts", &mcp.prompts),
                    ("methods", &mcp.methods),
                ];
                let mut lists: Vec<_> = lists.into_iter().map(|(key, list)| (key, globs(list))).collect();
                if let Some(arguments) = &mcp.arguments {
                    let place = |field: &Field| format!("/{}", field.pointer.join("/"));
                    lists.push(("arguments", arguments.fields.iter().map(place).collect()));
                }
                ("mcp", lists)
            }
            Operations::A2a(a2a) => {
                let methods = a2a.methods.iter().map(|method| method.name().to_owned()).collect();
                let push_hosts = a2a.push_hosts.iter().map(ToString::to_string).collect();
                ("a2a", vec![("methods", methods), ("pushHosts", push_hosts)])
            }
            Operations::Grpc(grpc) => ("grpc", vec![("methods", globs(&grpc.methods))]),
            Operations::Llm(llm) => {
                let apis = llm.apis.iter().map(|api| api.name().to_owned()).collect();
                ("llm", vec![("apis", apis), ("models", globs(&llm.models)), ("tools", globs(&llm.tools))])
            }
        };
        Self {
            name: rule.name.clone(),
            effect: rule.effect.name(),
            service: service_name(rule.service, parts),
            protocol,
            covers: lists.into_iter().filter(|(_, list)| !list.is_empty()).collect(),
        }
    }

    fn row(&self) -> Vec<String> {
        let covers: Vec<_> =
            self.covers.iter().map(|(key, list)| format!("{key} {}", list.join(", "))).collect();
        let what = format!("{} {}", self.protocol, covers.join("; "));
        vec![self.effect.to_owned(), self.name.clone(), self.service.clone(), what]
    }
}

// === impl ServiceView ===

impl ServiceView {
    fn new(service: &Service) -> Self {
        let routes = service
            .routes
            .iter()
            .map(|route| RouteView { path: route.path.as_str().to_owned(), protocol: route.protocol.name() });
        Self {
            name: service.name.clone(),
            hosts: service.hosts.iter().map(ToString::to_string).collect(),
            ports: service.ports.clone(),
            routes: routes.collect(),
        }
    }

    fn row(&self) -> Vec<String> {
        let ports: Vec<_> = self.ports.iter().map(ToString::to_string).collect();
        let ports =
            if ports.is_empty() { "any port".to_owned() } else { format!("ports {}", ports.join(", ")) };
        let routes: Vec<_> =
            self.routes.iter().map(|route| format!("{} {}", route.path, route.protocol)).collect();
        vec![self.name.clone(), self.hosts.join(", "), ports, routes.join("; ")]
    }
}

/// Seconds since 1970 as people write them.
fn time(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let text = time.map(|time| {
        let (date, clock) = (time.date(), time.time());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        )
    });
    text.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

fn service_name(id: ServiceId, parts: &PolicyParts) -> String {
    parts.services.get(usize::from(id.0)).map_or_else(String::new, |service| service.name.clone())
}
