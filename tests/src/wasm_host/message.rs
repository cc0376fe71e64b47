//! Messages on their way in, and what was seen of them at the other end.

use std::time::{Duration, SystemTime};

use super::header_map::HeaderMap;
use super::host::LogLine;
use super::identity::Peer;

/// What a client sends and an upstream would answer.
#[derive(Clone, Debug)]
pub struct HttpExchange {
    /// The number of the client's connection, for several exchanges on one; each has its own if unset.
    pub connection: Option<u64>,
    /// The certificate that the client shows.
    pub peer: Option<Peer>,
    /// What the clock reads; the present if unset.
    pub at: Option<SystemTime>,
    /// The request, as Envoy's connection manager hands it to filters.
    pub request: Message,
    /// Envoy refuses the request itself, before any filter sees it.
    pub refused: Option<Refusal>,
    /// What the upstream answers.
    pub response: Message,
}

/// A message with everything that a filter sees of it.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Headers, pseudo-headers among them.
    pub headers: HeaderMap,
    /// The body in the pieces that arrive; `None` if the headers end the message.
    pub body: Option<Vec<Vec<u8>>>,
    /// How the end of the body is told.
    pub end: BodyEnd,
    /// Trailers; the body callback then never hears of an end.
    pub trailers: Option<HeaderMap>,
}

/// How the end of a body reaches a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyEnd {
    /// In a call of its own without new bytes: HTTP/1, always.
    #[default]
    Apart,
    /// With the last piece: HTTP/2, usually, and local replies.
    WithLastPiece,
}

/// An answer of Envoy itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'static str,
    /// What it calls the cause.
    pub details: &'static str,
}

/// What was seen from outside.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What reached the upstream, if anything did.
    pub upstream: Option<Delivered>,
    /// The status that the client received.
    pub status: u16,
    /// What reached the client.
    pub client: Delivered,
    /// What the guest logged.
    pub log: Vec<LogLine>,
    /// Filter state that the guest set, by the name that it used.
    pub filter_state: Vec<(Vec<u8>, Vec<u8>)>,
    /// What it cost.
    pub cost: Cost,
}

/// A message that arrived.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Headers, pseudo-headers among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Trailers. (Over HTTP/1 those of a request whose length is known are lost on the way.)
    pub trailers: Option<HeaderMap>,
    /// False if the stream was reset before its end.
    pub complete: bool,
}

/// Time spent inside callbacks, host calls included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Until the request's fate was known: the context's creation and the request callbacks.
    pub decision: Duration,
    /// The whole exchange.
    pub total: Duration,
}

impl Observation {
    /// Filter state that the guest set under this name.
    pub fn state(&self, name: &str) -> Option<&[u8]> {
        self.filter_state.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice())
    }
}

impl Message {
    /// Whether the headers are all there is.
    pub(super) fn ends_at_headers(&self) -> bool {
        self.body.is_none() && self.trailers.is_none()
    }

    /// The pieces of the body as they arrive, and whether each is the last that the body callback hears of.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&[u8], bool)> {
        // Nothing arrives for an empty piece.
        let body = self.body.iter().flatten().filter(|piece| !piece.is_empty());
        let mut pieces: Vec<(&[u8], bool)> = body.map(|piece| (piece.as_slice(), false)).collect();
        if self.body.is_some() && self.trailers.is_none() {
            match (self.end, pieces.last_mut()) {
                (BodyEnd::WithLastPiece, Some((_, last))) => *last = true,
                _ => pieces.push((&[], true)),
            }
        }
        pieces.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(body: Option<&[&str]>, end: BodyEnd, trailers: bool) -> Vec<(String, bool)> {
        let message = Message {
            body: body.map(|body| body.iter().map(|piece| piece.as_bytes().to_vec()).collect()),
            end,
            trailers: trailers.then(HeaderMap::new),
            ..Message::default()
        };
        message.pieces().map(|(piece, last)| (piece.escape_ascii().to_string(), last)).collect()
    }

    fn expected(pieces: &[(&str, bool)]) -> Vec<(String, bool)> {
        pieces.iter().map(|&(piece, last)| (piece.to_owned(), last)).collect()
    }

    #[test]
    fn the_end_is_told_as_envoy_tells_it() {
        use BodyEnd::{Apart, WithLastPiece};
        let body = Some(["ab", "", "c"].as_slice());
        assert_eq!(pieces(body, Apart, false), expected(&[("ab", false), ("c", false), ("", true)]));
        assert_eq!(pieces(body, WithLastPiece, false), expected(&[("ab", false), ("c", true)]));
        assert_eq!(pieces(body, Apart, true), expected(&[("ab", false), ("c", false)]));
        assert_eq!(pieces(Some(&[]), WithLastPiece, false), expected(&[("", true)]));
        assert_eq!(pieces(None, Apart, false), expected(&[]));
    }
}
