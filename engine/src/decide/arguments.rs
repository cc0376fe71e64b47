//! Whether a call's arguments satisfy a rule.
//!
//! There are three answers. An allow needs `Satisfied`; a deny fires on `Unknown` too. So a value that is missing or of another
//! type than the rule speaks of never opens anything. And as everywhere, an allow compares exactly, a deny as the loosest server
//! would: what it cannot read for sure is unknown, and only what it is certain about is `Violated`.

use crate::fold::could_be;
use crate::http::Url;
use crate::json::{Document, Kind, Value};
use crate::policy::{Arguments, Constraint, Decimal, Effect, Element, Field, Presence, TextMatch, UrlMatch};
use alloc::vec::Vec;

/// Whether a constraint holds; the worse is the greater, so that several combine by `max`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Holds {
    Satisfied,
    /// Violated by a value of the right type.
    Violated,
    /// There is nothing to compare, or nothing of the right type.
    Unknown,
}

/// Judges the arguments of a call. Arguments that are a JSON text in a string are judged inside.
pub(super) fn judge(rule: &Arguments, effect: Effect, arguments: Option<Value<'_>>) -> Holds {
    let judge_fields = |rule, root| judge_fields(rule, effect, root);
    let Some(value) = arguments else { return judge_fields(rule, None) };
    match (value.kind(), value.as_str()) {
        (Kind::Object, _) => judge_fields(rule, Some(value)),
        (Kind::String, Some(text)) => match Document::parse(text.as_bytes()) {
            Ok(inner) => match inner.root().filter(|root| root.kind() == Kind::Object) {
                Some(root) => judge_fields(rule, Some(root)),
                None => Holds::Unknown,
            },
            Err(_) => Holds::Unknown,
        },
        _ => Holds::Unknown,
    }
}

fn judge_fields(rule: &Arguments, effect: Effect, root: Option<Value<'_>>) -> Holds {
    let each = rule.fields.iter().map(|field| judge_field(field, effect, root));
    if effect != Effect::Allow {
        // One place that is certainly not as the rule says is enough to be let go; something beside it is not.
        return if each.clone().any(|holds| holds == Holds::Violated) {
            Holds::Violated
        } else {
            each.max().unwrap_or(Holds::Satisfied)
        };
    }
    let fields = each.max().unwrap_or(Holds::Satisfied);
    let surplus = !rule.additional && root.is_some_and(|root| has_surplus(rule, root, &mut Vec::new()));
    if surplus { fields.max(Holds::Violated) } else { fields }
}

fn judge_field(field: &Field, effect: Effect, root: Option<Value<'_>>) -> Holds {
    let mut found = Found { missing: root.is_none(), ..Found::default() };
    if let Some(root) = root {
        found.walk(root, &field.pointer);
    }
    let missing = found.missing || found.values.is_empty();
    match field.presence {
        Presence::Forbidden if found.values.is_empty() && !found.twofold => Holds::Satisfied,
        Presence::Forbidden => Holds::Violated,
        _ if found.twofold => Holds::Unknown,
        Presence::Required if missing => Holds::Unknown,
        Presence::Required | Presence::Optional => combine(
            effect,
            found.values.into_iter().map(|value| judge_value(&field.constraint, effect, value)),
        ),
    }
}

/// What several values in one place say together: an allow asks it of each, a deny of any.
fn combine(effect: Effect, mut values: impl Iterator<Item = Holds>) -> Holds {
    match effect {
        Effect::Allow => values.max().unwrap_or(Holds::Satisfied),
        Effect::Hold | Effect::Deny => {
            let Some(first) = values.next() else { return Holds::Satisfied };
            let worst = |a: Holds, b: Holds| if a == Holds::Violated { b } else { a };
            values.fold(first, worst)
        }
    }
}

/// What stands at a pointer.
#[derive(Default)]
struct Found<'d> {
    values: Vec<Value<'d>>,
    /// The pointer leads nowhere, in some branch at least.
    missing: bool,
    /// There is a second key that a server that folds case could take for one on the way.
    twofold: bool,
}

impl<'d> Found<'d> {
    fn walk(&mut self, value: Value<'d>, pointer: &[alloc::string::String]) {
        let Some((step, rest)) = pointer.split_first() else {
            self.values.push(value);
            return;
        };
        let next = match (step.as_str(), value.kind()) {
            ("*", Kind::Array) => return value.items().for_each(|item| self.walk(item, rest)),
            ("*", Kind::Object) => return value.entries().for_each(|(_, member)| self.walk(member, rest)),
            (key, Kind::Object) => {
                self.twofold |= value.entries().any(|(other, _)| other != key && could_be(&other, key));
                value.get(key)
            }
            (index, Kind::Array) => {
                let canonical = index == "0" || !index.starts_with('0');
                index.parse().ok().filter(|_| canonical).and_then(|index| value.items().nth(index))
            }
            _ => None,
        };
        match next {
            Some(next) => self.walk(next, rest),
            None => self.missing = true,
        }
    }
}

/// Whether something stands in a place that no field names, above or below it.
fn has_surplus<'d>(rule: &Arguments, value: Value<'d>, path: &mut Vec<alloc::borrow::Cow<'d, str>>) -> bool {
    let children: Vec<_> = match value.kind() {
        Kind::Object => value.entries().collect(),
        Kind::Array => {
            let name = |(index, item): (usize, Value<'d>)| (alloc::format!("{index}").into(), item);
            value.items().enumerate().map(name).collect()
        }
        _ => return false,
    };
    children.into_iter().any(|(key, child)| {
        path.push(key);
        let surplus = match named(rule, path) {
            Named::Exactly => false,
            Named::Below => {
                !matches!(child.kind(), Kind::Object | Kind::Array) || has_surplus(rule, child, path)
            }
            Named::Not => true,
        };
        path.pop();
        surplus
    })
}

enum Named {
    Exactly,
    /// A field names something below this place.
    Below,
    Not,
}

fn named(rule: &Arguments, path: &[alloc::borrow::Cow<'_, str>]) -> Named {
    let along = |field: &&Field| {
        field.pointer.len() >= path.len()
            && field.pointer.iter().zip(path).all(|(step, key)| step == "*" || step == key)
    };
    let mut below = false;
    for field in rule.fields.iter().filter(along) {
        if field.pointer.len() == path.len() {
            return Named::Exactly;
        }
        below = true;
    }
    if below { Named::Below } else { Named::Not }
}

fn judge_value(constraint: &Constraint, effect: Effect, value: Value<'_>) -> Holds {
    match constraint {
        Constraint::One(element) => judge_element(element, effect, value),
        Constraint::List { max, each } if value.kind() == Kind::Array => {
            judge_list(*max, each, effect, value)
        }
        Constraint::List { .. } => Holds::Unknown,
    }
}

fn judge_element(element: &Element, effect: Effect, value: Value<'_>) -> Holds {
    let holds = match (element, value.kind()) {
        (Element::Any, _) | (Element::Object, Kind::Object) => true,
        (Element::Boolean(wanted), Kind::Bool(found)) => wanted.is_none_or(|wanted| wanted == found),
        (Element::Integer { min, max }, Kind::Number) => {
            let Ok(number) = value.raw().parse::<i64>() else { return Holds::Unknown };
            (*min..=*max).contains(&number)
        }
        (Element::Number { min, max }, Kind::Number) => {
            let Some(number) = Decimal::parse(value.raw()) else { return Holds::Unknown };
            match effect {
                Effect::Allow => number.is_within(*min, *max),
                Effect::Hold | Effect::Deny => number.may_be_within(*min, *max),
            }
        }
        (Element::Text(_) | Element::PathBelow(_) | Element::Url(_), Kind::String) => {
            let Some(text) = value.as_str() else { return Holds::Unknown };
            return judge_text(element, effect, &text);
        }
        _ => return Holds::Unknown,
    };
    if holds { Holds::Satisfied } else { Holds::Violated }
}

fn judge_list(max: u32, each: &Element, effect: Effect, value: Value<'_>) -> Holds {
    let fits = usize::try_from(max).is_ok_and(|max| value.items().take(max.saturating_add(1)).count() <= max);
    if !fits && effect == Effect::Allow {
        return Holds::Violated;
    }
    let none = value.items().next().is_none();
    if none && effect != Effect::Allow {
        return Holds::Violated;
    }
    combine(effect, value.items().map(|item| judge_element(each, effect, item)))
}

fn judge_text(element: &Element, effect: Effect, text: &str) -> Holds {
    let holds = match (element, effect) {
        (Element::Text(wanted), Effect::Allow) => is_text(wanted, text),
        (Element::Text(wanted), Effect::Hold | Effect::Deny) => could_be_text(wanted, text),
        (Element::PathBelow(prefixes), Effect::Allow) => {
            is_plain_path(text) && prefixes.iter().any(|prefix| is_below(text, prefix))
        }
        (Element::PathBelow(_), Effect::Hold | Effect::Deny)
            if !is_plain_path(text) || !text.starts_with('/') =>
        {
            return Holds::Unknown;
        }
        (Element::PathBelow(prefixes), Effect::Hold | Effect::Deny) => {
            let folded = text.to_ascii_lowercase();
            prefixes.iter().any(|prefix| is_below(&folded, prefix.to_ascii_lowercase().trim_end_matches('/')))
        }
        (Element::Url(wanted), Effect::Allow) => {
            Url::parse(text).is_some_and(|url| leads_there(wanted, &url))
        }
        (Element::Url(wanted), Effect::Hold | Effect::Deny) => match Url::parse(text) {
            // Whatever its scheme and port, it leads to the host.
            Some(url) => {
                wanted.hosts.is_empty() || wanted.hosts.iter().any(|host| url.host.is_named_by(host))
            }
            None => return Holds::Unknown,
        },
        _ => return Holds::Unknown,
    };
    if holds { Holds::Satisfied } else { Holds::Violated }
}

/// Whether a server that folds case or trims blanks could take a text for one that the rule speaks of.
fn could_be_text(wanted: &TextMatch, text: &str) -> bool {
    let seen: alloc::string::String = text.chars().filter(|&c| !is_invisible(c)).collect();
    let text = seen.trim();
    [text, &text.to_ascii_lowercase(), &text.to_ascii_uppercase()].into_iter().any(|text| {
        let listed = |known: &alloc::string::String| known.eq_ignore_ascii_case(text);
        (wanted.one_of.is_empty() || wanted.one_of.iter().any(listed))
            && wanted.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
            && is_text(&TextMatch { one_of: Vec::new(), pattern: None, ..wanted.clone() }, text)
    })
}

fn is_text(wanted: &TextMatch, text: &str) -> bool {
    let chars = text.chars().count();
    let within = |most: u32| usize::try_from(most).is_ok_and(|most| chars <= most);
    let enough = usize::try_from(wanted.min_chars).is_ok_and(|least| chars >= least);
    enough
        && wanted.max_chars.is_none_or(within)
        && (wanted.one_of.is_empty() || wanted.one_of.iter().any(|known| known == text))
        && wanted.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
}

/// Whether every file system and server reads a path alike. A segment without a letter, digit, `-` or `_` can be dots in disguise:
/// with blanks behind them, in full width, with invisible letters.
pub fn is_plain_path(path: &str) -> bool {
    let disguise = |c: char| {
        is_invisible(c)
            || matches!(c, '\\' | '%' | ';' | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' | '\u{ff3c}')
    };
    let rest = path.strip_prefix('/').unwrap_or(path);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let named = |segment: &str| segment.chars().any(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    !path.chars().any(disguise) && rest.split('/').all(named)
}

/// Control characters, and those that have no width.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

fn leads_there(wanted: &UrlMatch, url: &Url) -> bool {
    let scheme = wanted.schemes.contains(&url.scheme);
    let named = wanted.hosts.iter().any(|host| url.host.is_named_by(host));
    let exactly = wanted
        .hosts
        .iter()
        .any(|host| matches!(host, crate::http::HostPattern::Exact(_)) && url.host.is_named_by(host));
    let host = (named || wanted.hosts.is_empty()) && (exactly || wanted.private || !url.host.is_private());
    let own = || url.port.is_none() || url.port == scheme_port(&url.scheme);
    let port = if wanted.ports.is_empty() {
        own()
    } else {
        url.effective_port().is_some_and(|port| wanted.ports.contains(&port))
    };
    scheme && host && port
}

fn scheme_port(scheme: &str) -> Option<u16> {
    Url { scheme: scheme.into(), host: crate::http::Host::Name(Default::default()), port: None }
        .effective_port()
}

#[cfg(test)]
mod tests;
