//! The stream context: each callback reads from the host, asks the engine, and performs the step.

use crate::audit::Queue;
use crate::config::Hold;
use crate::contexts::Action;
use crate::host::{self, Buffer, HostError, Map};
use crate::peer::Peers;
use crate::telemetry::Telemetry;
use sallyport_engine::audit::MAX_LINE;
use sallyport_engine::http::Head;
use sallyport_engine::{Chunk, Driven, End, Exchange, HeadStep, HeaderEdit, Reply, Step};
use std::rc::Rc;

/// The header that shows what stands behind the gate that a request came through it. Client copies are always removed.
const INTERLOCK_HEADER: &str = "x-sallyport-interlock";

/// What the streams of a configuration have around them.
#[derive(Debug, Default)]
pub(crate) struct Around {
    pub(crate) hold: Hold,
    /// The secret in [`INTERLOCK_HEADER`].
    pub(crate) interlock: Option<String>,
    pub(crate) peers: Peers,
    pub(crate) telemetry: Rc<Telemetry>,
    /// Where records go. Nowhere without a companion.
    pub(crate) queue: Option<Rc<Queue>>,
    /// Where the clock stands still, in seconds since 1970. Only for tests.
    pub(crate) clock: Option<u64>,
    /// The proxy's name among its like.
    pub(crate) node: Option<String>,
}

/// How much of a response that passes in pieces may wait with what is undecided, in bytes: less than proxies buffer at least.
const MOST_KEPT: usize = 16_384;

/// The longest record, in bytes: its number comes before it in a line of the queue.
const MAX_RECORD: usize = MAX_LINE - 32;

/// One HTTP exchange on its way through the proxy.
#[derive(Debug)]
pub(crate) struct Stream {
    exchange: Exchange,
    around: Rc<Around>,
    /// How much of the request's body the proxy holds back for us, in bytes.
    buffered: usize,
    /// Whether the request was let go; what comes after that is only counted.
    released: bool,
    /// Whether the gate answered itself.
    replied: bool,
    /// What is done with the response's body.
    answer: Answer,
    /// How much of it the proxy holds back for us, in bytes.
    answer_buffered: usize,
    /// Whether room is kept for the record.
    reserved: bool,
    /// How long the exchange was looked at, in nanoseconds.
    looked: u64,
}

/// What is done with a response's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// It goes on, and is counted.
    Passing,
    /// The proxy holds it back until all of it is there.
    Held,
    /// Each piece is judged as it comes.
    Streamed,
}

impl Stream {
    pub(crate) fn new(exchange: Exchange, around: Rc<Around>) -> Self {
        Self {
            exchange,
            around,
            buffered: 0,
            released: false,
            replied: false,
            answer: Answer::Passing,
            answer_buffered: 0,
            reserved: false,
            looked: 0,
        }
    }

    fn judge_head(&mut self, end: End) -> Result<HeadStep, HostError> {
        let headers = host::header_pairs(Map::RequestHeaders)?;
        let pairs = headers.parse().ok_or(HostError::MALFORMED)?;
        let certificate = self.around.peers.current();
        let step = certificate.with_peer(|peer| self.exchange.request_head(&Head::new(&pairs), peer, end));
        self.reserved = self.around.queue.as_ref().is_some_and(|queue| queue.take_reserved());
        apply(Map::RequestHeaders, &step.edits)?;
        if let (Some(secret), false) = (&self.around.interlock, matches!(step.step, Step::Reply(_))) {
            host::add_header(Map::RequestHeaders, INTERLOCK_HEADER, secret)?;
        }
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
        let HeadStep { edits, step } = self.exchange.request_trailers(&Head::new(&pairs));
        apply(Map::RequestTrailers, &edits)?;
        if self.released || step != Step::Hold { Ok(step) } else { self.judge_body() }
    }

    fn judge_response_head(&mut self, end: End) -> Result<Step, HostError> {
        if !self.exchange.reads_response() {
            let status = host::header(Map::ResponseHeaders, ":status").unwrap_or_default();
            return Ok(self.exchange.response_head(&Head::new(&[(b":status", &status)]), end).step);
        }
        let headers = host::header_pairs(Map::ResponseHeaders)?;
        let pairs = headers.parse().ok_or(HostError::MALFORMED)?;
        let step = self.exchange.response_head(&Head::new(&pairs), end);
        apply(Map::ResponseHeaders, &step.edits)?;
        Ok(step.step)
    }

    fn judge_response_body(&mut self) -> Result<Step, HostError> {
        let body = host::buffer(Buffer::ResponseBody, self.answer_buffered)?;
        if body.len() != self.answer_buffered {
            return Err(HostError::MALFORMED);
        }
        Ok(self.exchange.response_body(&body))
    }

    fn judge_response_trailers(&mut self, there: bool) -> Result<(), HostError> {
        let map = Map::ResponseTrailers;
        if !there {
            // The proxy makes trailers for whoever asks for some at a body's end.
            return apply(map, &self.exchange.response_trailers(&Head::new(&[])));
        }
        let trailers = host::header_pairs(map)?;
        let pairs = trailers.parse().ok_or(HostError::MALFORMED)?;
        apply(map, &self.exchange.response_trailers(&Head::new(&pairs)))
    }

    /// Judges a piece of a response and puts in its place what goes on.
    fn pass_chunk(&mut self, size: usize, end: End) -> Action {
        match self.judge_chunk(size, end) {
            // Once all has gone on, nothing can be added to it when trailers come: so what goes on waits beside what is undecided.
            Ok(ready) if end == End::More && ready <= MOST_KEPT && self.exchange.holds_back() => {
                self.answer_buffered = ready;
                Action::Pause
            }
            Ok(_) => {
                self.answer_buffered = 0;
                Action::Continue
            }
            Err(_) => {
                let step = self.exchange.fail();
                self.perform_response(Ok(step), size)
            }
        }
    }

    /// Judges a response's trailers, if there are any, after its body has been; `action` is what comes of that.
    fn end_response(&mut self, action: Action, trailers: bool) -> Action {
        if self.replied || self.judge_response_trailers(trailers).is_ok() {
            return action;
        }
        let step = self.exchange.fail();
        self.perform_response(Ok(step), self.answer_buffered)
    }

    /// Judges what is new in the proxy's buffer; how much there may go on then.
    fn judge_chunk(&mut self, size: usize, end: End) -> Result<usize, HostError> {
        let mut buffer = host::buffer(Buffer::ResponseBody, size)?;
        let new = buffer.get(self.answer_buffered..).ok_or(HostError::MALFORMED)?;
        if buffer.len() != size {
            return Err(HostError::MALFORMED);
        }
        match self.exchange.response_chunk(new, end) {
            Chunk::Replace(bytes) if size > 0 || !bytes.is_empty() => {
                buffer.truncate(self.answer_buffered);
                buffer.extend(bytes);
                host::replace_buffer(Buffer::ResponseBody, size, &buffer)?;
                Ok(buffer.len())
            }
            Chunk::Replace(_) | Chunk::Forward => Ok(size),
        }
    }

    /// The like of [`Self::perform`] for responses; `size` bytes of the body stand in the proxy's buffer.
    fn perform_response(&mut self, step: Result<Step, HostError>, size: usize) -> Action {
        let replaced = step.and_then(|step| {
            if let Step::Replace(body) = &step {
                host::replace_buffer(Buffer::ResponseBody, size, body)?;
            }
            Ok(step)
        });
        match replaced.unwrap_or_else(|_| self.exchange.fail()) {
            Step::Forward => {
                self.answer = Answer::Passing;
                Action::Continue
            }
            // Should more come of a body that was replaced, the engine says what becomes of it.
            Step::Stream | Step::Replace(_) => {
                self.answer = Answer::Streamed;
                self.answer_buffered = 0;
                Action::Continue
            }
            Step::Hold => Action::Pause,
            Step::Reply(reply) => {
                self.answer = Answer::Passing;
                self.reply(&reply)
            }
        }
    }

    /// Answers in the upstream's stead. Where a response's headers have gone on, Envoy resets the stream instead.
    fn reply(&mut self, reply: &Reply) -> Action {
        self.replied = true;
        let details = format!("sallyport_{}", self.exchange.end().reason());
        // If even this fails, the message stays where it is: it does not go on.
        let _ = host::respond(reply, &details);
        Action::Pause
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
            Step::Hold | Step::Stream => Action::Pause,
            Step::Reply(reply) => self.reply(&reply),
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
        if held && self.around.hold == Hold::Body { Action::Continue } else { action }
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

    pub(crate) fn response_headers(&mut self, end: bool) -> Action {
        // Without a filter that holds the headers back, an upstream may answer before the body was judged.
        if !self.released && !self.replied {
            let step = self.exchange.fail();
            return self.perform(Ok(step));
        }
        let step = self.judge_response_head(if end { End::Last } else { End::More });
        self.answer = match step {
            Ok(Step::Hold) => Answer::Held,
            Ok(Step::Stream) => Answer::Streamed,
            _ => Answer::Passing,
        };
        let action = self.perform_response(step, 0);
        // As with requests.
        if self.answer == Answer::Held && self.around.hold == Hold::Body { Action::Continue } else { action }
    }

    pub(crate) fn response_body(&mut self, size: usize, end: bool) -> Action {
        match self.answer {
            Answer::Passing => {
                self.exchange.response_passed(size);
                Action::Continue
            }
            Answer::Held => self.timed(|stream| {
                stream.answer_buffered = size;
                let step = if end {
                    stream.judge_response_body()
                } else {
                    Ok(stream.exchange.response_progress(size))
                };
                stream.perform_response(step, size)
            }),
            Answer::Streamed => self.timed(|stream| {
                let action = stream.pass_chunk(size, if end { End::Last } else { End::More });
                if end { stream.end_response(action, false) } else { action }
            }),
        }
    }

    pub(crate) fn response_trailers(&mut self) -> Action {
        let action = match self.answer {
            Answer::Passing if self.replied || !self.exchange.reads_response() => return Action::Continue,
            Answer::Passing => Action::Continue,
            Answer::Held => {
                let step = self.judge_response_body();
                self.perform_response(step, self.answer_buffered)
            }
            Answer::Streamed => self.pass_chunk(self.answer_buffered, End::Last),
        };
        self.end_response(action, true)
    }

    pub(crate) fn log(&mut self) {
        let audit = self.exchange.audit();
        let record = self.exchange.end();
        record.driven = Driven {
            // A companion refuses records without a time, so one that cannot be told is one.
            time: Some(match self.around.clock {
                Some(clock) => clock.saturating_mul(1000),
                None => host::unix_millis().unwrap_or(0),
            }),
            decision_micros: Some(self.looked / 1000),
            workload: self.around.node.clone(),
        };
        let json = record.to_json_within(MAX_RECORD);
        self.around.telemetry.record(record, &json, &audit);
        if let Some(queue) = &self.around.queue {
            queue.push(&audit, &json, std::mem::take(&mut self.reserved));
        }
    }

    /// Looks at something of the exchange, and keeps the time that it takes.
    pub(crate) fn timed<R>(&mut self, look: impl FnOnce(&mut Self) -> R) -> R {
        let now = || host::unix_nanos().unwrap_or(0);
        let begun = now();
        let seen = look(self);
        self.looked = self.looked.saturating_add(now().saturating_sub(begun));
        seen
    }
}

impl Drop for Stream {
    /// A stream that ends without a record gives the room for it back.
    fn drop(&mut self) {
        if let (true, Some(queue)) = (self.reserved, &self.around.queue) {
            queue.release();
        }
    }
}

fn apply(map: Map, edits: &[HeaderEdit]) -> Result<(), HostError> {
    edits.iter().try_for_each(|edit| match edit {
        HeaderEdit::Remove(name) => host::remove_header(map, name),
        HeaderEdit::Add(name, value) => host::add_header(map, name, value),
    })
}
