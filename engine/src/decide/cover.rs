//! Whether one rule covers an operation. An allow covers what it names exactly; a deny or a hold covers what a server could take for
//! that, and does not need to be sure of arguments.

use super::arguments::{self, Holds};
use super::{Asked, Miss};
use crate::glob::Glob;
use crate::http::{PathTemplate, RequestPath, Url};
use crate::operation::{A2aCall, Call, Feature, LlmCall, Message};
use crate::policy::{A2aMatch, Effect, HttpMatch, LlmApi, LlmMatch, McpMatch, Operations, Rule};

type Coverage = Result<(), Miss>;

/// Names are read as `names` does: as the rule's own effect, or as what refuses, which is any spelling.
pub(super) fn cover(rule: &Rule, names: Effect, asked: Asked<'_>) -> Coverage {
    // What a grant carries along, a hold carries too.
    let grants = rule.effect != Effect::Deny;
    match (&rule.operations, asked) {
        (Operations::Http(covered), Asked::Http { method, path }) => cover_http(covered, names, method, path),
        (Operations::Mcp(_), Asked::McpSession) | (Operations::A2a(_), Asked::A2aCard) => {
            when(grants, Miss::Method)
        }
        (Operations::Mcp(covered), Asked::Mcp(message)) => cover_mcp(covered, rule.effect, names, message),
        (Operations::A2a(covered), Asked::A2a(call)) => cover_a2a(covered, rule.effect, call),
        (Operations::Grpc(covered), Asked::Grpc(method)) => {
            when(fits(&covered.methods, method, names), Miss::Method)
        }
        // Before the body is read, a deny cannot be sure and does not have to be: it is asked again.
        (Operations::Llm(covered), Asked::LlmApi(api)) => {
            when(grants && covered.apis.contains(&api), Miss::Method)
        }
        (Operations::Llm(covered), Asked::LlmModels(model)) => {
            cover_models(covered, rule.effect, names, model)
        }
        (Operations::Llm(covered), Asked::Llm(call)) => cover_llm(covered, rule.effect, names, call),
        _ => Err(Miss::Path),
    }
}

fn when(covered: bool, miss: Miss) -> Coverage {
    if covered { Ok(()) } else { Err(miss) }
}

pub(super) fn fits(globs: &[Glob], text: &str, effect: Effect) -> bool {
    globs.iter().any(|glob| match effect {
        Effect::Allow => glob.matches(text),
        Effect::Hold | Effect::Deny => glob.matches_ignoring_case(text),
    })
}

fn cover_http(covered: &HttpMatch, effect: Effect, method: &str, path: &RequestPath<'_>) -> Coverage {
    let matches = |template: &PathTemplate| match effect {
        Effect::Allow => template.matches(path),
        Effect::Hold | Effect::Deny => template.matches_loosely(path),
    };
    when(covered.paths.iter().any(matches), Miss::Path)?;
    // A rule that refuses may speak of paths alone.
    let any = effect != Effect::Allow && covered.methods.is_empty();
    when(any || covered.methods.iter().any(|known| known == method), Miss::Method)
}

fn cover_mcp(covered: &McpMatch, effect: Effect, names: Effect, message: &Message<'_>) -> Coverage {
    let session = effect != Effect::Deny;
    let named = |method: &str| fits(&covered.methods, method, names);
    match message {
        Message::Response => when(session, Miss::Method),
        Message::Notification { method, .. } => when(session || named(method), Miss::Method),
        Message::Request { method, call, .. } => match call {
            Call::Housekeeping => when(session || named(method), Miss::Method),
            Call::List(feature) => {
                when((session && offers(covered, *feature)) || named(method), Miss::Method)
            }
            Call::Other => when(named(method), Miss::Method),
            Call::Resource { uri, .. } => when(fits(&covered.resources, uri, names), Miss::Resource),
            Call::Prompt { name } => when(fits(&covered.prompts, name, names), Miss::Resource),
            Call::Tool { name, arguments } => {
                let grantable = effect != Effect::Allow || is_tool_name(name);
                when(grantable && fits(&covered.tools, name, names), Miss::Tool)?;
                match &covered.arguments {
                    None => Ok(()),
                    Some(rule) => {
                        when(holds_for(effect, arguments::judge(rule, effect, *arguments)), Miss::Arguments)
                    }
                }
            }
        },
    }
}

/// An allow needs certainty that the arguments are as the rule says; a deny lets go only on certainty that they are not.
fn holds_for(effect: Effect, holds: Holds) -> bool {
    match effect {
        Effect::Allow => holds == Holds::Satisfied,
        Effect::Hold | Effect::Deny => holds != Holds::Violated,
    }
}

/// A grant of some of a feature carries the list of it.
fn offers(covered: &McpMatch, feature: Feature) -> bool {
    match feature {
        Feature::Tools => !covered.tools.is_empty(),
        Feature::Resources => !covered.resources.is_empty(),
        Feature::Prompts => !covered.prompts.is_empty(),
    }
}

fn cover_a2a(covered: &A2aMatch, effect: Effect, call: &A2aCall<'_>) -> Coverage {
    when(covered.methods.contains(&call.method), Miss::Method)?;
    if effect != Effect::Allow {
        return Ok(());
    }
    let https = |url: &Url| url.scheme == "https" && url.effective_port() == Some(443);
    let named = |url: &Url| covered.push_hosts.iter().any(|host| url.host.is_named_by(host));
    let leads_there = |text: &str| Url::parse(text).is_some_and(|url| https(&url) && named(&url));
    when(call.push_urls.iter().all(|url| leads_there(url)), Miss::Arguments)
}

/// The list of models is about none in particular: what allows some allows it, and only what refuses them all refuses it.
fn cover_models(covered: &LlmMatch, effect: Effect, names: Effect, model: Option<&str>) -> Coverage {
    when(covered.apis.contains(&LlmApi::Models), Miss::Method)?;
    let covered = match model {
        Some(model) => fits(&covered.models, model, names),
        None => effect == Effect::Allow || covered.models.iter().any(|glob| glob.as_str() == "*"),
    };
    when(covered, Miss::Resource)
}

fn cover_llm(covered: &LlmMatch, effect: Effect, names: Effect, call: &LlmCall<'_>) -> Coverage {
    when(covered.apis.contains(&call.api), Miss::Method)?;
    when(fits(&covered.models, &call.model, names), Miss::Resource)?;
    let known = |tool: &str| fits(&covered.tools, tool, names);
    let covered = match effect {
        Effect::Allow => call.tools.iter().all(|tool| known(tool)),
        // A deny without tools is about the model; one with tools, about any of them.
        Effect::Hold | Effect::Deny => covered.tools.is_empty() || call.tools.iter().any(|tool| known(tool)),
    };
    when(covered, Miss::Tool)
}

/// Whether an operation is one that a rule does not name, and only carries along.
pub(super) fn carries(rule: &Rule, asked: Asked<'_>) -> bool {
    let Operations::Mcp(covered) = &rule.operations else {
        return matches!(asked, Asked::A2aCard | Asked::LlmApi(_));
    };
    match asked {
        Asked::McpSession | Asked::Mcp(Message::Response) => true,
        Asked::Mcp(Message::Notification { method, .. }) => !fits(&covered.methods, method, rule.effect),
        Asked::Mcp(Message::Request { method, call: Call::Housekeeping | Call::List(_), .. }) => {
            !fits(&covered.methods, method, rule.effect)
        }
        _ => false,
    }
}

/// The name under which a limit counts an operation, and what it is a name of: the first of the rule's own names that covers it, however
/// it is spelled. `None` for what a grant only carries along.
pub(super) fn counted_name<'r>(rule: &'r Rule, asked: Asked<'_>) -> Option<(&'static str, &'r str)> {
    let of = |globs: &'r [Glob], text: &str| {
        let exact = globs.iter().find(|glob| glob.as_str().eq_ignore_ascii_case(text));
        exact.or_else(|| globs.iter().find(|glob| glob.matches_ignoring_case(text))).map(Glob::as_str)
    };
    match (&rule.operations, asked) {
        (Operations::Http(covered), Asked::Http { path, .. }) => {
            let template = covered.paths.iter().find(|template| template.matches_loosely(path))?;
            Some(("path", template.as_str()))
        }
        (Operations::Mcp(covered), Asked::Mcp(Message::Notification { method, .. })) => {
            Some(("method", of(&covered.methods, method)?))
        }
        (Operations::Mcp(covered), Asked::Mcp(Message::Request { method, call, .. })) => Some(match call {
            Call::Tool { name, .. } => ("tool", of(&covered.tools, name)?),
            Call::Resource { uri, .. } => ("resource", of(&covered.resources, uri)?),
            Call::Prompt { name } => ("prompt", of(&covered.prompts, name)?),
            Call::Other | Call::Housekeeping | Call::List(_) => ("method", of(&covered.methods, method)?),
        }),
        (Operations::A2a(_), Asked::A2a(call)) => Some(("method", call.method.name())),
        (Operations::Grpc(covered), Asked::Grpc(method)) => Some(("method", of(&covered.methods, method)?)),
        (Operations::Llm(covered), Asked::Llm(call)) => Some(("model", of(&covered.models, &call.model)?)),
        (Operations::Llm(covered), Asked::LlmModels(Some(model))) => {
            Some(("models", of(&covered.models, model)?))
        }
        (Operations::Llm(_), Asked::LlmModels(None)) => Some(("models", "")),
        _ => None,
    }
}

/// The most bytes of a tool's name.
const MAX_TOOL_NAME_LEN: usize = 128;

/// Whether a name keeps to SEP-986. What does not is never granted, not even by `*`: look-alikes live there.
pub fn is_tool_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
    (1..=MAX_TOOL_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed)
}
