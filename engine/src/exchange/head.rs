//! The part of the judgement that a request's head alone allows.

use super::{End, Exchange, Expected, HeaderEdit, Pending, Refused};
use crate::decide::{Asked, Decision, decide};
use crate::http::{Authority, Charset, Head, MediaType, RequestPath};
use crate::identity::{Peer, SpiffeId};
use crate::operation::McpHeaders;
use crate::policy::{AgentId, Policy, Protocol, ServiceId};
use crate::reason::Reason;
use crate::reply::Shape;
use crate::{IDENTITY_HEADER, OWNED_PREFIX};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Headers by which frameworks let a request change its method behind a gate's back.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// What the head of a judged request says.
struct Request<'h> {
    head: &'h Head<'h>,
    method: &'h str,
    path: RequestPath<'h>,
    agent: AgentId,
    service: ServiceId,
    end: End,
}

impl Exchange {
    /// Either the changes to the head, and what is still to be judged; or a refusal.
    pub(super) fn judge_head(
        &mut self,
        head: &Head<'_>,
        peer: &Peer<'_>,
        end: End,
    ) -> Result<(Vec<HeaderEdit>, Option<Pending>), Refused<'static>> {
        let policy = self.policy.clone().ok_or(Reason::PolicyAbsent)?;
        let caller = peer.spiffe_id()?;
        self.record.caller = Some(caller.to_string());
        let agent = self.resolve(&policy, &caller)?;
        head.check()?;
        let method = head.required(":method")?;
        let target = head.required(":path")?;
        check_method(head, method, target)?;
        let path = RequestPath::parse(target).map_err(Reason::from)?;
        let authority =
            Authority::parse(head.required(":authority")?).map_err(|_| Reason::RequestMalformed)?;
        let service = policy.service_at(&authority).ok_or(Reason::ScopeHost)?;
        let route =
            policy.service(service).and_then(|service| service.route(&path)).ok_or(Reason::ScopePath)?;
        let request = Request { head, method, path, agent, service, end };
        self.check_length(head)?;
        let pending = match route.protocol {
            Protocol::Http => {
                self.record.protocol = Some("http");
                self.record.operation = Some(format!("http {method} {}", route.path.as_str()));
                self.judge_http(&policy, &request)?
            }
            Protocol::Mcp => {
                self.record.protocol = Some("mcp");
                self.record.operation = Some(format!("mcp {method}"));
                Some(self.judge_mcp(&policy, &request).map_err(|reason| Refused {
                    reason,
                    rule: None,
                    shape: Shape::Mcp(None),
                })?)
            }
        };
        Ok((edits(head, &caller), pending))
    }

    fn resolve(&mut self, policy: &Policy, caller: &SpiffeId) -> Result<AgentId, Reason> {
        if !policy.trusts(caller.trust_domain()) {
            return Err(Reason::IdentityUntrustedDomain);
        }
        let id = policy.agent_of(caller).ok_or(Reason::IdentityUnmapped)?;
        self.record.agent = policy.agent(id).map(|agent| agent.name.to_string());
        Ok(id)
    }

    /// Plain HTTP is granted by its head; a body is still scanned.
    fn judge_http(
        &mut self,
        policy: &Policy,
        request: &Request<'_>,
    ) -> Result<Option<Pending>, Refused<'static>> {
        let agent = policy.agent(request.agent).ok_or(Reason::Internal)?;
        let asked = Asked::Http { method: request.method, path: &request.path };
        match decide(policy, agent, request.service, &asked) {
            Decision::Deny { reason, rule } => return Err(Refused { reason, rule, shape: Shape::Http }),
            Decision::Allow(rule) => {
                if let Some(path) = &rule.path {
                    self.record.operation = Some(format!("http {} {path}", request.method));
                }
                self.note_rule(rule);
            }
        }
        if request.end == End::Last {
            return Ok(None);
        }
        let body = match media_type(request.head)? {
            Some(media_type) if media_type.is_json() => Expected::Json,
            Some(media_type) if !media_type.is_text() => Expected::Empty,
            _ => Expected::Text,
        };
        Ok(Some(Pending { agent: request.agent, service: request.service, body }))
    }

    /// MCP is granted by its body, except for the session's own GET and DELETE. Who has no MCP rule here is refused at once.
    fn judge_mcp(&mut self, policy: &Policy, request: &Request<'_>) -> Result<Pending, Reason> {
        let agent = policy.agent(request.agent).ok_or(Reason::Internal)?;
        let Decision::Allow(rule) = decide(policy, agent, request.service, &Asked::Mcp(None)) else {
            return Err(Reason::ScopePath);
        };
        let body = match request.method {
            "POST" => {
                media_type(request.head)?;
                Expected::Mcp(McpHeaders::read(request.head)?)
            }
            "GET" | "DELETE" => {
                self.note_rule(rule);
                Expected::Empty
            }
            _ => return Err(Reason::ScopeMethod),
        };
        Ok(Pending { agent: request.agent, service: request.service, body })
    }

    /// A length that is already known to be over the limit need not be waited for.
    fn check_length(&self, head: &Head<'_>) -> Result<(), Reason> {
        let Some(length) = head.only("content-length")? else { return Ok(()) };
        let length =
            core::str::from_utf8(length).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let length = length.ok_or(Reason::RequestMalformed)?.parse().unwrap_or(usize::MAX);
        if self.is_too_long(length) { Err(Reason::RequestTooLarge) } else { Ok(()) }
    }
}

/// Refuses methods that are none, that tunnel, or that something else in the request replaces.
fn check_method(head: &Head<'_>, method: &str, target: &str) -> Result<(), Reason> {
    if method.is_empty() || method.len() > 32 || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
    {
        return Err(Reason::RequestMalformed);
    }
    if matches!(method, "CONNECT" | "TRACE") || head.all("upgrade").next().is_some() {
        return Err(Reason::RequestUnsupported);
    }
    let other = |said: &[u8]| !said.eq_ignore_ascii_case(method.as_bytes());
    let mut overrides = METHOD_OVERRIDES.iter().flat_map(|name| head.all(name));
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut members = query.split('&').filter_map(|member| member.split_once('='));
    let in_query = members.any(|(key, value)| key.eq_ignore_ascii_case("_method") && other(value.as_bytes()));
    if in_query || overrides.any(other) { Err(Reason::RequestAmbiguous) } else { Ok(()) }
}

/// The media type, once it is clear that the body is not encoded in a way that hides it.
fn media_type(head: &Head<'_>) -> Result<Option<MediaType>, Reason> {
    if head.all("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Reason::RequestEncoding);
    }
    let media_type = head.only("content-type")?.map(MediaType::parse).transpose()?;
    match media_type {
        Some(media_type) if media_type.charset() == Charset::Other => Err(Reason::RequestEncoding),
        media_type => Ok(media_type),
    }
}

/// Takes the client's copies of our headers out and puts the verified identity in.
fn edits(head: &Head<'_>, caller: &SpiffeId) -> Vec<HeaderEdit> {
    debug_assert!(!IDENTITY_HEADER.starts_with(OWNED_PREFIX));
    let mut edits: Vec<HeaderEdit> = head.owned_names().into_iter().map(HeaderEdit::Remove).collect();
    edits.push(HeaderEdit::Add(IDENTITY_HEADER, caller.to_string()));
    edits
}
