//! Missions: rules and what they cover.

use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{
    Arguments, Effect, HttpMatch, McpMatch, Mission, Operations, Protocol, Rule, ServiceId,
};
use sallyport_engine::scan::Profile;

use super::arguments;
use super::dlp::Profiles;
use super::names::{Names, distinct};
use super::protocols;
use super::services::template;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::source::{Document, bad_name, is_name};
use crate::suggest::did_you_mean;

/// A mission, and what detectors do for those who are on it.
pub(super) struct Read {
    pub(super) mission: Mission,
    pub(super) profile: Profile,
}

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

/// Reads the missions, in the order of their names.
pub(super) fn read(
    missions: &[Document<'_, '_>],
    services: &mut Names<'_>,
    spoken: &[Vec<Protocol>],
    profiles: &mut Profiles<'_>,
    out: &mut Diagnostics,
) -> Vec<Read> {
    let mut reader = Reader { services, spoken, out };
    let mut read = Vec::with_capacity(missions.len());
    for mission in missions {
        let rules = reader.rules(mission.spec);
        let profile = profiles.named(mission.spec.text("dlp"), reader.out);
        read.push(Read { mission: Mission { name: mission.name.text.to_owned(), rules }, profile });
    }
    read
}

struct Reader<'r, 'n> {
    services: &'r mut Names<'n>,
    spoken: &'r [Vec<Protocol>],
    out: &'r mut Diagnostics,
}

impl Reader<'_, '_> {
    /// The rules of a mission, by name.
    fn rules(&mut self, spec: Fields<'_, '_>) -> Vec<Rule> {
        let of = |key, effect| spec.list(key).iter().map(move |node| (effect, Fields::of(node)));
        let rules = of("allow", Effect::Allow).chain(of("deny", Effect::Deny));
        let mut named: Vec<_> =
            rules.filter_map(|(effect, fields)| Some((fields.text("name")?, effect, fields))).collect();
        named.sort_by_key(|(name, ..)| (name.text, name.at));
        let mut previous: Option<Text<'_>> = None;
        let mut read = Vec::with_capacity(named.len());
        for (name, effect, fields) in named {
            self.check_name(name, previous);
            previous = Some(name);
            read.extend(self.rule(name, effect, fields));
        }
        read
    }

    fn check_name(&mut self, name: Text<'_>, previous: Option<Text<'_>>) {
        if !is_name(name.text) {
            self.out.push(bad_name(name));
        }
        if let Some(previous) = previous.filter(|previous| previous.text == name.text) {
            let message = format!("two rules of this Mission are named `{}`", name.text);
            let help = "rename one of them, so that records tell them apart";
            let diagnostic = Diagnostic::new(Id::DuplicateName, name.at, message).help(help);
            self.out.push(diagnostic.also(previous.at, "the other one"));
        }
    }

    /// Reads one rule; `None` if part of it is bad, and then that was reported.
    fn rule(&mut self, name: Text<'_>, effect: Effect, fields: Fields<'_, '_>) -> Option<Rule> {
        let mut spoken_of =
            Protocol::NAMES.iter().filter_map(|(protocol, key)| Some((*protocol, *key, fields.entry(key)?)));
        let (Some((protocol, key, entry)), None) = (spoken_of.next(), spoken_of.next()) else { return None };
        let inner = Fields::of(&entry.node);
        let operations = match protocol {
            Protocol::Http => Operations::Http(self.http(inner)),
            Protocol::Mcp => Operations::Mcp(self.mcp(inner, effect)),
            Protocol::A2a => {
                if let (Effect::Deny, Some(entry)) = (effect, inner.entry("pushHosts")) {
                    let message = "`pushHosts` says nothing in a `deny` rule";
                    let help = "leave it out: the rule denies the methods wherever they ask to be notified";
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
            let at = entry.at;
            let message = format!("Service `{}` has no route with `protocol: {key}`", reference.text);
            let help = format!(
                "this rule could never apply: add such a route to `{}`, or mend the rule",
                reference.text
            );
            self.out.push(Diagnostic::new(Id::NoRoute, at, message).help(help));
        }
        Some(Rule { name: name.text.to_owned(), effect, service: ServiceId(service), operations })
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
