//! The walk that holds a file to the table, and reports what does not fit.

use std::fmt;

use super::{Field, Fields, Need, Object, Text, Together, Ty, has_leading_zero, number};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::sources::Span;
use crate::suggest::{did_you_mean, either, listing, nearest, odd_character};
use crate::tree::{Entry, Node, Scalar, Value};

/// The mapping under `base64:` that stands for bytes which are not text.
static BYTES: Object = Object {
    name: "bytes",
    doc: "",
    fields: &[Field { name: "base64", ty: Ty::Text("standard base64"), need: Need::Required, doc: "" }],
    together: &[],
};

/// Holds `node` to `object` and reports what does not fit. `at` is blamed for what is missing.
pub fn check(node: &Node<'_>, object: &'static Object, at: Span, out: &mut Diagnostics) {
    Walk { out }.object(node, object, Label::This(object.name), at);
}

/// How a message calls a mapping.
#[derive(Clone, Copy)]
enum Label<'a> {
    /// By the key that it stands under.
    Key(&'a str),
    /// By what it is: an item of a list, or a document.
    This(&'static str),
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "`{key}`"),
            Self::This(what) => write!(f, "this {what}"),
        }
    }
}

struct Walk<'o> {
    out: &'o mut Diagnostics,
}

// === impl Walk ===

impl Walk<'_> {
    fn value(&mut self, node: &Node<'_>, ty: &'static Ty, name: &str, at: Span) {
        if matches!(node.value, Value::Invalid) {
            return;
        }
        if node.is_blank() {
            let message = format!("`{name}` has no value");
            self.out.push(
                Diagnostic::new(Id::WrongType, at, message).help(format!("it takes {}", ty.describe())),
            );
            return;
        }
        match (ty, &node.value) {
            (Ty::TextOrNull(_), _) if node.is_null() => {}
            (Ty::Text(_) | Ty::TextOrNull(_) | Ty::Form(..), Value::Scalar(scalar)) => {
                self.text(node, scalar, name, ty);
            }
            (Ty::Number { min, max, .. }, Value::Scalar(_)) => self.number(node, *min, *max, name, ty),
            (Ty::Decimal, Value::Scalar(scalar)) if is_decimal(scalar) => {}
            (Ty::Parts, Value::Scalar(_)) => {}
            (Ty::Parts, Value::List(parts)) if parts.iter().all(|part| Text::as_written(part).is_some()) => {}
            (Ty::Choice(words) | Ty::ChoiceOr(words, _), Value::Scalar(scalar)) => {
                self.choice(node, scalar, words, name)
            }
            (Ty::List(item) | Ty::ListOrEmpty(item), Value::List(items)) => {
                if items.is_empty() && matches!(ty, Ty::List(_)) {
                    let help = "an empty list would say nothing; name at least one, or leave the key out";
                    self.out.push(
                        Diagnostic::new(Id::EmptyList, node.span, format!("`{name}` is empty")).help(help),
                    );
                }
                for node in items {
                    match item {
                        Ty::Object(object) => self.object(node, object, Label::This(object.name), node.span),
                        item => self.value(node, item, name, node.span),
                    }
                }
            }
            (Ty::ChoiceOr(_, object), Value::Map(_)) => self.object(node, object, Label::Key(name), at),
            (Ty::Object(object), _) => self.object(node, object, Label::Key(name), at),
            (Ty::Table(_, ty), Value::Map(entries)) => {
                for entry in entries {
                    self.value(&entry.node, ty, &entry.key, entry.at);
                }
            }
            (Ty::Header | Ty::HeaderOrNull, Value::List(pair)) => {
                self.header(node, pair, matches!(ty, Ty::HeaderOrNull), name);
            }
            _ => self.wrong_type(node, ty, name),
        }
    }

    fn object(&mut self, node: &Node<'_>, object: &'static Object, label: Label<'_>, at: Span) {
        let known = || object.fields.iter().map(|field| field.name);
        let Value::Map(entries) = &node.value else {
            if !matches!(node.value, Value::Invalid) {
                let message = format!("{label} takes a mapping, not {}", node.describe());
                let help = match &node.value {
                    Value::Scalar(scalar) if scalar.text.contains(':') => {
                        format!("write a blank behind the `:` of a key; {}", object.keys())
                    }
                    _ => object.keys(),
                };
                self.out.push(Diagnostic::new(Id::WrongType, node.span, message).help(help));
            }
            return;
        };
        // A key that was misspelt is not missing as well.
        let mut meant = Vec::new();
        for entry in entries {
            match object.fields.iter().find(|field| field.name == &*entry.key) {
                Some(field) if field.need == Need::Required && field.ty.refuses_null(&entry.node) => {
                    let message = format!("`{}` takes {}, not null", field.name, field.ty.describe());
                    let help = "it must be there, and say something";
                    self.out.push(Diagnostic::new(Id::WrongType, entry.node.span, message).help(help));
                }
                Some(field) => self.value(&entry.node, &field.ty, field.name, entry.at),
                None => {
                    meant.extend(nearest(&entry.key, known()));
                    self.unknown(entry, entries, object, label);
                }
            }
        }
        let fields = Fields(entries);
        for field in object.fields {
            let missing = field.need == Need::Required && fields.entry(field.name).is_none();
            if missing && !meant.contains(&field.name) {
                let message = format!("{label} has no key `{}`", field.name);
                let help = format!("add `{}`: {}", field.name, field.ty.describe());
                self.out.push(Diagnostic::new(Id::MissingKey, at, message).help(help));
            }
        }
        for together in object.together {
            match together {
                Together::Beside(keys, needed) => self.beside(fields, keys, needed, object, &meant),
                _ => self.together(fields, together, &meant, label, at),
            }
        }
    }

    fn unknown(&mut self, entry: &Entry<'_>, beside: &[Entry<'_>], object: &Object, label: Label<'_>) {
        let known = || object.fields.iter().map(|field| field.name);
        let help = outdented(entry, beside, object)
            .or_else(|| did_you_mean(&entry.key, known()))
            .or_else(|| belongs(&entry.key, object))
            .unwrap_or_else(|| match odd_character(&entry.key) {
                Some(odd) => format!("{odd}; {}", object.keys()),
                None => object.keys(),
            });
        let message = format!("unknown key `{}` in {label}", entry.key);
        self.out.push(Diagnostic::new(Id::UnknownKey, entry.at, message).help(help));
    }

    fn beside(
        &mut self,
        fields: Fields<'_, '_>,
        keys: &[&str],
        needed: &str,
        object: &'static Object,
        meant: &[&str],
    ) {
        let Some(present) = keys.iter().find_map(|key| fields.entry(key)) else { return };
        if fields.entry(needed).is_none() && !meant.contains(&needed) {
            let ty = object.fields.iter().find(|field| field.name == needed).map(|field| field.ty.describe());
            let message = format!("`{}` needs `{needed}` beside it", present.key);
            let help = format!("add `{needed}`: {}", ty.unwrap_or_default());
            self.out.push(Diagnostic::new(Id::MissingKey, present.at, message).help(help));
        }
    }

    fn together(
        &mut self,
        fields: Fields<'_, '_>,
        together: &Together,
        meant: &[&str],
        label: Label<'_>,
        at: Span,
    ) {
        let (keys, least, most) = match together {
            Together::ExactlyOne(keys) => (keys, 1, 1),
            Together::AtLeastOne(keys) => (keys, 1, keys.len()),
            Together::AtMostOne(keys) => (keys, 0, 1),
            Together::Beside(..) => return,
        };
        let present: Vec<_> = keys.iter().filter_map(|key| fields.entry(key)).collect();
        let alternatives = || either(keys.iter().copied());
        if present.len() < least && !keys.iter().any(|key| meant.contains(key)) {
            let message = format!("{label} has none of {}", listing(keys.iter().copied()));
            self.out
                .push(Diagnostic::new(Id::MissingKey, at, message).help(format!("add {}", alternatives())));
        }
        if let [first, .., last] = present.as_slice()
            && present.len() > most
        {
            let message = format!("`{}` and `{}` exclude each other in {label}", first.key, last.key);
            let help = format!("keep only {}", either(present.iter().map(|entry| &*entry.key)));
            let diagnostic = Diagnostic::new(Id::ConflictingKeys, last.at, message).help(help);
            self.out.push(diagnostic.also(first.at, "the other one"));
        }
    }

    fn text(&mut self, node: &Node<'_>, scalar: &Scalar<'_>, name: &str, ty: &Ty) {
        if let Some(what) = scalar.misread_as() {
            let message = format!("`{name}` takes text, and YAML readers take `{}` for {what}", scalar.text);
            let help = match (what, ty) {
                ("null", _) => format!("leave it out, or write \"{}\" in quotes", scalar.text),
                (_, Ty::Form(what, example)) => format!("write {what}, as `{example}`"),
                _ => format!("write \"{}\" in quotes", scalar.text),
            };
            self.out.push(Diagnostic::new(Id::NeedsQuotes, node.span, message).help(help));
        }
    }

    fn number(&mut self, node: &Node<'_>, min: u64, max: u64, name: &str, ty: &Ty) {
        match number(node) {
            Some(number) if (min..=max).contains(&number) => {}
            Some(number) => {
                let message = format!("`{name}` can not be {number}");
                let help = format!("it takes {}", ty.describe());
                self.out.push(Diagnostic::new(Id::WrongValue, node.span, message).help(help));
            }
            None if is_too_large(node) => {
                let message = format!("`{name}` can not be so large");
                let help = format!("it takes {}", ty.describe());
                self.out.push(Diagnostic::new(Id::WrongValue, node.span, message).help(help));
            }
            None => self.wrong_type(node, ty, name),
        }
    }

    fn choice(&mut self, node: &Node<'_>, scalar: &Scalar<'_>, words: &'static [&'static str], name: &str) {
        if words.contains(&&*scalar.text) {
            return;
        }
        let help = did_you_mean(&scalar.text, words.iter().copied())
            .unwrap_or_else(|| format!("it takes {}", either(words.iter().copied())));
        let null = if node.is_null() { ", which YAML readers take for null" } else { "" };
        let message = format!("`{name}` can not be `{}`{null}", scalar.text);
        let help = if node.is_null() { format!("{help}; or leave the key out") } else { help };
        self.out.push(Diagnostic::new(Id::WrongValue, node.span, message).help(help));
    }

    fn header(&mut self, node: &Node<'_>, pair: &[Node<'_>], null: bool, name: &str) {
        let [key, value] = pair else {
            let message = format!("each of `{name}` is a pair of name and value");
            let help = "write [name, value], as in [content-type, application/json]";
            self.out.push(Diagnostic::new(Id::WrongType, node.span, message).help(help));
            return;
        };
        self.value(key, &Ty::Text("a header name"), name, key.span);
        match &value.value {
            Value::Map(_) => self.object(value, &BYTES, Label::Key(name), value.span),
            _ if null && value.is_null() => {}
            _ => self.value(value, &Ty::Text("a header value"), name, value.span),
        }
    }

    fn wrong_type(&mut self, node: &Node<'_>, ty: &Ty, name: &str) {
        let message = match (ty, &node.value) {
            (Ty::Number { .. } | Ty::Decimal, Value::Scalar(scalar)) if node.describe() == "a number" => {
                format!("`{name}` takes {} in plain decimal digits, not `{}`", ty.describe(), scalar.text)
            }
            _ => format!("`{name}` takes {}, not {}", ty.describe(), node.describe()),
        };
        let help = match (ty, &node.value) {
            _ if node.is_null() => Some("leave it out".to_owned()),
            (Ty::Number { .. } | Ty::Decimal, Value::Scalar(scalar)) if !scalar.quoted => {
                Some(in_decimal(&scalar.text, ty))
            }
            (Ty::List(Ty::Object(item)) | Ty::ListOrEmpty(Ty::Object(item)), Value::Map(_)) => Some(format!(
                "put `- ` before the first key of each {}, and its other keys below that one",
                item.name
            )),
            (
                Ty::List(Ty::Header | Ty::HeaderOrNull) | Ty::ListOrEmpty(Ty::Header | Ty::HeaderOrNull),
                Value::Map(_),
            ) => Some("write a list of pairs, as in [[content-type, application/json]]".to_owned()),
            (Ty::Text(_) | Ty::TextOrNull(_) | Ty::Form(..), Value::Map(_)) => {
                Some("text that begins with `{`, or holds `: `, must stand in quotes".to_owned())
            }
            (Ty::List(_) | Ty::ListOrEmpty(_), Value::Scalar(scalar)) => {
                let items = scalar.text.split(", ").map(|item| format!("\"{}\"", item.trim()));
                Some(format!("write a list, as in [{}]", items.collect::<Vec<_>>().join(", ")))
            }
            (Ty::Choice(words) | Ty::ChoiceOr(words, _), Value::List(_)) => {
                Some(format!("write one of them, as `{}`", words.first().copied().unwrap_or_default()))
            }
            (Ty::Number { .. } | Ty::Decimal, Value::Scalar(scalar)) if scalar.quoted => {
                Some("write it without quotes".to_owned())
            }
            _ => None,
        };
        self.out.push(Diagnostic::new(Id::WrongType, node.span, message).maybe_help(help));
    }
}

/// What to do with a key that belongs to one which stands here without a value: it was not indented enough.
fn outdented(entry: &Entry<'_>, beside: &[Entry<'_>], object: &Object) -> Option<String> {
    let blank = |field: &&Field| {
        beside.iter().any(|other| other.node.is_blank() && &*other.key == field.name && other.at < entry.at)
    };
    let field = object.fields.iter().filter(blank).find(|field| field.ty.has_key(&entry.key))?;
    Some(format!("`{}` is a key of `{}`: indent it below that", entry.key, field.name))
}

/// Where a key belongs that stands one level too high.
fn belongs(key: &str, object: &Object) -> Option<String> {
    let owners: Vec<_> = object.fields.iter().filter(|field| field.ty.has_key(key)).collect();
    let owners = either(owners.iter().map(|field| field.name));
    (!owners.is_empty()).then(|| format!("`{key}` is a key of {owners}"))
}

/// Whether a number is written as it should be, and is larger than any that is known here.
fn is_too_large(node: &Node<'_>) -> bool {
    let digits =
        |scalar: &Scalar<'_>| scalar.text.bytes().all(|b| b.is_ascii_digit()) && !scalar.text.is_empty();
    matches!(&node.value, Value::Scalar(scalar) if !scalar.quoted && digits(scalar) && !has_leading_zero(&scalar.text))
}

/// A number of bytes with a unit: `Mi` and `MiB` are binary, `M` and `MB` decimal, as Kubernetes has it.
fn in_bytes(written: &str) -> Option<u64> {
    let digits = written.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = written.split_at_checked(digits)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (base, letter) = unit.strip_suffix('i').map_or((1000_u64, unit), |letter| (1024, letter));
    let power = ["k", "m", "g"].iter().zip(1_u32..).find(|(known, _)| **known == letter)?.1;
    number.parse::<u64>().ok()?.checked_mul(base.checked_pow(power)?)
}

/// How a number is written so that everybody reads the same.
fn in_decimal(written: &str, ty: &Ty) -> String {
    let plain = written.trim_start_matches('0');
    if has_leading_zero(written) && plain.bytes().all(|b| b.is_ascii_digit()) {
        let plain = if plain.is_empty() { "0" } else { plain };
        return format!("write `{plain}`: some readers of YAML take `{written}` for octal");
    }
    if let (Ty::Number { what: "a number of bytes", .. }, Some(bytes)) = (ty, in_bytes(written)) {
        return format!("write `{bytes}`");
    }
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)];
    let meant = radix
        .iter()
        .find_map(|(prefix, radix)| u64::from_str_radix(written.strip_prefix(prefix)?, *radix).ok());
    meant.map_or("write it in plain decimal digits".to_owned(), |meant| format!("write `{meant}`"))
}

/// Whether a word is a plain decimal number: digits, a sign and a point.
pub fn is_decimal(scalar: &Scalar<'_>) -> bool {
    let plain = scalar.text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    !scalar.quoted && plain && scalar.text.parse::<f64>().is_ok() && !has_leading_zero(&scalar.text)
}
