//! The path of one request to its verdict, as the engine went it: who called, where it led, every rule that was considered, and for
//! a refusal the nearest rule that would have allowed it.
//!
//! Nothing is decided here: rules and outcomes are what the engine told while it judged. What is shown holds names that the request
//! asked for, and never a value of an argument, a body or a header.

mod nearest;
mod words;

use std::error::Error;

use sallyport_engine::http::Authority;
use sallyport_engine::identity::SpiffeId;
use sallyport_engine::policy::{Effect, PolicyParts, Rule, Service};
use sallyport_engine::{Miss, Policy, Reason};
use serde::Serialize;

use crate::cases::Case;
use crate::decide::Record;
use crate::native::{Heard, Native, Trace};
use crate::{describe, suggest};

/// The path of one request to its verdict. What it did not reach is absent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The case's name.
    pub name: String,
    /// The file that it stands in.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The caller's verified SPIFFE ID.
    pub caller: Option<String>,
    /// The trust domain that the caller belongs to.
    pub trust_domain: Option<String>,
    /// The agent that it is.
    pub agent: Option<String>,
    /// The agent's missions.
    pub missions: Vec<String>,
    /// The service that the request is for.
    pub service: Option<String>,
    /// The route's path.
    pub route: Option<String>,
    /// The protocol that the request is judged by.
    pub protocol: Option<&'static str>,
    /// What is asked for.
    pub operation: Option<String>,
    /// The rules that were considered, in the order in which they were.
    pub rules: Vec<Considered>,
    /// The outcome.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// The status that the client saw.
    pub status: u16,
    /// The rule that decided.
    pub decided: Option<RuleName>,
    /// Where refusals are only noted: what the outcome would have been, had they been carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforced: Option<String>,
    /// What the detectors found: which, and where.
    pub findings: Vec<String>,
    /// What usually causes the refusal, and what mends it.
    pub help: Option<String>,
    /// The rule that would most nearly have allowed what was refused.
    pub nearest: Option<Nearest>,
}

/// A rule that was considered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// The rule.
    #[serde(flatten)]
    pub rule: RuleName,
    /// `allow`, `hold` or `deny`.
    pub effect: &'static str,
    /// Whether it covers the request.
    pub covers: bool,
    /// The first thing that it does not cover, in words.
    pub missing: Option<String>,
    /// The same as the engine says it: the greater, the nearer.
    #[serde(skip)]
    pub miss: Option<Miss>,
}

/// A rule by its names.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RuleName {
    /// The mission.
    pub mission: String,
    /// The rule in it.
    pub rule: String,
}

/// The rule that would most nearly have allowed a request.
#[derive(Clone, Debug, Serialize)]
pub struct Nearest {
    /// The rule.
    #[serde(flatten)]
    pub rule: RuleName,
    /// What would have to be otherwise, all of it.
    pub conditions: Vec<String>,
}

/// Puts a case to the engine and tells how it came to its verdict.
pub fn explain(engine: &mut Native, case: &Case) -> Result<Explanation, Box<dyn Error>> {
    let (observed, heard) = engine.traced(case, Trace::Everything)?;
    let (policy, record) = (engine.policy(), observed.record);
    let heard = last_question(&heard);
    let (file, line) = case.file_and_line();
    let mut explanation = Explanation {
        name: case.name.clone(),
        file: file.to_owned(),
        line,
        caller: record.caller.clone(),
        trust_domain: record.caller.as_deref().and_then(trust_domain),
        agent: record.agent.clone(),
        missions: missions(policy.parts(), record.agent.as_deref()),
        service: None,
        route: None,
        protocol: None,
        operation: heard.first().map(|heard| words::operation(&heard.question)),
        rules: heard.iter().map(|heard| Considered::new(heard, policy.parts())).collect(),
        help: help(&record),
        nearest: None,
        decided: decided(&record),
        enforced: (record.enforced != record.verdict).then(|| record.enforced.clone()),
        findings: record
            .findings
            .iter()
            .map(|found| format!("{} in {}", found.detector, found.r#where))
            .collect(),
        status: observed.status,
        verdict: record.verdict.clone(),
        reason: record.reason.clone(),
    };
    explanation.lead(policy, case, &record);
    // Where a rule refuses that another one allows, there is none to look for.
    let allows = |heard: &Heard| heard.rule.effect == Effect::Allow && heard.outcome.is_ok();
    let is_refused = record.enforced != "allow";
    if is_refused && explanation.service.is_some() && !heard.iter().any(allows) {
        let refused = explanation.decided.is_some();
        explanation.nearest = nearest::of(heard, refused, &case.request.authority, policy.parts());
    }
    Ok(explanation)
}

/// The rules that were asked the last question of all. Before it, a request's head may have been judged alone, or the earlier messages
/// of a batch.
fn last_question(heard: &[Heard]) -> &[Heard] {
    let Some(last) = heard.last() else { return heard };
    let earlier = heard.iter().rposition(|other| other.question != last.question);
    heard.get(earlier.map_or(0, |at| at + 1)..).unwrap_or_default()
}

fn trust_domain(caller: &str) -> Option<String> {
    SpiffeId::parse(caller.as_bytes()).ok().map(|id| id.trust_domain().to_owned())
}

fn missions(parts: &PolicyParts, agent: Option<&str>) -> Vec<String> {
    let agent = parts.agents.iter().find(|known| Some(known.name.as_str()) == agent);
    let ids = agent.map_or(&[][..], |agent| agent.missions.as_slice());
    ids.iter().filter_map(|id| Some(parts.missions.get(usize::from(id.0))?.name.clone())).collect()
}

fn decided(record: &Record) -> Option<RuleName> {
    Some(RuleName { mission: record.mission.clone()?, rule: record.rule.clone()? })
}

/// What was meant by an authority that no Service is at: another port of a host that is known, or a host that is nearly called so.
fn elsewhere(parts: &PolicyParts, authority: &str) -> Option<String> {
    let asked = Authority::parse(authority).ok()?;
    let at = |service: &&Service| service.hosts.iter().any(|host| host.matches(asked.host()));
    if let Some(service) = parts.services.iter().find(at) {
        let ports = describe::one_of(service.ports.iter().map(u16::to_string));
        return Some(format!("Service `{}` has this host, on port {ports}", service.name));
    }
    let hosts: Vec<_> =
        parts.services.iter().flat_map(|service| &service.hosts).map(ToString::to_string).collect();
    suggest::did_you_mean(asked.host(), hosts.iter().map(String::as_str))
}

/// What the reason's own words are.
fn help(record: &Record) -> Option<String> {
    let detector = || record.reason.strip_prefix("dlp.").map(|id| Reason::Dlp(id.into()));
    let known = Reason::ALL.into_iter().find(|reason| reason.code() == record.reason);
    Some(known.or_else(detector)?.help().to_owned())
}

impl Explanation {
    /// Where the request led, as far as its caller came.
    fn lead(&mut self, policy: &Policy, case: &Case, record: &Record) {
        let parts = policy.parts();
        if record.reason == "identity.unmapped" {
            let known = parts.identities.iter().map(|(identity, _)| identity.as_str());
            self.suggest(suggest::did_you_mean(record.caller.as_deref().unwrap_or_default(), known));
        }
        if record.agent.is_none() {
            return;
        }
        let Some((service, route)) = policy.destination(&case.request.authority, &case.request.path) else {
            self.suggest(elsewhere(parts, &case.request.authority));
            return;
        };
        self.service = Some(service.name.clone());
        if let Ok(route) = route {
            self.route = Some(route.path.as_str().to_owned());
            self.protocol = Some(route.protocol.name());
        }
    }

    fn suggest(&mut self, suggestion: Option<String>) {
        if let (Some(help), Some(suggestion)) = (&mut self.help, suggestion) {
            *help += &format!("; {suggestion}");
        }
    }
}

impl Considered {
    fn new(heard: &Heard, parts: &PolicyParts) -> Self {
        Self {
            rule: RuleName::of(heard),
            effect: heard.rule.effect.name(),
            covers: heard.outcome.is_ok(),
            miss: heard.outcome.err(),
            missing: heard.outcome.err().map(|miss| words::missing(heard, miss, parts)),
        }
    }
}

impl RuleName {
    fn of(heard: &Heard) -> Self {
        let Rule { name, .. } = &heard.rule;
        Self { mission: heard.mission.clone(), rule: name.clone() }
    }
}

impl std::fmt::Display for RuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.mission, self.rule)
    }
}
