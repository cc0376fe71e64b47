//! One exchange from the client's first byte to the access log, as Envoy's filter manager drives a filter.

use std::time::Duration;

use super::abi::Action;
use super::body::Body;
use super::error::HostError;
use super::exports::{Ending, Half, Sized};
use super::header_map::HeaderMap;
use super::message::{BodyEnd, Cost, Delivered, HttpExchange, Message, Observation};
use super::reply::{LocalReply, Rendered};
use super::stream::{Side, Stream};
use super::vm::{ROOT_CONTEXT, Vm};
use super::way::Way;

impl Vm {
    /// Drives one exchange through the filter.
    pub fn exchange(&mut self, exchange: &HttpExchange) -> Result<Observation, HostError> {
        if self.lost {
            return Err(HostError::Lost);
        }
        self.contexts += 1;
        let context = self.contexts;
        self.store.data_mut().log.clear();
        self.spent = Duration::ZERO;
        let connection = exchange.connection.unwrap_or_else(|| context.into());
        let stream = Stream::new(connection, exchange.peer.clone(), exchange.at);
        self.store.data_mut().streams.insert(context, stream);
        let create = self.exports.context_create.clone();
        self.call("proxy_on_context_create", context, create, (context, ROOT_CONTEXT))?;
        let mut run = Run { vm: self, context, upstream: None, client: None, decision: Duration::ZERO };
        match run.carry(exchange) {
            // The client gives up in the end, and the filter's context ends as always.
            Err(HostError::Stalled { function, .. }) => {
                let log = run.close()?.log;
                Err(HostError::Stalled { function, log })
            }
            carried => carried.and_then(|()| run.close()),
        }
    }
}

/// What happens after a callback.
enum Next {
    GoOn,
    Stay,
    Reply(LocalReply),
    Reset,
}

/// How a message ended.
enum End {
    /// It passed the filter.
    Through(Delivered),
    /// The filter, or Envoy for it, answered instead. The headers had gone on already, with this much of the body.
    Replied(LocalReply, Option<Delivered>),
    /// The filter reset the stream.
    Reset(Option<Delivered>),
}

struct Run<'v> {
    vm: &'v mut Vm,
    context: u32,
    upstream: Option<Delivered>,
    client: Option<Delivered>,
    decision: Duration,
}

impl Run<'_> {
    fn carry(&mut self, exchange: &HttpExchange) -> Result<(), HostError> {
        if let Some(refusal) = exchange.refused {
            if !exchange.request.headers.is_empty() {
                self.stream().request.log_only(exchange.request.headers.clone());
            }
            let reply = LocalReply::of_envoy(refusal.status, refusal.body, refusal.details);
            self.answer_unfiltered(reply);
            return Ok(());
        }
        let end = self.pass(Way::Request, &exchange.request)?;
        self.decision = self.vm.spent;
        match end {
            End::Through(request) => {
                let bodiless = exchange.request.ends_at_headers();
                self.upstream = Some(if self.vm.options.buffer_after {
                    self.buffered(request, bodiless)
                } else {
                    request
                });
                self.respond(&exchange.response)
            }
            End::Replied(reply, gone_on) => {
                self.upstream = gone_on.filter(|_| !self.vm.options.buffer_after);
                self.reply(reply)
            }
            End::Reset(gone_on) => {
                self.upstream = gone_on.filter(|_| !self.vm.options.buffer_after);
                self.client = Some(Delivered::default());
                Ok(())
            }
        }
    }

    /// What the buffer filter sends on: everything at once, and with a length if there was a body phase.
    fn buffered(&mut self, request: Delivered, bodiless: bool) -> Delivered {
        let Some(headers) = self.stream().request.headers_mut() else { return request };
        if !bodiless && headers.get("content-length").is_none() {
            headers.add("content-length", request.body.len().to_string());
        }
        Delivered { headers: headers.clone(), ..request }
    }

    /// The upstream's answer on its way to the client.
    fn respond(&mut self, response: &Message) -> Result<(), HostError> {
        self.stream().status = status_of(&response.headers);
        self.stream().details = Some("via_upstream");
        match self.pass(Way::Response, response)? {
            End::Through(delivered) => self.client = Some(delivered),
            // Too late for another status: the client sees a response that breaks off.
            End::Replied(reply, Some(torn)) => {
                self.stream().details = Some(reply.details);
                self.client = Some(torn);
            }
            End::Reset(Some(torn)) => self.client = Some(torn),
            End::Replied(reply, None) => self.answer_unfiltered(reply),
            End::Reset(None) => self.client = Some(Delivered::default()),
        }
        Ok(())
    }

    /// A reply in the request's stead. It passes the filter's own response callbacks, in one piece.
    fn reply(&mut self, reply: LocalReply) -> Result<(), HostError> {
        let rendered = self.render(reply);
        let body = (!rendered.body.is_empty()).then(|| vec![rendered.body]);
        let message =
            Message { headers: rendered.headers, body, end: BodyEnd::WithLastPiece, trailers: None };
        self.client = Some(match self.pass(Way::Response, &message)? {
            End::Through(delivered) => delivered,
            End::Replied(_, torn) | End::Reset(torn) => torn.unwrap_or_default(),
        });
        Ok(())
    }

    /// An answer that no filter sees.
    fn answer_unfiltered(&mut self, reply: LocalReply) {
        let rendered = self.render(reply);
        self.stream().response.log_only(rendered.headers.clone());
        self.stream().response.bytes = rendered.body.len() as u64;
        let (headers, body) = (rendered.headers, rendered.body);
        self.client = Some(Delivered { headers, body, trailers: None, complete: true });
    }

    fn render(&mut self, reply: LocalReply) -> Rendered {
        let stream = self.stream();
        stream.details = Some(reply.details);
        let rendered = reply.render(stream.request.headers());
        stream.status = Some(rendered.status);
        rendered
    }

    /// Takes one message through the filter.
    fn pass(&mut self, way: Way, message: &Message) -> Result<End, HostError> {
        let mut gone_on = None;
        let ends = message.ends_at_headers();
        self.stream().end_of_stream = ends;
        self.side(way).lend(message.headers.clone());
        let count = message.headers.len();
        match self.ending(way, way.headers(), |half| &half.headers, count, ends)? {
            Next::GoOn => {
                self.side(way).take_back();
                self.let_on(way, &mut gone_on, Vec::new());
            }
            // Without the plugin's flag, or with nothing more to come, nothing will call the filter again.
            Next::Stay if ends || !self.vm.options.allow_on_headers_stop_iteration => {
                return Err(stalled(way.headers()));
            }
            Next::Stay => {}
            Next::Reply(reply) => return Ok(End::Replied(reply, gone_on)),
            Next::Reset => return Ok(End::Reset(gone_on)),
        }
        for (piece, last) in message.pieces() {
            if let Some(end) = self.pass_piece(way, piece, last, &mut gone_on)? {
                return Ok(end);
            }
        }
        if let Some(trailers) = &message.trailers
            && let Some(end) = self.pass_trailers(way, trailers, &mut gone_on)?
        {
            return Ok(end);
        }
        let mut through = gone_on.unwrap_or_default();
        through.complete = true;
        through.trailers = self.side(way).trailers().cloned();
        Ok(End::Through(through))
    }

    /// Shows the filter one piece of a body; `Some` if that ended the message.
    fn pass_piece(
        &mut self,
        way: Way,
        piece: &[u8],
        last: bool,
        gone_on: &mut Option<Delivered>,
    ) -> Result<Option<End>, HostError> {
        let limit = self.vm.options.buffer_limit;
        self.stream().end_of_stream = last;
        let side = self.side(way);
        if way == Way::Request {
            side.bytes += piece.len() as u64;
        }
        side.body.arrive(piece);
        let size = side.body.seen().len();
        if side.body.held() > limit {
            return Ok(Some(End::Replied(way.too_large(), gone_on.take())));
        }
        match self.ending(way, way.body(), |half| &half.body, size, last)? {
            Next::GoOn => {
                let bytes = self.side(way).body.go_on();
                self.let_on(way, gone_on, bytes);
                let whole = gone_on.as_ref().map_or(0, |delivered| delivered.body.len());
                let too_large = way == Way::Request && self.vm.options.buffer_after && whole > limit;
                Ok(too_large.then(|| End::Replied(way.too_large(), gone_on.take())))
            }
            Next::Stay if last => Err(stalled(way.body())),
            Next::Stay => {
                let body = &mut self.side(way).body;
                body.hold();
                Ok((body.held() > limit).then(|| End::Replied(way.too_large(), gone_on.take())))
            }
            Next::Reply(reply) => {
                // Envoy drops what it held of the request; of a response it does not.
                if way == Way::Request {
                    self.side(way).body = Body::default();
                }
                Ok(Some(End::Replied(reply, gone_on.take())))
            }
            Next::Reset => Ok(Some(End::Reset(gone_on.take()))),
        }
    }

    /// Shows the filter the trailers; `Some` if that ended the message.
    fn pass_trailers(
        &mut self,
        way: Way,
        trailers: &HeaderMap,
        gone_on: &mut Option<Delivered>,
    ) -> Result<Option<End>, HostError> {
        self.side(way).lend_trailers(trailers.clone());
        let callback = self.half(way).trailers.clone();
        match self.callback(way.trailers(), callback, trailers.len())? {
            Next::GoOn => {
                let side = self.side(way);
                side.take_trailers_back();
                let bytes = side.body.go_on();
                self.let_on(way, gone_on, bytes);
                Ok(None)
            }
            Next::Stay => Err(stalled(way.trailers())),
            Next::Reply(reply) => Ok(Some(End::Replied(reply, gone_on.take()))),
            Next::Reset => Ok(Some(End::Reset(gone_on.take()))),
        }
    }

    /// Lets bytes on, and first the headers if they have not gone on yet.
    fn let_on(&mut self, way: Way, gone_on: &mut Option<Delivered>, bytes: Vec<u8>) {
        let side = self.side(way);
        if way == Way::Response {
            side.bytes += bytes.len() as u64;
        }
        let headers = side.headers();
        let fresh = || Delivered { headers: headers.cloned().unwrap_or_default(), ..Delivered::default() };
        gone_on.get_or_insert_with(fresh).body.extend(bytes);
    }

    /// Calls a callback that is told whether the stream ends.
    fn ending(
        &mut self,
        way: Way,
        name: &'static str,
        callback: impl FnOnce(&Half) -> &Ending,
        size: usize,
        ends: bool,
    ) -> Result<Next, HostError> {
        let callback = callback(self.half(way)).clone();
        let parameters = (self.context, count(size), u32::from(ends));
        let action = self.vm.call(name, self.context, callback, parameters)?;
        self.after(name, action)
    }

    fn callback(&mut self, name: &'static str, callback: Sized<u32>, size: usize) -> Result<Next, HostError> {
        let action = self.vm.call(name, self.context, callback, (self.context, count(size)))?;
        self.after(name, action)
    }

    /// What the callback asked for counts more than the action that it returned. A missing callback says Continue.
    fn after(&mut self, function: &'static str, action: Option<u32>) -> Result<Next, HostError> {
        let number = action.unwrap_or_default();
        let action = Action::from_number(number).ok_or(HostError::Action { function, action: number })?;
        let wishes = std::mem::take(&mut self.stream().wishes);
        Ok(match (wishes.reply, action) {
            (Some(reply), _) => Next::Reply(reply),
            _ if wishes.reset => Next::Reset,
            _ if wishes.resume => Next::GoOn,
            (None, Action::Continue) => Next::GoOn,
            (None, Action::Pause) => Next::Stay,
        })
    }

    /// The access log, and the end of the context.
    fn close(mut self) -> Result<Observation, HostError> {
        let (context, exports) = (self.context, &self.vm.exports);
        let (log, done, delete) = (exports.log.clone(), exports.done.clone(), exports.delete.clone());
        self.stream().logging = true;
        self.vm.call("proxy_on_log", context, log, context)?;
        self.stream().logging = false;
        self.vm.call("proxy_on_done", context, done, context)?;
        self.vm.call("proxy_on_delete", context, delete, context)?;
        self.vm.announce_queues()?;
        let host = self.vm.store.data_mut();
        let stream = host.streams.remove(&context);
        let state = stream.map(|stream| stream.filter_state).unwrap_or_default();
        let short = |name: Vec<u8>| name.strip_prefix(super::properties::STATE_PREFIX).map(<[u8]>::to_vec);
        let client = self.client.unwrap_or_default();
        Ok(Observation {
            upstream: self.upstream,
            status: status_of(&client.headers).unwrap_or_default(),
            client,
            log: std::mem::take(&mut host.log),
            filter_state: state.into_iter().filter_map(|(name, value)| Some((short(name)?, value))).collect(),
            cost: Cost { decision: self.decision, total: self.vm.spent },
        })
    }

    fn half(&self, way: Way) -> &Half {
        match way {
            Way::Request => &self.vm.exports.request,
            Way::Response => &self.vm.exports.response,
        }
    }

    fn side(&mut self, way: Way) -> &mut Side {
        match way {
            Way::Request => &mut self.stream().request,
            Way::Response => &mut self.stream().response,
        }
    }

    /// The stream was put there when the exchange began.
    fn stream(&mut self) -> &mut Stream {
        let context = self.context;
        self.vm
            .store
            .data_mut()
            .streams
            .entry(context)
            .or_insert_with(|| Stream::new(context.into(), None, None))
    }
}

/// The log is added once the context has ended.
fn stalled(function: &'static str) -> HostError {
    HostError::Stalled { function, log: Vec::new() }
}

fn status_of(headers: &HeaderMap) -> Option<u16> {
    std::str::from_utf8(headers.get(":status")?).ok()?.parse().ok()
}

/// No message here comes near 4 GiB.
fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
