//! The rule that would most nearly have allowed what was refused, and all that would have to be otherwise.

use sallyport_engine::glob::Glob;
use sallyport_engine::http::Authority;
use sallyport_engine::policy::{Effect, Operations, PolicyParts, Rule};
use sallyport_engine::{Gap, Miss, Question};

use super::words::{self, wanted};
use super::{Nearest, RuleName};
use crate::describe::{self, one_of};
use crate::native::Heard;

/// Of the rules that allow something in the request's protocol, the one that lacks the least; none where there is no such rule.
///
/// Where a rule refuses as well (`refused`), another name is no way around it: then only rules that cover all names count.
pub(super) fn of(heard: &[Heard], refused: bool, authority: &str, parts: &PolicyParts) -> Option<Nearest> {
    let candidates = heard.iter().filter(|heard| {
        heard.rule.effect == Effect::Allow && words::protocol(&heard.rule) == heard.question.protocol
    });
    let missed = candidates.filter(|heard| heard.outcome.is_err());
    let missed = missed.filter(|heard| match heard.operation {
        Ok(()) => true,
        Err(miss) => (!refused || miss >= Miss::Arguments) && names_something(heard, miss),
    });
    // The later the first miss, the nearer; then the name that is most alike; then fewer arguments that are not as they should be.
    let nearest = missed.max_by(|heard, other| {
        let likeness = likeness(heard).total_cmp(&likeness(other));
        let order = nearness(heard).cmp(&nearness(other));
        order.then(likeness).then(other.gaps.len().cmp(&heard.gaps.len()))
    })?;
    Some(Nearest { rule: RuleName::of(nearest), conditions: conditions(nearest, authority, parts) })
}

/// Rules that cover the operation come last, and among the others those that miss something late.
fn nearness(heard: &Heard) -> (bool, Option<Miss>, Option<Miss>) {
    (heard.operation.is_ok(), heard.operation.err(), heard.outcome.err())
}

/// Whether there is a name that the request could have had in the place of its own.
fn names_something(heard: &Heard, miss: Miss) -> bool {
    let by_name = matches!(miss, Miss::Path | Miss::Method | Miss::Resource | Miss::Tool);
    let (_, names) = wanted(&heard.rule, miss, &heard.question);
    !by_name || !names.is_empty() || !words::beyond(&heard.rule, &heard.question).is_empty()
}

/// How much the nearest of the names that a rule has is like the one that was asked for: from 0 to 1.
fn likeness(heard: &Heard) -> f64 {
    let Err(miss) = heard.operation else { return 1.0 };
    let question = &heard.question;
    let asked = match miss {
        Miss::Path => &question.path,
        Miss::Method => &question.method,
        _ => &question.name,
    };
    let (_, names) = wanted(&heard.rule, miss, question);
    names.iter().map(|name| strsim::normalized_damerau_levenshtein(name, asked)).fold(0.0, f64::max)
}

/// Everything that would have to be otherwise: what was missed first, and what would be missed after it.
fn conditions(heard: &Heard, authority: &str, parts: &PolicyParts) -> Vec<String> {
    let rule = &heard.rule;
    let mut conditions = match heard.outcome {
        Err(Miss::Source) if is_elsewhere(rule, authority) => {
            vec![words::callers(rule, parts), words::places(rule)]
        }
        Err(Miss::Source) => vec![words::callers(rule, parts)],
        Err(Miss::Host) => vec![words::places(rule)],
        _ => Vec::new(),
    };
    match heard.operation {
        Ok(()) => {}
        Err(Miss::Arguments) => conditions.extend(arguments(heard)),
        Err(miss) => {
            conditions.push(named(heard, miss));
            conditions.extend(later(heard, miss));
        }
    }
    if !heard.timely {
        conditions.push(words::times(rule));
    }
    conditions
}

/// Whether an `allow` rule is for other hosts and ports than these.
fn is_elsewhere(rule: &Rule, authority: &str) -> bool {
    let (Some(asked), Ok(authority)) = (rule.conditions.as_deref(), Authority::parse(authority)) else {
        return false;
    };
    let host = asked.hosts.is_empty() || asked.hosts.iter().any(|host| host.matches(authority.host()));
    let port = asked.ports.is_empty() || authority.port().is_some_and(|port| asked.ports.contains(&port));
    !host || !port
}

fn named(heard: &Heard, miss: Miss) -> String {
    let beyond = words::beyond(&heard.rule, &heard.question);
    if miss == Miss::Tool && !beyond.is_empty() {
        return format!(
            "the request were without tool {}",
            crate::suggest::listing(beyond.iter().map(String::as_str))
        );
    }
    let (what, names) = wanted(&heard.rule, miss, &heard.question);
    format!("the {what} were {}", one_of(names))
}

fn arguments(heard: &Heard) -> Vec<String> {
    let Operations::Mcp(mcp) = &heard.rule.operations else {
        return match &heard.rule.operations {
            Operations::A2a(a2a) if !a2a.push_hosts.is_empty() => {
                vec![format!("push notifications went to {} over HTTPS", one_of(&a2a.push_hosts))]
            }
            _ => vec!["the request asked for no push notifications".to_owned()],
        };
    };
    let Some(asked) = &mcp.arguments else { return Vec::new() };
    let clause = |gap: &Gap| {
        Some(match gap {
            Gap::Missing(at) | Gap::Other(at) => describe::clause(asked.fields.get(*at)?),
            Gap::Surplus(Some(place)) => format!("`{place}` is not given"),
            Gap::Surplus(None) => "nothing else is given".to_owned(),
        })
    };
    heard.gaps.iter().filter_map(clause).collect()
}

/// What is asked after what was missed first, where the request does not meet that either.
fn later(heard: &Heard, miss: Miss) -> Vec<String> {
    let question = &heard.question;
    let unmet = |next: Miss, met: bool| (next > miss && !met).then(|| named(heard, next));
    let fits = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
    match &heard.rule.operations {
        Operations::Http(http) => {
            unmet(Miss::Method, http.methods.contains(&question.method)).into_iter().collect()
        }
        Operations::Mcp(mcp) => {
            let tool = is_tool_call(question) && miss < Miss::Tool;
            let named = unmet(Miss::Tool, !tool || fits(&mcp.tools, &question.name));
            let arguments =
                (miss < Miss::Arguments && is_tool_call(question)).then_some(mcp.arguments.as_ref());
            let gaps = arguments.flatten().filter(|_| !heard.gaps.is_empty()).map(describe::arguments);
            named.into_iter().chain(gaps.unwrap_or_default()).collect()
        }
        Operations::Llm(llm) => {
            let model = unmet(Miss::Resource, question.name.is_empty() || fits(&llm.models, &question.name));
            let tools = unmet(Miss::Tool, words::beyond(&heard.rule, question).is_empty());
            model.into_iter().chain(tools).collect()
        }
        Operations::A2a(_) | Operations::Grpc(_) => Vec::new(),
    }
}

fn is_tool_call(question: &Question) -> bool {
    question.method == "tools/call"
}
