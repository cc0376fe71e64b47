//! Why an exchange was refused: stable codes, and for each what usually causes it and what mends it.

use alloc::borrow::Cow;
use alloc::boxed::Box;

/// A reason for a verdict. Its code is stable: policies' tests, dashboards and callers rely on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The caller showed no verified identity.
    IdentityAbsent,
    /// The verified certificate names no single, well-formed SPIFFE ID.
    IdentityMalformed,
    /// The caller's trust domain is none of policy's.
    IdentityUntrustedDomain,
    /// No agent is bound to the caller's SPIFFE ID.
    IdentityUnmapped,
    /// The request breaks its protocol's own rules.
    RequestMalformed,
    /// The request could be read in more than one way.
    RequestAmbiguous,
    /// The request is over a limit.
    RequestTooLarge,
    /// The body is encoded in a way that the gate does not read.
    RequestEncoding,
    /// What the headers say of the body is not what the body says.
    RequestMismatch,
    /// A kind of request that the gate does not judge.
    RequestUnsupported,
    /// The response breaks its protocol's own rules, or could be read in more than one way.
    ResponseMalformed,
    /// The response is over a limit.
    ResponseTooLarge,
    /// The response is encoded in a way that the gate does not read.
    ResponseEncoding,
    /// The response is of a kind that the gate does not judge.
    ResponseUnsupported,
    /// No rule of the agent's missions covers the host.
    ScopeHost,
    /// A rule covers the host, none the path.
    ScopePath,
    /// A rule covers host and path, none the method.
    ScopeMethod,
    /// A rule covers the method, none the tool.
    ScopeTool,
    /// A rule covers the method, none the resource or prompt.
    ScopeResource,
    /// A rule covers the tool, its constraints do not allow these arguments.
    ScopeArguments,
    /// A rule covers the request, at another time.
    ScopeTime,
    /// A detector that blocks found something; the detector's id.
    Dlp(Box<str>),
    /// A detector that blocks found an attack; the detector's id.
    Threat(Box<str>),
    /// A rule's limit is reached.
    LimitRate,
    /// A hold rule covers the request.
    ApprovalRequired,
    /// A deny rule covers the request.
    PolicyDenied,
    /// Policy was not confirmed for longer than it allows.
    PolicyStale,
    /// There is no valid policy to judge by.
    PolicyAbsent,
    /// The record of the request could not be kept, and policy asks for it.
    AuditUnavailable,
    /// The gate could not do its work.
    Internal,
}

impl Reason {
    /// Every reason but those that a detector names.
    pub const ALL: [Self; 28] = [
        Self::IdentityAbsent,
        Self::IdentityMalformed,
        Self::IdentityUntrustedDomain,
        Self::IdentityUnmapped,
        Self::RequestMalformed,
        Self::RequestAmbiguous,
        Self::RequestTooLarge,
        Self::RequestEncoding,
        Self::RequestMismatch,
        Self::RequestUnsupported,
        Self::ResponseMalformed,
        Self::ResponseTooLarge,
        Self::ResponseEncoding,
        Self::ResponseUnsupported,
        Self::ScopeHost,
        Self::ScopePath,
        Self::ScopeMethod,
        Self::ScopeTool,
        Self::ScopeResource,
        Self::ScopeArguments,
        Self::ScopeTime,
        Self::LimitRate,
        Self::ApprovalRequired,
        Self::PolicyDenied,
        Self::PolicyStale,
        Self::PolicyAbsent,
        Self::AuditUnavailable,
        Self::Internal,
    ];

    /// The stable code, such as `scope.tool`.
    pub fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::IdentityAbsent => "identity.absent",
            Self::IdentityMalformed => "identity.malformed",
            Self::IdentityUntrustedDomain => "identity.untrusted_domain",
            Self::IdentityUnmapped => "identity.unmapped",
            Self::RequestMalformed => "request.malformed",
            Self::RequestAmbiguous => "request.ambiguous",
            Self::RequestTooLarge => "request.too_large",
            Self::RequestEncoding => "request.encoding",
            Self::RequestMismatch => "request.mismatch",
            Self::RequestUnsupported => "request.unsupported",
            Self::ResponseMalformed => "response.malformed",
            Self::ResponseTooLarge => "response.too_large",
            Self::ResponseEncoding => "response.encoding",
            Self::ResponseUnsupported => "response.unsupported",
            Self::ScopeHost => "scope.host",
            Self::ScopePath => "scope.path",
            Self::ScopeMethod => "scope.method",
            Self::ScopeTool => "scope.tool",
            Self::ScopeResource => "scope.resource",
            Self::ScopeArguments => "scope.arguments",
            Self::Dlp(detector) => return Cow::Owned(alloc::format!("dlp.{detector}")),
            Self::Threat(detector) => return Cow::Owned(alloc::format!("threat.{detector}")),
            Self::ScopeTime => "scope.time",
            Self::LimitRate => "limit.rate",
            Self::ApprovalRequired => "approval.required",
            Self::PolicyDenied => "policy.denied",
            Self::PolicyStale => "policy.stale",
            Self::PolicyAbsent => "policy.absent",
            Self::AuditUnavailable => "audit.unavailable",
            Self::Internal => "internal",
        })
    }

    /// A few words for the `error` member of a reply.
    pub fn title(&self) -> &'static str {
        match self {
            Self::IdentityAbsent => "missing workload identity",
            Self::IdentityMalformed => "malformed workload identity",
            Self::IdentityUntrustedDomain => "untrusted trust domain",
            Self::IdentityUnmapped => "unknown workload identity",
            Self::RequestMalformed => "malformed request",
            Self::RequestAmbiguous => "ambiguous request",
            Self::RequestTooLarge => "request too large",
            Self::RequestEncoding => "unreadable encoding",
            Self::RequestMismatch => "headers and body disagree",
            Self::RequestUnsupported => "unsupported request",
            Self::ResponseMalformed => "malformed response",
            Self::ResponseTooLarge => "response too large",
            Self::ResponseEncoding => "unreadable response",
            Self::ResponseUnsupported => "unsupported response",
            Self::ScopeHost
            | Self::ScopePath
            | Self::ScopeMethod
            | Self::ScopeTool
            | Self::ScopeResource
            | Self::ScopeArguments
            | Self::ScopeTime => "outside of the mission",
            Self::LimitRate => "too many requests",
            Self::ApprovalRequired => "approval required",
            Self::Dlp(_) => "sensitive data",
            Self::Threat(_) => "attack signature",
            Self::PolicyDenied => "denied by policy",
            Self::PolicyStale => "policy out of date",
            Self::PolicyAbsent => "no policy",
            Self::AuditUnavailable => "no room for records",
            Self::Internal => "gate failure",
        }
    }

    /// What usually causes the refusal, and what mends it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::IdentityAbsent => {
                "the caller showed no verified client certificate: is mTLS STRICT in this namespace, and is the caller in the mesh?"
            }
            Self::IdentityMalformed => {
                "the client certificate must carry exactly one URI SAN that is a well-formed SPIFFE ID: check the issuer's template"
            }
            Self::IdentityUntrustedDomain => {
                "the caller's trust domain is not in policy: add a TrustDomain, or check which CA the caller's certificate is from"
            }
            Self::IdentityUnmapped => {
                "no agent in policy has this SPIFFE ID: add it to an Agent's identities"
            }
            Self::RequestMalformed => {
                "the request breaks the rules of its protocol: check it against the protocol's specification"
            }
            Self::RequestAmbiguous => {
                "parts of the request could be read in more than one way: send paths normalised, each header once, JSON with unique keys"
            }
            Self::RequestTooLarge => {
                "the request is over a limit: send less, or raise the limit in the Gate's spec"
            }
            Self::RequestEncoding => "send the body as UTF-8, as it is or in one gzip or deflate coding",
            Self::RequestMismatch => {
                "the MCP headers name another method or target than the body: a proxy or client rewrote one of them"
            }
            Self::RequestUnsupported => {
                "this kind of request cannot be judged on this route: check the protocol that the Service declares for it"
            }
            Self::ResponseMalformed => {
                "the upstream's answer is not JSON with one reading, as its protocol has it: mend the upstream"
            }
            Self::ResponseTooLarge => {
                "the upstream's answer is over a limit: ask for less, or raise `maxBodyBytes` in the Gate's spec"
            }
            Self::ResponseEncoding => {
                "the upstream's answer is in a coding or charset that the gate does not read: see `encodedResponses` and `unscannableResponses` of the Gate"
            }
            Self::ResponseUnsupported => {
                "the upstream's answer is of a media type that the gate does not read: see `unscannableResponses` of the Gate, and the route's protocol"
            }
            Self::ScopeHost => {
                "no rule of the agent's missions covers this host: add one, or list the host in its Service"
            }
            Self::ScopePath => {
                "no rule of the agent's missions covers this path: add one if the agent should have it"
            }
            Self::ScopeMethod => {
                "no rule of the agent's missions covers this method: add one if the agent should have it"
            }
            Self::ScopeTool => {
                "no rule of the agent's missions covers this tool: add one if the agent should have it"
            }
            Self::ScopeResource => {
                "no rule of the agent's missions covers this resource, prompt or model: add one if the agent should have it"
            }
            Self::ScopeArguments => "the mission allows this tool with other arguments only",
            Self::Dlp(_) => {
                "a detector found sensitive data: remove it, or change the detector's action in the DlpProfile"
            }
            Self::Threat(_) => {
                "a detector found what attacks look like: if it is meant, change the detector's action in the DlpProfile"
            }
            Self::ScopeTime => "the mission allows this at other times only: see `when` of its rule",
            Self::LimitRate => {
                "the rule's limit is reached on this proxy: wait for the window to end, or raise `limit`"
            }
            Self::ApprovalRequired => "a hold rule covers this request, and nobody has approved of it",
            Self::PolicyDenied => "a deny rule covers this request; it wins over any allow",
            Self::PolicyStale => {
                "nobody has confirmed this policy for longer than the Gate's `staleness` allows: is the companion reachable?"
            }
            Self::PolicyAbsent => {
                "the gate has no valid policy, so it denies everything: see the plugin's log for what is wrong with its configuration"
            }
            Self::AuditUnavailable => {
                "policy asks for a record of every request, and the queue of records is full: is the companion reachable?"
            }
            Self::Internal => "the gate could not do its work and denied: see the plugin's log",
        }
    }

    /// The HTTP status of a refusal: 403 unless HTTP or the protocol has a better one.
    pub fn status(&self) -> u16 {
        match self {
            Self::RequestMismatch => 400,
            Self::IdentityAbsent => 401,
            Self::RequestTooLarge => 413,
            Self::RequestEncoding => 415,
            Self::LimitRate => 429,
            Self::AuditUnavailable => 503,
            Self::ResponseMalformed
            | Self::ResponseTooLarge
            | Self::ResponseEncoding
            | Self::ResponseUnsupported => 502,
            _ => 403,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_reason_is_explained_on_its_page() {
        let page = include_str!("../../docs/reasons.md");
        for reason in Reason::ALL {
            assert!(page.contains(&alloc::format!("| `{}` |", reason.code())), "{}", reason.code());
        }
    }
}
