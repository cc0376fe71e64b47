//! The tables of keys as JSON Schema (draft 2020-12), for editors that complete and check while one writes.
//!
//! A schema says what may stand where, as the walk of [`shape`](crate::shape) does: what it refuses, the compiler refuses. It
//! does not know what names refer to, so it accepts more.

use serde_json::{Map, Value, json};

use crate::audit;
use crate::cases::CASE;
use crate::language::Kind;
use crate::shape::{Field, Need, Object, Together, Ty};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a policy file.
pub fn policy() -> Value {
    let mut definitions = Definitions::default();
    let kinds: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let mut schema = definitions.object(kind.object(), kind.name());
            if let Some(named) = schema.pointer_mut("/properties/kind") {
                *named = json!({ "const": kind.name() });
            }
            let place = definitions.add(kind.name().to_owned(), kind.object(), schema);
            json!({ "$ref": place })
        })
        .collect();
    let document = json!({ "type": "object", "required": ["kind"], "oneOf": kinds });
    file("Sallyport policy", "A policy document, or a list of them.", &document, definitions)
}

/// The schema of a case file.
pub fn cases() -> Value {
    let mut definitions = Definitions::default();
    let case = definitions.refer(&CASE, "");
    file("Sallyport cases", CASE.doc, &case, definitions)
}

/// The schema of a record of an exchange, as a proxy sends it. Each key says which attribute of OpenTelemetry it becomes.
pub fn record() -> Value {
    let property = |field: &audit::Field| {
        let mut schema = match field.kind {
            audit::Kind::Text => json!({ "type": "string" }),
            audit::Kind::Word(words) => json!({ "enum": words }),
            audit::Kind::Number => json!({ "type": "integer", "minimum": 0 }),
            audit::Kind::Findings => json!({ "type": "array", "items": { "$ref": "#/$defs/finding" } }),
        };
        if !field.always && field.kind != audit::Kind::Findings {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        set(&mut schema, "description", json!(field.doc));
        set(&mut schema, "x-opentelemetry", json!(field.attribute));
        (field.name.to_owned(), schema)
    };
    let always: Vec<_> = audit::FIELDS.iter().filter(|field| field.always).map(|field| field.name).collect();
    let number = json!({ "type": "integer", "minimum": 0 });
    json!({
        "$schema": DRAFT,
        "title": "Sallyport record",
        "description": "What is kept of an exchange: who, what, on which resource, why; never content. Keys that are not listed may follow.",
        "type": "object",
        "required": always,
        "properties": audit::FIELDS.iter().map(property).collect::<Map<_, _>>(),
        "$defs": {
            "finding": {
                "description": "What a detector found, without the text.",
                "type": "object",
                "required": ["detector", "where", "offset", "length", "action"],
                "properties": {
                    "detector": { "type": "string", "description": "The detector's id." },
                    "where": { "type": "string", "description": "`request:` or `response:`, and a JSON pointer into the body." },
                    "offset": number,
                    "length": number,
                    "action": { "type": "string", "description": "What was done about it." },
                },
            },
        },
    })
}

/// A file holds a document, or a list of them.
fn file(title: &str, description: &str, document: &Value, definitions: Definitions) -> Value {
    json!({
        "$schema": DRAFT,
        "title": title,
        "description": description,
        "if": { "type": "array" },
        "then": { "items": document },
        "else": document,
        "$defs": definitions.schemas,
    })
}

/// The mappings that were described so far; each is described once and referred to by its name.
#[derive(Default)]
struct Definitions {
    names: Vec<(&'static Object, String)>,
    schemas: Map<String, Value>,
}

impl Definitions {
    /// A reference to a mapping, which is described if it was not yet. Names that several mappings have (`spec`) are told apart by
    /// what they belong to.
    fn refer(&mut self, object: &'static Object, owner: &str) -> Value {
        if let Some((_, name)) = self.names.iter().find(|(known, _)| std::ptr::eq(*known, object)) {
            return json!({ "$ref": format!("#/$defs/{name}") });
        }
        let taken = |name: &str| self.names.iter().any(|(_, known)| known == name);
        let plain = object.name.to_owned();
        let name = if object.name == "spec" || taken(&plain) { format!("{owner}.{plain}") } else { plain };
        let schema = self.object(object, &name);
        let place = self.add(name, object, schema);
        json!({ "$ref": place })
    }

    fn add(&mut self, name: String, object: &'static Object, schema: Value) -> String {
        let place = format!("#/$defs/{name}");
        self.schemas.insert(name.clone(), schema);
        self.names.push((object, name));
        place
    }

    fn object(&mut self, object: &'static Object, name: &str) -> Value {
        let properties: Map<_, _> =
            object.fields.iter().map(|field| (field.name.to_owned(), self.field(field, name))).collect();
        let required: Vec<_> = (object.fields.iter())
            .filter(|field| field.need == Need::Required)
            .map(|field| field.name)
            .collect();
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        let optional = [
            ("description", json!(object.doc), object.doc.is_empty()),
            ("required", json!(required), required.is_empty()),
            ("allOf", object.together.iter().map(together).collect(), object.together.is_empty()),
        ];
        for (key, value, empty) in optional {
            if !empty {
                set(&mut schema, key, value);
            }
        }
        schema
    }

    fn field(&mut self, field: &'static Field, owner: &str) -> Value {
        let mut schema = self.value(&field.ty, owner);
        let mut description = field.doc.to_owned();
        if let Need::Default(default) = field.need {
            match typed_default(&field.ty, default) {
                Some(value) => set(&mut schema, "default", value),
                None => description = format!("{description} Default: {default}."),
            }
        }
        set(&mut schema, "description", json!(description));
        schema
    }

    fn value(&mut self, ty: &'static Ty, owner: &str) -> Value {
        match ty {
            Ty::Text(_) | Ty::Form(..) => json!({ "type": "string" }),
            Ty::TextOrNull(_) => json!({ "type": ["string", "null"] }),
            Ty::Number { min, max, .. } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Ty::Decimal => json!({ "type": "number" }),
            Ty::Parts => {
                json!({ "type": ["string", "array"], "items": { "type": "string" } })
            }
            Ty::Choice(words) => {
                json!({ "enum": words.iter().flat_map(|word| as_read(word)).collect::<Vec<_>>() })
            }
            Ty::ChoiceOr(words, object) => {
                let words: Vec<_> = words.iter().flat_map(|word| as_read(word)).collect();
                json!({ "anyOf": [{ "enum": words }, self.refer(object, owner)] })
            }
            Ty::List(item) => json!({ "type": "array", "minItems": 1, "items": self.value(item, owner) }),
            Ty::ListOrEmpty(item) => json!({ "type": "array", "items": self.value(item, owner) }),
            Ty::Object(object) => self.refer(object, owner),
            Ty::Table(_, values) => {
                json!({ "type": "object", "additionalProperties": self.value(values, owner) })
            }
            Ty::Header => header(&["string"]),
            Ty::HeaderOrNull => header(&["string", "null"]),
        }
    }
}

fn set(schema: &mut Value, key: &str, value: Value) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(key.to_owned(), value);
    }
}

/// A word as readers of YAML see it: the text, and for `true` and `false` without quotes the boolean too.
fn as_read(word: &str) -> Vec<Value> {
    match word.parse::<bool>() {
        Ok(boolean) => vec![json!(word), json!(boolean)],
        Err(_) => vec![json!(word)],
    }
}

/// The default as a value of its type; `None` where it is told in words.
fn typed_default(ty: &Ty, default: &str) -> Option<Value> {
    match ty {
        Ty::Choice(words) => words.contains(&default).then(|| json!(default)),
        Ty::Number { .. } => default.parse::<u64>().ok().map(|number| json!(number)),
        _ => None,
    }
}

fn header(value: &[&str]) -> Value {
    let bytes = json!({
        "type": "object",
        "properties": { "base64": { "type": "string" } },
        "required": ["base64"],
        "additionalProperties": false,
    });
    json!({
        "type": "array",
        "prefixItems": [{ "type": "string" }, { "anyOf": [{ "type": value }, bytes] }],
        "minItems": 2,
        "maxItems": 2,
    })
}

fn together(rule: &Together) -> Value {
    let has = |key: &&str| json!({ "required": [key] });
    match rule {
        Together::ExactlyOne(keys) => json!({ "oneOf": keys.iter().map(has).collect::<Vec<_>>() }),
        Together::AtLeastOne(keys) => json!({ "anyOf": keys.iter().map(has).collect::<Vec<_>>() }),
        Together::AtMostOne(keys) => {
            let pairs = keys.iter().enumerate().flat_map(|(at, first)| {
                keys.iter().skip(at + 1).map(move |second| json!({ "required": [first, second] }))
            });
            json!({ "not": { "anyOf": pairs.collect::<Vec<_>>() } })
        }
        Together::Beside(keys, needed) => {
            let needs: Map<_, _> = keys.iter().map(|key| ((*key).to_owned(), json!([needed]))).collect();
            json!({ "dependentRequired": needs })
        }
    }
}
