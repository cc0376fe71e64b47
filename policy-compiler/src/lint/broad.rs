//! `broad-wildcard`: names that cover everything of their kind. Only what allows can be too broad.

use sallyport_engine::policy::{LlmApi, Operations};

use super::view::{RuleView, View};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::Text;

/// The lists of names in rules, what one of them is, and how it is written when it says which.
const LISTS: [(&str, &str, &str); 5] = [
    ("tools", "tool", "`search_*`"),
    ("resources", "resource", "`docs://handbook/*`"),
    ("prompts", "prompt", "`review_*`"),
    ("methods", "method", "`package.Service/*` or `completion/*`"),
    ("models", "model", "`small-*`"),
];

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    for service in &view.services {
        service.spec.texts("hosts").for_each(|host| suffix(host, out));
    }
    for agent in &view.agents {
        agent.spec.texts("identities").for_each(|identity| identities(identity, out));
    }
}

pub(super) fn report_mission(view: &View<'_, '_, '_>, mission: usize, out: &mut Diagnostics) {
    for rule in view.rules_of(mission).iter().filter(|rule| rule.allows()) {
        names(rule, out);
        paths(rule, out);
        let operations = rule.operations;
        let constrained = rule.constraints().flat_map(|fields| fields.texts("hosts"));
        operations.texts("pushHosts").chain(constrained).for_each(|host| suffix(host, out));
        anywhere(rule, out);
    }
}

fn warn(at: Text<'_>, message: String, help: String, out: &mut Diagnostics) {
    out.push(Diagnostic::new(Id::BroadWildcard, at.at, message).help(help));
}

fn names(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    for (key, what, example) in LISTS {
        // The list of models is granted whole, and its rule must name some all the same.
        let listing_only =
            matches!(&rule.rule.operations, Operations::Llm(llm) if llm.apis == [LlmApi::Models]);
        if key == "models" && listing_only {
            continue;
        }
        let all = |text: &Text<'_>| text.text.split('/').all(|part| part.trim_matches('*').is_empty());
        for text in rule.operations.texts(key).filter(all) {
            let message = format!(
                "`{}` in `{key}` allows every {what} that `{}` has, and will have",
                text.text,
                rule.service_name()
            );
            warn(text, message, format!("name those that are needed, or say which as {example}"), out);
        }
    }
}

fn paths(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    let variable = |part: &str| part.is_empty() || part.starts_with('{') || part == "*";
    let all =
        |text: &Text<'_>| text.text.strip_suffix("**").is_some_and(|rest| rest.split('/').all(variable));
    for text in rule.operations.texts("paths").filter(all) {
        let message = format!("`{}` in `paths` allows every path of `{}`", text.text, rule.service_name());
        warn(text, message, "name the folder that is needed, as `/docs/**`".to_owned(), out);
    }
}

/// `*.com`: whoever can have a name under it can have what policy gives to the host.
fn suffix(host: Text<'_>, out: &mut Diagnostics) {
    if host.text.strip_prefix("*.").is_some_and(|rest| !rest.contains('.')) {
        let message = format!("`{}` covers every host under a top-level name", host.text);
        let help = "name the host, or more of its end, as `*.example.com` or `*.tools.svc.cluster.local`";
        warn(host, message, help.to_owned(), out);
    }
}

/// A URL that may lead anywhere, the inside included.
fn anywhere(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    for fields in rule.constraints().filter(|fields| fields.entry("hosts").is_none()) {
        if let Some(private) = fields.word("private").filter(|word| word.text == "allow") {
            let message =
                "without `hosts`, `private: allow` lets the URL lead to every host inside".to_owned();
            warn(private, message, "name the hosts that it may lead to".to_owned(), out);
        }
    }
}

/// An identity that any namespace can have, or that says nothing but the trust domain.
fn identities(identity: Text<'_>, out: &mut Diagnostics) {
    let path = identity.text.trim_start_matches("spiffe://").split('/').skip(1);
    let parts: Vec<_> = path.collect();
    let any = |part: &str| part.contains('*') && part.trim_matches('*').is_empty();
    let namespace = parts.iter().position(|part| *part == "ns").and_then(|at| parts.get(at + 1));
    let nothing = parts.iter().all(|part| any(part) || matches!(*part, "ns" | "sa"));
    if nothing || namespace.is_some_and(|namespace| any(namespace)) {
        let message = format!("`{}` is whoever can run in any namespace", identity.text);
        let help = "name the namespace, as `spiffe://acme.internal/ns/agents/sa/*`";
        warn(identity, message, help.to_owned(), out);
    }
}
