//! Event streams (`text/event-stream`): MCP, A2A and models answer in them, an event at a time.

use super::{Context, Pushed, TextStream};
use crate::exchange::End;

/// One event stream on its way to the caller.
#[derive(Debug)]
pub(crate) struct SseStream(TextStream);

impl SseStream {
    /// Begins a stream; its protocol, its calls and the caller's rights are in the context of every push.
    pub(crate) fn new() -> Self {
        Self(TextStream::new(true))
    }

    /// Takes the next piece, cut anywhere.
    pub(crate) fn push(&mut self, context: &Context<'_>, piece: &[u8], end: End) -> Pushed {
        self.0.push(context, piece, end)
    }
}
