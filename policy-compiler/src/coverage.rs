//! Which rules and agents of a policy its cases reach.
//!
//! A rule is hit by a case that expects something, and whose request it covers by name: also where another rule decided, but not
//! where a grant only carries the request along, as any grant of a tool carries `tools/list`. What nothing is expected of proves
//! nothing.

use std::collections::BTreeMap;

use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{LlmApi, Operations, PolicyParts};
use serde::Serialize;

use crate::decide::Record;
use crate::native::Heard;

/// How often each rule and agent was hit, by how many cases.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// How many rules there are.
    pub rules: usize,
    /// How many of them were hit.
    pub hit: usize,
    /// The rules of each mission.
    pub missions: Vec<Mission>,
    /// The agents.
    pub agents: Vec<Agent>,
}

/// The rules of one mission.
#[derive(Clone, Debug, Serialize)]
pub struct Mission {
    /// The name in policy.
    pub name: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// The name in policy.
    pub name: String,
    /// `allow`, `hold` or `deny`.
    pub effect: &'static str,
    /// What it covers, of a rule that names capabilities: each operation of these counts as a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// How many cases hit it.
    pub cases: usize,
}

/// One agent.
#[derive(Clone, Debug, Serialize)]
pub struct Agent {
    /// The name in policy.
    pub name: String,
    /// How many cases called as this agent.
    pub cases: usize,
}

/// Counts hits, case by case.
#[derive(Debug, Default)]
pub struct Counter {
    /// By mission and rule: what was hit, and how often. A rule that names capabilities is several.
    rules: BTreeMap<(String, String), Vec<(Operations, usize)>>,
    agents: BTreeMap<String, usize>,
}

impl Counter {
    /// Counts one case that expected something: the agent that it called as, and the rules that covered it.
    pub fn count(&mut self, record: &Record, covering: &[Heard]) {
        let hits = covering.iter().filter(|heard| heard.outcome.is_ok() && !is_carried(heard));
        let mut seen: Vec<(&str, &sallyport_engine::policy::Rule)> = Vec::new();
        for Heard { mission, rule, .. } in hits {
            if seen.contains(&(mission, rule)) {
                continue;
            }
            seen.push((mission, rule));
            let parts = self.rules.entry((mission.clone(), rule.name.clone())).or_default();
            match parts.iter_mut().find(|(operations, _)| *operations == rule.operations) {
                Some((_, cases)) => *cases += 1,
                None => parts.push((rule.operations.clone(), 1)),
            }
        }
        if let Some(agent) = &record.agent {
            *self.agents.entry(agent.clone()).or_default() += 1;
        }
    }

    /// What was hit of a policy.
    pub fn of(&self, parts: &PolicyParts) -> Coverage {
        let cases = |mission: &Mission, rule: &sallyport_engine::policy::Rule| {
            let parts = self.rules.get(&(mission.name.clone(), rule.name.clone()));
            let part = parts.into_iter().flatten().find(|(operations, _)| *operations == rule.operations);
            part.map_or(0, |(_, cases)| *cases)
        };
        let read = |mission: &sallyport_engine::policy::Mission| {
            let named = |name: &str| mission.rules.iter().filter(|rule| rule.name == name).count();
            let mut read = Mission { name: mission.name.clone(), rules: Vec::new() };
            for rule in &mission.rules {
                let operation = (named(&rule.name) > 1).then(|| operation(rule, parts));
                let (name, effect) = (rule.name.clone(), rule.effect.name());
                read.rules.push(Rule { name, effect, operation, cases: cases(&read, rule) });
            }
            read
        };
        let missions: Vec<_> = parts.missions.iter().map(read).collect();
        let agents = parts.agents.iter().map(|agent| Agent {
            name: agent.name.clone(),
            cases: self.agents.get(&agent.name).copied().unwrap_or(0),
        });
        let all = || missions.iter().flat_map(|mission| &mission.rules);
        let (rules, hit) = (all().count(), all().filter(|rule| rule.cases > 0).count());
        Coverage { rules, hit, agents: agents.collect(), missions }
    }
}

impl Coverage {
    /// Whether at least this share of the rules was hit.
    pub fn reaches(&self, percent: u8) -> bool {
        self.hit * 100 >= self.rules * usize::from(percent)
    }

    /// The share of rules that were hit, in tenths of a percent, rounded down: only all is 100.
    pub fn permille(&self) -> usize {
        (self.hit * 1000).checked_div(self.rules).unwrap_or(1000)
    }
}

/// What a rule covers, in short: "mcp at tool-api: search, list_*".
fn operation(rule: &sallyport_engine::policy::Rule, parts: &PolicyParts) -> String {
    let globs = |globs: &[&Vec<Glob>]| {
        globs.iter().flat_map(|globs| globs.iter()).map(|glob| glob.as_str().to_owned()).collect()
    };
    let (protocol, names): (_, Vec<String>) = match &rule.operations {
        Operations::Http(http) => (
            "http",
            http.methods
                .iter()
                .cloned()
                .chain(http.paths.iter().map(|path| path.as_str().to_owned()))
                .collect(),
        ),
        Operations::Mcp(mcp) => ("mcp", globs(&[&mcp.tools, &mcp.resources, &mcp.prompts, &mcp.methods])),
        Operations::A2a(a2a) => ("a2a", a2a.methods.iter().map(|method| method.name().to_owned()).collect()),
        Operations::Grpc(grpc) => ("grpc", globs(&[&grpc.methods])),
        Operations::Llm(llm) => ("llm", globs(&[&llm.models])),
    };
    let service = parts.services.get(usize::from(rule.service.0)).map_or("", |service| &service.name);
    format!("{protocol} at {service}: {}", names.join(", "))
}

/// Whether a rule covers a request only because any grant of the protocol does.
fn is_carried(heard: &Heard) -> bool {
    let question = &heard.question;
    match &heard.rule.operations {
        Operations::Mcp(mcp) => {
            let named = || mcp.methods.iter().any(|glob| glob.matches_ignoring_case(&question.method));
            question.name.is_empty() && !named()
        }
        // A list of models is all head: nothing more is asked of it.
        Operations::Llm(_) => question.is_preliminary && question.method != LlmApi::Models.name(),
        Operations::Http(_) | Operations::A2a(_) | Operations::Grpc(_) => question.is_preliminary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(rules: usize, hit: usize) -> Coverage {
        Coverage { rules, hit, missions: Vec::new(), agents: Vec::new() }
    }

    #[test]
    fn only_all_is_all() {
        assert_eq!(coverage(3, 3).permille(), 1000);
        assert_eq!(coverage(10_000, 9_999).permille(), 999);
        assert_eq!(coverage(0, 0).permille(), 1000, "where there is nothing, nothing is left out");
    }

    #[test]
    fn the_least_share_is_exact() {
        assert!(coverage(3, 2).reaches(66) && !coverage(3, 2).reaches(67));
        assert!(coverage(10_000, 9_999).reaches(99) && !coverage(10_000, 9_999).reaches(100));
        assert!(coverage(0, 0).reaches(100) && coverage(5, 0).reaches(0));
    }
}
