//! Policy as the engine reads it: plain data whose every reference holds and whose every table is sorted.
//!
//! The compiler fills [`PolicyParts`]; [`Policy::new`] is the one way from there to a [`Policy`], for a compiler and for a
//! bundle alike. Looking a caller, a host or a mission up never scans all of policy.

mod arguments;
mod callers;
mod conditions;
mod decimal;
mod index;
mod lookup;
mod parts;
mod pattern;
mod settings;
mod tools;
mod validate;

pub use arguments::{Arguments, Constraint, Element, Field, Presence, TextMatch, UrlMatch};
pub use conditions::{Conditions, Limit, Window};
pub use decimal::{Decimal, InvalidDecimal};
pub(crate) use index::{Key, Lookup, Named};
pub use parts::{
    A2aMatch, A2aMethod, Agent, AgentId, Effect, GrpcMatch, HttpMatch, Limits, LlmApi, LlmMatch, McpMatch,
    Mission, MissionId, Operations, PolicyParts, ProfileId, Protocol, Route, Rule, Service, ServiceId,
};
pub use pattern::Pattern;
pub use settings::{Audit, Coded, LogLevel, Mode, Otherwise, Overflow, Settings, Staleness};
pub use tools::ToolPin;
pub use validate::InvalidPolicy;

use crate::scan::Profile;
use alloc::vec::Vec;

/// A policy that can be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    parts: PolicyParts,
    /// Hosts, and suffixes of hosts with their dot, sorted. Derived, so that it is never out of step.
    hosts: Vec<(alloc::string::String, ServiceId)>,
    /// By mission: the index of one that is large. Derived as well.
    indexes: Vec<Option<index::MissionIndex>>,
    /// Whether any profile names tokens: profiles are long, and few do.
    names_tokens: bool,
    /// What profiles come to together: worked out ahead, as every piece of a response asks for it.
    joined: Vec<lookup::Joined>,
}

impl Policy {
    /// Sorts what is looked up and checks every reference.
    pub fn new(mut parts: PolicyParts) -> Result<Self, InvalidPolicy> {
        lookup::sort(&mut parts);
        parts.catalogue.prepare().ok_or(InvalidPolicy::Catalogue)?;
        parts.profiles.iter_mut().for_each(|profile| profile.prepare(&parts.catalogue.digits));
        validate::check(&parts)?;
        let hosts = lookup::hosts(&parts);
        let indexes = parts.missions.iter().map(index::MissionIndex::new).collect();
        let names_tokens = parts.profiles.iter().any(Profile::names_tokens);
        let joined = lookup::joined(&parts);
        Ok(Self { parts, hosts, indexes, names_tokens, joined })
    }

    /// Whether values in requests could be replaced by tokens under one of its profiles, or what two come to.
    pub(crate) fn tokenises(&self, profile: &Profile) -> bool {
        self.names_tokens && profile.tokenises()
    }

    /// The data, sorted.
    pub fn parts(&self) -> &PolicyParts {
        &self.parts
    }

    /// The rules of a mission for a service that could matter to what is asked for, in order.
    pub(crate) fn rules_met(
        &self,
        id: MissionId,
        service: ServiceId,
        lookup: Lookup,
    ) -> impl Iterator<Item = (&Mission, &Rule)> {
        let mission = self.mission(id);
        let index = self.indexes.get(usize::from(id.0)).and_then(Option::as_ref);
        let met = index.and_then(|index| index.met(service, lookup));
        let all = mission.filter(|_| met.is_none()).into_iter().flat_map(|mission| &mission.rules);
        let some = mission.into_iter().zip(met).flat_map(|(mission, met)| {
            met.into_iter().filter_map(|number| mission.rules.get(usize::try_from(number).ok()?))
        });
        let rules = all.chain(some).filter(move |rule| rule.service == service);
        rules.filter_map(move |rule| Some((mission?, rule)))
    }

    pub(crate) fn mission(&self, id: MissionId) -> Option<&Mission> {
        self.parts.missions.get(usize::from(id.0))
    }
}

#[cfg(test)]
pub(crate) mod fixture;
