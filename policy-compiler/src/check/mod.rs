//! Policy as written to policy as the engine reads it.
//!
//! Everything that is wrong is reported, in every document, before giving up; a [`Policy`] comes out only if nothing is.
//! Tables are filled in the order of names and lists are sorted, so that the same policy gives the same bytes however its
//! files are named and ordered.

mod agents;
mod arguments;
mod capabilities;
mod circumstances;
mod detectors;
mod dlp;
mod exceptions;
mod gate;
mod missions;
mod names;
mod operations;
mod protocols;
mod services;
mod tools;

use sallyport_engine::Policy;
use sallyport_engine::policy::PolicyParts;
use sallyport_engine::scan::Profile;

use crate::detectors::Tables;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::slice::Audience;
use crate::source::Source;
use crate::sources::Span;
use crate::suggest::{did_you_mean, listing};
use capabilities::Capabilities;
use circumstances::Callers;
use dlp::Profiles;
use names::Names;
pub(crate) use tools::DIGEST_PREFIX;

/// A policy, and what is known of it beyond what the engine needs.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) policy: Policy,
    /// Whom each service is for, by the service's number.
    pub(crate) audiences: Vec<Vec<Audience>>,
    /// The detectors, and what policy makes of them.
    pub(crate) detection: Detection,
}

/// Detectors, and what they do by name.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The detectors.
    pub tables: Tables,
    /// What they do where nothing else is said.
    pub default: Profile,
    /// The profiles that policy names, by name.
    pub named: Vec<(String, Profile)>,
}

impl Detection {
    /// What is built in.
    pub fn built_in() -> Self {
        let tables = crate::detectors::tables().clone();
        Self { default: tables.default.clone(), named: Vec::new(), tables }
    }

    /// The profile of a name; the default for none.
    pub fn profile(&self, name: Option<&str>) -> Result<Profile, String> {
        let Some(name) = name else { return Ok(self.default.clone()) };
        let known = || self.named.iter().map(|(known, _)| known.as_str());
        let found = self.named.iter().find(|(known, _)| known == name);
        found.map(|(_, profile)| profile.clone()).ok_or_else(|| {
            let help = did_you_mean(name, known()).unwrap_or_else(|| match self.named.len() {
                0 => "the policy names none".to_owned(),
                _ => format!("there are {}", listing(known())),
            });
            format!("there is no DlpProfile named `{name}`: {help}")
        })
    }
}

/// Makes a policy of what was written, or reports why it cannot. `at` is blamed for what has no place of its own.
pub(crate) fn policy(source: &Source<'_, '_>, at: Span, out: &mut Diagnostics) -> Option<Checked> {
    let tables = detectors::tables(&source.of_kind(Kind::Detector, out), out);
    let trust_domains = source.of_kind(Kind::TrustDomain, out);
    let services = source.of_kind(Kind::Service, out);
    let missions = source.of_kind(Kind::Mission, out);
    let agents = source.of_kind(Kind::Agent, out);
    let capabilities = source.of_kind(Kind::Capability, out);
    let gate = gate::one(source.of_kind(Kind::Gate, out), out);
    let settings = gate::settings(gate.as_ref(), out);

    let mut profiles = Profiles::new(&source.of_kind(Kind::DlpProfile, out), &tables, out);
    profiles.set_default(gate.as_ref(), out);
    profiles.set_key(gate.as_ref(), out);
    let service_names = Names::new(Kind::Service, &services, out);
    let mission_names = Names::new(Kind::Mission, &missions, out);

    let spoken = services::protocols(&services);
    let capabilities = Capabilities::read(&capabilities, &service_names, &spoken, out);
    let domain_names: Vec<_> = trust_domains.iter().map(|domain| domain.name.text).collect();
    let context = missions::Context {
        services: &service_names,
        spoken: &spoken,
        capabilities: &capabilities,
        callers: Callers { agents: Names::new(Kind::Agent, &agents, out), trust_domains: &domain_names },
    };
    let missions_read = missions::read(&missions, &context, &profiles, out);
    let callers = agents::read(
        &agents,
        &trust_domains,
        &mission_names,
        &missions_read,
        &mut profiles,
        settings.mode,
        out,
    );
    let detection = profiles.detection();
    let parts = PolicyParts {
        serial: 0,
        trust_domains: callers.trust_domains,
        services: services::read(&services, gate::opaque_bodies(gate.as_ref()), &mut profiles, out),
        agents: callers.agents,
        identities: callers.identities,
        patterns: callers.patterns,
        missions: missions_read.into_iter().map(|read| read.mission).collect(),
        limits: gate::limits(gate.as_ref()),
        settings,
        catalogue: profiles.catalogue(),
        profiles: profiles.into_table(out),
    };
    let audiences = services::audiences(&services, out);
    service_names.report_unused(out);
    mission_names.report_unused(out);
    capabilities.report_unused(out);
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
        .map(|policy| Checked { policy, audiences, detection })
}
