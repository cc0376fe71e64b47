//! Finding things in a policy by binary search.

use super::{Agent, AgentId, Policy, PolicyParts, Route, Service, ServiceId};
use crate::http::{Authority, HostPattern, RequestPath};
use crate::identity::SpiffeId;
use crate::reason::Reason;
use crate::scan::Profile;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Brings every table that is searched into its order. Services, agents and missions keep theirs: ids point into them.
pub(super) fn sort(parts: &mut PolicyParts) {
    parts.trust_domains.sort_unstable();
    parts.identities.sort_unstable();
    parts.patterns.sort_unstable();
    for service in &mut parts.services {
        service.hosts.sort_unstable();
        service.ports.sort_unstable();
        service.routes.sort_by(|a, b| Reverse(a.path.precision()).cmp(&Reverse(b.path.precision())));
    }
}

pub(super) fn exact_hosts(parts: &PolicyParts) -> Vec<(String, ServiceId)> {
    let mut hosts: Vec<(String, ServiceId)> = Vec::new();
    for (index, service) in parts.services.iter().enumerate() {
        let Ok(id) = u16::try_from(index).map(ServiceId) else { break };
        for host in &service.hosts {
            if let HostPattern::Exact(host) = host {
                hosts.push((host.to_string(), id));
            }
        }
    }
    hosts.sort_unstable();
    hosts
}

impl Policy {
    /// Whether callers of this trust domain are known at all.
    pub(crate) fn trusts(&self, trust_domain: &str) -> bool {
        self.parts.trust_domains.binary_search_by(|known| known.as_str().cmp(trust_domain)).is_ok()
    }

    /// The agent bound to a SPIFFE ID: by the exact ID, else by the one pattern that covers it.
    pub(crate) fn agent_of(&self, id: &SpiffeId) -> Option<AgentId> {
        let exact = self.parts.identities.binary_search_by(|(known, _)| known.cmp(id)).ok();
        match exact.and_then(|at| self.parts.identities.get(at)) {
            Some((_, agent)) => Some(*agent),
            None => {
                self.parts.patterns.iter().find(|(pattern, _)| pattern.matches(id)).map(|(_, agent)| *agent)
            }
        }
    }

    pub(crate) fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.parts.agents.get(usize::try_from(id.0).ok()?)
    }

    /// The service that answers at an authority. An exact host wins over suffixes, a longer suffix over a shorter.
    pub(crate) fn service_at(&self, authority: &Authority) -> Option<ServiceId> {
        let exact = self.hosts.binary_search_by(|(host, _)| host.as_str().cmp(authority.host())).ok();
        let id = match exact.and_then(|at| self.hosts.get(at)) {
            Some((_, id)) => *id,
            None => self.service_by_suffix(authority.host())?,
        };
        let service = self.service(id)?;
        let reachable = match authority.port() {
            Some(port) => service.ports.is_empty() || service.ports.contains(&port),
            None => true,
        };
        reachable.then_some(id)
    }

    fn service_by_suffix(&self, host: &str) -> Option<ServiceId> {
        let mut best: Option<(usize, ServiceId)> = None;
        for (index, service) in self.parts.services.iter().enumerate() {
            let covering = service.hosts.iter().filter_map(|pattern| match pattern {
                HostPattern::Suffix(suffix) if pattern.matches(host) => Some(suffix.len()),
                _ => None,
            });
            if let (Some(length), Ok(id)) = (covering.max(), u16::try_from(index))
                && best.is_none_or(|(longest, _)| length > longest)
            {
                best = Some((length, ServiceId(id)));
            }
        }
        best.map(|(_, id)| id)
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<&Service> {
        self.parts.services.get(usize::from(id.0))
    }

    /// What detectors do with an agent's requests.
    pub(crate) fn profile(&self, agent: &Agent) -> Option<&Profile> {
        self.parts.profiles.get(usize::from(agent.profile.0))
    }
}

impl Service {
    /// The most precise route that covers a path. A path that a lenient server could take for one of a route that is judged otherwise
    /// (another case, a trailing slash) is ambiguous: it would be judged by the wrong one.
    pub(crate) fn route(&self, path: &RequestPath<'_>) -> Result<&Route, Reason> {
        let exact = self.routes.iter().find(|route| route.path.matches(path)).ok_or(Reason::ScopePath)?;
        let loose = self.routes.iter().find(|route| route.path.matches_loosely(path)).unwrap_or(exact);
        if loose.judges_like(exact) { Ok(exact) } else { Err(Reason::RequestAmbiguous) }
    }
}

impl Route {
    /// Whether requests are judged the same way by both: then it does not matter which of them a server takes a path for.
    pub fn judges_like(&self, other: &Self) -> bool {
        let rules = |route: &Self| (route.protocol, route.opaque_bodies, route.batches, route.opaque_numbers);
        rules(self) == rules(other)
    }
}
