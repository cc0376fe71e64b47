//! Holds values to the chart's `values.schema.json`, with places and remedies.
//!
//! The part of JSON Schema that the chart's schema is written in; a test says that it uses nothing else.

use serde_json::{Map, Value as Json};

use super::value::Value;
use super::values::scalar;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::patterns;
use crate::suggest::{did_you_mean, either};
use crate::tree::{Entry, Node, Scalar, Value as Written};

/// Checks what one file gives. `null` instead of a value that has a default takes the default away, and needs no check.
pub(super) fn check(schema: &Json, node: &Node<'_>, defaults: &Value, out: &mut Diagnostics) {
    Check { schema, out }.node(schema, node, "", Some(defaults));
}

struct Check<'c> {
    /// All of it, for references.
    schema: &'c Json,
    out: &'c mut Diagnostics,
}

type Rules = Map<String, Json>;

impl<'c> Check<'c> {
    fn node(&mut self, schema: &'c Json, node: &Node<'_>, path: &str, default: Option<&Value>) {
        let Some(rules) = self.resolved(schema) else { return };
        if node.is_null() && default.is_some() && !path.is_empty() {
            return;
        }
        match &node.value {
            Written::Invalid => {}
            Written::Map(entries) if self.is_of(rules, "object", node, path) => {
                self.mapping(rules, entries, path, default);
                self.required(rules, entries, node, path);
            }
            Written::List(items) if self.is_of(rules, "array", node, path) => {
                self.list(rules, items, node, path);
            }
            Written::Scalar(word) => self.word(rules, word, node, path),
            Written::Map(_) | Written::List(_) => {}
        }
    }

    /// Follows a reference to a definition.
    fn resolved(&self, schema: &'c Json) -> Option<&'c Rules> {
        let schema = match schema.get("$ref").and_then(Json::as_str) {
            Some(place) => self.schema.pointer(place.trim_start_matches('#'))?,
            None => schema,
        };
        schema.as_object()
    }

    fn report(&mut self, id: Id, node: &Node<'_>, message: String, help: Option<String>) {
        self.out.push(Diagnostic::new(id, node.span, message).maybe_help(help));
    }

    /// Whether something of this type may stand here; if not, that is reported.
    fn is_of(&mut self, rules: &Rules, kind: &str, node: &Node<'_>, path: &str) -> bool {
        let takes = |name: &Json| name == kind || (name == "number" && kind == "integer");
        let (known, wanted) = match rules.get("type") {
            None => return true,
            Some(Json::Array(names)) => {
                (names.iter().any(takes), names.iter().filter_map(Json::as_str).collect())
            }
            Some(name) => (takes(name), name.as_str().into_iter().collect::<Vec<_>>()),
        };
        if known {
            return true;
        }
        let wanted: Vec<_> = wanted.into_iter().map(in_words).collect();
        let (wanted, found) = (wanted.join(" or "), node.describe());
        let needs_quotes = wanted == "text" && matches!(&node.value, Written::Scalar(_)) && !node.is_blank();
        let (id, help) = if needs_quotes {
            (Id::NeedsQuotes, "write it in quotes")
        } else if node.is_blank() {
            (Id::WrongType, "write a value, or take the key out")
        } else {
            (Id::WrongType, "values.yaml of the chart describes every value")
        };
        self.report(id, node, format!("`{path}` takes {wanted}, not {found}"), Some(help.to_owned()));
        false
    }

    fn mapping(&mut self, rules: &'c Rules, entries: &[Entry<'_>], path: &str, default: Option<&Value>) {
        let properties = rules.get("properties").and_then(Json::as_object);
        for entry in entries {
            let below = if path.is_empty() { entry.key.to_string() } else { format!("{path}.{}", entry.key) };
            if let Some(names) = rules.get("propertyNames").and_then(Json::as_object) {
                let name = Node { span: entry.at, value: Written::Scalar(Scalar::new(&*entry.key, true)) };
                self.text(names, &entry.key, &name, &below);
            }
            let known = properties.and_then(|known| known.get(&*entry.key));
            match known.or_else(|| rules.get("additionalProperties")) {
                Some(Json::Bool(false)) => {
                    let names = properties.into_iter().flat_map(|known| known.keys().map(String::as_str));
                    let help = did_you_mean(&entry.key, names);
                    let help =
                        help.unwrap_or_else(|| "values.yaml of the chart describes every value".to_owned());
                    let message = format!("there is no value `{below}`");
                    self.out.push(Diagnostic::new(Id::UnknownKey, entry.at, message).help(help));
                }
                Some(schema @ Json::Object(_)) => {
                    let default = match default {
                        Some(Value::Map(map)) => map.get(&*entry.key),
                        _ => None,
                    };
                    self.node(schema, &entry.node, &below, default);
                }
                _ => self.free(&entry.node, &below),
            }
        }
    }

    /// What the schema leaves to Kubernetes must still be read by everybody in the same way.
    fn free(&mut self, node: &Node<'_>, path: &str) {
        match &node.value {
            Written::Map(entries) => {
                for entry in entries {
                    self.free(&entry.node, &format!("{path}.{}", entry.key));
                }
            }
            Written::List(items) => items.iter().for_each(|item| self.free(item, path)),
            Written::Scalar(word) => {
                self.clear(word, node, path);
            }
            Written::Invalid => {}
        }
    }

    fn required(&mut self, rules: &Rules, entries: &[Entry<'_>], node: &Node<'_>, path: &str) {
        for name in rules.get("required").and_then(Json::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !entries.iter().any(|entry| *entry.key == *name) {
                self.report(Id::MissingKey, node, format!("`{path}` needs the key `{name}`"), None);
            }
        }
    }

    fn list(&mut self, rules: &'c Rules, items: &[Node<'_>], node: &Node<'_>, path: &str) {
        let most = rules.get("maxItems").and_then(Json::as_u64);
        if most.is_some_and(|most| u64::try_from(items.len()).is_ok_and(|count| count > most)) {
            let message = format!("`{path}` takes at most {} items", most.unwrap_or_default());
            self.report(Id::TooMany, node, message, None);
        }
        let distinct = rules.get("uniqueItems") == Some(&Json::Bool(true));
        let mut seen = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let below = format!("{path}[{at}]");
            match rules.get("items") {
                Some(schema) => self.node(schema, item, &below, None),
                None => self.free(item, &below),
            }
            let value = super::values::value(item);
            if distinct && seen.contains(&value) {
                let help = Some("take one of them out".to_owned());
                self.report(Id::ConflictingKeys, item, format!("`{path}` has this item twice"), help);
            }
            seen.push(value);
        }
    }

    /// What a bare word is; reported if readers of YAML do not agree on it.
    fn clear(&mut self, word: &Scalar<'_>, node: &Node<'_>, path: &str) -> Option<Value> {
        let value = scalar(word);
        if value.is_none() && !node.is_blank() {
            let what = node.describe();
            let message = format!("`{path}` is {what} to some readers of YAML, and something else to others");
            let help = "write `true`, `false`, `null`, a decimal number, or put quotes around text";
            self.report(Id::NeedsQuotes, node, message, Some(help.to_owned()));
        }
        value
    }

    fn word(&mut self, rules: &Rules, word: &Scalar<'_>, node: &Node<'_>, path: &str) {
        let text_is_wanted = rules.get("type").is_some_and(|kind| kind == "string");
        let value =
            if text_is_wanted || node.is_blank() { scalar(word) } else { self.clear(word, node, path) };
        let kind = match &value {
            Some(Value::Text(_)) => "string",
            Some(Value::Int(_)) => "integer",
            Some(Value::Float(_)) => "number",
            Some(Value::Bool(_)) => "boolean",
            Some(_) => "null",
            None if text_is_wanted || node.is_blank() => "",
            None => return,
        };
        if !self.is_of(rules, kind, node, path) {
            return;
        }
        match value {
            Some(Value::Text(text)) => self.text(rules, &text, node, path),
            Some(Value::Int(int)) => self.number(rules, int, node, path),
            _ => {}
        }
    }

    fn number(&mut self, rules: &Rules, int: i64, node: &Node<'_>, path: &str) {
        let (least, most) =
            (rules.get("minimum").and_then(Json::as_i64), rules.get("maximum").and_then(Json::as_i64));
        if least.is_some_and(|least| int < least) || most.is_some_and(|most| int > most) {
            let bound = |word: &str, bound: Option<i64>| bound.map(|bound| format!("{word} {bound}"));
            let bounds: Vec<_> =
                [bound("at least", least), bound("at most", most)].into_iter().flatten().collect();
            self.report(Id::WrongValue, node, format!("`{path}` is {}", bounds.join(" and ")), None);
        }
    }

    /// What is wrong with a text is told without showing it: it may be a secret.
    fn text(&mut self, rules: &Rules, text: &str, node: &Node<'_>, path: &str) {
        if let Some(words) = rules.get("enum").and_then(Json::as_array) {
            if !words.iter().any(|word| word == text) {
                let words = words.iter().filter_map(Json::as_str).filter(|word| !word.is_empty());
                let help = format!("write {}", either(words));
                self.report(Id::WrongValue, node, format!("`{path}` does not take this"), Some(help));
            }
            return;
        }
        let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let too_short = rules.get("minLength").and_then(Json::as_u64).is_some_and(|least| characters < least);
        let too_long = rules.get("maxLength").and_then(Json::as_u64).is_some_and(|most| characters > most);
        let pattern = rules.get("pattern").and_then(Json::as_str);
        let misfit = pattern.is_some_and(|pattern| !fits(pattern, text));
        if too_short || too_long || misfit {
            let help = match (rules.get("description").and_then(Json::as_str), pattern) {
                (Some(description), _) => description.to_owned(),
                _ if too_short => "write something longer".to_owned(),
                _ if too_long => "write something shorter".to_owned(),
                (None, pattern) => format!("it must fit the pattern {}", pattern.unwrap_or_default()),
            };
            self.report(Id::Malformed, node, format!("`{path}` is not written as it must be"), Some(help));
        }
    }
}

/// Whether a text fits a pattern of the schema; all of those begin with `^`. One that can not be read is fitted by nothing.
fn fits(pattern: &str, text: &str) -> bool {
    let whole = if pattern.ends_with('$') { pattern.to_owned() } else { format!("{pattern}(?s:.*)") };
    patterns::compile(&whole, false).is_ok_and(|pattern| pattern.matches(text))
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        _ => "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keywords that this file knows, and those that say nothing about values.
    const KNOWN: [&str; 18] = [
        "$ref",
        "type",
        "properties",
        "additionalProperties",
        "propertyNames",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "items",
        "maxItems",
        "uniqueItems",
        "required",
        "description",
        "$schema",
        "title",
    ];

    fn every(schema: &Json, seen: &mut impl FnMut(&Rules)) {
        let Some(rules) = schema.as_object() else { return };
        seen(rules);
        for (key, value) in rules {
            match key.as_str() {
                "properties" | "definitions" => {
                    value.as_object().unwrap().values().for_each(|one| every(one, seen))
                }
                "items" | "additionalProperties" | "propertyNames" => every(value, seen),
                _ => {}
            }
        }
    }

    #[test]
    fn the_schema_uses_nothing_else() {
        let schema: Json = serde_json::from_str(super::super::chart::SCHEMA).unwrap();
        let mut count = 0;
        every(&schema, &mut |rules| {
            count += 1;
            for key in rules.keys() {
                assert!(KNOWN.contains(&key.as_str()) || key == "definitions", "{key}");
            }
            if let Some(pattern) = rules.get("pattern").and_then(Json::as_str) {
                assert!(pattern.starts_with('^'), "{pattern}");
                let whole = pattern.trim_end_matches('$');
                assert!(
                    patterns::compile(whole, false).is_ok(),
                    "{pattern}: {:?}",
                    patterns::compile(whole, false)
                );
            }
        });
        assert!(count > 80, "{count}");
    }

    #[test]
    fn patterns_fit_as_written() {
        assert!(
            fits("^(a|b)?$", "a")
                && fits("^(a|b)?$", "")
                && !fits("^(a|b)?$", "ab")
                && !fits("^(a|b)?$", "a\n")
        );
        assert!(fits("^-----BEGIN", "-----BEGIN\nx") && !fits("^-----BEGIN", " -----BEGIN"));
    }
}
