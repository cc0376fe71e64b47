//! The stream context: each callback reads from the host, asks the engine, and performs the step.

use crate::config::Hold;
use crate::contexts::Action;
use crate::host::{self, Buffer, HostError, Map};
use crate::peer::Peers;
use crate::telemetry::Telemetry;
use sallyport_engine::http::Head;
use sallyport_engine::{End, Exchange, HeadStep, HeaderEdit, Step};
use std::rc::Rc;

/// One HTTP exchange on its way through the proxy.
#[derive(Debug)]
pub(crate) struct Stream {
    exchange: Exchange,
    hold: Hold,
    peers: Rc<Peers>,
    telemetry: Rc<Telemetry>,
    /// How much of the request's body the proxy holds back for us, in bytes.
    buffered: usize,
    /// Whether the request was let go; what comes after that is only counted.
    released: bool,
    /// Whether the gate answered itself.
    replied: bool,
}

impl Stream {
    pub(crate) fn new(exchange: Exchange, hold: Hold, peers: Rc<Peers>, telemetry: Rc<Telemetry>) -> Self {
        Self { exchange, hold, peers, telemetry, buffered: 0, released: false, replied: false }
    }

    fn judge_head(&mut self, end: End) -> Result<HeadStep, HostError> {
        let headers = host::header_pairs(Map::RequestHeaders)?;
        let pairs = headers.parse().ok_or(HostError::MALFORMED)?;
        let certificate = self.peers.current();
        let step = certificate.with_peer(|peer| self.exchange.request_head(&Head::new(&pairs), peer, end));
        apply(Map::RequestHeaders, &step.edits)?;
        Ok(step)
    }

    fn judge_body(&mut self) -> Result<Step, HostError> {
        let body = host::buffer(Buffer::RequestBody, self.buffered)?;
        if body.len() != self.buffered {
            return Err(HostError::MALFORMED);
        }
        Ok(self.exchange.request_body(&body))
    }

    fn judge_trailers(&mut self) -> Result<Step, HostError> {
        let trailers = host::header_pairs(Map::RequestTrailers)?;
        let pairs = trailers.parse().ok_or(HostError::MALFORMED)?;
        apply(Map::RequestTrailers, &self.exchange.request_trailers(&Head::new(&pairs)))?;
        if self.released { Ok(Step::Forward) } else { self.judge_body() }
    }

    /// Gives the proxy the body that goes on, where it is not the one that came.
    fn replace(&self, step: Step) -> Result<Step, HostError> {
        if let Step::Replace(body) = &step {
            host::replace_buffer(Buffer::RequestBody, self.buffered, body)?;
        }
        Ok(step)
    }

    /// The one place where a step, or the failure to get one, becomes an action.
    fn perform(&mut self, step: Result<Step, HostError>) -> Action {
        let step = step.and_then(|step| self.replace(step)).unwrap_or_else(|_| self.exchange.fail());
        match step {
            Step::Forward | Step::Replace(_) => {
                self.released = true;
                Action::Continue
            }
            Step::Hold => Action::Pause,
            Step::Reply(reply) => {
                self.replied = true;
                let record = self.exchange.record();
                let details = format!("sallyport_{}", record.reason());
                // If even this fails, the request stays where it is: it does not go on.
                let _ = host::respond(&reply, &details);
                Action::Pause
            }
        }
    }
}

/// The callbacks.
impl Stream {
    pub(crate) fn request_headers(&mut self, end: bool) -> Action {
        let end = if end { End::Last } else { End::More };
        let step = self.judge_head(end).map(|head| head.step);
        let held = matches!(step, Ok(Step::Hold));
        let action = self.perform(step);
        // Pausing here would keep the body from ever coming, unless the host was set up for it.
        if held && self.hold == Hold::Body { Action::Continue } else { action }
    }

    pub(crate) fn request_body(&mut self, size: usize, end: bool) -> Action {
        if self.released {
            return Action::Continue;
        }
        self.buffered = size;
        let step = if end { self.judge_body() } else { Ok(self.exchange.request_progress(size)) };
        self.perform(step)
    }

    pub(crate) fn request_trailers(&mut self) -> Action {
        let step = self.judge_trailers();
        self.perform(step)
    }

    pub(crate) fn response_headers(&mut self) -> Action {
        // Without a filter that holds the headers back, an upstream may answer before the body was judged.
        if !self.released && !self.replied {
            let step = self.exchange.fail();
            return self.perform(Ok(step));
        }
        let status = host::header(Map::ResponseHeaders, ":status").ok();
        let status = status.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok());
        if let Some(status) = status {
            self.exchange.response_head(status);
        }
        Action::Continue
    }

    pub(crate) fn response_body(&mut self, size: usize) -> Action {
        self.exchange.response_body(size);
        Action::Continue
    }

    pub(crate) fn log(&mut self) {
        self.telemetry.record(&self.exchange.record());
    }
}

fn apply(map: Map, edits: &[HeaderEdit]) -> Result<(), HostError> {
    edits.iter().try_for_each(|edit| match edit {
        HeaderEdit::Remove(name) => host::remove_header(map, name),
        HeaderEdit::Add(name, value) => host::add_header(map, name, value),
    })
}
