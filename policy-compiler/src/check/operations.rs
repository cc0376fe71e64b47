//! What a rule or a capability covers: the keys of one protocol.

use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{Arguments, Effect, HttpMatch, McpMatch, Operations, Protocol, ServiceId};

use super::arguments;
use super::names::{Names, distinct};
use super::protocols;
use super::services::template;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::suggest::did_you_mean;

/// The methods of HTTP (RFC 9110 section 9, RFC 5789) that a gate lets through at all.
const HTTP_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// The methods of MCP, 2024-11-05 to 2026-07-28, that a client may call, without those of [`RESERVED`].
const MCP_METHODS: [&str; 12] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "subscriptions/listen",
    "tasks/get",
    "tasks/cancel",
    "tools/list",
];

/// Methods that rules grant by what they are called with, and the list that does it.
const RESERVED: [(&str, &str); 5] = [
    ("tools/call", "tools"),
    ("resources/read", "resources"),
    ("resources/subscribe", "resources"),
    ("resources/unsubscribe", "resources"),
    ("prompts/get", "prompts"),
];

pub(super) const TOOL_HELP: &str = "a tool's name is 1 to 128 of `A-Z`, `a-z`, `0-9`, `_`, `-`, `.` and `/`";

/// Operations at one service.
#[derive(Clone)]
pub(super) struct Covered {
    pub(super) service: ServiceId,
    pub(super) operations: Operations,
}

/// Reads operations, wherever they stand.
pub(super) struct Reader<'r, 'n> {
    pub(super) services: &'r Names<'n>,
    pub(super) spoken: &'r [Vec<Protocol>],
    pub(super) out: &'r mut Diagnostics,
}

impl Reader<'_, '_> {
    /// Reads the key of a protocol and the service beside it; `None` if part of it is bad, and then that was reported.
    pub(super) fn operations(&mut self, fields: Fields<'_, '_>, effect: Effect) -> Option<Covered> {
        let mut spoken_of =
            Protocol::NAMES.iter().filter_map(|(protocol, key)| Some((*protocol, *key, fields.entry(key)?)));
        let (Some((protocol, key, entry)), None) = (spoken_of.next(), spoken_of.next()) else { return None };
        let inner = Fields::of(&entry.node);
        let operations = match protocol {
            Protocol::Http => {
                if effect == Effect::Allow && inner.entry("methods").is_none() {
                    let message = "`methods` is missing from `http`";
                    let help = "an `allow` rule names the methods that it allows, as `[GET]`, and so does a Capability, which any rule may \
                                name; a rule that refuses any method has `http` of its own";
                    self.out.push(Diagnostic::new(Id::MissingKey, entry.at, message).help(help));
                }
                Operations::Http(self.http(inner))
            }
            Protocol::Mcp => Operations::Mcp(self.mcp(inner, effect)),
            Protocol::A2a => {
                if let (true, Some(entry)) = (effect != Effect::Allow, inner.entry("pushHosts")) {
                    let message = "`pushHosts` says something in an `allow` rule only";
                    let help = "leave it out: the rule covers the methods wherever they ask to be notified";
                    self.out.push(Diagnostic::new(Id::ConflictingKeys, entry.at, message).help(help));
                }
                Operations::A2a(protocols::a2a(inner, self.out))
            }
            Protocol::Grpc => Operations::Grpc(protocols::grpc(inner, self.out)),
            Protocol::Llm => Operations::Llm(protocols::llm(inner, self.out)),
        };
        let reference = fields.text("service")?;
        let service = self.services.resolve(reference, self.out)?;
        let spoken = self.spoken.get(usize::from(service)).map_or(&[][..], Vec::as_slice);
        if !spoken.contains(&protocol) {
            let message = format!("Service `{}` has no route with `protocol: {key}`", reference.text);
            let help = format!(
                "this rule could never apply: add such a route to `{}`, or mend the rule",
                reference.text
            );
            self.out.push(Diagnostic::new(Id::NoRoute, entry.at, message).help(help));
        }
        Some(Covered { service: ServiceId(service), operations })
    }

    fn http(&mut self, fields: Fields<'_, '_>) -> HttpMatch {
        let methods = distinct(fields.texts("methods"), "methods", self.out);
        let paths = distinct(fields.texts("paths"), "paths", self.out);
        HttpMatch {
            methods: methods.into_iter().filter_map(|method| self.http_method(method)).collect(),
            paths: paths.into_iter().filter_map(|path| template(path, self.out)).collect(),
        }
    }

    fn http_method(&mut self, method: Text<'_>) -> Option<String> {
        let upper = method.text.to_ascii_uppercase();
        let token = |b: u8| b.is_ascii_uppercase() || b == b'-';
        let wrong = if method.text.contains('*') {
            Some("name each method; there is no wildcard for them".to_owned())
        } else if matches!(upper.as_str(), "CONNECT" | "TRACE") {
            Some("the gate refuses it always, so a rule about it says nothing".to_owned())
        } else if method.text != upper {
            Some(format!("methods are compared by case: write `{upper}`"))
        } else if method.text.is_empty() || method.text.len() > 32 || !method.text.bytes().all(token) {
            Some("a method is at most 32 of `A-Z` and `-`".to_owned())
        } else {
            None
        };
        if let Some(help) = wrong {
            let message = format!("`{}` can not stand in `methods`", method.text);
            self.out.push(Diagnostic::new(Id::Malformed, method.at, message).help(help));
            return None;
        }
        self.warn_unknown(method, "HTTP", &HTTP_METHODS);
        Some(upper)
    }

    fn mcp(&mut self, fields: Fields<'_, '_>, effect: Effect) -> McpMatch {
        let methods = distinct(fields.texts("methods"), "methods", self.out);
        McpMatch {
            methods: methods.into_iter().filter_map(|method| self.mcp_method(method)).collect(),
            tools: self.globs(fields, "tools", is_tool_pattern, TOOL_HELP),
            resources: self.globs(fields, "resources", is_uri_pattern, "write a URI as `file:///docs/*`: ASCII, scheme in lower case, no `%`, `#`, `\\` or dot segments"),
            arguments: self.arguments(fields, effect),
            prompts: self.globs(fields, "prompts", is_plain, "a prompt's name holds no control characters"),
        }
    }

    /// Constraints on arguments go with tools; without any they would say nothing.
    fn arguments(&mut self, fields: Fields<'_, '_>, effect: Effect) -> Option<Arguments> {
        let entry = fields.entry("arguments")?;
        if fields.entry("tools").is_none() {
            let message = "`arguments` needs `tools` beside it";
            let help = "name the tools whose calls it constrains";
            self.out.push(Diagnostic::new(Id::MissingKey, entry.at, message).help(help));
        }
        Some(arguments::read(Fields::of(&entry.node), effect, self.out))
    }

    fn mcp_method(&mut self, method: Text<'_>) -> Option<Glob> {
        let glob = Glob::new(method.text);
        if let Some((reserved, list)) = RESERVED.iter().find(|(reserved, _)| glob.matches(reserved)) {
            let message = match glob.is_exact() {
                true => format!("`{reserved}` can not be named in `methods`"),
                false => format!("`{}` in `methods` looks as if it covered `{reserved}`", method.text),
            };
            let help =
                format!("name what it may be called with under `{list}`, and other methods one by one");
            self.out.push(Diagnostic::new(Id::ReservedMethod, method.at, message).help(help));
            return None;
        }
        if method.text.is_empty() || !method.text.bytes().all(|b| b.is_ascii_graphic()) {
            let message = format!("`{}` is not an MCP method", method.text);
            let help = "a method is written as `completion/complete`";
            self.out.push(Diagnostic::new(Id::Malformed, method.at, message).help(help));
            return None;
        }
        if glob.is_exact() && !method.text.starts_with("notifications/") {
            self.warn_unknown(method, "MCP", &MCP_METHODS);
        }
        Some(glob)
    }

    fn globs(&mut self, fields: Fields<'_, '_>, key: &str, fits: fn(&str) -> bool, help: &str) -> Vec<Glob> {
        globs(fields, key, fits, help, self.out)
    }

    fn warn_unknown(&mut self, method: Text<'_>, protocol: &str, known: &[&str]) {
        if !known.contains(&method.text) {
            let help = did_you_mean(method.text, known.iter().copied())
                .unwrap_or_else(|| "if the service defines it, this is as it should be".to_owned());
            let message = format!("`{}` is not a method that {protocol} defines", method.text);
            self.out.push(Diagnostic::new(Id::UnknownMethod, method.at, message).help(help));
        }
    }
}

/// Reads a list of names and patterns, and reports those that could never match.
pub(super) fn globs(
    fields: Fields<'_, '_>,
    key: &str,
    fits: fn(&str) -> bool,
    help: &str,
    out: &mut Diagnostics,
) -> Vec<Glob> {
    let mut globs = Vec::new();
    for text in distinct(fields.texts(key), key, out) {
        if fits(text.text) {
            globs.push(Glob::new(text.text));
        } else {
            let message = format!("`{}` can not stand in `{key}`", text.text);
            out.push(Diagnostic::new(Id::Malformed, text.at, message).help(help));
        }
    }
    globs
}

/// Whether some name that a tool may have fits the pattern: a `*` stands for a character that a name may hold.
pub(super) fn is_tool_pattern(pattern: &str) -> bool {
    let letters = pattern.replace('*', "");
    !pattern.is_empty() && (letters.is_empty() || sallyport_engine::is_tool_name(&letters))
}

/// What the engine asks of a URI before it compares it; a pattern that asks for anything else could never match.
fn is_uri_pattern(pattern: &str) -> bool {
    let plain = pattern.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'%' | b'#'));
    let dots = pattern.split('/').any(|segment| matches!(segment, "." | ".."));
    let scheme = pattern.split_once(':').map(|(scheme, _)| scheme);
    let lower =
        scheme.is_some_and(|scheme| !scheme.is_empty() && !scheme.bytes().any(|b| b.is_ascii_uppercase()));
    plain && !dots && (lower || pattern.starts_with('*'))
}

pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tool_patterns_are_names_with_stars() {
        for pattern in ["search_docs", "*", "search_*", "ns/tool.v1-x", "**"] {
            assert!(is_tool_pattern(pattern), "{pattern}");
        }
        for pattern in ["", "a b", "caf\u{e9}", "a\0", "search docs*"] {
            assert!(!is_tool_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn uri_patterns_can_match_what_the_engine_compares() {
        for pattern in ["file:///docs/*", "docs://a", "*"] {
            assert!(is_uri_pattern(pattern), "{pattern}");
        }
        for pattern in
            ["", "/docs", "FILE:///a", "file:///a/../b", "file:///%2e", "file:///a#b", "file:///a b"]
        {
            assert!(!is_uri_pattern(pattern), "{pattern}");
        }
    }
}
