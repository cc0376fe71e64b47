//! The part of the judgement that a request's head alone allows.

use super::body::shown;
use super::method::check_method;
use super::{End, Exchange, Expected, HeaderEdit, Pending, Refused};
use crate::IDENTITY_HEADER;
use crate::decide::{Asked, Decision, Origin, Refusal, RuleName, decide};
use crate::http::{Authority, Charset, Coding, Head, MediaType, RequestPath, boundary};
use crate::identity::{Peer, SpiffeId};
use crate::json::Numbers;
use crate::operation::{Endpoint, McpHeaders, api_of};
use crate::policy::{A2aMethod, AgentId, LlmApi, Otherwise, Overflow, Policy, Protocol, Route};
use crate::reason::Reason;
use crate::reply::Shape;
use crate::scan::{Place, Severity};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What the head of a request says, as far as every protocol needs it.
struct Request<'h> {
    head: &'h Head<'h>,
    method: &'h str,
    path: RequestPath<'h>,
    origin: Rc<Origin>,
    end: End,
    numbers: Numbers,
}

impl Exchange {
    /// Either the changes to the head, and what is still to be judged; or a refusal.
    pub(super) fn judge_head(
        &mut self,
        head: &Head<'_>,
        peer: &Peer<'_>,
        end: End,
    ) -> Result<(Vec<HeaderEdit>, Option<Pending>), Refused<'static>> {
        self.judge_request(head, peer, end).map_err(|refused| {
            let unrouted = self.record.protocol.is_none();
            let shape = if unrouted || is_grpc(head) { self.shape_for(head) } else { refused.shape };
            Refused { shape, ..refused }
        })
    }

    /// The shape that the caller understands, for a refusal that comes before the route is known for sure: a client without an
    /// identity still waits for an answer in its protocol.
    fn shape_for(&self, head: &Head<'_>) -> Shape<'static> {
        let protocol = || {
            let policy = self.policy.as_ref()?;
            let path = RequestPath::parse(head.required(":path").ok()?).ok()?;
            let authority = Authority::parse(head.required(":authority").ok()?).ok()?;
            let protocol = policy.service(policy.service_at(&authority)?)?.route(&path).ok()?.protocol;
            let method = head.required(":method").ok()?;
            Some(match protocol {
                Protocol::Mcp => Shape::Rpc(None),
                Protocol::A2a if Endpoint::of(method, path.segments()) == Some(Endpoint::Rpc) => {
                    Shape::Rpc(None)
                }
                Protocol::Llm => Shape::Llm(api_of(method, path.segments()).unwrap_or(LlmApi::Chat)),
                Protocol::A2a | Protocol::Grpc | Protocol::Http => Shape::Http,
            })
        };
        if is_grpc(head) { Shape::Grpc } else { protocol().unwrap_or(Shape::Http) }
    }

    fn judge_request(
        &mut self,
        head: &Head<'_>,
        peer: &Peer<'_>,
        end: End,
    ) -> Result<(Vec<HeaderEdit>, Option<Pending>), Refused<'static>> {
        let policy = self.policy.clone().ok_or(Reason::PolicyAbsent)?;
        self.check_age(&policy)?;
        let audit = &policy.parts().settings.audit;
        if audit.overflow == Overflow::Required && !self.around.reserve_record(audit) {
            return Err(Reason::AuditUnavailable.into());
        }
        let caller = peer.spiffe_id()?;
        self.record.caller = Some(caller.clone());
        let Some(agent) = self.resolve(&policy, &caller)? else { return Ok((self.edits(head), None)) };
        head.check()?;
        let method = head.required(":method")?;
        let target = head.required(":path")?;
        check_method(head, method, target)?;
        let path = RequestPath::parse(target).map_err(Reason::from)?;
        let host = head.required(":authority")?;
        let authority = Authority::parse(host).map_err(|_| Reason::RequestMalformed)?;
        self.record.destination = Some(shown_host(&policy, host, &authority));
        let service = policy.service_at(&authority).ok_or(Reason::ScopeHost)?;
        let route = policy.service(service).ok_or(Reason::Internal)?.route(&path)?;
        let numbers = if route.opaque_numbers { Numbers::Opaque } else { Numbers::Alike };
        let origin = Rc::new(Origin { agent, service, caller, authority });
        self.remember(route, &origin, method);
        let request = Request { head, method, path, origin, end, numbers };
        let pending = self.judge_route(&policy, route, &request)?;
        self.expect_shape(pending.as_ref(), is_grpc(head));
        let shape = pending.as_ref().map_or(Shape::Http, |pending| pending.body.shape());
        if let Err(reason) = self.scan_head(&policy, &request.origin, head, target) {
            return Err(Refused { reason, rule: None, shape });
        }
        // Last, so that a length known ahead and one counted on the way are refused alike.
        if let Err(reason) = self.check_length(head) {
            let granted = pending.as_ref().is_none_or(Pending::is_granted);
            if reason == Reason::RequestTooLarge && granted && self.lets_oversize_pass() {
                self.note(reason, None);
                return Ok((self.edits(head), None));
            }
            return Err(Refused { reason, rule: None, shape });
        }
        let mut edits = self.edits(head);
        let redacts = policy.agent(agent).and_then(|agent| policy.profile(agent, policy.service(service)));
        let redacts = redacts.is_some_and(|profile| profile.redacts(Place::Request));
        let replaced = pending
            .as_ref()
            .is_some_and(|of| !matches!(of.body, Expected::Opaque | Expected::Grpc | Expected::A2aOpaque(_)));
        if redacts && !self.observes && replaced {
            // The body may become another, and by then its head is gone.
            edits.push(HeaderEdit::Remove("content-length".to_string()));
        }
        if !self.observes {
            edits.extend(self.edits_for_response(&policy, head));
        }
        // Who only observes lets the body go on as it came.
        if !self.observes && pending.as_ref().is_some_and(|pending| pending.coding.is_some()) {
            edits.push(HeaderEdit::Remove("content-encoding".to_string()));
            edits.push(HeaderEdit::Remove("content-length".to_string()));
        }
        Ok((edits, pending))
    }

    /// Refuses if policy was not confirmed for longer than it allows.
    fn check_age(&self, policy: &Policy) -> Result<(), Reason> {
        let Some(staleness) = policy.parts().settings.staleness else { return Ok(()) };
        let stale = self.around.policy_age().is_some_and(|age| age > u64::from(staleness.after));
        if stale && staleness.then == Otherwise::Deny { Err(Reason::PolicyStale) } else { Ok(()) }
    }

    /// The agent that the caller is; `None` for one that is no agent and passes all the same.
    fn resolve(&mut self, policy: &Policy, caller: &SpiffeId) -> Result<Option<AgentId>, Reason> {
        if !policy.trusts(caller.trust_domain()) {
            return Err(Reason::IdentityUntrustedDomain);
        }
        let Some(id) = policy.agent_of(caller) else {
            if policy.parts().settings.unmapped == Otherwise::Deny {
                return Err(Reason::IdentityUnmapped);
            }
            self.note(Reason::IdentityUnmapped, None);
            return Ok(None);
        };
        let agent = policy.agent(id).ok_or(Reason::Internal)?;
        // Who is known has a mode of their own.
        self.observe(agent.mode);
        self.record.agent = Some(agent.name.to_string());
        Ok(Some(id))
    }

    /// Takes the client's copies of our headers out and puts the verified identity in.
    pub(super) fn edits(&self, head: &Head<'_>) -> Vec<HeaderEdit> {
        let mut edits: Vec<HeaderEdit> = head.owned_names().into_iter().map(HeaderEdit::Remove).collect();
        let caller = self.record.caller.as_ref();
        edits.extend(caller.map(|caller| HeaderEdit::Add(IDENTITY_HEADER, caller.text())));
        edits
    }

    /// Judges by the protocol that the route declares, whatever the request calls itself.
    fn judge_route(
        &mut self,
        policy: &Policy,
        route: &Route,
        request: &Request<'_>,
    ) -> Result<Option<Pending>, Refused<'static>> {
        let shaped = |shape: Shape<'static>| move |reason: Reason| Refused { reason, rule: None, shape };
        let (template, method) = (route.path.as_str(), shown_method(policy, request.method));
        self.record.protocol = Some(route.protocol.name());
        match route.protocol {
            Protocol::Http => {
                let judged = self.judge_http(policy, route, request);
                // A rule that allows it has a template of its own.
                self.record.operation.get_or_insert_with(|| ["http ", method, " ", template].concat());
                judged
            }
            Protocol::Mcp => {
                self.record.operation = Some(["mcp ", method].concat());
                self.judge_mcp(policy, route, request).map(Some).map_err(shaped(Shape::Rpc(None)))
            }
            Protocol::A2a => {
                self.record.operation = Some(format!("a2a {method} {template}"));
                self.judge_a2a(policy, route, request)
            }
            Protocol::Grpc => {
                self.record.operation = Some(format!("grpc {template}"));
                self.judge_grpc(policy, route, request)
            }
            Protocol::Llm => {
                self.record.operation = Some(format!("llm {method} {template}"));
                self.judge_llm(policy, request).map_err(shaped(Shape::Llm(LlmApi::Chat)))
            }
        }
    }

    /// Asks the rules, and notes the one that allowed.
    fn ask(
        &mut self,
        policy: &Policy,
        request: &Request<'_>,
        asked: Asked<'_>,
    ) -> Result<(), Refused<'static>> {
        match decide(policy, &*self.around, &request.origin, asked) {
            Decision::Refuse(refusal) => self.refuse_or_note(refusal),
            Decision::Allow(rule) => {
                if let Some(path) = &rule.path {
                    self.record.operation =
                        Some(["http ", shown_method(policy, request.method), " ", path].concat());
                }
                self.note_grant(*rule);
                Ok(())
            }
        }
    }

    /// Asks whether the caller may come in at all, where the body decides. Who has rules at the service, but none of the route's
    /// protocol, is told that it is the path.
    fn ask_entry(
        &mut self,
        policy: &Policy,
        request: &Request<'_>,
        asked: Asked<'_>,
    ) -> Result<Option<Box<RuleName>>, Reason> {
        match decide(policy, &*self.around, &request.origin, asked) {
            Decision::Allow(rule) => Ok(Some(rule)),
            Decision::Refuse(refusal) => {
                let reason = match refusal.reason {
                    reason @ (Reason::ScopeHost | Reason::ScopeTime) => reason,
                    _ => Reason::ScopePath,
                };
                let refusal = Refusal { reason, rule: None, on_trial: refusal.on_trial };
                self.refuse_or_note(refusal).map_err(|refused| refused.reason)?;
                Ok(None)
            }
        }
    }

    /// Plain HTTP is granted by its head; a body is still scanned.
    fn judge_http(
        &mut self,
        policy: &Policy,
        route: &Route,
        request: &Request<'_>,
    ) -> Result<Option<Pending>, Refused<'static>> {
        self.ask(policy, request, Asked::Http { method: request.method, path: &request.path })?;
        if request.end == End::Last {
            return Ok(None);
        }
        let coding = Coding::read(request.head);
        let body = match media_type(request.head) {
            Ok(Some(media_type)) if media_type.is_json() => Expected::Json,
            Ok(Some(media_type)) if media_type.is_multipart() => parted(route, request),
            Ok(Some(media_type)) if !media_type.is_text() => unreadable(route),
            Ok(Some(media_type)) if media_type.is_form() => {
                Expected::Form { method: request.method.to_string() }
            }
            Ok(Some(_)) => Expected::Text { method: request.method.to_string() },
            Ok(None) => Expected::Untyped { method: request.method.to_string() },
            Err(Reason::RequestEncoding) if route.opaque_bodies => Expected::Opaque,
            Err(reason) => return Err(reason.into()),
        };
        match (coding, body) {
            (_, Expected::Opaque) => Ok(Some(request.pending(Expected::Opaque, None))),
            (Err(_), _) if route.opaque_bodies => Ok(Some(request.pending(Expected::Opaque, None))),
            (coding, body) => Ok(Some(request.pending(body, coding?))),
        }
    }

    /// MCP is granted by its body, except for the session's own GET and DELETE. Who has no MCP rule here is refused at once.
    fn judge_mcp(
        &mut self,
        policy: &Policy,
        route: &Route,
        request: &Request<'_>,
    ) -> Result<Pending, Reason> {
        let rule = self.ask_entry(policy, request, Asked::McpSession)?;
        match request.method {
            "POST" => {
                media_type(request.head)?;
                let headers = McpHeaders::read(request.head)?;
                let batches = route.batches && headers.has_batches();
                Ok(request.pending(Expected::Mcp { headers, batches }, Coding::read(request.head)?))
            }
            "GET" | "DELETE" => {
                if let Some(rule) = rule {
                    self.note_grant(*rule);
                }
                Ok(request.pending(Expected::Empty, None))
            }
            _ => Err(Reason::ScopeMethod),
        }
    }

    /// A2A is granted by its body on the JSON-RPC endpoint, and by path and body in the other bindings.
    fn judge_a2a(
        &mut self,
        policy: &Policy,
        route: &Route,
        request: &Request<'_>,
    ) -> Result<Option<Pending>, Refused<'static>> {
        if let Some(rule) = self.ask_entry(policy, request, Asked::A2aCard)? {
            self.note_grant(*rule);
        }
        let endpoint = Endpoint::of(request.method, request.path.segments()).ok_or(Reason::ScopeMethod)?;
        let body = match endpoint {
            Endpoint::Card => Expected::Empty,
            // Messages of protobuf are not read; so they pass only where policy lets them pass unread.
            Endpoint::Grpc(_) if !route.opaque_bodies || !is_grpc(request.head) => {
                return Err(Reason::RequestUnsupported.into());
            }
            // Where it asks to be notified cannot be read, so it cannot be granted.
            Endpoint::Grpc(A2aMethod::CreatePushConfig) => return Err(Reason::ScopeArguments.into()),
            Endpoint::Grpc(method) => Expected::A2aOpaque(method),
            Endpoint::Rest(method) => Expected::A2aRest(method),
            Endpoint::Rpc => Expected::A2aRpc,
        };
        media_type(request.head)?;
        Ok(Some(request.pending(body, Coding::read(request.head)?)))
    }

    /// gRPC is granted by its path.
    fn judge_grpc(
        &mut self,
        policy: &Policy,
        route: &Route,
        request: &Request<'_>,
    ) -> Result<Option<Pending>, Refused<'static>> {
        let [service, method] = request.path.segments() else { return Err(Reason::ScopePath.into()) };
        if request.method != "POST" || !is_grpc(request.head) {
            return Err(Reason::RequestUnsupported.into());
        }
        let name = format!("{service}/{method}");
        self.record.operation = Some(format!("grpc {}", shown(policy, &name)));
        self.ask(policy, request, Asked::Grpc(&name))?;
        if !route.opaque_bodies {
            return Err(Reason::RequestUnsupported.into());
        }
        Ok((request.end == End::More).then(|| request.pending(Expected::Grpc, None)))
    }

    /// Requests to models are granted by their body; lists of models by their path.
    fn judge_llm(&mut self, policy: &Policy, request: &Request<'_>) -> Result<Option<Pending>, Reason> {
        let api = api_of(request.method, request.path.segments()).ok_or(Reason::ScopeMethod)?;
        self.record.operation = Some(format!("llm {}", api.name()));
        self.ask(policy, request, Asked::LlmApi(api)).map_err(|refused| refused.reason)?;
        if api == LlmApi::Models {
            let id = match request.path.segments() {
                [.., parent, id] if parent == "models" => Some(id.as_ref()),
                _ => None,
            };
            self.ask(policy, request, Asked::LlmModels(id)).map_err(|refused| refused.reason)?;
            return Ok(Some(request.pending(Expected::Empty, None)));
        }
        media_type(request.head)?;
        Ok(Some(request.pending(Expected::Llm(api), Coding::read(request.head)?)))
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

impl Request<'_> {
    fn pending(&self, body: Expected, coding: Option<Coding>) -> Pending {
        let messages = Coding::of_messages(self.head);
        Pending { origin: Rc::clone(&self.origin), body, coding, messages, numbers: self.numbers }
    }
}

/// A destination for the record. One that policy does not name is shown only if nothing worse is found in it than that it is an
/// address.
fn shown_host(policy: &Policy, written: &str, authority: &Authority) -> String {
    let hidden = !policy.names(authority.host()) && policy.parts().catalogue.finds(written, Severity::High);
    if hidden { "(not shown)".to_string() } else { authority.shown() }
}

/// A method for the record. Any word can be one; a short one holds no credential.
fn shown_method<'m>(policy: &Policy, method: &'m str) -> &'m str {
    if method.len() <= 8 { method } else { shown(policy, method) }
}

/// A body in parts, if it is plain where they end.
fn parted(route: &Route, request: &Request<'_>) -> Expected {
    match request.head.only("content-type").ok().flatten().and_then(boundary) {
        Some(boundary) => Expected::Parts {
            boundary: boundary.to_string(),
            method: request.method.to_string(),
            opaque: route.opaque_bodies,
        },
        None => unreadable(route),
    }
}

fn unreadable(route: &Route) -> Expected {
    if route.opaque_bodies { Expected::Opaque } else { Expected::Empty }
}

/// Whether the caller waits for an answer in gRPC's shape, by the media type (gRPC over HTTP/2, Requests).
fn is_grpc(head: &Head<'_>) -> bool {
    let Ok(Some(value)) = head.only("content-type") else { return false };
    let rest =
        value.get(..16).filter(|start| start.eq_ignore_ascii_case(b"application/grpc")).and(value.get(16..));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The media type, once it is clear that its characters can be read.
fn media_type(head: &Head<'_>) -> Result<Option<MediaType>, Reason> {
    let media_type = head.only("content-type")?.map(MediaType::parse).transpose()?;
    match media_type {
        Some(media_type) if media_type.charset() == Charset::Other => Err(Reason::RequestEncoding),
        media_type => Ok(media_type),
    }
}
