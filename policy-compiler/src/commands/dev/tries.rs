//! What a user is invited to try: commands made from their own policy, each with what the engine says to it.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use sallyport_engine::http::HostPattern;
use sallyport_engine::policy::{Agent, Effect, McpMatch, Operations, PolicyParts, Protocol, Rule, Service};
use sallyport_engine::{Policy, bundle};

use super::identities::{Identities, SERVER_NAME};
use crate::cases::{Case, Message, Request, Response};
use crate::decide::Runner as _;
use crate::native::Native;

/// For how many agents commands are printed; the rest are named.
const MOST_AGENTS: usize = 5;

/// A request to try.
struct Try {
    method: String,
    host: String,
    path: String,
    body: Option<String>,
}

/// Prints where the gate is, who can call, and commands for the first agents.
pub(super) fn print(
    out: &mut impl Write,
    policy: &Policy,
    identities: &Identities,
    gate: SocketAddr,
    directory: &Path,
) -> Result<(), Box<dyn Error>> {
    writeln!(
        out,
        "The gate listens on https://{SERVER_NAME}:{}. Identities are in {}:\n",
        gate.port(),
        directory.display()
    )?;
    for (name, caller) in &identities.callers {
        writeln!(out, "  {name:<16} {}", caller.spiffe_id)?;
    }
    writeln!(out, "\nTry:")?;
    let mut engine = Native::new(&bundle::encode(policy)?)?;
    let parts = policy.parts();
    let mut last = None;
    for agent in parts.agents.iter().take(MOST_AGENTS) {
        let Some(caller) = identities.callers.get(&agent.name) else { continue };
        for request in of_agent(agent, parts) {
            let said = engine.run(&request.case(Some(&caller.spiffe_id)))?.record;
            let operation = said.operation.as_deref().unwrap_or("-");
            writeln!(
                out,
                "\n  # {}: {operation}; the gate answers {} ({})",
                agent.name, said.verdict, said.reason
            )?;
            request.print(out, &agent.name, gate, directory)?;
            last = Some(request);
        }
    }
    if let Some(request) = last {
        let said = engine.run(&request.case(None))?.record;
        writeln!(
            out,
            "\n  # the last one without a certificate; the gate answers {} ({})",
            said.verdict, said.reason
        )?;
        request.print(out, "nobody", gate, directory)?;
    }
    Ok(())
}

/// One request for each protocol that the agent's missions allow anything of.
fn of_agent(agent: &Agent, parts: &PolicyParts) -> Vec<Try> {
    let missions = agent.missions.iter().filter_map(|id| parts.missions.get(usize::from(id.0)));
    let rules = missions.flat_map(|mission| &mission.rules).filter(|rule| rule.effect == Effect::Allow);
    let mut found: Vec<(std::mem::Discriminant<Operations>, Try)> = Vec::new();
    for rule in rules {
        let kind = std::mem::discriminant(&rule.operations);
        if found.iter().all(|(known, _)| *known != kind)
            && let Some(request) = of_rule(rule, parts)
        {
            found.push((kind, request));
        }
    }
    found.into_iter().map(|(_, request)| request).collect()
}

fn of_rule(rule: &Rule, parts: &PolicyParts) -> Option<Try> {
    let service = parts.services.get(usize::from(rule.service.0))?;
    let host = match service.hosts.first()? {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Suffix(suffix) => format!("playground{suffix}"),
    };
    match &rule.operations {
        Operations::Http(http) => {
            let (method, path) = (http.methods.first()?.clone(), fill(http.paths.first()?.as_str()));
            Some(Try { method, host, path, body: None })
        }
        Operations::Mcp(mcp) => post(service, Protocol::Mcp, host, "1", message(mcp)),
        Operations::A2a(a2a) => {
            post(service, Protocol::A2a, host, "", a2a_message(a2a.methods.first()?.name()))
        }
        Operations::Llm(llm) => {
            let model = llm.models.first()?.as_str().replace('*', "example");
            let body =
                serde_json::json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
            post(service, Protocol::Llm, host, llm_path(llm.apis.first()?.name())?, body.to_string())
        }
        // Messages of protobuf are nothing to write on a command line.
        Operations::Grpc(_) => None,
    }
}

/// A POST to the service's first route of a protocol; `rest` stands for what the route leaves open.
fn post(service: &Service, protocol: Protocol, host: String, rest: &str, body: String) -> Option<Try> {
    let route = service.routes.iter().find(|route| route.protocol == protocol)?;
    let path = match route.path.as_str().strip_suffix("**") {
        Some(base) => format!("{}{rest}", fill(base)),
        None => fill(route.path.as_str()),
    };
    Some(Try { method: "POST".to_owned(), host, path, body: Some(body) })
}

fn a2a_message(method: &str) -> String {
    let part = serde_json::json!({"kind": "text", "text": "hello"});
    let message = serde_json::json!({"role": "user", "messageId": "1", "parts": [part]});
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}})
        .to_string()
}

/// The end of an API's path, where it takes a POST.
fn llm_path(api: &str) -> Option<&'static str> {
    match api {
        "chat" => Some("chat/completions"),
        "responses" => Some("responses"),
        "messages" => Some("messages"),
        _ => None,
    }
}

/// A path that the template covers.
fn fill(template: &str) -> String {
    let segment = |segment: &str| match segment {
        "*" | "**" => "1".to_owned(),
        variable if variable.starts_with('{') => "1".to_owned(),
        literal => literal.to_owned(),
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A message that the rule covers.
fn message(mcp: &McpMatch) -> String {
    let word = |glob: &sallyport_engine::glob::Glob| glob.as_str().replace('*', "example");
    let (method, params) = if let Some(tool) = mcp.tools.first() {
        ("tools/call".to_owned(), serde_json::json!({"name": word(tool), "arguments": {}}))
    } else if let Some(uri) = mcp.resources.first() {
        ("resources/read".to_owned(), serde_json::json!({"uri": word(uri)}))
    } else if let Some(prompt) = mcp.prompts.first() {
        ("prompts/get".to_owned(), serde_json::json!({"name": word(prompt)}))
    } else {
        (mcp.methods.first().map_or_else(String::new, word), serde_json::json!({}))
    };
    serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

impl Try {
    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        match self.body {
            Some(_) => {
                vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
            }
            None => Vec::new(),
        }
    }

    fn case(&self, peer: Option<&str>) -> Case {
        let headers = self.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        let body = self.body.as_ref().map(|body| body.clone().into_bytes());
        Case {
            name: "a try".to_owned(),
            place: "dev".to_owned(),
            at: None,
            repeat: 1,
            request: Request {
                peers: peer.map(|peer| vec![peer.to_owned()]),
                method: self.method.clone(),
                authority: self.host.clone(),
                path: self.path.clone(),
                headers: headers.collect(),
                message: Message { body, ..Message::default() },
            },
            response: Response::default(),
            expect: None,
        }
    }

    fn print(
        &self,
        out: &mut impl Write,
        who: &str,
        gate: SocketAddr,
        directory: &Path,
    ) -> std::io::Result<()> {
        let file = directory.join(format!("{who}.curl"));
        write!(
            out,
            "  curl -K {} -H {}",
            quote(&file.display().to_string()),
            quote(&format!("host: {}", self.host))
        )?;
        for (name, value) in self.headers() {
            write!(out, " -H {}", quote(&format!("{name}: {value}")))?;
        }
        match &self.body {
            Some(body) => write!(out, " --data {}", quote(body))?,
            None if self.method != "GET" => write!(out, " -X {}", quote(&self.method))?,
            None => {}
        }
        writeln!(out, " {}", quote(&format!("https://{SERVER_NAME}:{}{}", gate.port(), self.path)))
    }
}

/// The text as one word of a shell command.
fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    match text.bytes().all(plain) {
        true if !text.is_empty() => text.to_owned(),
        _ => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        assert_eq!(quote("/docs/1"), "/docs/1");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_filled_template_is_covered_by_it() {
        use sallyport_engine::http::{PathTemplate, RequestPath};
        for template in ["/docs/{id}", "/docs/**", "/**", "/", "/a/*/b"] {
            let filled = fill(template);
            let path = RequestPath::parse(&filled).unwrap();
            assert!(PathTemplate::parse(template).unwrap().matches(&path), "{template} {filled}");
        }
    }
}
