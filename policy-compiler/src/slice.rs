//! The part of a policy that concerns one workload.
//!
//! INVARIANT: for a request to a Service of the workload, by any of its hosts, the slice gives the verdict of the whole; for any other
//! host, that or a refusal. What is left out could only have refused: an agent without a rule here is refused as unknown instead of as out of its mission. So an agent stays where that
//! would not be so: where callers that are no agent pass, and where the gate or the agent only observes.

use std::fmt;

use sallyport_engine::bundle::is_audience;
use sallyport_engine::http::HostPattern;
use sallyport_engine::identity::SpiffeId;
use sallyport_engine::policy::{
    Agent, AgentId, Mission, MissionId, Mode, Otherwise, PolicyParts, ProfileId, Rule, Service, ServiceId,
};

/// A namespace, or a workload in one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Audience {
    namespace: String,
    workload: Option<String>,
}

/// Why a text is no audience.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidAudience;

impl Audience {
    /// Reads `namespace` or `namespace/workload`, each a DNS label (RFC 1123) as Kubernetes names them.
    pub fn parse(text: &str) -> Result<Self, InvalidAudience> {
        let (namespace, workload) = match text.split_once('/') {
            Some((namespace, workload)) => (namespace, Some(workload)),
            None => (text, None),
        };
        if is_audience(text) {
            Ok(Self { namespace: namespace.to_owned(), workload: workload.map(str::to_owned) })
        } else {
            Err(InvalidAudience)
        }
    }

    /// The namespace, or that of the workload.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether `other` is `self`, or lies in it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.namespace == other.namespace && (self.workload.is_none() || self.workload == other.workload)
    }

    /// Whether what is meant for `self` concerns `other`: the same workload, or one is a namespace that the other lies in.
    pub(crate) fn concerns(&self, other: &Self) -> bool {
        let same = match (&self.workload, &other.workload) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        };
        self.namespace == other.namespace && same
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)?;
        self.workload.iter().try_for_each(|workload| write!(f, "/{workload}"))
    }
}

impl fmt::Display for InvalidAudience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an audience is written as `namespace` or `namespace/workload`, in lower case")
    }
}

impl std::error::Error for InvalidAudience {}

/// The part of a policy that concerns `audience`. `of_services` says by number whom each service is for; nobody in particular
/// if that is empty.
pub(crate) fn slice(parts: &PolicyParts, of_services: &[Vec<Audience>], audience: &Audience) -> PolicyParts {
    let concerned = |index: usize| {
        let of_service = of_services.get(index).map_or(&[][..], Vec::as_slice);
        of_service.is_empty() || of_service.iter().any(|one| one.concerns(audience))
    };
    let services =
        Kept::of(parts.services.len(), |index| concerned(index) || is_within(parts, index, concerned));
    let speaks = |rule: &Rule| services.has(usize::from(rule.service.0));
    let spoken: Vec<bool> = parts.missions.iter().map(|mission| mission.rules.iter().any(speaks)).collect();
    let stays = |id: &MissionId| spoken.get(usize::from(id.0)).copied().unwrap_or(false);
    let everyone = parts.settings.unmapped == Otherwise::Allow || parts.settings.mode == Mode::Observe;
    let at_work = |agent: &Agent| everyone || agent.mode == Mode::Observe || agent.missions.iter().any(stays);
    let working = Kept::of(parts.agents.len(), |index| parts.agents.get(index).is_some_and(at_work));

    let index_of = |id: AgentId| usize::try_from(id.0).unwrap_or(usize::MAX);
    let mut patterns = parts.patterns.clone();
    patterns.retain(|(_, agent)| working.has(index_of(*agent)));
    // Without it, an exact ID would fall to the agent whose pattern it fits.
    let covered = |id: &SpiffeId| patterns.iter().any(|(pattern, _)| pattern.matches(id));
    let mut identities = parts.identities.clone();
    identities.retain(|(id, agent)| working.has(index_of(*agent)) || covered(id));

    let missions = Kept::of(parts.missions.len(), |index| {
        let held = |agent: &Agent| agent.missions.iter().any(|id| usize::from(id.0) == index);
        let holders = parts.agents.iter().enumerate().filter(|(number, _)| working.has(*number));
        spoken.get(index) == Some(&true) && holders.into_iter().any(|(_, agent)| held(agent))
    });
    let rules = || parts.missions.iter().enumerate().filter(|(index, _)| missions.has(*index));
    let named = rules().flat_map(|(_, mission)| mission.rules.iter().filter(|rule| speaks(rule)));
    let named = named.filter_map(|rule| rule.conditions.as_ref()).flat_map(|conditions| &conditions.agents);
    let mut agents_kept: Vec<usize> = named.map(|id| index_of(*id)).collect();
    agents_kept.extend(identities.iter().map(|(_, agent)| index_of(*agent)));
    agents_kept.sort_unstable();
    let agents =
        Kept::of(parts.agents.len(), |index| working.has(index) || agents_kept.binary_search(&index).is_ok());
    let used = |index: usize| {
        let holders = parts.agents.iter().enumerate().filter(|(number, _)| agents.has(*number));
        let of_agents = holders.map(|(_, agent)| agent.profile);
        let kept = parts.services.iter().enumerate().filter(|(number, _)| services.has(*number));
        let of_services = kept.filter_map(|(_, service)| service.profile);
        of_agents.chain(of_services).any(|profile| usize::from(profile.0) == index)
    };
    let profiles = Kept::of(parts.profiles.len(), used);
    let agent_id = |id: AgentId| AgentId(agents.number(index_of(id)));

    let mission = |mission: &Mission| Mission {
        rules: mission
            .rules
            .iter()
            .filter(|rule| speaks(rule))
            .map(|rule| moved(rule, &services, agent_id))
            .collect(),
        ..mission.clone()
    };
    let agent = |agent: &Agent| Agent {
        missions: agent
            .missions
            .iter()
            .filter(|id| missions.has(usize::from(id.0)))
            .map(|id| MissionId(missions.short(usize::from(id.0))))
            .collect(),
        profile: ProfileId(profiles.short(usize::from(agent.profile.0))),
        ..agent.clone()
    };
    let service = |service: &Service| Service {
        profile: service.profile.map(|id| ProfileId(profiles.short(usize::from(id.0)))),
        ..service.clone()
    };
    PolicyParts {
        services: services.pick(&parts.services, service),
        agents: agents.pick(&parts.agents, agent),
        identities: identities.into_iter().map(|(id, agent)| (id, agent_id(agent))).collect(),
        patterns: patterns.into_iter().map(|(pattern, agent)| (pattern, agent_id(agent))).collect(),
        missions: missions.pick(&parts.missions, mission),
        profiles: profiles.pick(&parts.profiles, Clone::clone),
        ..parts.clone()
    }
}

/// Whether a host of a service lies below a suffix of one that stays. Without it, a request for that host would fall to the other.
fn is_within(parts: &PolicyParts, index: usize, stays: impl Fn(usize) -> bool) -> bool {
    let Some(service) = parts.services.get(index) else { return false };
    let others = parts.services.iter().enumerate().filter(|(other, _)| stays(*other));
    let mut suffixes =
        others.flat_map(|(_, other)| &other.hosts).filter(|host| matches!(host, HostPattern::Suffix(_)));
    suffixes.any(|suffix| {
        service.hosts.iter().any(|host| match host {
            HostPattern::Exact(host) => suffix.matches(host),
            HostPattern::Suffix(below) => suffix.matches(below),
        })
    })
}

/// A rule with the numbers that it refers to in the slice.
fn moved(rule: &Rule, services: &Kept, agent_id: impl Fn(AgentId) -> AgentId) -> Rule {
    let mut rule = rule.clone();
    rule.service = ServiceId(services.short(usize::from(rule.service.0)));
    if let Some(conditions) = &mut rule.conditions {
        conditions.agents.iter_mut().for_each(|id| *id = agent_id(*id));
    }
    rule
}

/// Which entries of a table stay, and their new numbers.
struct Kept(Vec<Option<u32>>);

impl Kept {
    fn of(length: usize, stays: impl Fn(usize) -> bool) -> Self {
        let mut next = 0;
        let number = |index| {
            stays(index).then(|| {
                let number = next;
                next += 1;
                number
            })
        };
        Self((0..length).map(number).collect())
    }

    fn has(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(Option::is_some)
    }

    /// The new number of an entry that stays.
    fn number(&self, index: usize) -> u32 {
        self.0.get(index).copied().flatten().unwrap_or(u32::MAX)
    }

    /// The same, in a table whose numbers are short.
    fn short(&self, index: usize) -> u16 {
        u16::try_from(self.number(index)).unwrap_or(u16::MAX)
    }

    fn pick<T>(&self, table: &[T], take: impl Fn(&T) -> T) -> Vec<T> {
        table.iter().zip(&self.0).filter(|(_, kept)| kept.is_some()).map(|(entry, _)| take(entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_concerns_its_namespace_and_itself() {
        let audience = |text| Audience::parse(text).unwrap();
        let concerns = |one, other| audience(one).concerns(&audience(other));
        assert!(
            concerns("tools", "tools/api")
                && concerns("tools/api", "tools")
                && concerns("tools/api", "tools/api")
        );
        assert!(
            !concerns("tools/api", "tools/db")
                && !concerns("tools", "shop")
                && !concerns("shop/api", "tools/api")
        );
        for bad in ["", "/", "a/", "/a", "a/b/c", "A", "a b", "-a", "a/-"] {
            assert_eq!(Audience::parse(bad), Err(InvalidAudience), "{bad}");
        }
    }
}
