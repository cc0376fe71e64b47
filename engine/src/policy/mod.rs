//! Policy as the engine reads it: plain data whose every reference holds and whose every table is sorted.
//!
//! The compiler fills [`PolicyParts`]; [`Policy::new`] is the one way from there to a [`Policy`], for a compiler and for a
//! bundle alike. Looking a caller, a host or a mission up never scans all of policy.

mod arguments;
mod conditions;
mod lookup;
mod parts;
mod pattern;
mod validate;

pub use arguments::{Arguments, Constraint, Element, Field, Presence, TextMatch, UrlMatch};
pub use conditions::{Conditions, Limit, Window};
pub use parts::{
    A2aMatch, A2aMethod, Agent, AgentId, Effect, GrpcMatch, HttpMatch, Limits, LlmApi, LlmMatch, McpMatch,
    Mission, MissionId, Mode, Operations, Otherwise, PolicyParts, ProfileId, Protocol, Route, Rule, Service,
    ServiceId, Settings, Staleness,
};
pub use pattern::Pattern;
pub use validate::InvalidPolicy;

use alloc::vec::Vec;

/// A policy that can be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    parts: PolicyParts,
    /// Exact hosts, sorted. Derived, so that it is never out of step.
    hosts: Vec<(alloc::string::String, ServiceId)>,
}

impl Policy {
    /// Sorts what is looked up and checks every reference.
    pub fn new(mut parts: PolicyParts) -> Result<Self, InvalidPolicy> {
        lookup::sort(&mut parts);
        validate::check(&parts)?;
        let hosts = lookup::exact_hosts(&parts);
        Ok(Self { parts, hosts })
    }

    /// The data, sorted.
    pub fn parts(&self) -> &PolicyParts {
        &self.parts
    }

    pub(crate) fn mission(&self, id: MissionId) -> Option<&Mission> {
        self.parts.missions.get(usize::from(id.0))
    }
}

#[cfg(test)]
pub(crate) mod fixture;
