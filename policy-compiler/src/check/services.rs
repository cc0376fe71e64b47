//! Services: hosts, ports, routes.

use std::net::IpAddr;

use sallyport_engine::http::{HostPattern, PathTemplate};
use sallyport_engine::policy::{Protocol, Route, Service};

use super::dlp::Profiles;
use super::names::{distinct, repeated};
use super::tools;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::slice::Audience;
use crate::source::Document;

/// The protocols that each service speaks, by the service's number; all if a route of it cannot be read.
pub(super) fn protocols(services: &[Document<'_, '_>]) -> Vec<Vec<Protocol>> {
    let spoken = |service: &Document<'_, '_>| {
        let routes = service.spec.list("routes");
        let read: Vec<_> = routes.iter().filter_map(|route| protocol(Fields::of(route))).collect();
        let all = || Protocol::NAMES.iter().map(|(protocol, _)| *protocol).collect();
        if read.is_empty() || read.len() < routes.len() { all() } else { read }
    };
    services.iter().map(spoken).collect()
}

/// Whom each service is for, by the service's number.
pub(super) fn audiences(services: &[Document<'_, '_>], out: &mut Diagnostics) -> Vec<Vec<Audience>> {
    let read = |text: Text<'_>, out: &mut Diagnostics| {
        let parsed = Audience::parse(text.text);
        if let Err(why) = parsed {
            let message = format!("`{}` can not stand in `audiences`: {why}", text.text);
            out.push(Diagnostic::new(Id::Malformed, text.at, message).help("write it as `tools/tool-api`"));
        }
        parsed.ok()
    };
    let mut of = |service: &Document<'_, '_>| {
        let texts = distinct(service.spec.texts("audiences"), "audiences", out);
        texts.into_iter().filter_map(|text| read(text, out)).collect()
    };
    services.iter().map(&mut of).collect()
}

/// Reads the services, in the order of their names.
pub(super) fn read(
    services: &[Document<'_, '_>],
    opaque_bodies: bool,
    profiles: &mut Profiles<'_>,
    out: &mut Diagnostics,
) -> Vec<Service> {
    report_shared_hosts(services, out);
    services
        .iter()
        .map(|service| Service {
            name: service.name.text.to_owned(),
            hosts: hosts(service, out),
            ports: ports(service.spec, out),
            routes: routes(service, opaque_bodies, out),
            profile: service.spec.text("dlp").map(|name| profiles.of_service(name, out)),
            tools: tools::pins(service, out),
        })
        .collect()
}

fn hosts(service: &Document<'_, '_>, out: &mut Diagnostics) -> Vec<HostPattern> {
    let hosts = distinct(service.spec.texts("hosts"), "hosts", out);
    hosts.into_iter().filter_map(|text| host(text, out)).collect()
}

/// Reads a host, or reports why it is none.
pub(super) fn host(text: Text<'_>, out: &mut Diagnostics) -> Option<HostPattern> {
    HostPattern::parse(text.text)
        .map_err(|why| {
            let message = format!("`{}` is not a host: {why}", text.text);
            out.push(Diagnostic::new(Id::Malformed, text.at, message).help(host_meant(text.text)));
        })
        .ok()
}

/// How to write what is no host: without what belongs elsewhere.
fn host_meant(text: &str) -> String {
    let general =
        || "write a name as `tool-api.tools`, or `*.example.com` for every name below it".to_owned();
    let of_url = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let host = of_url.unwrap_or(text);
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("write `{name}` here, and {port} under `ports`")
        }
        _ if of_url.is_some() && HostPattern::parse(host).is_ok() => format!("write `{host}`"),
        _ if text.split_once('/').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok()) => {
            "a request names a host, not a network: list the hosts one by one".to_owned()
        }
        _ => general(),
    }
}

/// The `ports` of a Service, of `to` or of a URL, sorted.
pub(super) fn ports(fields: Fields<'_, '_>, out: &mut Diagnostics) -> Vec<u16> {
    let mut ports = Vec::new();
    for node in fields.list("ports") {
        let Some(port) = crate::shape::number(node).and_then(|port| u16::try_from(port).ok()) else {
            continue;
        };
        match ports.contains(&port) {
            true => out.push(repeated(&port.to_string(), "ports", node.span)),
            false => ports.push(port),
        }
    }
    ports.sort_unstable();
    ports
}

fn routes(service: &Document<'_, '_>, opaque_bodies: bool, out: &mut Diagnostics) -> Vec<Route> {
    let mut seen: Vec<(String, Text<'_>)> = Vec::new();
    let mut routes = Vec::new();
    for route in service.spec.list("routes") {
        let fields = Fields::of(route);
        let (Some(path), Some(protocol)) = (fields.text("path"), protocol(fields)) else { continue };
        let Some(template) = template(path, out) else { continue };
        let shape = variables_alike(path.text);
        match seen.iter().find(|(known, _)| *known == shape) {
            Some((_, first)) => {
                let message = format!("two routes of `{}` cover the same paths", service.name.text);
                let diagnostic =
                    Diagnostic::new(Id::DuplicateRoute, path.at, message).help("keep one of them");
                out.push(diagnostic.also(first.at, "the other one"));
            }
            None => {
                seen.push((shape, path));
                routes.push(read_route(fields, template, protocol, opaque_bodies, out));
            }
        }
    }
    routes.sort_by(|a, b| a.path.cmp(&b.path));
    routes
}

/// Reads what a route says beside its path and protocol, and reports what does not go with its protocol.
fn read_route(
    fields: Fields<'_, '_>,
    path: PathTemplate,
    protocol: Protocol,
    opaque_by_default: bool,
    out: &mut Diagnostics,
) -> Route {
    let opaque_bodies = fields.word("opaqueBodies");
    let batches = fields.word("batches");
    let big_numbers = fields.word("bigNumbers");
    let reads_all = matches!(protocol, Protocol::Mcp | Protocol::Llm);
    for (key, text, useless) in [
        ("opaqueBodies", opaque_bodies, reads_all),
        ("batches", batches, protocol != Protocol::Mcp),
        ("bigNumbers", big_numbers, protocol == Protocol::Grpc),
    ] {
        if let Some(text) = text.filter(|_| useless) {
            let message = format!("`{key}` says nothing on a route with this protocol");
            out.push(Diagnostic::new(Id::ConflictingKeys, text.at, message).help("leave it out"));
        }
    }
    if let (Protocol::Grpc, Some(entry)) = (protocol, fields.entry("protocol"))
        && !opaque_bodies.map_or(opaque_by_default, |text| text.text == "allow")
    {
        let message = "on this route everything would be denied: the gate does not read the messages of gRPC";
        let help = "add `opaqueBodies: allow`; methods are still judged, messages are not";
        out.push(Diagnostic::new(Id::MissingKey, entry.at, message).help(help));
    }
    Route {
        path,
        protocol,
        opaque_bodies: opaque_bodies.map_or(opaque_by_default && !reads_all, |text| text.text == "allow"),
        batches: batches.is_some_and(|text| text.text == "judge"),
        opaque_numbers: big_numbers.is_some_and(|text| text.text == "pass"),
    }
}

fn protocol(route: Fields<'_, '_>) -> Option<Protocol> {
    let name = route.word("protocol")?.text;
    Protocol::NAMES.iter().find(|(_, known)| *known == name).map(|(protocol, _)| *protocol)
}

/// Reads a path template, or reports why it is none.
pub(super) fn template(path: Text<'_>, out: &mut Diagnostics) -> Option<PathTemplate> {
    PathTemplate::parse(path.text)
        .map_err(|why| {
            let message = format!("`{}` is not a path template: {why}", path.text);
            let help = match path.text.contains(['?', '#']) {
                true => "leave out what follows the path: rules do not go by the query",
                false => "write it as `/docs`, `/docs/{id}` or `/docs/**`",
            };
            out.push(Diagnostic::new(Id::Malformed, path.at, message).help(help));
        })
        .ok()
}

/// The template with every variable written as `*`: two templates that cover the same paths become equal.
fn variables_alike(template: &str) -> String {
    let alike = |segment: &str| if segment.starts_with('{') { "*" } else { segment }.to_owned();
    template.split('/').map(alike).collect::<Vec<_>>().join("/")
}

fn report_shared_hosts(services: &[Document<'_, '_>], out: &mut Diagnostics) {
    let hosts = services.iter().enumerate();
    let mut hosts: Vec<_> = hosts
        .flat_map(|(at, service)| service.spec.texts("hosts").map(move |host| (host.text, host.at, at)))
        .collect();
    hosts.sort_unstable();
    for pair in hosts.windows(2) {
        let [(host, first_at, first), (same, second_at, second)] = *pair else { continue };
        if host != same || first == second {
            continue;
        }
        let name = |at: usize| services.get(at).map_or("", |service| service.name.text);
        let message = format!("host `{host}` belongs to Service `{}` already", name(first));
        let help = format!("a host belongs to one Service: join `{}` and `{}`", name(first), name(second));
        let diagnostic = Diagnostic::new(Id::DuplicateHost, second_at, message).help(help);
        out.push(diagnostic.also(first_at, "the other one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_make_no_difference() {
        assert_eq!(variables_alike("/docs/{id}/**"), variables_alike("/docs/*/**"));
        assert_ne!(variables_alike("/docs/{id}"), variables_alike("/docs/id"));
    }
}
