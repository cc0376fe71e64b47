//! Reads an HTTP/1.1 response from bytes as they come, without doing I/O.

use bytes::{Buf, BytesMut};

use super::ClientError;
use crate::{Headers, MAX_MESSAGE_BYTES, Response};

/// The largest head, chunk-size line or trailer section, in bytes.
const MAX_HEAD_BYTES: usize = 256 << 10;

/// The most header fields in a head.
const MAX_FIELDS: usize = 256;

/// A response under way.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    buffer: BytesMut,
    response: Response,
    state: State,
    /// The request was a HEAD.
    bodiless: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Fixed(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilEnd,
    Done,
}

impl ResponseReader {
    pub(crate) fn new(bodiless: bool) -> Self {
        let response =
            Response { status: 0, headers: Headers::new(), body: Vec::new(), trailers: Headers::new() };
        Self { buffer: BytesMut::new(), response, state: State::Head, bodiless }
    }

    /// Takes the next bytes; gives the response once it is whole.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Response>, ClientError> {
        self.buffer.extend_from_slice(bytes);
        while self.advance()? {}
        if self.response.body.len() > MAX_MESSAGE_BYTES {
            return Err(bad("a body of more than 64 MiB"));
        }
        Ok(matches!(self.state, State::Done).then(|| self.response.clone()))
    }

    /// The peer sent everything it had.
    pub(crate) fn end(&mut self) -> Result<Response, ClientError> {
        match self.state {
            State::UntilEnd | State::Done => Ok(self.response.clone()),
            State::Head if self.buffer.is_empty() => Err(ClientError::Closed("not one byte came".to_owned())),
            _ => Err(ClientError::Closed("the response is cut short".to_owned())),
        }
    }

    /// One step; false when more bytes are needed, or none.
    fn advance(&mut self) -> Result<bool, ClientError> {
        match self.state {
            State::Head => self.head(),
            State::Fixed(left) => Ok(self.take(left, State::Fixed, State::Done)),
            State::ChunkSize => self.chunk_size(),
            State::Chunk(left) => Ok(self.take(left, State::Chunk, State::ChunkEnd)),
            State::ChunkEnd => self.chunk_end(),
            State::Trailers => self.trailers(),
            State::UntilEnd => Ok(self.take(usize::MAX, |_| State::UntilEnd, State::UntilEnd)),
            State::Done => Ok(false),
        }
    }

    fn head(&mut self) -> Result<bool, ClientError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = parsed.parse(&self.buffer).map_err(bad)? else {
            return self.starved();
        };
        self.response.status = parsed.code.unwrap_or_default();
        self.response.headers = parsed.headers.iter().map(|field| (field.name, field.value)).collect();
        self.buffer.advance(length);
        // 1xx announces the response; it is not it.
        if !(100..200).contains(&self.response.status) {
            self.state = self.framing()?;
        }
        Ok(true)
    }

    fn framing(&self) -> Result<State, ClientError> {
        let headers = &self.response.headers;
        if self.bodiless || matches!(self.response.status, 204 | 304) {
            return Ok(State::Done);
        }
        if headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
            return Ok(State::ChunkSize);
        }
        let Some(length) = headers.get("content-length") else { return Ok(State::UntilEnd) };
        let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
        length.map(State::Fixed).ok_or_else(|| bad("a content-length that is no number"))
    }

    /// Moves up to `left` bytes into the body.
    fn take(&mut self, left: usize, again: fn(usize) -> State, then: State) -> bool {
        let size = left.min(self.buffer.len());
        self.response.body.extend_from_slice(self.buffer.get(..size).unwrap_or_default());
        self.buffer.advance(size);
        let left = left.saturating_sub(size);
        self.state = if left == 0 { then } else { again(left) };
        left == 0
    }

    fn chunk_size(&mut self) -> Result<bool, ClientError> {
        match httparse::parse_chunk_size(&self.buffer).map_err(|_| bad("a chunk size that is no number"))? {
            httparse::Status::Partial => self.starved(),
            httparse::Status::Complete((length, size)) => {
                self.buffer.advance(length);
                let size = usize::try_from(size).map_err(bad)?;
                self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
                Ok(true)
            }
        }
    }

    fn chunk_end(&mut self) -> Result<bool, ClientError> {
        if self.buffer.len() < 2 {
            return Ok(false);
        }
        if !self.buffer.starts_with(b"\r\n") {
            return Err(bad("a chunk that is longer than it says"));
        }
        self.buffer.advance(2);
        self.state = State::ChunkSize;
        Ok(true)
    }

    fn trailers(&mut self) -> Result<bool, ClientError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        match httparse::parse_headers(&self.buffer, &mut fields).map_err(bad)? {
            httparse::Status::Partial => self.starved(),
            httparse::Status::Complete((length, fields)) => {
                self.response.trailers = fields.iter().map(|field| (field.name, field.value)).collect();
                self.buffer.advance(length);
                self.state = State::Done;
                Ok(true)
            }
        }
    }

    fn starved(&self) -> Result<bool, ClientError> {
        if self.buffer.len() > MAX_HEAD_BYTES { Err(bad("a head of more than 256 KiB")) } else { Ok(false) }
    }
}

fn bad(what: impl ToString) -> ClientError {
    ClientError::BadResponse(what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `wire` in one go and byte by byte: both must agree.
    fn read(wire: &[u8]) -> Result<Response, ClientError> {
        let at_once = drain(wire.chunks(wire.len().max(1)), false);
        let bytewise = drain(wire.chunks(1), false);
        assert_eq!(format!("{at_once:?}"), format!("{bytewise:?}"));
        at_once
    }

    fn drain<'a>(pieces: impl Iterator<Item = &'a [u8]>, bodiless: bool) -> Result<Response, ClientError> {
        let mut reader = ResponseReader::new(bodiless);
        for piece in pieces {
            if let Some(response) = reader.feed(piece)? {
                return Ok(response);
            }
        }
        reader.end()
    }

    #[test]
    fn a_length_delimits_the_body() {
        let response =
            read(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\nx: a\r\nx: \xff\r\n\r\nno!ignored")
                .unwrap();
        assert_eq!((response.status, response.body.as_slice()), (403, b"no!".as_slice()));
        assert_eq!(response.headers.get_all("X").collect::<Vec<_>>(), [b"a".as_slice(), b"\xff"]);
    }

    #[test]
    fn chunks_and_trailers_are_read() {
        let wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nt: 1\r\n\r\n";
        let response = read(wire).unwrap();
        assert_eq!(response.text(), "abc0123456789");
        assert_eq!(response.trailers.get("t"), Some(b"1".as_slice()));
    }

    #[test]
    fn the_end_of_the_connection_delimits_what_has_no_length() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\nall of it").unwrap().text(), "all of it");
    }

    #[test]
    fn heads_that_have_no_body_end_at_once() {
        assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().status, 204);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        assert!(drain(head.chunks(64), true).unwrap().body.is_empty());
    }

    #[test]
    fn an_interim_response_is_passed_over() {
        let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read(wire).unwrap().status, 201);
    }

    #[test]
    fn what_is_cut_short_or_malformed_is_an_error() {
        assert!(matches!(read(b""), Err(ClientError::Closed(_))));
        assert!(matches!(
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"),
            Err(ClientError::Closed(_))
        ));
        assert!(matches!(
            read(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"),
            Err(ClientError::BadResponse(_))
        ));
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(matches!(read(&[chunked.as_slice(), b"zz\r\n"].concat()), Err(ClientError::BadResponse(_))));
        assert!(matches!(
            read(&[chunked.as_slice(), b"1\r\nabc"].concat()),
            Err(ClientError::BadResponse(_))
        ));
        assert!(matches!(read(b"SSH-2.0-x\r\n"), Err(ClientError::BadResponse(_))));
    }
}
