//! Constraints on the arguments of tools.

use sallyport_engine::policy::{
    Arguments, Constraint, Decimal, Effect, Element, Field, Presence, TextMatch, UrlMatch,
};

use super::names::distinct;
use super::protocols::hosts;
use super::services::ports;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::patterns;
use crate::shape::{Fields, Text, is_decimal};
use crate::tree::{Node, Value};

/// The keys that go with each type; a key beside a type that it does not go with would say nothing.
const KEYS: [(&str, &[&str]); 9] = [
    ("any", &[]),
    ("boolean", &["value"]),
    ("integer", &["min", "max"]),
    ("list", &["maxItems", "items"]),
    ("number", &["min", "max"]),
    ("object", &[]),
    ("path", &["below"]),
    ("text", &["oneOf", "minLength", "maxLength", "pattern"]),
    ("url", &["schemes", "hosts", "ports", "private"]),
];

/// The most elements of a list that does not say.
const DEFAULT_MAX_ITEMS: u32 = 65_536;

pub(super) fn read(fields: Fields<'_, '_>, effect: Effect, out: &mut Diagnostics) -> Arguments {
    if effect != Effect::Allow {
        report_useless_in_deny(fields, out);
    }
    let mut read: Vec<Field> = Vec::new();
    let mut places: Vec<Text<'_>> = Vec::new();
    for node in fields.list("fields") {
        let field = Fields::of(node);
        let Some(at) = field.text("at") else { continue };
        if let Some(first) = places.iter().find(|known| known.text == at.text) {
            let message = format!("`{}` is constrained twice", at.text);
            let diagnostic = Diagnostic::new(Id::DuplicateName, at.at, message).help("join the two");
            out.push(diagnostic.also(first.at, "the other one"));
        }
        places.push(at);
        let presence = match field.word("presence").map(|text| text.text) {
            Some("optional") => Presence::Optional,
            Some("forbidden") => Presence::Forbidden,
            _ => Presence::Required,
        };
        if presence == Presence::Forbidden {
            report_useless_when_forbidden(field, out);
        }
        if let (Some(pointer), Some(constraint)) = (pointer(at, out), constraint(field, at, effect, out)) {
            read.push(Field { pointer, presence, constraint });
        }
    }
    read.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    Arguments { fields: read, additional: fields.word("additional").is_some_and(|text| text.text == "allow") }
}

/// What must not be there need not be described.
fn report_useless_when_forbidden(field: Fields<'_, '_>, out: &mut Diagnostics) {
    for entry in field.entries().iter().filter(|entry| !matches!(&*entry.key, "at" | "presence")) {
        let message = format!("`{}` says nothing about what is forbidden", entry.key);
        out.push(
            Diagnostic::new(Id::ConflictingKeys, entry.at, message)
                .help("leave it out: nothing may stand there at all"),
        );
    }
}

/// A deny reads loosely: it does not ask how a URL leads to a host, and nothing beside the value that it speaks of lets a call go.
fn report_useless_in_deny(arguments: Fields<'_, '_>, out: &mut Diagnostics) {
    let fields: Vec<_> = arguments.list("fields").iter().map(Fields::of).collect();
    let items: Vec<_> = fields.iter().map(|field| field.object("items")).collect();
    let inner = fields.into_iter().chain(items).flat_map(|field| {
        ["schemes", "ports", "private"].into_iter().filter_map(move |key| field.entry(key))
    });
    for entry in arguments.entry("additional").into_iter().chain(inner) {
        let message = format!("`{}` says nothing in a `deny` rule", entry.key);
        let help = "leave it out: a deny covers the value in whatever company, and a host by whatever scheme and port";
        out.push(Diagnostic::new(Id::ConflictingKeys, entry.at, message).help(help));
    }
}

/// Cuts a JSON pointer (RFC 6901 section 3) into its steps.
/// Reads a JSON pointer, or reports why it is none.
pub(super) fn pointer(at: Text<'_>, out: &mut Diagnostics) -> Option<Vec<String>> {
    let steps =
        at.text.strip_prefix('/').map(|rest| rest.split('/').map(unescape_step).collect::<Option<Vec<_>>>());
    if let Some(Some(steps)) = steps {
        return Some(steps);
    }
    let message = format!("`{}` is not a JSON pointer", at.text);
    let help = "write it as `/filter/owner`; `~1` stands for a `/` in a name, `~0` for a `~`";
    out.push(Diagnostic::new(Id::Malformed, at.at, message).help(help));
    None
}

fn unescape_step(step: &str) -> Option<String> {
    let bare = step.replace("~0", "").replace("~1", "");
    (!bare.contains('~')).then(|| step.replace("~1", "/").replace("~0", "~"))
}

fn constraint(
    fields: Fields<'_, '_>,
    at: Text<'_>,
    effect: Effect,
    out: &mut Diagnostics,
) -> Option<Constraint> {
    if fields.word("type").is_none_or(|ty| ty.text != "list") {
        return element(fields, at, effect, out).map(Constraint::One);
    }
    report_surplus(fields, "list", out);
    let each = match fields.entry("items") {
        Some(entry) => element(Fields::of(&entry.node), at, effect, out)?,
        None => Element::Any,
    };
    let max = fields.number("maxItems").and_then(|max| u32::try_from(max).ok()).unwrap_or(DEFAULT_MAX_ITEMS);
    Some(Constraint::List { max, each })
}

fn element(fields: Fields<'_, '_>, at: Text<'_>, effect: Effect, out: &mut Diagnostics) -> Option<Element> {
    let ty = fields.word("type");
    let name = ty.map_or("any", |ty| ty.text);
    report_surplus(fields, name, out);
    Some(match name {
        "any" => Element::Any,
        "boolean" => Element::Boolean(fields.word("value").map(|text| text.text == "true")),
        "integer" => {
            let (min, max) = (bound(fields, "min", i64::MIN, out)?, bound(fields, "max", i64::MAX, out)?);
            report_empty(min > max, fields, "max", out)?;
            Element::Integer { min, max }
        }
        "number" => {
            let (min, max) =
                (bound(fields, "min", Decimal::MIN, out)?, bound(fields, "max", Decimal::MAX, out)?);
            report_empty(min > max, fields, "max", out)?;
            Element::Number { min, max }
        }
        "text" => Element::Text(text(fields, effect, out)?),
        "path" => Element::PathBelow(below(fields, ty.unwrap_or(at), out)?),
        "url" => Element::Url(url(fields, out)),
        "object" => Element::Object,
        // Another word was reported when the shape was checked.
        _ => return None,
    })
}

fn report_surplus(fields: Fields<'_, '_>, ty: &str, out: &mut Diagnostics) {
    let fitting = KEYS.iter().find(|(known, _)| *known == ty).map_or(&[][..], |(_, keys)| keys);
    for (of, keys) in KEYS {
        for key in keys.iter().filter(|key| !fitting.contains(key)) {
            // `min` and `max` belong to two types; once is enough.
            if let Some(entry) = fields.entry(key).filter(|_| of != "number") {
                let message = format!("`{key}` says nothing about `type: {ty}`");
                let help = format!("leave it out, or write `type: {of}`");
                out.push(Diagnostic::new(Id::ConflictingKeys, entry.at, message).help(help));
            }
        }
    }
}

fn bound<N: std::str::FromStr>(
    fields: Fields<'_, '_>,
    key: &str,
    default: N,
    out: &mut Diagnostics,
) -> Option<N> {
    let Some(text) = fields.word(key) else { return Some(default) };
    let is_number = |node: &Node<'_>| matches!(&node.value, Value::Scalar(scalar) if is_decimal(scalar));
    // What is no number was reported with its shape.
    fields.get(key).filter(|node| is_number(node))?;
    let number = text.text.parse().ok();
    if number.is_none() {
        let message = format!("`{key}` can not be {} here", text.text);
        out.push(
            Diagnostic::new(Id::WrongValue, text.at, message)
                .help("bounds of an integer are integers, those of a number have at most 17 digits"),
        );
    }
    number
}

/// Reports a range that holds nothing.
fn report_empty(empty: bool, fields: Fields<'_, '_>, upper: &str, out: &mut Diagnostics) -> Option<()> {
    if let Some(upper) = fields.entry(upper).filter(|_| empty) {
        let message =
            format!("nothing lies between `{}` and `{}`", upper.key.replace("max", "min"), upper.key);
        out.push(Diagnostic::new(Id::WrongValue, upper.at, message).help("exchange them"));
    }
    (!empty).then_some(())
}

fn text(fields: Fields<'_, '_>, effect: Effect, out: &mut Diagnostics) -> Option<TextMatch> {
    let length = |key| fields.number(key).and_then(|length| u32::try_from(length).ok());
    let one_of = distinct(fields.texts("oneOf"), "oneOf", out);
    let pattern = match fields.text("pattern") {
        Some(pattern) => Some(
            patterns::compile(pattern.text, effect != Effect::Allow)
                .map_err(|why| report_pattern(pattern, &why, out))
                .ok()?,
        ),
        None => None,
    };
    Some(TextMatch {
        one_of: one_of.into_iter().map(|text| text.text.to_owned()).collect(),
        min_chars: length("minLength").unwrap_or(0),
        max_chars: length("maxLength"),
        pattern,
    })
}

fn report_pattern(pattern: Text<'_>, why: &patterns::InvalidPattern, out: &mut Diagnostics) {
    let help = match why {
        patterns::InvalidPattern::TooLarge | patterns::InvalidPattern::TooManyStates => {
            "shorten its repetitions, or write `(?-u)` in front so that `\\w` and `.` mean ASCII and bytes"
        }
        patterns::InvalidPattern::Syntax(_) | patterns::InvalidPattern::Unsupported => {
            "it takes the syntax of RE2 and Rust's `regex`; look-around and back-references are not in it"
        }
    };
    let message = format!("`{}` can not be used as a pattern: {why}", pattern.text);
    out.push(Diagnostic::new(Id::Malformed, pattern.at, message).help(help));
}

fn below(fields: Fields<'_, '_>, at: Text<'_>, out: &mut Diagnostics) -> Option<Vec<String>> {
    if fields.entry("below").is_none() {
        let help = "name the folders that it may lead to, as in `below: [/srv/docs/]`";
        out.push(Diagnostic::new(Id::MissingKey, at.at, "`type: path` needs `below`").help(help));
        return None;
    }
    let mut prefixes: Vec<String> = Vec::new();
    for prefix in fields.texts("below") {
        let rest = prefix.text.trim_matches('/');
        let odd = rest.split('/').any(|segment| matches!(segment, "" | "." | "..")) && !rest.is_empty();
        if odd
            || prefix.text.contains(['\\', '%', '*'])
            || prefix.text.is_empty()
            || prefix.text.starts_with("//")
        {
            let message = format!("no path is below `{}`", prefix.text);
            let help = "write a plain path as `/srv/docs/`, without wildcards, escapes and dot segments";
            out.push(Diagnostic::new(Id::Malformed, prefix.at, message).help(help));
        }
        prefixes.push(prefix.text.to_owned());
    }
    prefixes.sort_unstable();
    Some(prefixes)
}

fn url(fields: Fields<'_, '_>, out: &mut Diagnostics) -> UrlMatch {
    let named = distinct(fields.texts("schemes"), "schemes", out);
    for scheme in &named {
        if !scheme
            .text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'))
        {
            let message = format!("`{}` is not a URL scheme", scheme.text);
            out.push(
                Diagnostic::new(Id::Malformed, scheme.at, message).help("write it as `https`, without `://`"),
            );
        }
    }
    let mut schemes: Vec<_> = named.into_iter().map(|scheme| scheme.text.to_owned()).collect();
    if schemes.is_empty() {
        schemes.push("https".to_owned());
    }
    let private = fields.word("private").is_some_and(|text| text.text == "allow");
    UrlMatch { schemes, hosts: hosts(fields, "hosts", out), ports: ports(fields, out), private }
}

#[cfg(test)]
mod tests {
    use super::unescape_step;

    #[test]
    fn steps_are_unescaped_in_the_order_of_the_rfc() {
        assert_eq!(unescape_step("a~1b~0c").as_deref(), Some("a/b~c"));
        assert_eq!(unescape_step("~01").as_deref(), Some("~1"));
        assert_eq!(unescape_step("a~2"), None);
    }
}
