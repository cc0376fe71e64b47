//! One stream context: what Envoy keeps of an exchange while the filter works on it.
//!
//! Header maps are lent to the filter only at times. Envoy lends the request headers when it calls `on_request_headers` and
//! takes them back when that call says Continue; after a Pause they stay lent. [`Side::lend`] and [`Side::take_back`] do the
//! same, so that a filter that touches headers too late is told so here as there.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::abi::{Answer, BufferType, MapType, Status};
use super::body::Body;
use super::header_map::HeaderMap;
use super::identity::Peer;
use super::reply::LocalReply;

/// The state of one exchange.
#[derive(Debug)]
pub(super) struct Stream {
    /// The certificate that the client showed.
    pub(super) peer: Option<Peer>,
    /// What `connection.id` is.
    pub(super) connection: u64,
    /// What the clock reads; the present if unset.
    pub(super) at: Option<SystemTime>,
    pub(super) request: Side,
    pub(super) response: Side,
    /// The last callback was the last of its direction.
    pub(super) end_of_stream: bool,
    /// In `on_log` every map that exists can be read, whoever holds it.
    pub(super) logging: bool,
    /// By full name: `wasm.x` for what the filter sets as `x`.
    pub(super) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Known once response headers, the upstream's or a local reply's, have come.
    pub(super) status: Option<u16>,
    /// What Envoy would name as the cause of the status.
    pub(super) details: Option<&'static str>,
    /// What the filter asked for during the callback; it happens after the callback.
    pub(super) wishes: Wishes,
}

/// What a filter can ask for besides the action that it returns.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) reply: Option<LocalReply>,
    pub(super) resume: bool,
    pub(super) reset: bool,
}

/// One direction of an exchange.
#[derive(Debug, Default)]
pub(super) struct Side {
    headers: Option<HeaderMap>,
    headers_lent: bool,
    /// What the access log sees instead: Envoy answered without asking the filter.
    logged: Option<HeaderMap>,
    trailers: Option<HeaderMap>,
    trailers_lent: bool,
    pub(super) body: Body,
    /// Bytes of body, as Envoy counts them: of a request those that arrived, of a response those that were sent on.
    pub(super) bytes: u64,
}

// === impl Side ===

impl Side {
    pub(super) fn lend(&mut self, headers: HeaderMap) {
        self.headers = Some(headers);
        self.headers_lent = true;
    }

    /// Keeps headers for the access log only.
    pub(super) fn log_only(&mut self, headers: HeaderMap) {
        self.logged = Some(headers);
    }

    pub(super) fn take_back(&mut self) {
        self.headers_lent = false;
    }

    pub(super) fn lend_trailers(&mut self, trailers: HeaderMap) {
        self.trailers = Some(trailers);
        self.trailers_lent = true;
    }

    pub(super) fn take_trailers_back(&mut self) {
        self.trailers_lent = false;
    }

    pub(super) fn headers(&self) -> Option<&HeaderMap> {
        self.headers.as_ref()
    }

    pub(super) fn headers_mut(&mut self) -> Option<&mut HeaderMap> {
        self.headers.as_mut()
    }

    fn logged_headers(&self) -> Option<&HeaderMap> {
        self.logged.as_ref().or(self.headers.as_ref())
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    fn lent_headers(&self) -> Option<&HeaderMap> {
        self.headers.as_ref().filter(|_| self.headers_lent)
    }

    fn lent_trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref().filter(|_| self.trailers_lent)
    }
}

// === impl Stream ===

impl Stream {
    pub(super) fn new(connection: u64, peer: Option<Peer>, at: Option<SystemTime>) -> Self {
        Self {
            peer,
            connection,
            at,
            request: Side::default(),
            response: Side::default(),
            end_of_stream: false,
            logging: false,
            filter_state: BTreeMap::new(),
            status: None,
            details: None,
            wishes: Wishes::default(),
        }
    }

    /// The request headers as properties see them: those lent to the filter, else in `on_log` those of the access log.
    pub(super) fn request_headers(&self) -> Option<&HeaderMap> {
        self.request.lent_headers().or(self.readable(MapType::RequestHeaders))
    }

    /// The response headers likewise.
    pub(super) fn response_headers(&self) -> Option<&HeaderMap> {
        self.response.lent_headers().or(self.readable(MapType::ResponseHeaders))
    }

    /// The map that can be read now.
    pub(super) fn readable(&self, map: MapType) -> Option<&HeaderMap> {
        match (map, self.logging) {
            (MapType::RequestHeaders, false) => self.request.lent_headers(),
            (MapType::RequestHeaders, true) => self.request.logged_headers(),
            (MapType::RequestTrailers, false) => self.request.lent_trailers(),
            (MapType::ResponseHeaders, false) => self.response.lent_headers(),
            (MapType::ResponseHeaders, true) => self.response.logged_headers(),
            (MapType::ResponseTrailers, false) => self.response.lent_trailers(),
            (MapType::ResponseTrailers, true) => self.response.trailers(),
            (MapType::RequestTrailers, true) | (MapType::Elsewhere, _) => None,
        }
    }

    /// What reading a map that is not there answers: in `on_log` it is merely empty.
    pub(super) fn unreadable(&self) -> Status {
        if self.logging { Status::NotFound } else { Status::BadArgument }
    }

    /// The map that can be changed now. At the end of a body Envoy makes trailers for whoever reaches for them.
    pub(super) fn writable(&mut self, map: MapType) -> Answer<&mut HeaderMap> {
        let ends = self.end_of_stream;
        let (side, trailers) = match map {
            MapType::RequestHeaders => (&mut self.request, false),
            MapType::RequestTrailers => (&mut self.request, true),
            MapType::ResponseHeaders => (&mut self.response, false),
            MapType::ResponseTrailers => (&mut self.response, true),
            MapType::Elsewhere => return Err(Status::BadArgument.into()),
        };
        if trailers && !side.trailers_lent && ends && side.body.is_arriving() {
            side.lend_trailers(HeaderMap::new());
        }
        let (there, lent) = if trailers {
            (&mut side.trailers, side.trailers_lent)
        } else {
            (&mut side.headers, side.headers_lent)
        };
        there.as_mut().filter(|_| lent).ok_or(Status::BadArgument.into())
    }

    /// The body of a buffer type; `None` for those that are no body.
    pub(super) fn body(&self, buffer: BufferType) -> Option<&Body> {
        match buffer {
            BufferType::RequestBody => Some(&self.request.body),
            BufferType::ResponseBody => Some(&self.response.body),
            _ => None,
        }
    }

    pub(super) fn body_mut(&mut self, buffer: BufferType) -> Option<&mut Body> {
        match buffer {
            BufferType::RequestBody => Some(&mut self.request.body),
            BufferType::ResponseBody => Some(&mut self.response.body),
            _ => None,
        }
    }

    /// `proxy_continue_stream`. Whichever direction is resumed, Envoy takes the request's maps back.
    pub(super) fn resume(&mut self) {
        self.wishes.resume = true;
        self.request.take_back();
        self.request.take_trailers_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_readable_while_they_are_lent() {
        let mut stream = Stream::new(1, None, None);
        let map = MapType::RequestHeaders;
        assert_eq!((stream.readable(map), stream.unreadable()), (None, Status::BadArgument));
        stream.request.lend(HeaderMap::from_iter([("a", "1")]));
        assert!(stream.readable(map).is_some() && stream.writable(map).is_ok());
        stream.request.take_back();
        assert!(stream.readable(map).is_none() && stream.writable(map).is_err());
        stream.logging = true;
        assert!(stream.readable(map).is_some() && stream.writable(map).is_err());
    }

    #[test]
    fn trailers_are_made_at_the_end_of_a_body_only() {
        let mut stream = Stream::new(1, None, None);
        stream.request.body.arrive(b"x");
        assert!(stream.writable(MapType::RequestTrailers).is_err());
        stream.end_of_stream = true;
        assert!(stream.writable(MapType::RequestTrailers).is_ok());
        assert!(stream.writable(MapType::ResponseTrailers).is_err());
    }
}
