//! Under which circumstances a rule counts: `from`, `to`, `when`; and lengths of time.

use sallyport_engine::glob::Glob;
use sallyport_engine::http::HostPattern;
use sallyport_engine::identity::TrustDomain;
use sallyport_engine::policy::{AgentId, Conditions, Window};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::missions::asks_anything;
use super::names::{Names, distinct};
use super::services;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::suggest::did_you_mean;

/// Who there is to be named in `from`.
pub(super) struct Callers<'c, 'n> {
    pub(super) agents: Names<'n>,
    pub(super) trust_domains: &'c [&'n str],
}

const MINUTES_A_DAY: u16 = 24 * 60;

/// Reads the circumstances of a rule; `None` if it names none.
pub(super) fn read(
    fields: Fields<'_, '_>,
    callers: &Callers<'_, '_>,
    out: &mut Diagnostics,
) -> Option<Conditions> {
    let (from, to) = (fields.object("from"), fields.object("to"));
    let agents = distinct(from.texts("agents"), "agents", out);
    let mut conditions = Conditions {
        agents: agents.into_iter().filter_map(|name| callers.agent(name, out)).collect(),
        trust_domains: trust_domains(from, callers.trust_domains, out),
        namespaces: labels(from, "namespaces", out),
        service_accounts: labels(from, "serviceAccounts", out),
        hosts: hosts(to, out),
        ports: services::ports(to, out),
        windows: fields.list("when").iter().filter_map(|node| window(Fields::of(node), out)).collect(),
    };
    conditions.windows.sort_by_key(|window| {
        (window.days, window.from, window.until, window.offset, window.not_before, window.not_after)
    });
    asks_anything(&conditions).then_some(conditions)
}

impl Callers<'_, '_> {
    fn agent(&self, name: Text<'_>, out: &mut Diagnostics) -> Option<AgentId> {
        self.agents.resolve(name, out).map(|number| AgentId(u32::from(number)))
    }
}

fn trust_domains(from: Fields<'_, '_>, known: &[&str], out: &mut Diagnostics) -> Vec<TrustDomain> {
    let mut domains = Vec::new();
    for text in distinct(from.texts("trustDomains"), "trustDomains", out) {
        if known.contains(&text.text) {
            domains.extend(TrustDomain::parse(text.text));
            continue;
        }
        let add = format!("add a document with `kind: TrustDomain` named `{}`", text.text);
        let help = did_you_mean(text.text, known.iter().copied()).unwrap_or(add);
        let message = format!("no TrustDomain declares `{}`", text.text);
        out.push(Diagnostic::new(Id::UndeclaredTrustDomain, text.at, message).help(help));
    }
    domains
}

/// Names of namespaces or service accounts, with `*`.
fn labels(from: Fields<'_, '_>, key: &str, out: &mut Diagnostics) -> Vec<Glob> {
    let fits = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'*'))
    };
    let mut globs = Vec::new();
    for text in distinct(from.texts(key), key, out) {
        if fits(text.text) {
            globs.push(Glob::new(text.text));
        } else {
            let message = format!("`{}` can not stand in `{key}`", text.text);
            let help = "a name of Kubernetes is made of `a-z`, `0-9`, `-` and `.`; write a service account without its namespace";
            out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
        }
    }
    globs
}

fn hosts(to: Fields<'_, '_>, out: &mut Diagnostics) -> Vec<HostPattern> {
    let texts = distinct(to.texts("hosts"), "hosts", out);
    texts.into_iter().filter_map(|text| services::host(text, out)).collect()
}

fn window(fields: Fields<'_, '_>, out: &mut Diagnostics) -> Option<Window> {
    let days = distinct(fields.texts("days"), "days", out).into_iter();
    let days = days.filter_map(|day| Window::DAYS.iter().position(|known| *known == day.text));
    let days = days.fold(0, |days, day| days | (1_u8 << day));
    let hours = fields.text("between").map_or(Some((0, MINUTES_A_DAY)), |text| between(text, out));
    let offset = fields.text("offset").map_or(Some(0), |text| offset(text, out));
    let (not_before, not_after) = (moment(fields, "notBefore", out), moment(fields, "notAfter", out));
    if let (Some(begin), Some(end), Some(entry)) = (not_before, not_after, fields.entry("notAfter"))
        && end <= begin
    {
        let message = "the window is over before it begins";
        out.push(
            Diagnostic::new(Id::Malformed, entry.node.span, message)
                .help("`notAfter` comes after `notBefore`"),
        );
    }
    let days = if days == 0 { Window::EVERY_DAY } else { days };
    let (from, until) = hours?;
    Some(Window { days, from, until, offset: offset?, not_before, not_after })
}

/// `08:00-18:00` in minutes of the day.
fn between(text: Text<'_>, out: &mut Diagnostics) -> Option<(u16, u16)> {
    let read = text.text.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
    let read = read.filter(|(from, until)| *from < MINUTES_A_DAY && *until > 0);
    if read.is_none() {
        let message = format!("`{}` is not a stretch of the day", text.text);
        let help = "write it as `08:00-18:00`; `24:00` is the end of the day";
        out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
    }
    read
}

/// `HH:MM`, up to `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits_only = |digits: &str| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
    let two = |digits: &str| digits.parse::<u16>().ok().filter(|_| digits_only(digits));
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= MINUTES_A_DAY).then_some(all)
}

/// `+01:00` in minutes.
fn offset(text: Text<'_>, out: &mut Diagnostics) -> Option<i16> {
    let (sign, rest) = match text.text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => (0, ""),
    };
    let read =
        minutes(rest).filter(|minutes| *minutes <= 14 * 60).and_then(|minutes| i16::try_from(minutes).ok());
    if read.is_none() {
        let message = format!("`{}` is not an offset from UTC", text.text);
        let help = "write it as `+01:00` or `-08:00`, in quotes; names of time zones are not known here";
        out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
    }
    read.map(|minutes| minutes * sign)
}

fn moment(fields: Fields<'_, '_>, key: &str, out: &mut Diagnostics) -> Option<u64> {
    let text = fields.text(key)?;
    let read = OffsetDateTime::parse(text.text, &Rfc3339).ok();
    let read = read.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
    if read.is_none() {
        let message = format!("`{}` is not a time", text.text);
        let help = "write it as `2026-11-21T10:00:00Z`";
        out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
    }
    read
}

/// A length of time, as `30s`, `5m`, `1h` or `2d`, in seconds.
pub(super) fn duration(text: Text<'_>, out: &mut Diagnostics) -> Option<u32> {
    const UNITS: [(&str, u32); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];
    let read = UNITS.iter().find_map(|(unit, seconds)| {
        let digits = text.text.strip_suffix(unit)?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u32>().ok().and_then(|number| number.checked_mul(*seconds)))
    });
    let (what, help) = match read {
        Some(Some(seconds)) if seconds > 0 => return Some(seconds),
        Some(Some(_)) => ("no time at all", "write `1s` or more"),
        Some(None) => ("longer than can be counted", "write `49710d` or less"),
        None => ("not a length of time", "write a whole number with `s`, `m`, `h` or `d`, as `30s` or `1h`"),
    };
    out.push(Diagnostic::new(Id::Malformed, text.at, format!("`{}` is {what}", text.text)).help(help));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{Sources, Span};

    #[test]
    fn times_are_read_strictly() {
        for (text, expected) in [
            ("00:00", Some(0)),
            ("08:30", Some(510)),
            ("24:00", Some(1440)),
            ("24:01", None),
            ("8:00", None),
            ("08:60", None),
            ("+8:00", None),
            ("", None),
        ] {
            assert_eq!(minutes(text), expected, "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_strictly() {
        let at = Span::start_of(Sources::default().add("t", ""));
        let read = |text| duration(Text { text, at }, &mut Diagnostics::default());
        assert_eq!(
            [read("30s"), read("5m"), read("1h"), read("2d")],
            [Some(30), Some(300), Some(3600), Some(172_800)]
        );
        for bad in ["", "s", "0s", "1", "-1s", "+1s", "1.5h", "1w", "1 h", "99999999999s", "4294967295d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
