//! Words for what a rule lacks.

use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{Arguments, Operations, PolicyParts, Protocol, Rule};
use sallyport_engine::{Gap, Miss, Question};

use crate::describe::{self, one_of};
use crate::native::Heard;

/// What was asked for: "tools/call drop_table", "GET /docs/1".
pub(super) fn operation(question: &Question) -> String {
    let parts = [&question.method, &question.path, &question.name];
    let said: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    match said.is_empty() {
        true => format!("{}, any", question.protocol.name()),
        false => format!("{} {}", question.protocol.name(), said.join(" ")),
    }
}

/// The first thing that a rule does not cover: "it names tool `search`; asked was `drop`".
pub(super) fn missing(heard: &Heard, miss: Miss, parts: &PolicyParts) -> String {
    let question = &heard.question;
    match miss {
        Miss::Source => format!("it is for other callers: {}", callers(&heard.rule, parts)),
        Miss::Host => format!("it is for other destinations: {}", places(&heard.rule)),
        Miss::Path if protocol(&heard.rule) != question.protocol => {
            format!("it is about {}", protocol(&heard.rule).name())
        }
        Miss::Time => format!("it is for another time: {}", times(&heard.rule)),
        Miss::Arguments if question.protocol == Protocol::A2a => {
            "push notifications would go to another host than it lets them".to_owned()
        }
        Miss::Arguments => {
            let gaps = gaps(heard);
            if gaps.is_empty() { "it asks for other arguments".to_owned() } else { gaps.join("; ") }
        }
        // Asked by the head alone; whatever allows or holds something carries the endpoint with it.
        Miss::Method if question.protocol == Protocol::Mcp && question.method.is_empty() => {
            "it names tools, resources, prompts or methods, and never the endpoint".to_owned()
        }
        Miss::Path | Miss::Method | Miss::Resource | Miss::Tool => names(heard, miss),
    }
}

/// What a rule names in the place of what was asked for.
fn names(heard: &Heard, miss: Miss) -> String {
    let (what, wanted) = wanted(&heard.rule, miss, &heard.question);
    let question = &heard.question;
    let asked = match miss {
        Miss::Path => vec![question.path.as_str()],
        Miss::Method => vec![question.method.as_str()],
        Miss::Tool if question.protocol == Protocol::Llm => {
            question.tools.iter().map(String::as_str).collect()
        }
        _ => vec![question.name.as_str()],
    };
    let asked: Vec<_> = asked.into_iter().filter(|asked| !asked.is_empty()).collect();
    let asked = match asked.is_empty() {
        true => format!("; asked was no {what}"),
        false => format!("; asked was {}", crate::suggest::listing(asked.into_iter())),
    };
    let plural = if wanted.len() > 1 { "s" } else { "" };
    match wanted.is_empty() {
        true => format!("it names no {what}{asked}"),
        false => {
            let wanted = crate::suggest::listing(wanted.iter().map(String::as_str));
            format!("it names {what}{plural} {wanted}{asked}")
        }
    }
}

/// What a rule names of a kind, with the word for the kind.
pub(super) fn wanted(rule: &Rule, miss: Miss, question: &Question) -> (&'static str, Vec<String>) {
    let globs = |globs: &[Glob]| globs.iter().map(|glob| glob.as_str().to_owned()).collect::<Vec<_>>();
    match (&rule.operations, miss) {
        (Operations::Http(http), Miss::Path) => {
            ("path", http.paths.iter().map(|path| path.as_str().to_owned()).collect())
        }
        (Operations::Http(http), _) => ("method", http.methods.clone()),
        (Operations::Mcp(mcp), Miss::Tool) => ("tool", globs(&mcp.tools)),
        (Operations::Mcp(mcp), Miss::Resource) if question.method.starts_with("prompts/") => {
            ("prompt", globs(&mcp.prompts))
        }
        (Operations::Mcp(mcp), Miss::Resource) => ("resource", globs(&mcp.resources)),
        (Operations::Mcp(mcp), _) => ("method", globs(&mcp.methods)),
        (Operations::A2a(a2a), _) => {
            ("method", a2a.methods.iter().map(|method| method.name().to_owned()).collect())
        }
        (Operations::Grpc(grpc), _) => ("method", globs(&grpc.methods)),
        (Operations::Llm(llm), Miss::Tool) => ("tool", globs(&llm.tools)),
        (Operations::Llm(llm), Miss::Resource) => ("model", globs(&llm.models)),
        (Operations::Llm(llm), _) => ("API", llm.apis.iter().map(|api| api.name().to_owned()).collect()),
    }
}

/// The tools of a request to a model that a rule does not name.
pub(super) fn beyond(rule: &Rule, question: &Question) -> Vec<String> {
    let Operations::Llm(llm) = &rule.operations else { return Vec::new() };
    let named = |tool: &&String| llm.tools.iter().any(|glob| glob.matches(tool));
    question.tools.iter().filter(|tool| !named(tool)).cloned().collect()
}

/// Why the arguments are not as a rule asks, a clause each.
pub(super) fn gaps(heard: &Heard) -> Vec<String> {
    let Operations::Mcp(mcp) = &heard.rule.operations else { return Vec::new() };
    let Some(Arguments { fields, .. }) = &mcp.arguments else { return Vec::new() };
    let words = |gap: &Gap| {
        Some(match gap {
            Gap::Missing(at) => {
                let field = fields.get(*at)?;
                format!(
                    "`{}` is missing, and must be {}",
                    describe::place(field),
                    describe::constraint(&field.constraint)
                )
            }
            Gap::Other(at) => {
                let field = fields.get(*at)?;
                let place = describe::place(field);
                match field.presence {
                    sallyport_engine::policy::Presence::Forbidden => {
                        format!("`{place}` is given, and must not be")
                    }
                    _ => format!("`{place}` is not {}", describe::constraint(&field.constraint)),
                }
            }
            Gap::Surplus(Some(place)) => format!("`{place}` is given, and the rule does not name it"),
            Gap::Surplus(None) => "an argument is given that the rule does not name".to_owned(),
        })
    };
    heard.gaps.iter().filter_map(words).collect()
}

pub(super) fn protocol(rule: &Rule) -> Protocol {
    match rule.operations {
        Operations::Http(_) => Protocol::Http,
        Operations::Mcp(_) => Protocol::Mcp,
        Operations::A2a(_) => Protocol::A2a,
        Operations::Grpc(_) => Protocol::Grpc,
        Operations::Llm(_) => Protocol::Llm,
    }
}

/// What a rule asks of the caller.
pub(super) fn callers(rule: &Rule, parts: &PolicyParts) -> String {
    let Some(asked) = rule.conditions.as_deref() else { return String::new() };
    let name = |id: &sallyport_engine::policy::AgentId| {
        let agent = usize::try_from(id.0).ok().and_then(|at| parts.agents.get(at));
        agent.map_or_else(String::new, |agent| agent.name.clone())
    };
    let agents: Vec<_> = asked.agents.iter().map(name).collect();
    let mut clauses =
        if agents.is_empty() { Vec::new() } else { vec![format!("the agent is {}", one_of(agents))] };
    clauses.extend(describe::conditions(&sallyport_engine::policy::Conditions {
        hosts: Vec::new(),
        ports: Vec::new(),
        windows: Vec::new(),
        ..asked.clone()
    }));
    clauses.join(" and ")
}

/// What a rule asks of the destination.
pub(super) fn places(rule: &Rule) -> String {
    let asked = rule.conditions.as_deref().map(|asked| sallyport_engine::policy::Conditions {
        hosts: asked.hosts.clone(),
        ports: asked.ports.clone(),
        ..Default::default()
    });
    asked.as_ref().map(describe::conditions).unwrap_or_default().join(" and ")
}

/// When a rule counts.
pub(super) fn times(rule: &Rule) -> String {
    let asked = rule.conditions.as_deref().map(|asked| sallyport_engine::policy::Conditions {
        windows: asked.windows.clone(),
        ..Default::default()
    });
    asked.as_ref().map(describe::conditions).unwrap_or_default().join(" and ")
}
