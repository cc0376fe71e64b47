//! Reads one request to its end, then answers it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::record::{Record, Seen};
use crate::{Headers, MAX_MESSAGE_BYTES, Response};

/// What the upstream answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The request, told back as JSON: `{"method","path","headers":[[name, value],…],"body"}`; bytes that are no UTF-8
    /// appear as replacement characters.
    Echo,
    /// This response, whatever the request; the body is sent in pieces of the given sizes, the rest as the last one. No
    /// sizes: in one piece.
    Scripted(Box<Response>, Vec<usize>),
}

impl Answer {
    /// A fixed response with its body in one piece.
    pub fn scripted(response: Response) -> Self {
        Self::Scripted(Box::new(response), Vec::new())
    }
}

/// Records the request while it arrives, then answers. A request that is cut off gets no answer.
pub(super) async fn exchange(
    record: Arc<Record>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Pieces>, hyper::Error> {
    let (head, mut body) = request.into_parts();
    let number = record.begin(begun(&head));
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                size = size.saturating_add(data.len());
                if size > MAX_MESSAGE_BYTES {
                    record.fault(format!("a request body of more than {MAX_MESSAGE_BYTES} bytes"));
                    return Ok(plain(413));
                }
                record.update(number, |seen| seen.body.extend_from_slice(&data));
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    record.update(number, |seen| seen.trailers = Headers::from(&trailers));
                }
            }
        }
    }
    let mut echo = None;
    let answer = record.answer();
    record.update(number, |seen| {
        seen.complete = true;
        echo = matches!(answer, Answer::Echo).then(|| self::echo(seen));
    });
    let (response, cuts) = match answer {
        Answer::Echo => (echo.unwrap_or_else(|| Response::new(200, "application/json", "{}")), Vec::new()),
        Answer::Scripted(response, cuts) => (*response, cuts),
    };
    Ok(wire(response, &cuts).unwrap_or_else(|what| {
        record.fault(format!("the scripted response cannot be sent: {what}"));
        plain(500)
    }))
}

fn begun(head: &http::request::Parts) -> Seen {
    let host = head.headers.get("host").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let http2 = head.version == Version::HTTP_2;
    let path = head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    Seen {
        method: head.method.to_string(),
        target: if http2 { path.to_owned() } else { head.uri.to_string() },
        authority: head.uri.authority().map(ToString::to_string).or(host),
        http2,
        headers: Headers::from(&head.headers),
        body: Vec::new(),
        trailers: Headers::new(),
        complete: false,
    }
}

fn echo(seen: &Seen) -> Response {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
    let headers: Vec<Value> =
        seen.headers.iter().map(|(name, value)| json!([text(name), text(value)])).collect();
    let told = json!({
        "method": seen.method,
        "authority": seen.authority,
        "path": seen.target,
        "headers": headers,
        "body": text(&seen.body),
    });
    Response::new(200, "application/json", told.to_string())
}

fn wire(response: Response, cuts: &[usize]) -> Result<http::Response<Pieces>, http::Error> {
    let trailers = (!response.trailers.is_empty()).then(|| header_map(&response.trailers)).transpose()?;
    let mut built =
        http::Response::builder().status(response.status).body(Pieces::cut(response.body, cuts, trailers))?;
    *built.headers_mut() = header_map(&response.headers)?;
    Ok(built)
}

fn header_map(headers: &Headers) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        map.append(HeaderName::from_bytes(name)?, HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}

fn plain(status: u16) -> http::Response<Pieces> {
    let mut response = http::Response::new(Pieces::cut(Vec::new(), &[], None));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// A response body in the pieces it is to be sent in. Between two pieces it yields once to the connection, which then
/// writes the first.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// In one piece without trailers: the length can be announced.
    single: bool,
    yielded: bool,
}

impl Pieces {
    fn cut(body: Vec<u8>, cuts: &[usize], trailers: Option<HeaderMap>) -> Self {
        let mut rest = Bytes::from(body);
        let mut pieces = VecDeque::new();
        for cut in cuts {
            let piece = rest.split_to((*cut).min(rest.len()));
            if !piece.is_empty() {
                pieces.push_back(piece);
            }
        }
        if !rest.is_empty() {
            pieces.push_back(rest);
        }
        Self { single: cuts.is_empty() && trailers.is_none(), pieces, trailers, yielded: true }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !std::mem::replace(&mut self.yielded, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.yielded = self.pieces.is_empty();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.single {
            return SizeHint::default();
        }
        SizeHint::with_exact(
            self.pieces.iter().map(|piece| u64::try_from(piece.len()).unwrap_or(u64::MAX)).sum(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frames(body: Pieces) -> Vec<usize> {
        let mut body = body;
        let mut sizes = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            sizes.push(frame.data_ref().map_or(0, Bytes::len));
        }
        sizes
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_body_is_cut_where_told() {
        let body = |cuts: &[usize]| Pieces::cut(b"0123456789".to_vec(), cuts, None);
        assert_eq!(frames(body(&[])).await, [10]);
        assert_eq!(frames(body(&[3, 0, 1])).await, [3, 1, 6]);
        assert_eq!(frames(body(&[10])).await, [10]);
        assert_eq!(frames(body(&[99, 5])).await, [10]);
        let with_trailers = Pieces::cut(b"ab".to_vec(), &[], Some(HeaderMap::new()));
        assert_eq!(frames(with_trailers).await, [2, 0]);
    }

    #[test]
    fn only_a_body_in_one_piece_announces_its_length() {
        use http_body::Body as _;
        assert_eq!(Pieces::cut(b"abc".to_vec(), &[], None).size_hint().exact(), Some(3));
        assert_eq!(Pieces::cut(b"abc".to_vec(), &[1], None).size_hint().exact(), None);
    }
}
