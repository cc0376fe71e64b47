//! Rules about paths that are judged by another protocol, and routes that get in each other's way.

use sallyport_engine::http::PathTemplate;
use sallyport_engine::policy::{LlmApi, Operations, Protocol, Route, Service};

use super::warn;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::lint::cover::Segments;
use crate::lint::view::{RuleView, View};
use crate::shape::{Fields, Text};

/// The ends of the paths that each API of models has.
const API_PATHS: [(LlmApi, &[&[&str]]); 5] = [
    (LlmApi::Chat, &[&["chat", "completions"]]),
    (LlmApi::Responses, &[&["responses"]]),
    (LlmApi::Embeddings, &[&["embeddings"]]),
    (LlmApi::Messages, &[&["messages"], &["messages", "count_tokens"]]),
    (LlmApi::Models, &[&["models"], &["models", "*"]]),
];

pub(super) fn report(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    let Some(service) = rule.service else { return };
    let operations = rule.operations;
    match &rule.rule.operations {
        Operations::Http(_) => {
            for path in operations.texts("paths") {
                report_path(path, Segments::cut(path.text), Protocol::Http, service, out);
            }
        }
        Operations::Grpc(_) => {
            for method in operations.texts("methods") {
                let path = grpc_path(method.text);
                report_path(method, Segments::cut(&path), Protocol::Grpc, service, out);
            }
        }
        Operations::Llm(_) => {
            for api in operations.texts("apis") {
                report_api(api, service, out);
            }
        }
        Operations::Mcp(_) | Operations::A2a(_) => {}
    }
}

/// The path of a method, or of all that a pattern could cover.
fn grpc_path(method: &str) -> String {
    let part = |part: &'_ str| if part.contains('*') { "*" } else { part }.to_owned();
    format!("/{}", method.split('/').map(part).collect::<Vec<_>>().join("/"))
}

fn report_path(
    at: Text<'_>,
    asked: Segments<'_>,
    protocol: Protocol,
    service: &Service,
    out: &mut Diagnostics,
) {
    let Err(decides) = is_asked(asked, protocol, &service.routes) else { return };
    let name = protocol.name();
    let message = match decides {
        Some(route) => format!(
            "requests for `{}` are judged as `{}`: the route `{}` of `{}` says so",
            at.text,
            route.protocol.name(),
            route.path.as_str(),
            service.name
        ),
        None => format!("no route of `{}` with `protocol: {name}` leads to `{}`", service.name, at.text),
    };
    warn(at.at, message, format!("mend the path, or the routes of `{}`", service.name), out);
}

/// Whether some request for these paths is judged by the protocol; else the route that judges all of them, if it is one.
/// Routes are in the order in which they are asked.
fn is_asked<'r>(
    asked: Segments<'_>,
    protocol: Protocol,
    routes: &'r [Route],
) -> Result<(), Option<&'r Route>> {
    let before = |at: usize| routes.iter().take(at).find(|route| Segments::of(&route.path).covers(asked));
    let mut decides = None;
    for (at, route) in routes.iter().enumerate() {
        if route.protocol == protocol && Segments::of(&route.path).overlaps(asked) {
            match before(at) {
                Some(first) => decides = Some(first),
                None => return Ok(()),
            }
        }
    }
    Err(decides.or_else(|| before(routes.len())))
}

fn report_api(api: Text<'_>, service: &Service, out: &mut Diagnostics) {
    let paths =
        API_PATHS.iter().find(|(known, _)| known.name() == api.text).map_or(&[][..], |(_, paths)| paths);
    let mut routes = service.routes.iter().filter(|route| route.protocol == Protocol::Llm);
    let leads = |route: &Route| paths.iter().any(|path| Segments::of(&route.path).can_end_in(path));
    if !routes.any(leads) {
        let path = paths.first().map(|path| path.join("/")).unwrap_or_default();
        let message = format!("no route of `{}` with `protocol: llm` leads to `…/{path}`", service.name);
        warn(api.at, message, format!("leave `{}` out, or add a route", api.text), out);
    }
}

/// Reports routes that differ only by case or a trailing slash, and judge otherwise: requests to either are ambiguous.
pub(super) fn report_services(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    for (written, service) in view.services.iter().zip(&view.policy.parts().services) {
        let mut known: Vec<(String, &Route, Text<'_>)> = Vec::new();
        let paths = written.spec.list("routes").iter().filter_map(|route| Fields::of(route).text("path"));
        for path in paths {
            let Some(route) = service.routes.iter().find(|route| route.path.as_str() == path.text) else {
                continue;
            };
            let loose = loosely(path.text);
            match known.iter().find(|(other, ..)| *other == loose) {
                Some((_, first, at)) if !first.judges_like(route) => report_pair(path, *at, out),
                _ => known.push((loose, route, path)),
            }
        }
    }
}

fn report_pair(path: Text<'_>, first: Text<'_>, out: &mut Diagnostics) {
    let message = format!(
        "some servers take `{}` and `{}` for the same path, and they are judged differently: requests to either are \
         refused as ambiguous",
        path.text, first.text
    );
    let help = "keep one of them, or give both the same protocol and settings";
    out.push(Diagnostic::new(Id::NeverMatches, path.at, message).help(help).also(first.at, "the other one"));
}

/// The template as the loosest server reads it.
fn loosely(template: &str) -> String {
    let parsed = PathTemplate::parse(template).is_ok_and(|template| template.is_open());
    let text = if parsed { template } else { template.trim_end_matches('/') };
    let variable =
        |part: &str| if part.starts_with('{') { "*".to_owned() } else { part.to_ascii_lowercase() };
    text.split('/').map(variable).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(routes: &[(&str, Protocol)]) -> Vec<Route> {
        let route = |(path, protocol): &(&str, Protocol)| Route {
            path: PathTemplate::parse(path).unwrap(),
            protocol: *protocol,
            opaque_bodies: false,
            batches: false,
            opaque_numbers: false,
        };
        routes.iter().map(route).collect()
    }

    #[test]
    fn a_path_is_asked_for_where_no_other_protocol_takes_all_of_it() {
        use Protocol::{Http, Mcp};
        let service = routes(&[("/a/b", Http), ("/mcp", Mcp), ("/a/**", Mcp), ("/**", Http)]);
        for (path, asked) in [
            ("/docs", true),
            ("/mcp", false),
            ("/a/b", true),
            ("/a/c", false),
            ("/a/{x}", true),
            ("/{x}", true),
            ("/**", true),
        ] {
            assert_eq!(is_asked(Segments::cut(path), Http, &service).is_ok(), asked, "{path}");
        }
        let narrow = routes(&[("/docs/**", Http)]);
        assert!(is_asked(Segments::cut("/docs/{id}"), Http, &narrow).is_ok());
        assert!(matches!(is_asked(Segments::cut("/builds"), Http, &narrow), Err(None)));
    }

    #[test]
    fn methods_of_grpc_are_paths() {
        assert_eq!(grpc_path("shop.Cart/Get*"), "/shop.Cart/*");
        assert_eq!(grpc_path("shop.Cart/Get"), "/shop.Cart/Get");
    }
}
