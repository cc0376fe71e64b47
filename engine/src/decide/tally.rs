//! What all rules together say.

use super::cover::{carries, counted_name};
use super::{Asked, Decision, Miss, Origin, Refusal, RuleName, is_on_trial};
use crate::policy::{Effect, Limit, Mission, Operations, Policy, Rule};
use crate::reason::Reason;
use crate::surroundings::{Spent, Surroundings};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A rule with the mission it belongs to.
type Named<'p> = (&'p Mission, &'p Rule);

/// What the rules that were considered so far say.
#[derive(Default)]
pub(super) struct Tally<'p> {
    /// The first rule of the highest effect that refuses.
    refused: Option<Named<'p>>,
    /// The same among the rules of missions on trial.
    on_trial: Option<Named<'p>>,
    /// The first rule that allows.
    allowed: Option<Named<'p>>,
    /// The rules that count how often.
    limited: Vec<(Named<'p>, Limit)>,
    nearest: Option<Miss>,
    /// Whether a mission on trial speaks of the service: then what nobody allows is noted only.
    has_trial: bool,
}

impl<'p> Tally<'p> {
    pub(super) fn take(
        &mut self,
        mission: &'p Mission,
        rule: &'p Rule,
        asked: Asked<'_>,
        outcome: Result<(), Miss>,
    ) {
        let trial = is_on_trial(mission);
        // A rule for other callers, another place or another time does not speak of this request.
        let speaks = !matches!(outcome, Err(Miss::Source | Miss::Host | Miss::Time));
        self.has_trial |= trial && speaks;
        // What is held can be granted one day, so its session can be begun.
        let effect =
            if rule.effect == Effect::Hold && carries(rule, asked) { Effect::Allow } else { rule.effect };
        match (effect, outcome) {
            (Effect::Allow, Ok(())) => {
                self.allowed.get_or_insert((mission, rule));
            }
            (Effect::Allow | Effect::Hold, Err(miss)) => self.nearest = self.nearest.max(Some(miss)),
            (Effect::Hold | Effect::Deny, Ok(())) => {
                let slot = if trial { &mut self.on_trial } else { &mut self.refused };
                if slot.is_none_or(|(_, other)| other.effect < rule.effect) {
                    *slot = Some((mission, rule));
                }
            }
            (Effect::Deny, Err(_)) => {}
        }
    }

    /// Takes note that a rule's limit counts the request.
    pub(super) fn limit(&mut self, mission: &'p Mission, rule: &'p Rule) {
        self.limited.extend(rule.limit.map(|limit| ((mission, rule), limit)));
    }

    pub(super) fn conclude(
        self,
        policy: &Policy,
        around: &dyn Surroundings,
        origin: &Origin,
        asked: Asked<'_>,
    ) -> Decision {
        let refuse = |reason, rule: Option<Named<'_>>, on_trial| {
            let rule = rule.map(|rule| name(rule, asked));
            Decision::Refuse(Refusal { reason, rule, on_trial })
        };
        if let Some(rule) = self.refused {
            return refuse(said_by(rule), Some(rule), false);
        }
        let passes = self.allowed.is_some() || self.on_trial.is_some() || self.has_trial;
        // What is enforced comes before what is on trial: a trial must not make another mission's limit void.
        let mut counters = Counters::default();
        let limits =
            |trial| self.limited.iter().filter(move |((mission, _), _)| is_on_trial(mission) == trial);
        for &(rule, limit) in limits(false).filter(|_| passes) {
            match counters.spend(policy, around, origin, rule, limit, asked) {
                Spent::Within => {}
                Spent::Over => return refuse(Reason::LimitRate, Some(rule), false),
                Spent::Unknown => return refuse(Reason::Internal, None, false),
            }
        }
        if let Some(rule) = self.on_trial {
            // Without the trial the request might still be refused, because nobody allows it; the trial covers that as well.
            return refuse(said_by(rule), Some(rule), true);
        }
        let Some(allowed) = self.allowed else {
            let reason = self.nearest.unwrap_or(Miss::Host).into();
            return refuse(reason, None, self.has_trial);
        };
        for &(rule, limit) in limits(true) {
            if counters.spend(policy, around, origin, rule, limit, asked) != Spent::Within {
                return refuse(Reason::LimitRate, Some(rule), true);
            }
        }
        Decision::Allow(name(allowed, asked))
    }
}

fn said_by((_, rule): Named<'_>) -> Reason {
    match rule.effect {
        Effect::Hold => Reason::ApprovalRequired,
        Effect::Deny | Effect::Allow => Reason::PolicyDenied,
    }
}

/// The counters that a request has spent from. A rule that names several capabilities is several rules here, and counts once.
#[derive(Default)]
struct Counters(Vec<String>);

impl Counters {
    /// Spends from the counter of a rule's limit: one for each agent and each name that the rule lists. Names that a pattern covers are
    /// counted together, so that callers cannot make counters by making names up.
    fn spend(
        &mut self,
        policy: &Policy,
        around: &dyn Surroundings,
        origin: &Origin,
        (mission, rule): Named<'_>,
        limit: Limit,
        asked: Asked<'_>,
    ) -> Spent {
        // What a grant only carries along is not counted.
        let Some((of, counted)) = counted_name(rule, asked) else { return Spent::Within };
        let names = policy.agent(origin.agent).zip(policy.service(origin.service));
        let Some((agent, service)) = names else { return Spent::Unknown };
        let counter =
            format!("{}\n{}\n{}\n{}\n{of} {counted}", agent.name, mission.name, rule.name, service.name);
        if self.0.contains(&counter) {
            return Spent::Within;
        }
        let spent = around.spend(&counter, limit);
        self.0.push(counter);
        spent
    }
}

fn name((mission, rule): Named<'_>, asked: Asked<'_>) -> Box<RuleName> {
    let path = match (&rule.operations, asked) {
        (Operations::Http(covered), Asked::Http { path, .. }) => {
            let exactly = covered.paths.iter().find(|template| template.matches(path));
            let template =
                exactly.or_else(|| covered.paths.iter().find(|template| template.matches_loosely(path)));
            template.map(|template| template.as_str().to_string())
        }
        _ => None,
    };
    Box::new(RuleName { mission: mission.name.to_string(), rule: rule.name.to_string(), path })
}
