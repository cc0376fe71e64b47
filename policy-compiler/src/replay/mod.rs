//! Records put to another policy: which decisions would be others, and which a record does not tell enough for.
//!
//! The engine itself decides, on a request made up from the record. What a record does not have (paths in full, arguments, content)
//! is never guessed: where the policy looks at it, the outcome is [`Outcome::Unknown`], with the reason.

mod request;
mod summary;

use sallyport_engine::policy::Operations;

use crate::audit::{Record, Verdict};
use crate::native::{Heard, Native, Trace};

pub(crate) use summary::Summary;

/// What another policy says of a recorded exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The same verdict.
    Same,
    /// Another verdict, and why.
    Changed(Verdict, String),
    /// The record does not tell enough.
    Unknown(Unknown),
}

/// What would have to be known.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Unknown {
    /// Who asked: there was no verified identity.
    Caller,
    /// Whom it was sent to.
    Destination,
    /// What was asked for.
    Operation,
    /// The path in full: the policy has rules for some of those that the record's template stands for.
    Path,
    /// The arguments: the policy asks something of them.
    Arguments,
    /// What was in the request or its answer.
    Content,
    /// How many requests there were before: the limit of a rule.
    Rate,
}

impl Unknown {
    /// A stable word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Destination => "destination",
            Self::Operation => "operation",
            Self::Path => "path",
            Self::Arguments => "arguments",
            Self::Content => "content",
            Self::Rate => "rate",
        }
    }

    /// What it means, for people.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Caller => "no verified caller is recorded",
            Self::Destination => "the record has no destination",
            Self::Operation => {
                "the request was refused before its operation was known, or its name is not shown"
            }
            Self::Path => "the policy has rules for some of the paths that the record's template stands for",
            Self::Arguments => "the policy asks something of the arguments, which are not recorded",
            Self::Content => "what was in the request or its answer decided, and is not recorded",
            Self::Rate => "a limit decided, and what was spent of it is not recorded",
        }
    }
}

/// What the policy says of a record.
pub(crate) fn judge(native: &mut Native, record: &Record) -> Result<Outcome, String> {
    let case = match request::made_up(native.policy(), record) {
        Ok(case) => case,
        Err(unknown) => return Ok(Outcome::Unknown(unknown)),
    };
    let judged = native.traced(&case, Trace::Everything).map_err(|why| why.to_string())?;
    let (observed, heard) = judged;
    let reason = observed.record.reason;
    let family = reason.split('.').next().unwrap_or_default();
    if family == "request" {
        // The request that was made up is not one that the policy judges.
        return Ok(Outcome::Unknown(Unknown::Operation));
    }
    let certain = matches!(family, "identity") || reason == "scope.host";
    if !certain && let Some(unknown) = not_told(&heard, record) {
        return Ok(Outcome::Unknown(unknown));
    }
    let now = match (&observed.forwarded, observed.record.verdict.as_str()) {
        (Some(_), _) => Verdict::Allow,
        (None, "hold") => Verdict::Hold,
        (None, _) => Verdict::Deny,
    };
    if now == Verdict::Allow
        && let Some(unknown) = decided_by_content(record).or_else(|| more_was_sent(&heard, record))
    {
        return Ok(Outcome::Unknown(unknown));
    }
    Ok(if now == record.verdict { Outcome::Same } else { Outcome::Changed(now, reason) })
}

/// What the rules that were considered look at and the record does not have.
fn not_told(heard: &[Heard], record: &Record) -> Option<Unknown> {
    let operation = record.operation.as_deref().unwrap_or_default();
    heard.iter().find_map(|heard| match &heard.rule.operations {
        Operations::Http(http) => {
            let (_, template) = operation.strip_prefix("http ")?.split_once(' ')?;
            let some = http.paths.iter().any(|path| request::covers_some(path.as_str(), template));
            some.then_some(Unknown::Path)
        }
        Operations::Mcp(mcp) => {
            let name = operation.strip_prefix("mcp tools/call ")?;
            let about = mcp.arguments.is_some() && mcp.tools.iter().any(|tool| tool.matches(name));
            about.then_some(Unknown::Arguments)
        }
        Operations::Llm(_) | Operations::A2a(_) | Operations::Grpc(_) => None,
    })
}

/// Whether something decided that a made-up request does not have.
fn decided_by_content(record: &Record) -> Option<Unknown> {
    let content = ["dlp.", "threat.", "request.", "response.", "policy.absent", "policy.stale", "internal"];
    if record.reason == "limit.rate" {
        return Some(Unknown::Rate);
    }
    let by_content = record.verdict == Verdict::Redact
        || !record.findings.is_empty()
        || content.iter().any(|family| record.reason.starts_with(family))
        // Refused, and yet it would have gone on by everything that is known: then by something else.
        || record.reason == "scope.arguments";
    by_content.then_some(Unknown::Content)
}

/// What is allowed as it was made up, and perhaps not as it was sent: a model's request may have defined tools, an A2A message may have
/// named where to push to.
fn more_was_sent(heard: &[Heard], record: &Record) -> Option<Unknown> {
    let operation = record.operation.as_deref().unwrap_or_default();
    let all_tools =
        heard.iter().filter(|heard| heard.outcome.is_ok()).any(|heard| match &heard.rule.operations {
            Operations::Llm(llm) => llm.tools.iter().any(|tool| tool.matches(request::PART)),
            _ => false,
        });
    let more = operation.starts_with("a2a ") || (operation.starts_with("llm ") && !all_tools);
    more.then_some(Unknown::Arguments)
}

#[cfg(test)]
mod tests;
