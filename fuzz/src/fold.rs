//! A JSON-RPC message as a server reads it that folds the case of names: Go's `encoding/json`, and others that are told to.

use sallyport_engine::Policy;
use sallyport_engine::json::{Document, Kind, Value, write_string};
use sallyport_engine::policy::Operations;

/// What servers declare of a message.
const DECLARED: [&str; 10] =
    ["jsonrpc", "id", "method", "params", "result", "error", "name", "arguments", "uri", "_meta"];

/// The body as such a server reads it, written so that every other server reads the same: a member that folds to a declared name is
/// that member, and of several the last counts. `None` where the body is no JSON, or nothing changes.
pub(crate) fn folded(policy: &Policy, body: &[u8]) -> Option<Vec<u8>> {
    let document = Document::parse(body).ok()?;
    let declared: Vec<String> = declared(policy).chain(DECLARED.map(str::to_string)).collect();
    let mut writer = Writer { declared, changed: false, out: String::new() };
    writer.value(document.root()?);
    writer.changed.then(|| writer.out.into_bytes())
}

/// The body with one member's key respelt as another spelling of its neighbour's, for a few members: what somebody would send who
/// wants the gate to read the one and the server the other.
pub(crate) fn twins(body: &[u8]) -> Vec<Vec<u8>> {
    let Ok(document) = Document::parse(body) else { return Vec::new() };
    let mut keys = Vec::new();
    if let Some(root) = document.root() {
        neighbours(root, body, &mut keys);
    }
    // The innermost come last, and arguments are innermost.
    keys.into_iter().rev().take(4).map(|(at, key)| [&body[..at.0], &key, &body[at.1..]].concat()).collect()
}

/// Where each key stands that has one before it, and the other spelling of that one.
fn neighbours(value: Value<'_>, body: &[u8], found: &mut Vec<((usize, usize), Vec<u8>)>) {
    let mut before: Option<(String, usize)> = None;
    for (key, member) in value.entries() {
        let (start, end) = member.span();
        if let Some((before, from)) = before {
            // Between two values stand only the second's key, a colon, a comma and white space.
            let between = &body[from..start];
            let quote = |byte: &u8| *byte == b'"';
            if let (Some(first), Some(last)) =
                (between.iter().position(quote), between.iter().rposition(quote))
            {
                let mut key = String::new();
                write_string(&mut key, &respelt(&before));
                found.push(((from + first, from + last + 1), key.into_bytes()));
            }
        }
        before = Some((key.into_owned(), end));
        neighbours(member, body, found);
    }
    value.items().for_each(|item| neighbours(item, body, found));
}

fn respelt(key: &str) -> String {
    let odd = key.replace('s', "\u{17f}").replace('k', "\u{212a}");
    if odd == key { key.to_uppercase() } else { odd }
}

/// The names of arguments that policy constrains.
fn declared(policy: &Policy) -> impl Iterator<Item = String> {
    let rules = policy.parts().missions.iter().flat_map(|mission| &mission.rules);
    let arguments = rules.filter_map(|rule| match &rule.operations {
        Operations::Mcp(covered) => covered.arguments.as_ref(),
        _ => None,
    });
    arguments.flat_map(|arguments| &arguments.fields).flat_map(|field| &field.pointer).cloned()
}

struct Writer {
    declared: Vec<String>,
    changed: bool,
    out: String,
}

impl Writer {
    fn value(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::Array => {
                self.out.push('[');
                for (at, item) in value.items().enumerate() {
                    self.separate(at);
                    self.value(item);
                }
                self.out.push(']');
            }
            Kind::Object => self.object(value),
            _ => self.out.push_str(value.raw()),
        }
    }

    fn object(&mut self, object: Value<'_>) {
        let mut members: Vec<(String, Value<'_>)> = Vec::new();
        for (key, value) in object.entries() {
            let name =
                self.declared.iter().find(|name| folds_to(&key, name)).cloned().unwrap_or(key.to_string());
            self.changed |= name != *key;
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some(member) => member.1 = value,
                None => members.push((name, value)),
            }
        }
        self.out.push('{');
        for (at, (name, value)) in members.into_iter().enumerate() {
            self.separate(at);
            write_string(&mut self.out, &name);
            self.out.push(':');
            self.value(value);
        }
        self.out.push('}');
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.out.push(',');
        }
    }
}

/// Simple case folding to ASCII as Unicode has it, and Go with it.
fn folds_to(key: &str, name: &str) -> bool {
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => character.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}
