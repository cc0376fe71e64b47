//! Words for what a rule asks beside its operations, and for how often it lets them pass.

use sallyport_engine::glob::Glob;
use sallyport_engine::http::HostPattern;
use sallyport_engine::identity::TrustDomain;
use sallyport_engine::policy::{Conditions, Limit, Window};

use super::one_of;

/// Everything that is asked, a clause each; callers by the names of their agents are left to whoever knows those.
pub fn conditions(conditions: &Conditions) -> Vec<String> {
    let Conditions { agents: _, trust_domains, namespaces, service_accounts, hosts, ports, windows } =
        conditions;
    let mut clauses = Vec::new();
    let mut clause = |what: &str, items: Vec<String>| {
        if !items.is_empty() {
            clauses.push(format!("{what} is {}", one_of(items)));
        }
    };
    clause("the caller's trust domain", texts(trust_domains, TrustDomain::as_str));
    clause("the caller's namespace", texts(namespaces, Glob::as_str));
    clause("the caller's service account", texts(service_accounts, Glob::as_str));
    let mut hosts: Vec<_> = hosts.iter().map(HostPattern::to_string).collect();
    hosts.sort();
    clause("the host", hosts);
    clause("the port", ports.iter().map(u16::to_string).collect());
    if !windows.is_empty() {
        let mut windows: Vec<_> = windows.iter().map(window).collect();
        windows.sort();
        clauses.push(format!("it is {}", windows.join(" or ")));
    }
    clauses
}

/// How often: "at most 10 times in 1m".
pub fn limit(limit: Limit) -> String {
    format!("at most {} times in {}", limit.requests, seconds(limit.seconds))
}

/// A number of seconds in the largest unit that it fills, as policy writes it.
pub fn seconds(seconds: u32) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let unit = units.into_iter().find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    unit.map_or_else(|| format!("{seconds}s"), |(length, unit)| format!("{}{unit}", seconds / length))
}

fn texts<'a, T>(items: &'a [T], text: impl Fn(&'a T) -> &'a str) -> Vec<String> {
    let mut texts: Vec<_> = items.iter().map(|item| text(item).to_owned()).collect();
    texts.sort();
    texts
}

fn window(window: &Window) -> String {
    let Window { days, from, until, offset, not_before, not_after } = *window;
    let mut words = Vec::new();
    if days != Window::EVERY_DAY {
        let named = Window::DAYS.iter().zip(0..).filter(|(_, bit)| days >> bit & 1 == 1);
        words.push(named.map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
    }
    if (from, until) != (0, 24 * 60) {
        let zone = match offset {
            0 => "UTC".to_owned(),
            _ => format!("UTC{}{}", if offset < 0 { '-' } else { '+' }, clock(offset.unsigned_abs())),
        };
        words.push(format!("between {} and {} {zone}", clock(from), clock(until)));
    }
    words.extend(not_before.map(|at| format!("not before {}", moment(at))));
    words.extend(not_after.map(|at| format!("before {}", moment(at))));
    if words.is_empty() { "any time".to_owned() } else { words.join(" ") }
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A moment in UTC, as RFC 3339.
fn moment(unix: u64) -> String {
    use time::OffsetDateTime;
    let at = i64::try_from(unix).ok().and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    at.map_or_else(
        || format!("{unix} seconds since 1970"),
        |at| {
            let (hour, minute, second) = at.to_hms();
            format!("{}T{hour:02}:{minute:02}:{second:02}Z", at.date())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_times() {
        let all = Window {
            days: Window::EVERY_DAY,
            from: 0,
            until: 1440,
            offset: 0,
            not_before: None,
            not_after: None,
        };
        assert_eq!(window(&all), "any time");
        let office = Window { days: 0b1_0001, from: 540, until: 1020, offset: -90, ..all };
        assert_eq!(window(&office), "monday, friday between 09:00 and 17:00 UTC-01:30");
        assert_eq!(
            window(&Window { not_before: Some(1_795_255_200), ..all }),
            "not before 2026-11-21T10:00:00Z"
        );
    }

    #[test]
    fn lengths_are_written_as_in_policy() {
        assert_eq!([60, 90, 7200, 86_400].map(seconds), ["1m", "90s", "2h", "1d"]);
    }

    #[test]
    fn circumstances_read_as_conditions() {
        let asked = Conditions {
            namespaces: vec![Glob::new("b"), Glob::new("a*")],
            ports: vec![80, 443],
            ..Conditions::default()
        };
        assert_eq!(
            conditions(&asked),
            ["the caller's namespace is `a*` or `b`", "the port is `80` or `443`"]
        );
    }
}
