//! Agents: which SPIFFE IDs they are, and that no two of them are the same.

use sallyport_engine::identity::{SpiffeId, SpiffePattern, TrustDomain};
use sallyport_engine::policy::{Agent, AgentId, MissionId, Mode};

use super::dlp::Profiles;
use super::missions::{Read, mode};
use super::names::{Names, distinct, unused};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::shape::Text;
use crate::source::Document;
use crate::suggest::did_you_mean;

/// Everything about who may call.
pub(super) struct Callers {
    pub(super) trust_domains: Vec<TrustDomain>,
    pub(super) agents: Vec<Agent>,
    pub(super) identities: Vec<(SpiffeId, AgentId)>,
    pub(super) patterns: Vec<(SpiffePattern, AgentId)>,
}

/// An identity as an agent lists it.
struct Identity<'n> {
    text: Text<'n>,
    pattern: SpiffePattern,
    agent: AgentId,
}

/// Reads the agents, in the order of their names.
pub(super) fn read(
    agents: &[Document<'_, '_>],
    trust_domains: &[Document<'_, '_>],
    mission_names: &Names<'_>,
    missions: &[Read],
    profiles: &mut Profiles<'_>,
    gate_mode: Mode,
    out: &mut Diagnostics,
) -> Callers {
    let mut domains = Domains::new(trust_domains, out);
    let mut identities = Vec::new();
    let mut read = Vec::with_capacity(agents.len());
    for (number, agent) in (0..).zip(agents) {
        let texts = distinct(agent.spec.texts("identities"), "identities", out);
        let own = texts.into_iter().filter_map(|text| {
            let pattern = domains.identity(text, out)?;
            Some(Identity { text, pattern, agent: AgentId(number) })
        });
        identities.extend(own);
        let missions_of = missions_of(agent, mission_names, out);
        let given = missions_of.iter().filter_map(|id| missions.get(usize::from(id.0)));
        let profile = profiles.strictest(given.filter_map(|read| read.profile.as_ref()), agent.name.at);
        let (name, mode) = (agent.name.text.to_owned(), mode(agent.spec, gate_mode));
        read.push(Agent { name, missions: missions_of, profile, mode });
    }
    domains.report_unused(out);
    report_shared(&mut identities, agents, out);
    let mut callers = Callers {
        trust_domains: domains.into_parsed(),
        agents: read,
        identities: Vec::new(),
        patterns: Vec::new(),
    };
    for Identity { pattern, agent, .. } in identities {
        match pattern.as_exact() {
            Some(id) => callers.identities.push((id, agent)),
            None => callers.patterns.push((pattern, agent)),
        }
    }
    callers
}

fn missions_of(agent: &Document<'_, '_>, names: &Names<'_>, out: &mut Diagnostics) -> Vec<MissionId> {
    if agent.spec.entry("missions").is_none() {
        let message = format!("Agent `{}` has no missions, so all it asks for is denied", agent.name.text);
        let help = "add `missions` with the names of Missions";
        out.push(Diagnostic::new(Id::NoMissions, agent.name.at, message).help(help));
    }
    let given = distinct(agent.spec.texts("missions"), "missions", out);
    let mut missions: Vec<_> =
        given.into_iter().filter_map(|name| names.resolve(name, out).map(MissionId)).collect();
    missions.sort_unstable();
    missions
}

/// The trust domains that policy declares.
struct Domains<'n> {
    parsed: Vec<(TrustDomain, Text<'n>)>,
    used: Vec<bool>,
}

impl<'n> Domains<'n> {
    fn new(documents: &[Document<'n, '_>], out: &mut Diagnostics) -> Self {
        let mut parsed = Vec::new();
        for document in documents {
            match TrustDomain::parse(document.name.text) {
                Ok(domain) => parsed.push((domain, document.name)),
                Err(why) => {
                    let message = format!("`{}` is not a trust domain: {why}", document.name.text);
                    let help = "write it as `acme.internal`, without `spiffe://`";
                    out.push(Diagnostic::new(Id::Malformed, document.name.at, message).help(help));
                }
            }
        }
        Self { used: vec![false; parsed.len()], parsed }
    }

    /// Reads an identity of a declared trust domain; `None` if it is none, and then that was reported.
    fn identity(&mut self, text: Text<'_>, out: &mut Diagnostics) -> Option<SpiffePattern> {
        let pattern = SpiffePattern::parse(text.text)
            .map_err(|why| {
                let message = format!("`{}` is not a SPIFFE ID: {why}", text.text);
                let help = "write it as `spiffe://acme.internal/ns/agents/sa/research-agent`";
                out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
            })
            .ok()?;
        let domain = pattern.trust_domain();
        match self.parsed.iter().position(|(known, _)| known == domain) {
            Some(at) => self.used.iter_mut().skip(at).take(1).for_each(|used| *used = true),
            None => {
                let known = self.parsed.iter().map(|(known, _)| known.as_str());
                let add = format!("add a document with `kind: TrustDomain` named `{}`", domain.as_str());
                let help = did_you_mean(domain.as_str(), known)
                    .map_or(add.clone(), |meant| format!("{meant} if not, {add}"));
                let message = format!("no TrustDomain declares `{}`", domain.as_str());
                out.push(Diagnostic::new(Id::UndeclaredTrustDomain, text.at, message).help(help));
            }
        }
        Some(pattern)
    }

    fn report_unused(&self, out: &mut Diagnostics) {
        for ((_, name), _) in self.parsed.iter().zip(&self.used).filter(|(_, used)| !**used) {
            unused(Kind::TrustDomain, name.text, name.at, out);
        }
    }

    fn into_parsed(self) -> Vec<TrustDomain> {
        self.parsed.into_iter().map(|(domain, _)| domain).collect()
    }
}

/// Reports every pair of agents that some SPIFFE ID could belong to both of.
///
/// Two patterns can only overlap if the text of one up to its first `*` begins with that of the other. Sorted by that
/// text, the candidates for a pattern are the run of its neighbours that begin with its own: no need to compare all pairs.
fn report_shared(identities: &mut [Identity<'_>], agents: &[Document<'_, '_>], out: &mut Diagnostics) {
    let fixed = |text: &str| text.split_once('*').map_or(text, |(before, _)| before).to_owned();
    identities.sort_by_cached_key(|identity| {
        (fixed(identity.text.text), identity.text.text.to_owned(), identity.agent)
    });
    for (at, one) in identities.iter().enumerate() {
        let prefix = fixed(one.text.text);
        let candidates = identities.iter().skip(at + 1);
        for other in candidates.take_while(|other| other.text.text.starts_with(&prefix)) {
            if one.agent != other.agent && one.pattern.overlaps(&other.pattern) {
                report_pair(one, other, agents, out);
            }
        }
    }
}

fn report_pair(one: &Identity<'_>, other: &Identity<'_>, agents: &[Document<'_, '_>], out: &mut Diagnostics) {
    let (first, second) = if one.text.at <= other.text.at { (one, other) } else { (other, one) };
    let name = |of: &Identity<'_>| {
        let number = usize::try_from(of.agent.0).unwrap_or(usize::MAX);
        agents.get(number).map_or("", |agent| agent.name.text)
    };
    let (a, b) = (name(first), name(second));
    let exact = (one.pattern.as_exact().is_some(), other.pattern.as_exact().is_some());
    let (id, message, help) = match exact {
        (true, true) => {
            let message = format!("`{}` belongs to Agent `{a}` already", second.text.text);
            (
                Id::SharedIdentity,
                message,
                format!("give it to `{a}` or `{b}`; one Agent can have several missions"),
            )
        }
        (false, false) => {
            let message = format!(
                "some SPIFFE IDs fit `{}` of Agent `{b}` and `{}` of Agent `{a}`",
                second.text.text, first.text.text
            );
            (Id::SharedIdentity, message, "make the patterns exclude each other".to_owned())
        }
        (is_exact, _) => {
            let (id, pattern) = if is_exact { (one, other) } else { (other, one) };
            let message = format!(
                "`{}` of Agent `{}` also fits `{}` of Agent `{}`",
                id.text.text,
                name(id),
                pattern.text.text,
                name(pattern)
            );
            (
                Id::CoveredIdentity,
                message,
                "the exact one wins; narrow the pattern if that is not meant".to_owned(),
            )
        }
    };
    out.push(Diagnostic::new(id, second.text.at, message).help(help).also(first.text.at, "the other one"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Fields;
    use crate::sources::{Sources, Span};
    use crate::tree::{Node, Value};

    /// The pairs of agents reported for one identity each, by a comparison of all pairs and by `report_shared`.
    fn both_ways(patterns: &[&str]) -> (usize, usize) {
        let file = Sources::default().add("t", "");
        let at = Span::start_of(file);
        let nothing = Node { span: at, value: Value::Invalid };
        let (metadata, spec) = (Fields::of(&nothing), Fields::of(&nothing));
        let document = |text| Document { kind: Kind::Agent, name: Text { text, at }, at, metadata, spec };
        let agents: Vec<_> = patterns.iter().map(|&text| document(text)).collect();
        let mut identities: Vec<_> = (0..)
            .zip(patterns)
            .map(|(number, &text)| Identity {
                text: Text { text, at },
                pattern: SpiffePattern::parse(text).unwrap(),
                agent: AgentId(number),
            })
            .collect();
        let pairs = |(at, one): (usize, &Identity<'_>)| {
            identities.iter().skip(at + 1).filter(|other| one.pattern.overlaps(&other.pattern)).count()
        };
        let all_pairs = identities.iter().enumerate().map(pairs).sum();
        let mut out = Diagnostics::default();
        report_shared(&mut identities, &agents, &mut out);
        (all_pairs, out.sorted().len())
    }

    #[test]
    fn every_overlap_is_found_without_comparing_all_pairs() {
        for (expected, patterns) in [
            (0, vec!["spiffe://a/x/1", "spiffe://a/x/2", "spiffe://b/x/1", "spiffe://a/x/1/y"]),
            (1, vec!["spiffe://a/x/1", "spiffe://a/x/1"]),
            (3, vec!["spiffe://a/*/1", "spiffe://a/x/*", "spiffe://a/x/1"]),
            (3, vec!["spiffe://a/x-*/1", "spiffe://a/*-y/1", "spiffe://a/x-y/*", "spiffe://b/*/*"]),
            (3, vec!["spiffe://a/*b*", "spiffe://a/ab", "spiffe://a/a*", "spiffe://a/c"]),
        ] {
            assert_eq!(both_ways(&patterns), (expected, expected), "{patterns:?}");
        }
    }
}
