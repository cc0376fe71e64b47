//! A policy as its actors: each agent with the identities that stand for it, and all that it may do.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::identity::{SpiffeId, SpiffePattern};
use sallyport_engine::policy::{Agent, AgentId, Mode, PolicyParts};

use super::detectors::{self, Detectors};
use super::grant::{Grant, grants, is_for};
use super::scope::covers_pattern;

/// The actors of one policy.
#[derive(Debug)]
pub(super) struct Actors<'p> {
    pub(super) agents: BTreeMap<AgentId, Actor<'p>>,
    identities: &'p [(SpiffeId, AgentId)],
    patterns: &'p [(SpiffePattern, AgentId)],
}

/// One agent.
#[derive(Debug, Default)]
pub(super) struct Actor<'p> {
    pub(super) name: &'p str,
    pub(super) mode: Mode,
    /// The services that a mission on trial speaks of: what nobody allows there goes on, and is noted.
    pub(super) on_trial: BTreeSet<String>,
    pub(super) grants: Vec<Grant>,
    /// What each detector does, by its id.
    pub(super) detectors: Detectors<'p>,
}

/// What an identity is written as in policy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Identity<'p> {
    Exact(&'p SpiffeId),
    Pattern(&'p SpiffePattern),
}

/// Cuts a policy into its actors; services are called by `names`.
pub(super) fn of<'p>(parts: &'p PolicyParts, names: &[String]) -> Actors<'p> {
    let agents = (0..).map(AgentId).zip(&parts.agents);
    Actors {
        agents: agents.map(|(id, agent)| (id, Actor::new(id, agent, parts, names))).collect(),
        identities: &parts.identities,
        patterns: &parts.patterns,
    }
}

impl<'p> Actor<'p> {
    fn new(id: AgentId, agent: &'p Agent, parts: &'p PolicyParts, names: &[String]) -> Self {
        let missions = agent.missions.iter().filter_map(|id| parts.missions.get(usize::from(id.0)));
        let rules = missions.flat_map(|mission| mission.rules.iter().map(|rule| (mission.mode, rule)));
        let rules: Vec<_> = rules
            .map(|(mode, rule)| {
                let service = names.get(usize::from(rule.service.0));
                (mode, rule, service.map_or("", String::as_str))
            })
            .collect();
        let on_trial = rules.iter().filter(|(mode, rule, _)| *mode == Mode::Observe && is_for(rule, id));
        let on_trial = on_trial.map(|(.., service)| (*service).to_owned()).collect();
        Self {
            name: &agent.name,
            mode: agent.mode,
            on_trial,
            grants: (rules.iter())
                .flat_map(|(mode, rule, service)| grants(rule, service, id, *mode))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            detectors: detectors::of(agent.profile, parts),
        }
    }
}

impl<'p> Actors<'p> {
    /// Every identity that policy names.
    pub(super) fn identities(&self) -> impl Iterator<Item = Identity<'p>> + use<'p> {
        let exact = self.identities.iter().map(|(id, _)| Identity::Exact(id));
        exact.chain(self.patterns.iter().map(|(pattern, _)| Identity::Pattern(pattern)))
    }

    /// The agent that all of an identity stands for: of an exact one, whoever is bound to it or to the pattern that covers it.
    pub(super) fn agent_of(&self, identity: Identity<'_>) -> Option<AgentId> {
        let pattern = |fits: &dyn Fn(&SpiffePattern) -> bool| {
            self.patterns.iter().find(|(pattern, _)| fits(pattern)).map(|(_, agent)| *agent)
        };
        match identity {
            Identity::Pattern(wanted) => {
                pattern(&|known| known.overlaps(wanted) && covers_pattern(known, wanted))
            }
            Identity::Exact(wanted) => {
                // INVARIANT: a policy's identities are sorted.
                let at = self.identities.binary_search_by(|(known, _)| known.cmp(wanted)).ok();
                let exact = at.and_then(|at| self.identities.get(at)).map(|(_, agent)| *agent);
                exact.or_else(|| pattern(&|known| known.matches(wanted)))
            }
        }
    }
}

impl Identity<'_> {
    /// Whether some SPIFFE ID is meant by both.
    pub(super) fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Exact(id), Self::Pattern(pattern)) | (Self::Pattern(pattern), Self::Exact(id)) => {
                pattern.matches(id)
            }
            (Self::Pattern(one), Self::Pattern(other)) => one.overlaps(other),
        }
    }
}

impl std::fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(id) => write!(f, "{id}"),
            Self::Pattern(pattern) => write!(f, "{pattern}"),
        }
    }
}
