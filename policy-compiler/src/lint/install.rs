//! `install-mode`: whether the way in which the gate is installed gives what the policy needs.

use sallyport_engine::policy::{LlmApi, Mode, Operations, Protocol, Route};
use sallyport_engine::scan::Action;

use super::cover::Segments;
use super::view::View;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};

/// The methods of HTTP whose requests have no body to speak of.
const WITHOUT_BODY: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    let mode = view.gate().and_then(|gate| gate.word("installMode"));
    let Some(plain) = mode.filter(|mode| mode.text == "plain") else { return };
    // What only observes refuses nothing, so nothing has to wait for it.
    if view.policy.parts().settings.mode == Mode::Observe {
        return;
    }
    let mut allowed: Vec<Vec<&Operations>> = vec![Vec::new(); view.services.len()];
    for rule in view.rules().filter(|rule| rule.allows()) {
        if let Some(of_service) = allowed.get_mut(usize::from(rule.rule.service.0)) {
            of_service.push(&rule.rule.operations);
        }
    }
    let blocks = view
        .policy
        .parts()
        .profiles
        .iter()
        .any(|profile| profile.treatments().iter().any(|of| of.request >= Action::Redact));
    let services = view.services.iter().zip(&view.policy.parts().services).zip(&allowed);
    for ((document, service), allowed) in services {
        for written in document.spec.list("routes").iter().map(Fields::of) {
            let Some(path) = written.text("path") else { continue };
            let route = service.routes.iter().find(|route| route.path.as_str() == path.text);
            if let Some((route, why)) =
                route.and_then(|route| Some((route, needs_body(allowed, blocks, route)?)))
            {
                refuse(path, route, why, plain, out);
            }
        }
    }
}

fn refuse(path: Text<'_>, route: &Route, why: &str, plain: Text<'_>, out: &mut Diagnostics) {
    let message = format!(
        "`{}` (`{}`) needs `installMode: buffered`: {why}, and with `plain` the headers are gone by then",
        path.text,
        route.protocol.name()
    );
    let help = "install the buffer filter behind the gate and write `installMode: buffered`, or remove the rules that allow \
                this";
    out.push(Diagnostic::new(Id::InstallMode, path.at, message).help(help).also(plain.at, "declared here"));
}

/// Why the verdict on requests of a route waits for the body, if anything is allowed there at all.
fn needs_body(allowed: &[&Operations], blocks: bool, route: &Route) -> Option<&'static str> {
    let some = |speaks: fn(&Operations) -> bool| allowed.iter().any(|operations| speaks(operations));
    match route.protocol {
        Protocol::Mcp => some(|operations| matches!(operations, Operations::Mcp(_)))
            .then_some("which tool is called stands in the body"),
        Protocol::A2a => some(|operations| matches!(operations, Operations::A2a(_)))
            .then_some("what is asked of the agent stands in the body"),
        // Lists of models are granted by their path.
        Protocol::Llm => {
            some(|operations| matches!(operations, Operations::Llm(llm) if llm.apis != [LlmApi::Models]))
                .then_some("which model and tools are asked for stands in the body")
        }
        // Messages of gRPC are not read.
        Protocol::Grpc => None,
        Protocol::Http => {
            let path = Segments::of(&route.path);
            let sends = allowed.iter().any(|operations| match operations {
                Operations::Http(http) => {
                    http.methods.iter().any(|method| !WITHOUT_BODY.contains(&method.as_str()))
                        && http.paths.iter().any(|template| Segments::of(template).overlaps(path))
                }
                _ => false,
            });
            (sends && blocks).then_some("detectors that block read the body")
        }
    }
}
