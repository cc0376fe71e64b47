//! A response that is held until all of it has come.

use super::{Context, rpc};
use crate::exchange::begins_like_json;
use crate::http::Coding;
use crate::json::{Document, Numbers};
use crate::policy::Protocol;
use crate::reason::Reason;
use crate::scan::{Inspection, Place, apply};
use alloc::borrow::Cow;

/// How a body will be read once it is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    /// How it is coded; it goes on decoded.
    pub(crate) coding: Option<Coding>,
    pub(crate) read: Read,
}

/// What a body is read as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// JSON. `strict`: of one reading, or it does not go on; else it is looked at as text.
    Json { strict: bool },
    /// JSON of one reading, if it begins like JSON; else text.
    Guess,
}

/// What came of a body.
#[derive(Debug)]
pub(crate) struct Judged<'b> {
    /// What may go on: what was judged, with its edits made.
    pub(crate) body: Cow<'b, [u8]>,
    pub(crate) inspection: Inspection,
}

impl Whole {
    /// Judges a body; `most` is the longest that it may be decoded.
    pub(crate) fn judge<'b>(
        self,
        context: &Context<'_>,
        body: &'b [u8],
        most: usize,
    ) -> Result<Judged<'b>, Reason> {
        let decoded = match self.coding {
            Some(coding) if !body.is_empty() => Cow::Owned(coding.decode(body, most).map_err(of_response)?),
            _ => Cow::Borrowed(body),
        };
        if decoded.is_empty() {
            return Ok(Judged { body: decoded, inspection: Inspection::default() });
        }
        let inspection = self.inspect(context, &decoded)?;
        let body = if inspection.edits.is_empty() {
            decoded
        } else {
            Cow::Owned(apply(&decoded, &inspection.edits))
        };
        Ok(Judged { body, inspection })
    }

    fn inspect(self, context: &Context<'_>, body: &[u8]) -> Result<Inspection, Reason> {
        // Numbers that parsers read differently are common in answers, and nothing is decided by them.
        let strict = match self.read {
            Read::Json { strict } => strict,
            Read::Guess => begins_like_json(body),
        };
        match Document::parse_with(body, Numbers::Opaque) {
            Ok(document) if context.memory.protocol == Some(Protocol::Mcp) => {
                Ok(rpc::judge_rpc_message(context, &document))
            }
            Ok(document) => {
                let mut inspector = context.inspector(Place::Response);
                inspector.document(&document);
                Ok(inspector.finish())
            }
            Err(error) if strict => Err(of_response(error.into())),
            Err(_) => {
                let mut inspector = context.inspector(Place::Response);
                inspector.text(body);
                Ok(inspector.finish())
            }
        }
    }
}

/// What a reason is called where it is the response that is at fault.
pub(crate) fn of_response(reason: Reason) -> Reason {
    match reason {
        Reason::RequestTooLarge => Reason::ResponseTooLarge,
        Reason::RequestEncoding => Reason::ResponseEncoding,
        Reason::RequestUnsupported => Reason::ResponseUnsupported,
        Reason::RequestMalformed | Reason::RequestAmbiguous => Reason::ResponseMalformed,
        reason => reason,
    }
}
