//! Who calls under each Mission, by the identities of its Agents.

use std::collections::BTreeMap;

use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{AgentId, Conditions, MissionId, PolicyParts};

/// An identity, or a pattern of identities, of an Agent.
struct Caller {
    agent: AgentId,
    trust_domain: String,
    /// The segments of its path.
    path: Vec<Glob>,
}

/// The callers of a policy, by Mission.
pub(super) struct Callers {
    all: Vec<Caller>,
    by_mission: BTreeMap<MissionId, Vec<usize>>,
}

impl Callers {
    pub(super) fn new(parts: &PolicyParts) -> Self {
        let exact = parts.identities.iter().map(|(id, agent)| (id.to_string(), *agent));
        let patterns = parts.patterns.iter().map(|(pattern, agent)| (pattern.to_string(), *agent));
        let all: Vec<_> = exact.chain(patterns).map(|(text, agent)| Caller::new(&text, agent)).collect();
        let mut by_mission: BTreeMap<MissionId, Vec<usize>> = BTreeMap::new();
        for (at, caller) in all.iter().enumerate() {
            let agent = usize::try_from(caller.agent.0).ok().and_then(|id| parts.agents.get(id));
            for mission in agent.into_iter().flat_map(|agent| &agent.missions) {
                by_mission.entry(*mission).or_default().push(at);
            }
        }
        Self { all, by_mission }
    }

    /// Whether anybody who is asked for has the Mission at all, and whether any of these is as `asked`.
    pub(super) fn of(&self, mission: MissionId, asked: &Conditions) -> (bool, bool) {
        let numbers = self.by_mission.get(&mission).into_iter().flatten();
        let callers = numbers.filter_map(|at| self.all.get(*at));
        let mut named = callers
            .filter(|caller| asked.agents.is_empty() || asked.agents.contains(&caller.agent))
            .peekable();
        (named.peek().is_some(), named.any(|caller| caller.could_be(asked)))
    }
}

impl Caller {
    fn new(text: &str, agent: AgentId) -> Self {
        let text = text.strip_prefix("spiffe://").unwrap_or(text);
        let (trust_domain, path) = text.split_once('/').unwrap_or((text, ""));
        Self { agent, trust_domain: trust_domain.to_owned(), path: path.split('/').map(Glob::new).collect() }
    }

    fn could_be(&self, asked: &Conditions) -> bool {
        let domains = &asked.trust_domains;
        let domain = domains.is_empty() || domains.iter().any(|known| known.as_str() == self.trust_domain);
        let named = |globs: &[Glob], segment: Option<&Glob>| {
            globs.is_empty() || segment.is_some_and(|segment| globs.iter().any(|glob| glob.overlaps(segment)))
        };
        // Kubernetes' form, as the engine asks for it.
        let (namespace, account) = match self.path.as_slice() {
            [ns, namespace, sa, account] if ns.matches("ns") && sa.matches("sa") => {
                (Some(namespace), Some(account))
            }
            _ => (None, None),
        };
        domain && named(&asked.namespaces, namespace) && named(&asked.service_accounts, account)
    }
}
