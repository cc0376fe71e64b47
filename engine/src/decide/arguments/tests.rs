use super::*;
use crate::http::HostPattern;

impl From<Element> for Constraint {
    fn from(element: Element) -> Self {
        Self::One(element)
    }
}

use alloc::vec;

fn field(pointer: &[&str], constraint: impl Into<Constraint>) -> Field {
    let pointer = pointer.iter().map(|step| (*step).into()).collect();
    Field { pointer, presence: Presence::Required, constraint: constraint.into() }
}

fn holds(rule: &Arguments, json: &str) -> Holds {
    judge(rule, Effect::Allow, Document::parse(json.as_bytes()).unwrap().root())
}

fn one(constraint: impl Into<Constraint>, json: &str) -> Holds {
    holds(
        &Arguments { fields: vec![field(&["x"], constraint)], additional: true },
        &alloc::format!(r#"{{"x":{json}}}"#),
    )
}

#[test]
fn what_is_missing_or_of_another_type_is_unknown() {
    let rule =
        Arguments { fields: vec![field(&["n"], Element::Integer { min: 1, max: 10 })], additional: true };
    for (json, expected) in [
        (r#"{"n":5}"#, Holds::Satisfied),
        (r#"{"n":11}"#, Holds::Violated),
        (r#"{"n":"5"}"#, Holds::Unknown),
        (r#"{"n":5.0}"#, Holds::Unknown),
        (r#"{"n":null}"#, Holds::Unknown),
        (r#"{"N":5}"#, Holds::Unknown),
        (r#"{"n":5,"N":50}"#, Holds::Unknown),
        ("{}", Holds::Unknown),
        ("[5]", Holds::Unknown),
        ("5", Holds::Unknown),
        (r#""{\"n\":5}""#, Holds::Satisfied),
        (r#""{\"n\":50}""#, Holds::Violated),
        (r#""{\"n\":5,\"n\":50}""#, Holds::Unknown),
        (r#""n""#, Holds::Unknown),
    ] {
        assert_eq!(holds(&rule, json), expected, "{json}");
    }
    assert_eq!(judge(&rule, Effect::Allow, None), Holds::Unknown);
}

#[test]
fn presence_and_surplus_are_judged() {
    let mut rule = Arguments { fields: vec![field(&["a", "*", "b"], Element::Any)], additional: false };
    for (json, expected) in [
        (r#"{"a":[{"b":1},{"b":2}]}"#, Holds::Satisfied),
        (r#"{"a":{"k":{"b":1}}}"#, Holds::Satisfied),
        (r#"{"a":[{"b":1},{"c":2}]}"#, Holds::Unknown),
        (r#"{"a":[]}"#, Holds::Unknown),
        (r#"{"a":[{"b":1,"c":2}]}"#, Holds::Violated),
        (r#"{"a":[{"b":1}],"z":1}"#, Holds::Violated),
        (r#"{"a":7}"#, Holds::Unknown),
    ] {
        assert_eq!(holds(&rule, json), expected, "{json}");
    }
    rule.fields[0].presence = Presence::Forbidden;
    rule.additional = true;
    assert_eq!((holds(&rule, "{}"), holds(&rule, r#"{"a":[{"b":1}]}"#)), (Holds::Satisfied, Holds::Violated));
}

#[test]
fn paths_stay_below_their_prefix() {
    let below = |json| one(Element::PathBelow(vec!["/srv/docs".into()]), json);
    for json in [r#""/srv/docs""#, r#""/srv/docs/a/b""#, r#""/srv/docs/a/""#, r#""\/srv\/docs\/a""#] {
        assert_eq!(below(json), Holds::Satisfied, "{json}");
    }
    for json in [
        r#""/srv/docs/../x""#,
        r#""/srv/docs/./x""#,
        r#""/srv//docs/x""#,
        r#""/srv/docs2""#,
        r#""/srv/docs/%2e%2e/x""#,
        r#""/srv/docs\\..\\x""#,
        r#""/srv/docs/a\u0000b""#,
        r#""srv/docs/a""#,
        r#""/etc/passwd""#,
    ] {
        assert_eq!(below(json), Holds::Violated, "{json}");
    }
    assert_eq!(below("7"), Holds::Unknown);
}

#[test]
fn urls_lead_where_the_rule_says() {
    let wanted = |hosts: &[&str], private| {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
        Element::Url(UrlMatch { schemes: vec!["https".into()], hosts, ports: vec![], private })
    };
    for (hosts, private, url, expected) in [
        (&[][..], false, "https://example.com/x", Holds::Satisfied),
        (&[], false, "http://example.com/x", Holds::Violated),
        (&[], false, "https://example.com:8443/x", Holds::Violated),
        (&[], false, "https://example.com:443/x", Holds::Satisfied),
        (&[], false, "https://0xa9fea9fe/", Holds::Violated),
        (&[], true, "https://10.0.0.1/", Holds::Satisfied),
        (&["*.example.com"], false, "https://a.example.com", Holds::Satisfied),
        (&["*.example.com"], false, "https://a.example.com.evil.net", Holds::Violated),
        (&["*.internal"], false, "https://metadata.google.internal", Holds::Violated),
        (&["wiki.internal"], false, "https://wiki.internal", Holds::Satisfied),
        (&["10.0.0.1"], false, "https://0x0a.1/", Holds::Satisfied),
    ] {
        assert_eq!(one(wanted(hosts, private), &alloc::format!("\"{url}\"")), expected, "{hosts:?} {url}");
    }
}

#[test]
fn text_is_measured_in_characters() {
    let text = |one_of: &[&str], min_chars, max_chars| {
        let one_of = one_of.iter().map(|text| (*text).into()).collect();
        Element::Text(TextMatch { one_of, min_chars, max_chars, pattern: None })
    };
    assert_eq!(one(text(&["a", "b"], 0, None), r#""b""#), Holds::Satisfied);
    assert_eq!(one(text(&["a", "b"], 0, None), r#""B""#), Holds::Violated);
    assert_eq!(one(text(&[], 2, Some(3)), "\"\u{e9}\u{e9}\u{e9}\""), Holds::Satisfied);
    assert_eq!(one(text(&[], 2, Some(3)), r#""abcd""#), Holds::Violated);
    assert_eq!(one(text(&[], 2, Some(3)), r#""a""#), Holds::Violated);
    let list = |max| Constraint::List { max, each: text(&["a"], 0, None) };
    assert_eq!(one(list(2), r#"["a","a"]"#), Holds::Satisfied);
    assert_eq!(one(list(1), r#"["a","a"]"#), Holds::Violated);
    assert_eq!(one(list(2), r#"["a",1]"#), Holds::Unknown);
}

#[test]
fn a_deny_of_one_value_is_a_deny_of_any() {
    let text = Element::Text(TextMatch { one_of: vec!["evil".into()], ..TextMatch::default() });
    let rule = Arguments { fields: vec![field(&["to", "*"], text)], additional: false };
    for (body, expected) in [
        (r#"{"to":["good","evil"]}"#, Holds::Satisfied),
        (r#"{"to":["evil","good"]}"#, Holds::Satisfied),
        (r#"{"to":["good",1]}"#, Holds::Unknown),
        (r#"{"to":["good"]}"#, Holds::Violated),
        (r#"{"to":[]}"#, Holds::Unknown),
    ] {
        let document = Document::parse(body.as_bytes()).unwrap();
        assert_eq!(judge(&rule, Effect::Deny, document.root()), expected, "{body}");
    }
}

#[test]
fn a_deny_lets_go_only_of_what_it_is_certain_about() {
    let url = |hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
        Element::Url(UrlMatch { schemes: vec!["https".into()], hosts, ports: vec![], private: false })
    };
    let text = Element::Text(TextMatch { one_of: vec!["prod".into()], ..TextMatch::default() });
    let list = Constraint::List {
        max: 9,
        each: Element::Text(TextMatch { one_of: vec!["prod".into()], ..TextMatch::default() }),
    };
    let path = Element::PathBelow(vec!["/etc/".into()]);
    let mut cases = Vec::new();
    for (constraint, json, expected) in [
        (path.clone(), r#""/etc/passwd""#, Holds::Satisfied),
        (path.clone(), r#""/ETC/passwd""#, Holds::Satisfied),
        (path.clone(), r#""/etc""#, Holds::Satisfied),
        (path.clone(), r#""/etc/./passwd""#, Holds::Unknown),
        (path.clone(), r#""//etc/passwd""#, Holds::Unknown),
        (path.clone(), r#""/srv/../etc/passwd""#, Holds::Unknown),
        (path.clone(), r#""etc/passwd""#, Holds::Unknown),
        (path.clone(), r#""/srv/docs""#, Holds::Violated),
        (url(&["evil.example"]), r#""https://evil.example:8443/""#, Holds::Satisfied),
        (url(&["evil.example"]), r#""ftp://evil.example/""#, Holds::Satisfied),
        (url(&["*.internal"]), r#""https://metadata.google.internal/""#, Holds::Satisfied),
        (url(&["evil.example"]), r#""https://u@evil.example/""#, Holds::Unknown),
        (url(&["evil.example"]), r#""//evil.example/""#, Holds::Unknown),
        (url(&["evil.example"]), r#""https://good.example/""#, Holds::Violated),
        (text.clone(), r#""PROD""#, Holds::Satisfied),
        (text.clone(), "\"pr\u{200b}od\"", Holds::Satisfied),
        (path.clone(), r#""/srv/..;/etc/passwd""#, Holds::Unknown),
        (path.clone(), r#""/srv/.. /etc/passwd""#, Holds::Unknown),
        (path.clone(), "\"/srv/\u{ff0e}\u{ff0e}/etc/passwd\"", Holds::Unknown),
        (text.clone(), r#"" prod ""#, Holds::Satisfied),
        (text.clone(), r#""test""#, Holds::Violated),
    ] {
        cases.push((Constraint::One(constraint), json, expected));
    }
    for (json, expected) in [
        (r#"["test","prod"]"#, Holds::Satisfied),
        (r#"["test",7]"#, Holds::Unknown),
        ("[]", Holds::Violated),
        (r#"["test"]"#, Holds::Violated),
    ] {
        cases.push((list.clone(), json, expected));
    }
    for (constraint, json, expected) in cases {
        let rule = Arguments { fields: vec![field(&["x"], constraint)], additional: false };
        for body in [alloc::format!(r#"{{"x":{json}}}"#), alloc::format!(r#"{{"x":{json},"extra":1}}"#)] {
            let document = Document::parse(body.as_bytes()).unwrap();
            assert_eq!(judge(&rule, Effect::Deny, document.root()), expected, "{body}");
        }
    }
}
