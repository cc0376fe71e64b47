//! The functions: of Go's templates, of Sprig and of Helm, as far as the chart uses them.

use std::collections::BTreeMap;

use super::Value;
use super::Value::{Bool, Int, List, Map, Null, Text};
use crate::render::value::quoted;

/// Calls one. What it takes is what the chart gives it: anything else is refused, where Helm would make something of it.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let value = match (name, arguments) {
        ("eq", [one, other]) => Bool(equal(one, other)?),
        ("ne", [one, other]) => Bool(!equal(one, other)?),
        ("not", [one]) => Bool(!one.is_true()),
        ("empty", [one]) => Bool(!one.is_true()),
        ("default", [otherwise, one]) => if one.is_true() { one } else { otherwise }.clone(),
        ("ternary", [yes, no, Bool(which)]) => if *which { yes } else { no }.clone(),
        ("list", items) => List(items.to_vec()),
        ("dict", pairs) => Map(dict(pairs)?),
        ("index", [List(list), Int(at)]) => {
            let at = usize::try_from(*at).ok().and_then(|at| list.get(at));
            at.cloned().ok_or("`index` behind the end of a list")?
        }
        ("index", [Map(map), Text(key)]) => map.get(key).cloned().unwrap_or(Null),
        ("hasKey", [Map(map), Text(key)]) => Bool(map.contains_key(key)),
        ("prepend", [List(list), first]) => List([first].into_iter().chain(list).cloned().collect()),
        ("uniq", [List(list)]) => List(unique(list)),
        ("toYaml", [one]) => Text(one.yaml()),
        ("toJson", [one]) => Text(one.json()),
        ("fromJson", [Text(text)]) => {
            let json = serde_json::from_str(text).ok();
            json.and_then(|json| Value::of_json(&json)).ok_or("`fromJson` of what is no JSON")?
        }
        ("printf", [Text(format), rest @ ..]) => Text(printf(format, rest)?),
        ("quote", [one]) => Text(quoted(&shown(one)?)),
        ("nindent", [Int(by), one]) => Text(format!("\n{}", indented(*by, &shown(one)?)?)),
        ("indent", [Int(by), one]) => Text(indented(*by, &shown(one)?)?),
        ("trunc", [Int(most), Text(text)]) => {
            let most = usize::try_from(*most).map_err(|_| "`trunc` from the end")?;
            // Names are ASCII, but a cut must never come within a character.
            Text(text.chars().take(most).collect())
        }
        ("trimSuffix", [Text(suffix), Text(text)]) => {
            Text(text.strip_suffix(suffix.as_str()).unwrap_or(text).to_owned())
        }
        ("trimPrefix", [Text(prefix), Text(text)]) => {
            Text(text.strip_prefix(prefix.as_str()).unwrap_or(text).to_owned())
        }
        ("hasPrefix", [Text(prefix), Text(text)]) => Bool(text.starts_with(prefix.as_str())),
        ("replace", [Text(old), Text(new), Text(text)]) => Text(text.replace(old.as_str(), new)),
        ("semverCompare", [Text(range), Text(version)]) => Bool(at_least(range, version)?),
        ("int64", [Int(int)]) => Int(*int),
        ("add", [Int(one), Int(other)]) => Int(one.checked_add(*other).ok_or("a number is too large")?),
        ("sub", [Int(one), Int(other)]) => Int(one.checked_sub(*other).ok_or("a number is too large")?),
        ("mul", [Int(one), Int(other)]) => Int(one.checked_mul(*other).ok_or("a number is too large")?),
        (name, arguments) => {
            let kinds: Vec<_> = arguments.iter().map(Value::kind).collect();
            return Err(format!("there is no function `{name}` here that takes {}", listed(&kinds)));
        }
    };
    Ok(value)
}

fn listed(kinds: &[&str]) -> String {
    if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
}

/// Go compares what is of one kind, and anything with nothing.
fn equal(one: &Value, other: &Value) -> Result<bool, String> {
    match (one, other) {
        (Text(_), Text(_)) | (Int(_), Int(_)) | (Bool(_), Bool(_)) | (Null, _) | (_, Null) => {
            Ok(one == other)
        }
        _ => Err(format!("{} is compared with {}", one.kind(), other.kind())),
    }
}

fn dict(pairs: &[Value]) -> Result<BTreeMap<String, Value>, String> {
    let pair = |pair: &[Value]| match pair {
        [Text(key), value] => Ok((key.clone(), value.clone())),
        _ => Err("`dict` takes keys and values".to_owned()),
    };
    pairs.chunks(2).map(pair).collect()
}

fn unique(list: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for item in list {
        if !out.contains(item) {
            out.push(item.clone());
        }
    }
    out
}

fn shown(value: &Value) -> Result<String, String> {
    value.shown().ok_or_else(|| format!("{} is written as text", value.kind()))
}

fn indented(by: i64, text: &str) -> Result<String, String> {
    let by = usize::try_from(by).ok().filter(|by| *by <= 64).ok_or("text is indented too far")?;
    let pad = " ".repeat(by);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

/// `%s` and `%d`, and nothing else.
fn printf(format: &str, arguments: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let (mut rest, mut arguments) = (format, arguments.iter());
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let argument = arguments.next().ok_or("`printf` with too few values")?;
        match (after.get(..1), argument) {
            (Some("s"), Text(text)) => out.push_str(text),
            (Some("d"), Int(int)) => out.push_str(&int.to_string()),
            _ => return Err(format!("`printf` of {} in a way that is not known here", argument.kind())),
        }
        rest = after.get(1..).unwrap_or_default();
    }
    if arguments.next().is_some() {
        return Err("`printf` with too many values".to_owned());
    }
    Ok(out + rest)
}

/// Whether a version is at least the one of a range `>=A.B.C`.
fn at_least(range: &str, version: &str) -> Result<bool, String> {
    let read = |text: &str| {
        let numbers: Option<Vec<u32>> = text.split('.').map(|number| number.parse().ok()).collect();
        numbers.filter(|numbers| numbers.len() == 3).ok_or_else(|| format!("`{text}` is no version"))
    };
    let least = range.strip_prefix(">=").ok_or("`semverCompare` knows only `>=` here")?;
    Ok(read(version)? >= read(least)?)
}
