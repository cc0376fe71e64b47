//! Circumstances under which a rule could count, and that never come.

use sallyport_engine::http::HostPattern;
use sallyport_engine::policy::{AgentId, MissionId, Service};

use super::warn;
use crate::diagnostic::Diagnostics;
use crate::lint::view::{RuleView, View};
use crate::shape::{Text, number};

pub(super) fn report(
    rule: &RuleView<'_, '_, '_>,
    mission: usize,
    view: &View<'_, '_, '_>,
    out: &mut Diagnostics,
) {
    if let Some(service) = rule.service {
        places(rule, service, out);
    }
    callers(rule, mission, view, out);
}

/// Hosts and ports that the service does not have. A capability may be at several services, of which one is enough.
fn places(rule: &RuleView<'_, '_, '_>, service: &Service, out: &mut Diagnostics) {
    if rule.fields.entry("capabilities").is_some() {
        return;
    }
    let to = rule.fields.object("to");
    for host in to.texts("hosts").filter(|host| !has_host(service, *host)) {
        let message = format!("Service `{}` has no host that `{}` covers", service.name, host.text);
        warn(host.at, message, format!("name one of its hosts, or add it to `{}`", service.name), out);
    }
    for node in to.list("ports").iter().filter(|_| !service.ports.is_empty()) {
        let port = number(node).and_then(|port| u16::try_from(port).ok());
        if port.is_some_and(|port| !service.ports.contains(&port)) {
            let message = format!("Service `{}` does not have this port", service.name);
            warn(node.span, message, format!("name one of its ports, or add it to `{}`", service.name), out);
        }
    }
}

fn has_host(service: &Service, host: Text<'_>) -> bool {
    let Ok(wanted) = HostPattern::parse(host.text) else { return true };
    service.hosts.iter().any(|known| match (known, &wanted) {
        (HostPattern::Exact(known), wanted) => wanted.matches(known),
        (known, HostPattern::Exact(wanted)) => known.matches(wanted),
        (HostPattern::Suffix(known), HostPattern::Suffix(wanted)) => {
            known.ends_with(wanted.as_str()) || wanted.ends_with(known.as_str())
        }
    })
}

/// Agents that the mission is not given to.
fn callers(rule: &RuleView<'_, '_, '_>, mission: usize, view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    let Ok(id) = u16::try_from(mission).map(MissionId) else { return };
    let numbered = |AgentId(number): AgentId| usize::try_from(number).ok();
    let agents = rule.rule.conditions.iter().flat_map(|conditions| &conditions.agents);
    for agent in agents.filter_map(|agent| view.policy.parts().agents.get(numbered(*agent)?)) {
        let named = rule.fields.object("from").texts("agents").find(|name| name.text == agent.name);
        if let Some(name) = named.filter(|_| !agent.missions.contains(&id)) {
            let message = format!("Agent `{}` does not have Mission `{}`", name.text, rule.mission.text);
            warn(name.at, message, "give it the Mission, or leave it out here", out);
        }
    }
}
