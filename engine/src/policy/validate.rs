//! The checks that make a [`Policy`](super::Policy) out of parts, whoever filled them.

use super::{AgentId, Effect, HttpMatch, Limits, McpMatch, Operations, PolicyParts, ProfileId, Rule};
use crate::scan::Profile;
use crate::sort::sort;
use core::fmt;

/// Why parts are no policy. The compiler never produces such parts; a bundle that holds them is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidPolicy {
    /// A SPIFFE ID is bound to two agents.
    DuplicateIdentity,
    /// A host belongs to two services.
    DuplicateHost,
    /// A reference points outside of its table.
    DanglingReference,
    /// A rule covers nothing, and it is not said what that would mean.
    EmptyRule,
    /// Constraints on arguments that are inconsistent.
    Arguments,
    /// A rule's circumstances are such that none could meet them, or that make no sense.
    Conditions,
    /// A limit is zero or higher than the host is set up for.
    Limit,
    /// The detectors' tables are inconsistent.
    Catalogue,
    /// A table is longer than its ids can name.
    TooMany,
}

pub(super) fn check(parts: &PolicyParts) -> Result<(), InvalidPolicy> {
    check_sizes(parts)?;
    check_identities(parts)?;
    check_hosts(parts)?;
    for agent in &parts.agents {
        let missions_exist = agent.missions.iter().all(|id| usize::from(id.0) < parts.missions.len());
        if !missions_exist || usize::from(agent.profile.0) >= parts.profiles.len() {
            return Err(InvalidPolicy::DanglingReference);
        }
    }
    let known = |id: ProfileId| usize::from(id.0) < parts.profiles.len();
    if !parts.services.iter().filter_map(|service| service.profile).all(known) {
        return Err(InvalidPolicy::DanglingReference);
    }
    for rule in parts.missions.iter().flat_map(|mission| &mission.rules) {
        check_rule(parts, rule)?;
    }
    if !(1..=Limits::MOST_BODY_BYTES).contains(&parts.limits.max_body_bytes) {
        return Err(InvalidPolicy::Limit);
    }
    if !(1..=crate::audit::MOST_RECORDS).contains(&parts.settings.audit.records) {
        return Err(InvalidPolicy::Limit);
    }
    if parts.settings.staleness.is_some_and(|staleness| staleness.after == 0) {
        return Err(InvalidPolicy::Limit);
    }
    let detectors = parts.catalogue.detectors.len();
    let keyed = parts.catalogue.key.len() == crate::scan::KEY_BYTES;
    let is_sound = |profile: &Profile| {
        profile.treatments().len() == detectors
            && (keyed || !profile.treatments().iter().any(|of| of.redaction.is_keyed()))
    };
    if !parts.profiles.iter().all(is_sound) {
        return Err(InvalidPolicy::Catalogue);
    }
    Ok(())
}

fn check_sizes(parts: &PolicyParts) -> Result<(), InvalidPolicy> {
    let short = usize::from(u16::MAX);
    let fits = parts.services.len() <= short
        && parts.missions.len() <= short
        && parts.profiles.len() <= short
        && u32::try_from(parts.agents.len()).is_ok();
    if fits { Ok(()) } else { Err(InvalidPolicy::TooMany) }
}

fn check_identities(parts: &PolicyParts) -> Result<(), InvalidPolicy> {
    let bound =
        parts.identities.iter().map(|(_, agent)| agent).chain(parts.patterns.iter().map(|(_, agent)| agent));
    if !bound.into_iter().all(|agent| exists(parts, *agent)) {
        return Err(InvalidPolicy::DanglingReference);
    }
    let mut neighbours = parts.identities.iter().zip(parts.identities.iter().skip(1));
    if neighbours.any(|(a, b)| a.0 == b.0) {
        return Err(InvalidPolicy::DuplicateIdentity);
    }
    Ok(())
}

fn exists(parts: &PolicyParts, agent: AgentId) -> bool {
    usize::try_from(agent.0).is_ok_and(|at| at < parts.agents.len())
}

fn check_hosts(parts: &PolicyParts) -> Result<(), InvalidPolicy> {
    let mut hosts: alloc::vec::Vec<_> = parts.services.iter().flat_map(|service| &service.hosts).collect();
    sort(&mut hosts);
    let twice = hosts.iter().zip(hosts.iter().skip(1)).any(|(a, b)| a == b);
    if twice { Err(InvalidPolicy::DuplicateHost) } else { Ok(()) }
}

fn check_rule(parts: &PolicyParts, rule: &Rule) -> Result<(), InvalidPolicy> {
    if usize::from(rule.service.0) >= parts.services.len() {
        return Err(InvalidPolicy::DanglingReference);
    }
    let empty = match &rule.operations {
        Operations::Http(HttpMatch { methods, paths }) => {
            (methods.is_empty() && rule.effect == Effect::Allow) || paths.is_empty()
        }
        Operations::Mcp(McpMatch { methods, tools, resources, prompts, arguments: _ }) => {
            methods.is_empty() && tools.is_empty() && resources.is_empty() && prompts.is_empty()
        }
        Operations::A2a(covered) => covered.methods.is_empty(),
        Operations::Grpc(covered) => covered.methods.is_empty(),
        Operations::Llm(covered) => covered.apis.is_empty() || covered.models.is_empty(),
    };
    if let Operations::Mcp(McpMatch { arguments: Some(arguments), .. }) = &rule.operations
        && !arguments.is_sound()
    {
        return Err(InvalidPolicy::Arguments);
    }
    if let Some(conditions) = &rule.conditions {
        let known = conditions.agents.iter().all(|id| exists(parts, *id));
        if !known {
            return Err(InvalidPolicy::DanglingReference);
        }
        if !conditions.is_sound() {
            return Err(InvalidPolicy::Conditions);
        }
    }
    if rule.limit.is_some_and(|limit| !limit.is_sound() || rule.effect != Effect::Allow) {
        return Err(InvalidPolicy::Limit);
    }
    if empty { Err(InvalidPolicy::EmptyRule) } else { Ok(()) }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicateIdentity => "a SPIFFE ID is bound to two agents",
            Self::DuplicateHost => "a host belongs to two services",
            Self::DanglingReference => "a reference points to nothing",
            Self::EmptyRule => "a rule names no operation",
            Self::Arguments => "a rule's constraints on arguments are inconsistent",
            Self::Conditions => "a rule's circumstances make no sense",
            Self::Limit => "a limit is out of range",
            Self::Catalogue => "the detectors' tables are inconsistent",
            Self::TooMany => "a table is too long",
        })
    }
}

impl core::error::Error for InvalidPolicy {}
