//! JSON-RPC messages that come back: lists are cut to what the caller may use, everything is looked at.

use super::Context;
use crate::json::Document;
use crate::scan::{Inspection, Inspector, Place};

/// Judges a message, or a batch of them: a body, or the data of an event. Edits are byte ranges of [`Document::text`].
pub(crate) fn judge_rpc_message(context: &Context<'_>, document: &Document<'_>) -> Inspection {
    let mut inspector = Inspector::new(context.catalogue(), context.profile, Place::Response);
    inspector.document(document);
    inspector.finish()
}
