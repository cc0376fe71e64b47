//! Policy as written to policy as the engine reads it.
//!
//! Everything that is wrong is reported, in every document, before giving up; a [`Policy`] comes out only if nothing is.
//! Tables are filled in the order of names and lists are sorted, so that the same policy gives the same bytes however its
//! files are named and ordered.

mod agents;
mod arguments;
mod dlp;
mod missions;
mod names;
mod protocols;
mod services;

use sallyport_engine::Policy;
use sallyport_engine::policy::{Limits, PolicyParts};

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::source::{Document, Source};
use crate::sources::Span;
use dlp::Profiles;
use names::Names;

/// Makes a policy of what was written, or reports why it cannot. `at` is blamed for what has no place of its own.
pub(crate) fn policy(source: &Source<'_, '_>, at: Span, out: &mut Diagnostics) -> Option<Policy> {
    let catalogue = crate::detectors::catalogue();
    let trust_domains = source.of_kind(Kind::TrustDomain, out);
    let services = source.of_kind(Kind::Service, out);
    let missions = source.of_kind(Kind::Mission, out);
    let agents = source.of_kind(Kind::Agent, out);
    let gate = gate(source.of_kind(Kind::Gate, out), out);

    let mut profiles = Profiles::new(&source.of_kind(Kind::DlpProfile, out), &catalogue, out);
    profiles.set_default(gate.as_ref(), out);
    let mut service_names = Names::new(Kind::Service, &services, out);
    let mut mission_names = Names::new(Kind::Mission, &missions, out);

    let spoken = services::protocols(&services);
    let missions_read = missions::read(&missions, &mut service_names, &spoken, &mut profiles, out);
    let callers =
        agents::read(&agents, &trust_domains, &mut mission_names, &missions_read, &mut profiles, out);
    let parts = PolicyParts {
        serial: 0,
        trust_domains: callers.trust_domains,
        services: services::read(&services, out),
        agents: callers.agents,
        identities: callers.identities,
        patterns: callers.patterns,
        missions: missions_read.into_iter().map(|read| read.mission).collect(),
        limits: limits(gate.as_ref()),
        profiles: profiles.into_table(out),
        catalogue,
    };
    service_names.report_unused(out);
    mission_names.report_unused(out);
    if out.has_errors() {
        return None;
    }
    // What is refused here would have been reported above with its place; this is the net below.
    Policy::new(parts)
        .map_err(|why| {
            let message = format!("this policy can not be used: {why}");
            out.push(
                Diagnostic::new(Id::TooMany, at, message).help("divide it into policies for fewer agents"),
            );
        })
        .ok()
}

/// The one Gate, if there is one.
fn gate<'n, 's>(gates: Vec<Document<'n, 's>>, out: &mut Diagnostics) -> Option<Document<'n, 's>> {
    let mut gates = gates.into_iter();
    let first = gates.next()?;
    for other in gates {
        let message = "a policy has at most one Gate";
        let diagnostic = Diagnostic::new(Id::DuplicateGate, other.name.at, message).help("merge the two");
        out.push(diagnostic.also(first.name.at, "the other one"));
    }
    Some(first)
}

fn limits(gate: Option<&Document<'_, '_>>) -> Limits {
    let most = gate.and_then(|gate| gate.spec.number("maxBodyBytes")).and_then(|n| u32::try_from(n).ok());
    most.map_or_else(Limits::default, |max_body_bytes| Limits { max_body_bytes })
}
