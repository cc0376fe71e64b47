//! Circumstances under which a rule could count, and that never come.

use std::time::{SystemTime, UNIX_EPOCH};

use sallyport_engine::http::HostPattern;
use sallyport_engine::policy::{AgentId, MissionId, Service, Window};

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
    times(rule, out);
}

/// Windows of time that never open, or never again.
fn times(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    let windows = rule.rule.conditions.iter().flat_map(|conditions| &conditions.windows);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for (node, window) in rule.fields.list("when").iter().zip(windows) {
        if window.not_after.is_some_and(|end| end <= now) {
            let help = "move `notAfter`, or remove what nobody meets any more";
            warn(node.span, "this window has closed for good: `notAfter` is in the past", help, out);
        } else if !opens(window) {
            let message = "this window never opens: `notBefore` and `notAfter` leave no time on its days";
            warn(node.span, message, "choose other days, or another time", out);
        }
    }
}

/// Whether a window is ever open. It begins and ends at whole minutes, but for `notBefore` and `notAfter`.
fn opens(window: &Window) -> bool {
    let (Some(begin), Some(end)) = (window.not_before, window.not_after) else { return true };
    // Whatever is open at all is open once in a week.
    let week = 7 * 24 * 60;
    let minutes = (1..=week).map(|minute| (begin / 60 + minute) * 60);
    std::iter::once(begin).chain(minutes).take_while(|at| *at < end).any(|at| window.holds(at))
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
    let Some(conditions) = &rule.rule.conditions else { return };
    let (known, fits) = view.callers().of(id, conditions);
    if let Some(entry) = rule.fields.entry("from").filter(|_| known && !fits) {
        let message = format!("no Agent with Mission `{}` is a caller as `from` says", rule.mission.text);
        let help = "compare it with the `identities` of these Agents: it asks for all of its keys at once";
        warn(entry.at, message, help, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_where_its_days_meet_its_dates() {
        // From 2026-11-21T10:00:00Z on, a Saturday.
        let begin = 1_795_255_200;
        let window = |days: u8, hours: u64| Window {
            days,
            from: 8 * 60,
            until: 18 * 60,
            offset: 0,
            not_before: Some(begin),
            not_after: Some(begin + hours * 3600),
        };
        assert!(opens(&window(0b010_0000, 1)) && opens(&window(Window::EVERY_DAY, 1)));
        assert!(!opens(&window(0b100_0000, 22)) && opens(&window(0b100_0000, 23)));
        assert!(!opens(&window(0b001_0000, 24)) && opens(&window(0b001_0000, 7 * 24)));
        let night = Window { from: 22 * 60, until: 2 * 60, ..window(0b010_0000, 13) };
        assert!(opens(&night) && !opens(&Window { not_after: Some(begin + 12 * 3600), ..night }));
        assert!(opens(&Window { not_before: None, ..window(1, 1) }));
    }
}
