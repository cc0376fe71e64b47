//! Finding things in a policy by binary search.

use super::{Agent, AgentId, Policy, PolicyParts, ProfileId, Route, Service, ServiceId, callers};
use crate::bytes::order;
use crate::http::{Authority, HostPattern, RequestPath};
use crate::identity::SpiffeId;
use crate::reason::Reason;
use crate::scan::Profile;
use crate::sort;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Brings every table that is searched into its order. Services, agents and missions keep theirs: ids point into them.
pub(super) fn sort(parts: &mut PolicyParts) {
    sort::sort(&mut parts.trust_domains);
    sort::sort(&mut parts.identities);
    sort::sort(&mut parts.patterns);
    for service in &mut parts.services {
        sort::sort(&mut service.hosts);
        sort::sort(&mut service.ports);
        sort::sort(&mut service.tools);
        // The most precise first, and of those that are alike the one that is first by its text.
        sort::sort_by(&mut service.routes, |a, b| {
            (Reverse(a.path.precision()), a.path.as_str()) < (Reverse(b.path.precision()), b.path.as_str())
        });
    }
}

/// The table of hosts. A suffix begins with a dot, which no host does.
pub(super) fn hosts(parts: &PolicyParts) -> Vec<(String, ServiceId)> {
    let mut hosts: Vec<(String, ServiceId)> = Vec::new();
    for (service, id) in parts.services.iter().zip((0..=u16::MAX).map(ServiceId)) {
        hosts.extend(service.hosts.iter().map(|host| match host {
            HostPattern::Exact(text) | HostPattern::Suffix(text) => (text.to_string(), id),
        }));
    }
    sort::sort(&mut hosts);
    hosts
}

/// The most pairs of profiles that are joined ahead: a pair takes some two thousand bytes.
const MOST_JOINED: usize = 64;

/// What an agent's profile and a service's come to together, by both.
pub(super) type Joined = ((ProfileId, ProfileId), Profile);

/// The pairs that can meet, joined and sorted; where there are too many, some of them.
pub(super) fn joined(parts: &PolicyParts) -> Vec<Joined> {
    let mut joined: Vec<Joined> = Vec::new();
    let mut last = None;
    for agent in &parts.agents {
        // Most have the same as the one before.
        if last.replace(agent.profile) == Some(agent.profile) {
            continue;
        }
        for id in parts.services.iter().filter_map(|service| service.profile) {
            let pair = (agent.profile, id);
            let get = |id: ProfileId| parts.profiles.get(usize::from(id.0));
            if let (Err(at), Some(one), Some(other)) = (find(&joined, pair), get(pair.0), get(pair.1))
                && id != agent.profile
                && joined.len() < MOST_JOINED
            {
                joined.insert(at, (pair, one.stricter(other)));
            }
        }
    }
    joined
}

fn find(joined: &[Joined], pair: (ProfileId, ProfileId)) -> Result<usize, usize> {
    joined.binary_search_by_key(&pair, |(known, _)| *known)
}

impl Policy {
    /// Whether callers of this trust domain are known at all.
    pub(crate) fn trusts(&self, trust_domain: &str) -> bool {
        let domains = &self.parts.trust_domains;
        domains.binary_search_by(|known| order(known.as_str().as_bytes(), trust_domain.as_bytes())).is_ok()
    }

    /// The agent bound to a SPIFFE ID: by the exact ID, else by the one pattern that covers it.
    pub(crate) fn agent_of(&self, id: &SpiffeId) -> Option<AgentId> {
        let text = id.as_str().as_bytes();
        let identities = &self.parts.identities;
        let exact = identities.binary_search_by(|(known, _)| order(known.as_str().as_bytes(), text)).ok();
        match exact.and_then(|at| self.parts.identities.get(at)) {
            Some((_, agent)) => Some(*agent),
            None => callers::covering(&self.parts.patterns, id).map(|(_, agent)| *agent),
        }
    }

    pub(crate) fn agent(&self, id: AgentId) -> Option<&Agent> {
        self.parts.agents.get(usize::try_from(id.0).ok()?)
    }

    /// The service that answers at an authority. An exact host wins over suffixes, a longer suffix over a shorter.
    pub(crate) fn service_at(&self, authority: &Authority) -> Option<ServiceId> {
        let host = authority.host();
        // From the first dot on: the longest suffix comes first.
        let suffixes = host.match_indices('.').filter_map(|(dot, _)| host.get(dot..));
        let id = core::iter::once(host).chain(suffixes).find_map(|host| self.service_named(host))?;
        let service = self.service(id)?;
        let reachable = match authority.port() {
            Some(port) => service.ports.is_empty() || service.ports.contains(&port),
            None => true,
        };
        reachable.then_some(id)
    }

    /// Whether policy names this very host.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.service_named(host).is_some()
    }

    fn service_named(&self, host: &str) -> Option<ServiceId> {
        let at = self.hosts.binary_search_by(|(known, _)| order(known.as_bytes(), host.as_bytes())).ok()?;
        self.hosts.get(at).map(|(_, id)| *id)
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<&Service> {
        self.parts.services.get(usize::from(id.0))
    }

    /// What detectors do with an agent's exchanges with a service: the stricter of what both say.
    pub(crate) fn profile(&self, agent: &Agent, service: Option<&Service>) -> Option<Cow<'_, Profile>> {
        let get = |id: ProfileId| self.parts.profiles.get(usize::from(id.0));
        let of_agent = get(agent.profile)?;
        Some(match service.and_then(|service| service.profile) {
            Some(id) if id != agent.profile => {
                let pair = (agent.profile, id);
                match find(&self.joined, pair) {
                    Ok(at) => Cow::Borrowed(&self.joined.get(at)?.1),
                    Err(_) => Cow::Owned(of_agent.stricter(get(id)?)),
                }
            }
            _ => Cow::Borrowed(of_agent),
        })
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

#[cfg(test)]
mod tests {
    use super::super::{Policy, PolicyParts, Service, fixture};
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    /// The service that a plain scan finds: the longest pattern that covers the host, an exact one before all.
    fn scanned(parts: &PolicyParts, host: &str) -> Option<ServiceId> {
        let hosts = parts.services.iter().zip(0..).flat_map(|(service, id)| {
            service
                .hosts
                .iter()
                .map(move |pattern| (matches!(pattern, HostPattern::Exact(_)), pattern, ServiceId(id)))
        });
        let covering = hosts.filter(|(_, pattern, _)| pattern.matches(host));
        covering.max_by_key(|(exact, pattern, _)| (*exact, pattern.to_string().len())).map(|(.., id)| id)
    }

    #[test]
    fn profiles_that_meet_are_joined_ahead() {
        let mut parts = fixture::parts();
        parts.profiles.push(Profile::default());
        parts.services[0].profile = Some(ProfileId(1));
        let policy = Policy::new(parts).unwrap();
        let of = |service: usize| {
            let parts = policy.parts();
            policy.profile(&parts.agents[0], parts.services.get(service)).unwrap()
        };
        assert_eq!(policy.joined.len(), 1);
        assert!(matches!(of(0), Cow::Borrowed(of) if core::ptr::eq(of, &raw const policy.joined[0].1)));
        assert!(
            matches!(of(1), Cow::Borrowed(of) if core::ptr::eq(of, &raw const policy.parts().profiles[0]))
        );
    }

    proptest! {
        #[test]
        fn the_service_is_the_one_that_a_scan_finds(
            names in prop::collection::btree_set("(\\*\\.)?[ab](\\.[ab]){0,3}", 0..20),
            hosts in prop::collection::vec("[abc](\\.[ab]){0,4}", 20),
        ) {
            let service = |(number, name): (usize, &String)| Service {
                name: format!("s{number}"),
                hosts: [HostPattern::parse(name).unwrap()].into(),
                ports: Vec::new(),
                routes: Vec::new(),
                profile: None,
                tools: Vec::new(),
            };
            let services = names.iter().enumerate().map(service).collect();
            let policy = Policy::new(PolicyParts { services, ..PolicyParts::default() }).unwrap();
            for host in hosts {
                let authority = Authority::parse(&host).unwrap();
                prop_assert_eq!(policy.service_at(&authority), scanned(policy.parts(), &host), "{}", host);
            }
        }
    }
}
