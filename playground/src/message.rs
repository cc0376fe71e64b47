//! HTTP messages as both ends of the playground see them: bytes, in order, nothing normalised.

/// Header fields or trailers, in order, repeats kept; values are bytes, because HTTP does not promise UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

/// What the client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, as it goes on the wire.
    pub method: Vec<u8>,
    /// The request target, as it goes on the wire: `/path?query`, `//admin`, `/%00`, `http://other/` …
    pub target: Vec<u8>,
    /// `Host` in HTTP/1.1, `:authority` in HTTP/2; `None` sends neither.
    pub authority: Option<Vec<u8>>,
    /// Header fields, sent as they are after the authority.
    pub headers: Headers,
    /// The body, if there is one.
    pub body: Option<Body>,
    /// Trailers; over HTTP/1.1 they need a [`Framing::Chunked`] body.
    pub trailers: Headers,
}

/// A request body in the pieces in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Each piece is written and flushed on its own: a chunk of HTTP/1.1, a DATA frame of HTTP/2.
    pub pieces: Vec<Vec<u8>>,
    /// How HTTP/1.1 delimits it; HTTP/2 needs no telling.
    pub framing: Framing,
}

/// How a body is delimited in HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `transfer-encoding: chunked`, one chunk for each piece.
    Chunked,
    /// `content-length`, counted over all pieces.
    Length,
    /// No header of ours: the request's own headers say it, rightly or wrongly. The pieces follow as raw bytes.
    Verbatim,
}

/// What the client gets back, and what the upstream is told to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Headers,
}

// === impl Headers ===

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
    }

    /// The fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The first value under `name`, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// Every value under `name`, in any case, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let wanted = name.to_owned();
        self.iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many fields there are, repeats counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self(
            fields
                .into_iter()
                .map(|(name, value)| (name.as_ref().to_vec(), value.as_ref().to_vec()))
                .collect(),
        )
    }
}

impl From<&http::HeaderMap> for Headers {
    fn from(map: &http::HeaderMap) -> Self {
        map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }
}

// === impl Request ===

impl Request {
    /// A request without headers or body.
    pub fn new(method: impl AsRef<[u8]>, authority: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            target: target.as_ref().to_vec(),
            authority: Some(authority.as_ref().to_vec()),
            headers: Headers::new(),
            body: None,
            trailers: Headers::new(),
        }
    }

    /// The same request with one more header field.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The same request with one more trailer.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push(name, value);
        self
    }

    /// The same request with this body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }
}

// === impl Body ===

impl Body {
    /// A body in one piece, with its length in the headers.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        Self { pieces: vec![bytes.into()], framing: Framing::Length }
    }

    /// A body in chunks.
    pub fn chunked<P: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = P>) -> Self {
        Self { pieces: pieces.into_iter().map(Into::into).collect(), framing: Framing::Chunked }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(Vec::is_empty)
    }
}

// === impl Response ===

impl Response {
    /// A response with one `content-type` header.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = Headers::from_iter([("content-type", content_type)]);
        Self { status, headers, body: body.into(), trailers: Headers::new() }
    }

    /// The body as text, with replacement characters where it is no UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
