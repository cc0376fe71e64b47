//! Words for what a rule asks of a tool call's arguments. A pattern's text is not in a policy any more, only its table.

use sallyport_engine::http::HostPattern;
use sallyport_engine::policy::{
    Arguments, Constraint, Decimal, Element, Field, Presence, TextMatch, UrlMatch,
};

use super::one_of;

/// Everything that is asked of the arguments, a clause each.
pub fn arguments(arguments: &Arguments) -> Vec<String> {
    let mut clauses: Vec<_> = arguments.fields.iter().map(clause).collect();
    if !arguments.additional {
        clauses.push(match clauses.is_empty() {
            true => "no argument is given".to_owned(),
            false => "no other argument is given".to_owned(),
        });
    }
    clauses
}

/// What is asked of one place: "`/path` is a path below `/srv`".
pub fn clause(field: &Field) -> String {
    let at = place(field);
    match field.presence {
        Presence::Forbidden => format!("`{at}` is not given"),
        Presence::Optional => format!("`{at}`, if it is given, is {}", constraint(&field.constraint)),
        Presence::Required => format!("`{at}` is {}", constraint(&field.constraint)),
    }
}

/// The place as a JSON pointer.
pub fn place(field: &Field) -> String {
    let step = |step: &String| format!("/{}", step.replace('~', "~0").replace('/', "~1"));
    field.pointer.iter().map(step).collect()
}

/// What must stand in a place: "a path below `/srv`".
pub fn constraint(constraint: &Constraint) -> String {
    match constraint {
        Constraint::One(one) => element(one),
        Constraint::List { max, each: Element::Any } => format!("a list of at most {max}"),
        Constraint::List { max, each } => format!("a list of at most {max}, each of them {}", element(each)),
    }
}

fn element(element: &Element) -> String {
    match element {
        Element::Any => "anything".to_owned(),
        Element::Boolean(None) => "`true` or `false`".to_owned(),
        Element::Boolean(Some(value)) => format!("`{value}`"),
        Element::Integer { min, max } => {
            let (least, most) = ((*min > i64::MIN).then_some(min), (*max < i64::MAX).then_some(max));
            format!("an integer{}", between(least, most))
        }
        Element::Number { min, max } => {
            let (least, most) = ((*min > Decimal::MIN).then_some(min), (*max < Decimal::MAX).then_some(max));
            format!("a number{}", between(least, most))
        }
        Element::Text(wanted) => text(wanted),
        Element::PathBelow(prefixes) => format!("a path below {}", one_of(prefixes)),
        Element::Url(wanted) => url(wanted),
        Element::Object => "an object".to_owned(),
    }
}

fn between<T: ToString>(least: Option<T>, most: Option<T>) -> String {
    match (least, most) {
        (None, None) => String::new(),
        (Some(least), None) => format!(" of at least {}", least.to_string()),
        (None, Some(most)) => format!(" of at most {}", most.to_string()),
        (Some(least), Some(most)) => format!(" from {} to {}", least.to_string(), most.to_string()),
    }
}

fn text(wanted: &TextMatch) -> String {
    let TextMatch { one_of: texts, min_chars, max_chars, pattern } = wanted;
    if !texts.is_empty() {
        return one_of(texts);
    }
    let length = between((*min_chars > 0).then_some(*min_chars), *max_chars);
    let length = if length.is_empty() { length } else { format!("{length} characters") };
    let pattern = if pattern.is_some() { " that matches its pattern" } else { "" };
    format!("text{length}{pattern}")
}

fn url(wanted: &UrlMatch) -> String {
    let UrlMatch { schemes, hosts, ports, private } = wanted;
    let hosts = match (hosts.is_empty(), private) {
        (true, false) => " of a public host".to_owned(),
        (true, true) => String::new(),
        (false, _) => format!(" at {}", one_of(hosts.iter().map(HostPattern::to_string))),
    };
    let private = if *private { ", private addresses among them" } else { "" };
    let ports = if ports.is_empty() { String::new() } else { format!(" on port {}", one_of(ports)) };
    format!("a URL with {}{hosts}{ports}{private}", one_of(schemes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(element: Element) -> String {
        constraint(&Constraint::One(element))
    }

    #[test]
    fn constraints_read_as_what_must_stand_there() {
        assert_eq!(words(Element::Integer { min: 1, max: i64::MAX }), "an integer of at least 1");
        assert_eq!(words(Element::Integer { min: 1, max: 5 }), "an integer from 1 to 5");
        assert_eq!(
            words(Element::Number { min: Decimal::MIN, max: Decimal::parse("0.5").unwrap() }),
            "a number of at most 0.5"
        );
        assert_eq!(words(Element::Boolean(Some(false))), "`false`");
        assert_eq!(words(Element::PathBelow(vec!["/a".into(), "/b".into()])), "a path below `/a` or `/b`");
        let short = TextMatch { max_chars: Some(9), ..TextMatch::default() };
        assert_eq!(words(Element::Text(short.clone())), "text of at most 9 characters");
        let each = Constraint::List { max: 3, each: Element::Text(short) };
        assert_eq!(constraint(&each), "a list of at most 3, each of them text of at most 9 characters");
        let url = UrlMatch { schemes: vec!["https".into()], ..UrlMatch::default() };
        assert_eq!(words(Element::Url(url)), "a URL with `https` of a public host");
    }

    #[test]
    fn arguments_read_as_conditions() {
        let field = |pointer: &[&str], presence| Field {
            pointer: pointer.iter().map(|&step| step.to_owned()).collect(),
            presence,
            constraint: Constraint::One(Element::Object),
        };
        let asked = Arguments {
            fields: vec![field(&["a/b", "*"], Presence::Optional), field(&["c"], Presence::Forbidden)],
            additional: false,
        };
        let clauses =
            ["`/a~1b/*`, if it is given, is an object", "`/c` is not given", "no other argument is given"];
        assert_eq!(arguments(&asked), clauses);
        assert_eq!(arguments(&Arguments::default()), ["no argument is given"]);
    }
}
