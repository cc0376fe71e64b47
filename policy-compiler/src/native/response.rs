//! What comes back: the upstream's answer, put to the exchange as a proxy would.

use std::error::Error;

use sallyport_engine::http::Head;
use sallyport_engine::{Chunk, End, Exchange, Reply, Step};

use super::{apply, pairs, whole};
use crate::cases::{Case, Header, Message, Response};

/// What the client receives.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<Header>,
}

impl Answer {
    pub(super) fn of_gate(reply: Reply) -> Self {
        let status = reply.received_status();
        // gRPC carries the reply's text in a header, and has no body then.
        let body = if reply.grpc_status.is_some() { Vec::new() } else { reply.body.into() };
        Self { status, body, trailers: Vec::new() }
    }
}

/// The upstream's answer on its way to the client, piece by piece.
struct Passage<'c> {
    status: u16,
    message: &'c Message,
    chunks: Vec<&'c [u8]>,
}

/// Puts the upstream's answer to the exchange.
pub(super) fn respond(exchange: &mut Exchange, case: &Case) -> Result<Answer, Box<dyn Error>> {
    let response = &case.response;
    // There is no body on the wire in answer to HEAD, nor with 204 and 304.
    let bodiless = case.request.method == "HEAD" || matches!(response.status, 204 | 304);
    let nothing = Message::default();
    let message = if bodiless { &nothing } else { &response.message };
    let chunks: Vec<&[u8]> = message.chunks().into_iter().filter(|chunk| !chunk.is_empty()).collect();
    let streamed = !message.cuts.is_empty() || !message.trailers.is_empty();
    let end = if chunks.is_empty() && !streamed { End::Last } else { End::More };
    let length = (!streamed && !bodiless).then(|| whole(message).len());
    let head = head(response, length);
    let passage = Passage { status: response.status, message, chunks };
    match exchange.response_head(&Head::new(&pairs(&head)), end).step {
        Step::Forward => Ok(passage.pass(exchange, 0)),
        Step::Stream => Ok(passage.stream(exchange, Vec::new(), 0)),
        Step::Hold => passage.hold(exchange),
        Step::Reply(reply) => Ok(Answer::of_gate(reply)),
        Step::Replace(_) => Err("the engine replaces a body that has not come".into()),
    }
}

impl Passage<'_> {
    /// Nobody looks at what comes from a chunk on.
    fn pass(&self, exchange: &mut Exchange, from: usize) -> Answer {
        self.chunks.iter().skip(from).for_each(|chunk| exchange.response_passed(chunk.len()));
        self.answer(exchange, whole(self.message))
    }

    /// Every chunk from one on is judged as it comes; `body` has gone on before.
    fn stream(&self, exchange: &mut Exchange, mut body: Vec<u8>, from: usize) -> Answer {
        let pieces = self.chunks.iter().skip(from).map(|chunk| (*chunk, End::More));
        for (piece, end) in pieces.chain([(&[][..], End::Last)]) {
            match exchange.response_chunk(piece, end) {
                Chunk::Forward => body.extend_from_slice(piece),
                Chunk::Replace(bytes) => body.extend(bytes),
            }
        }
        self.answer(exchange, body)
    }

    /// The body is judged once all of it is there.
    fn hold(&self, exchange: &mut Exchange) -> Result<Answer, Box<dyn Error>> {
        let mut arrived = 0;
        for (chunk, after) in self.chunks.iter().zip(1..) {
            arrived += chunk.len();
            match exchange.response_progress(arrived) {
                Step::Hold => {}
                Step::Forward => return Ok(self.pass(exchange, after)),
                Step::Replace(body) => return Ok(self.stream(exchange, body, after)),
                Step::Reply(reply) => return Ok(Answer::of_gate(reply)),
                Step::Stream => return Err("the engine streams what it held".into()),
            }
        }
        match exchange.response_body(&whole(self.message)) {
            Step::Forward => Ok(self.answer(exchange, whole(self.message))),
            Step::Replace(body) => Ok(self.answer(exchange, body)),
            Step::Reply(reply) => Ok(Answer::of_gate(reply)),
            Step::Hold | Step::Stream => Err("the engine holds a response that has ended".into()),
        }
    }

    /// What the client receives.
    fn answer(&self, exchange: &mut Exchange, body: Vec<u8>) -> Answer {
        let lower = |(name, value): &Header| (name.to_ascii_lowercase(), value.clone());
        let mut trailers: Vec<Header> = self.message.trailers.iter().map(lower).collect();
        apply(&exchange.response_trailers(&Head::new(&pairs(&trailers))), &mut trailers);
        Answer { status: self.status, body, trailers }
    }
}

/// A response's head as Envoy hands it to a filter, with the length that the framing gives it.
fn head(response: &Response, length: Option<usize>) -> Vec<Header> {
    let others = response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let status = (":status".to_owned(), response.status.to_string().into_bytes());
    let mut head: Vec<Header> = [status].into_iter().chain(others).collect();
    if let (Some(length), false) = (length, head.iter().any(|(name, _)| name == "content-length")) {
        head.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    head
}
