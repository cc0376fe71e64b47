//! Values as written to values as templates see them.

use std::collections::BTreeMap;

use super::value::Value;
use crate::tree::{Node, Scalar, Value as Written};

/// What a bare word is, by the rules that all versions of YAML have in common; `None` where they differ.
pub(super) fn scalar(scalar: &Scalar<'_>) -> Option<Value> {
    let text = &*scalar.text;
    if scalar.quoted || scalar.misread_as().is_none() {
        return Some(Value::Text(text.to_owned()));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A zero in front makes a number octal, to some.
    let is_whole = |text: &str| is_digits(text) && (text.len() == 1 || !text.starts_with('0'));
    match text {
        "null" | "~" => Some(Value::Null),
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ if is_whole(digits) => text.parse().ok().map(Value::Int),
        _ => {
            let (whole, fraction) = digits.split_once('.')?;
            let is_plain = is_whole(whole) && is_digits(fraction);
            is_plain.then(|| text.parse().ok().map(Value::Float)).flatten()
        }
    }
}

/// What a node is; what was reported as wrong is nothing.
pub(super) fn value(node: &Node<'_>) -> Value {
    match &node.value {
        Written::Invalid => Value::Null,
        Written::Scalar(word) => scalar(word).unwrap_or_default(),
        Written::List(items) => Value::List(items.iter().map(value).collect()),
        Written::Map(entries) => {
            Value::Map(entries.iter().map(|entry| (entry.key.to_string(), value(&entry.node))).collect())
        }
    }
}

/// Lays values over others: mappings key by key, all else whole.
pub(super) fn lay(over: Value, under: Value) -> Value {
    match (over, under) {
        (Value::Map(over), Value::Map(mut under)) => {
            for (key, value) in over {
                let before = under.remove(&key);
                under.insert(key, before.map_or_else(|| value.clone(), |before| lay(value.clone(), before)));
            }
            Value::Map(under)
        }
        (over, _) => over,
    }
}

/// Lays the user's values over the defaults. As with Helm, `null` takes a default away.
pub(super) fn complete(given: Value, defaults: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut all = defaults;
    let Value::Map(given) = given else { return all };
    for (key, value) in given {
        let completed = match (all.remove(&key), value) {
            (Some(_), Value::Null) => continue,
            (Some(Value::Map(defaults)), Value::Map(given)) => {
                Value::Map(complete(Value::Map(given), defaults))
            }
            (_, value) => value,
        };
        all.insert(key, completed);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Option<Value> {
        scalar(&Scalar::new(text, false))
    }

    #[test]
    fn only_what_all_readers_agree_on_is_a_number_or_a_boolean() {
        assert_eq!(word("8080"), Some(Value::Int(8080)));
        assert_eq!(word("-1"), Some(Value::Int(-1)));
        assert_eq!(word("0.5"), Some(Value::Float(0.5)));
        assert_eq!(word("true"), Some(Value::Bool(true)));
        assert_eq!(word("null"), Some(Value::Null));
        assert_eq!(word("30s"), Some(Value::Text("30s".to_owned())));
        assert_eq!(scalar(&Scalar::new("8080", true)), Some(Value::Text("8080".to_owned())));
        for unclear in
            ["yes", "Off", "True", "0400", "0x1f", "1_000", "12:30", "1e3", ".5", "", "99999999999999999999"]
        {
            assert_eq!(word(unclear), None, "{unclear}");
        }
    }

    #[test]
    fn values_lie_over_one_another_and_null_takes_away() {
        let map = |json: &str| Value::of_json(&serde_json::from_str(json).unwrap()).unwrap();
        let Value::Map(defaults) = map(r#"{"a":{"x":1,"y":2},"b":[1],"c":3}"#) else { unreachable!() };
        let given = lay(map(r#"{"a":{"x":null},"b":[]}"#), map(r#"{"a":{"x":7,"z":null},"b":[2],"c":null}"#));
        assert_eq!(Value::Map(complete(given, defaults)), map(r#"{"a":{"y":2,"z":null},"b":[]}"#));
    }
}
