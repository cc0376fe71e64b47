//! Values as templates see them, and as text: YAML and JSON, by the rules of Helm's functions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Number, Value as Json};

/// A value. Mappings are in the order of their keys, as Helm goes through them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value {
    /// Nothing: `null`, or a key that is not there.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Whether a condition holds: all but nothing, zero, `false` and what is empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(bool) => *bool,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// The text that a template writes for it; none for lists and mappings, which no template means to write as they are.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Null => Some(String::new()),
            Self::Bool(bool) => Some(bool.to_string()),
            Self::Int(int) => Some(int.to_string()),
            Self::Float(float) => Some(float.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// As a block of YAML, without a line end after it.
    pub(super) fn yaml(&self) -> String {
        let mut out = String::new();
        self.write_yaml(&mut out, 0, false);
        out
    }

    /// As JSON in one line. `<`, `>` and `&` are escaped, as Go writes them.
    pub(super) fn json(&self) -> String {
        let text = self.to_json().to_string();
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(&mut out, c),
                _ => out.push(c),
            }
        }
        out
    }

    /// What JSON says; none where a number is too large to be kept as it is.
    pub(super) fn of_json(json: &Json) -> Option<Self> {
        Some(match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(number.as_f64().filter(|float| float.is_finite())?),
            },
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::of_json).collect::<Option<_>>()?),
            Json::Object(map) => {
                let entry = |(key, value): (&String, &Json)| Some((key.clone(), Self::of_json(value)?));
                Self::Map(map.iter().map(entry).collect::<Option<_>>()?)
            }
        })
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(bool) => Json::Bool(*bool),
            Self::Int(int) => Json::Number((*int).into()),
            Self::Float(float) => Number::from_f64(*float).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(list) => Json::Array(list.iter().map(Self::to_json).collect()),
            Self::Map(map) => {
                Json::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }

    /// `after_dash`: the first line goes where the cursor is, behind `- `.
    fn write_yaml(&self, out: &mut String, indent: usize, after_dash: bool) {
        let start = |out: &mut String, at: usize| {
            if at > 0 {
                out.push('\n');
            }
            if at > 0 || !after_dash {
                out.extend(std::iter::repeat_n(' ', indent));
            }
        };
        match self {
            Self::List(list) if !list.is_empty() => {
                for (at, item) in list.iter().enumerate() {
                    start(out, at);
                    out.push_str("- ");
                    item.write_yaml(out, indent + 2, true);
                }
            }
            Self::Map(map) if !map.is_empty() => {
                for (at, (key, value)) in map.iter().enumerate() {
                    start(out, at);
                    out.push_str(&quoted(key));
                    out.push(':');
                    match value {
                        Self::List(list) if !list.is_empty() => out.push('\n'),
                        Self::Map(map) if !map.is_empty() => out.push('\n'),
                        _ => out.push(' '),
                    }
                    value.write_yaml(out, indent + 2, matches!(out.as_bytes().last(), Some(b' ')));
                }
            }
            leaf => {
                start(out, 0);
                out.push_str(&leaf.yaml_leaf());
            }
        }
    }

    fn yaml_leaf(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => quoted(text),
            Self::List(_) => "[]".to_owned(),
            Self::Map(_) => "{}".to_owned(),
            other => other.shown().unwrap_or_default(),
        }
    }
}

/// Text in double quotes, as YAML and JSON both read it: nobody can take it for anything but text.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~' => out.push(c),
            _ => escape(&mut out, c),
        }
    }
    out.push('"');
    out
}

/// `\uXXXX`, or YAML's `\UXXXXXXXX`.
fn escape(out: &mut String, c: char) {
    let number = u32::from(c);
    // Writing to a string does not fail.
    let _ = if number <= 0xffff { write!(out, "\\u{number:04x}") } else { write!(out, "\\U{number:08x}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::of_json(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn yaml_is_indented_and_text_stays_text() {
        let all = value(r#"{"b":[{"x":1,"y":["no",null]},[]],"a":{"k":{}},"c":"\u0001\"\ud83d\ude00"}"#);
        let yaml = "\"a\":\n  \"k\": {}\n\"b\":\n  - \"x\": 1\n    \"y\":\n      - \"no\"\n      - null\n  - []\n\"c\": \"\\u0001\\\"\\U0001f600\"";
        assert_eq!(all.yaml(), yaml);
        assert_eq!((value("{}").yaml(), value("7").yaml()), ("{}".to_owned(), "7".to_owned()));
    }

    #[test]
    fn json_is_as_go_writes_it() {
        assert_eq!(
            value(r#"{"b":"<&>","a":[1.5,true]}"#).json(),
            r#"{"a":[1.5,true],"b":"\u003c\u0026\u003e"}"#
        );
    }
}
