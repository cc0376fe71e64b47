//! The part of the judgement that takes a request's body.

use super::{Exchange, Expected, Pending, Refused, Step};
use crate::decide::{Asked, Decision, decide, is_tool_name};
use crate::json::{Document, Fault, JsonError};
use crate::operation::{Call, McpHeaders, Message};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::record::{Direction, FindingRecord, MAX_FINDINGS};
use crate::reply::Shape;
use crate::scan::{Action, Match, Profile};
use alloc::format;
use alloc::string::{String, ToString};

impl From<JsonError> for Reason {
    fn from(error: JsonError) -> Self {
        match error.fault {
            Fault::ByteOrderMark | Fault::NotUtf8 => Self::RequestEncoding,
            Fault::DuplicateKey | Fault::NulInKey | Fault::Number | Fault::Surrogate => {
                Self::RequestAmbiguous
            }
            Fault::TooDeep | Fault::TooMany => Self::RequestTooLarge,
            Fault::ControlCharacter | Fault::Escape | Fault::Syntax | Fault::Trailing => {
                Self::RequestMalformed
            }
        }
    }
}

impl Exchange {
    /// Judges a whole body. The state is `Refused` until this says otherwise.
    pub(super) fn judge_body(&mut self, pending: Pending, body: &[u8]) -> Step {
        let Some(policy) = self.policy.clone() else { return self.fail() };
        let too_long = self.is_too_long(body.len());
        let outcome = match &pending.body {
            Expected::Mcp(headers) => return self.judge_message(&policy, &pending, headers, body, too_long),
            _ if too_long => Err(Reason::RequestTooLarge),
            _ if body.is_empty() => Ok(()),
            Expected::Empty => Err(Reason::RequestUnsupported),
            Expected::Json => self.scan_json(&policy, &pending, body),
            Expected::Text => self.scan_text(&policy, &pending, body),
        };
        match outcome {
            Ok(()) => self.forward(),
            Err(reason) => self.refuse(reason.into()),
        }
    }

    fn forward(&mut self) -> Step {
        self.state = super::State::Forwarded;
        Step::Forward
    }

    fn judge_message(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        headers: &McpHeaders,
        body: &[u8],
        too_long: bool,
    ) -> Step {
        let refuse = |reason: Reason| Refused { reason, rule: None, shape: Shape::Mcp(None) };
        if too_long {
            return self.refuse(refuse(Reason::RequestTooLarge));
        }
        let document = match Document::parse(body) {
            Ok(document) => document,
            Err(error) => return self.refuse(refuse(error.into())),
        };
        let Some(root) = document.root() else { return self.refuse(refuse(Reason::Internal)) };
        let (message, params) = match Message::read(root) {
            Ok(read) => read,
            Err(refusal) => {
                let shape = Shape::Mcp(refusal.id.as_ref());
                return self.refuse(Refused { reason: refusal.reason, rule: None, shape });
            }
        };
        self.record.operation = Some(describe(&message));
        let shape = Shape::Mcp(message.id());
        if let Err(reason) = headers.check(&message, params) {
            return self.refuse(Refused { reason, rule: None, shape });
        }
        let Some(agent) = policy.agent(pending.agent) else { return self.refuse(refuse(Reason::Internal)) };
        match decide(policy, agent, pending.service, &Asked::Mcp(Some(&message))) {
            Decision::Deny { reason, rule } => self.refuse(Refused { reason, rule, shape }),
            Decision::Allow(rule) => {
                self.note_rule(rule);
                match self.scan_document(policy, pending, &document) {
                    Ok(()) => self.forward(),
                    Err(reason) => self.refuse(Refused { reason, rule: None, shape }),
                }
            }
        }
    }

    fn scan_json(&mut self, policy: &Policy, pending: &Pending, body: &[u8]) -> Result<(), Reason> {
        let document = Document::parse(body)?;
        self.scan_document(policy, pending, &document)
    }

    /// Text is scanned as it stands, and as JSON too where it happens to be JSON.
    fn scan_text(&mut self, policy: &Policy, pending: &Pending, body: &[u8]) -> Result<(), Reason> {
        if core::str::from_utf8(body).is_err() {
            return Err(Reason::RequestEncoding);
        }
        if let Ok(document) = Document::parse(body) {
            return self.scan_document(policy, pending, &document);
        }
        let profile = profile(policy, pending)?;
        let mut blocked = None;
        policy.parts().catalogue.scan(profile, body, |found| {
            let action = self.note_finding(policy, profile, found, String::new);
            blocked = blocked.take().or_else(|| refusal(policy, found, action));
        });
        blocked.map_or(Ok(()), Err)
    }

    /// Scans every string of a document, keys and values alike, with escapes resolved.
    fn scan_document(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        document: &Document<'_>,
    ) -> Result<(), Reason> {
        let profile = profile(policy, pending)?;
        let catalogue = &policy.parts().catalogue;
        let clean = |key: &str| {
            let mut found = false;
            catalogue.scan(profile, key.as_bytes(), |_| found = true);
            !found
        };
        let mut blocked = None;
        for (at, text) in document.strings() {
            catalogue.scan(profile, text.as_bytes(), |found| {
                let action = self.note_finding(policy, profile, found, || document.pointer(at, clean));
                blocked = blocked.take().or_else(|| refusal(policy, found, action));
            });
        }
        blocked.map_or(Ok(()), Err)
    }

    fn note_finding(
        &mut self,
        policy: &Policy,
        profile: &Profile,
        found: Match,
        pointer: impl FnOnce() -> String,
    ) -> Action {
        let action = profile.action(found.detector);
        if self.record.findings.len() < MAX_FINDINGS {
            let detector = policy.parts().catalogue.detector(found.detector);
            self.record.findings.push(FindingRecord {
                detector: detector.map(|detector| detector.id.to_string()).unwrap_or_default(),
                direction: Direction::Request,
                pointer: pointer(),
                offset: found.start,
                length: found.end.saturating_sub(found.start),
                action,
            });
        }
        action
    }
}

fn profile<'p>(policy: &'p Policy, pending: &Pending) -> Result<&'p Profile, Reason> {
    policy.agent(pending.agent).and_then(|agent| policy.profile(agent)).ok_or(Reason::Internal)
}

fn refusal(policy: &Policy, found: Match, action: Action) -> Option<Reason> {
    let detector = policy.parts().catalogue.detector(found.detector)?;
    (action == Action::Block).then(|| Reason::Dlp(detector.id.as_str().into()))
}

/// The operation for the record. Names that no grant could cover are not shown: they can be anything.
fn describe(message: &Message<'_>) -> String {
    let name = |text: &str| if is_tool_name(text) { text.to_string() } else { "(not a name)".to_string() };
    match message {
        Message::Response => "mcp response".to_string(),
        Message::Notification { method } => format!("mcp {}", name(method)),
        Message::Request { method, call, .. } => match call {
            Call::Tool { name: target } | Call::Prompt { name: target } => {
                format!("mcp {} {}", name(method), name(target))
            }
            // A URI can carry anything; rules name the ones that are granted.
            Call::Resource { .. } | Call::Housekeeping | Call::List(_) | Call::Other => {
                format!("mcp {}", name(method))
            }
        },
    }
}
