//! HTTP/2: the `h2` crate frames it; where END_STREAM goes (head, last data, trailers) follows from the request.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use super::{ClientError, Protocol, from_io, pause_after_piece};
use crate::{Headers, MAX_MESSAGE_BYTES, Request, Response};

/// Flow-control windows, in bytes: large enough that Envoy never waits for us.
const WINDOW_BYTES: u32 = 64 << 20;

/// One connection; its driver runs on the client's runtime while an exchange is under way.
pub(super) struct Http2 {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Http2 {
    pub(super) async fn open(stream: TlsStream<TcpStream>) -> Result<Self, ClientError> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        let (requests, connection) = builder.handshake(stream).await.map_err(from_h2)?;
        // Its error reaches every open stream as well, so it is not lost here.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { requests, driver })
    }

    pub(super) async fn exchange(&mut self, request: &Request) -> Result<Response, ClientError> {
        let head = head(request)?;
        let trailers = (!request.trailers.is_empty()).then(|| header_map(&request.trailers)).transpose()?;
        let mut requests = self.requests.clone().ready().await.map_err(from_h2)?;
        let ends_at_head = request.body.is_none() && trailers.is_none();
        let (response, stream) = requests.send_request(head, ends_at_head).map_err(from_h2)?;
        let write = write(stream, request, trailers, ends_at_head);
        let read = async { read(response.await.map_err(from_h2)?).await };
        tokio::pin!(read, write);
        tokio::select! {
            response = &mut read => response,
            // A write that fails leaves the reason to the response, as over HTTP/1.1.
            written = &mut write => match written {
                Ok(()) => read.await,
                Err(error) => read.await.map_err(|_| from_h2(error)),
            },
        }
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl std::fmt::Debug for Http2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http2").finish_non_exhaustive()
    }
}

fn head(request: &Request) -> Result<http::Request<()>, ClientError> {
    let authority = request.authority.as_deref().ok_or_else(|| refuse("a request without authority"))?;
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query(request.target.as_slice())
        .build()
        .map_err(|error| refuse(format!("the authority or the request target: {error}")))?;
    // The type normalises; what is judged must be what was asked for.
    let sent = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if sent.as_bytes() != request.target || uri.authority().map(|a| a.as_str().as_bytes()) != Some(authority)
    {
        return Err(refuse("a request target or authority that the library would change"));
    }
    let mut head = http::Request::new(());
    *head.method_mut() =
        Method::from_bytes(&request.method).map_err(|error| refuse(format!("the method: {error}")))?;
    *head.uri_mut() = uri;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = header_map(&request.headers)?;
    Ok(head)
}

fn header_map(headers: &Headers) -> Result<HeaderMap, ClientError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        let bad = |error: &dyn std::fmt::Display| {
            refuse(format!("the header {:?}: {error}", String::from_utf8_lossy(name)))
        };
        // HTTP/2 has lower-case names only, so this changes no meaning.
        let name = HeaderName::from_bytes(name).map_err(|error| bad(&error))?;
        map.append(name, HeaderValue::from_bytes(value).map_err(|error| bad(&error))?);
    }
    Ok(map)
}

async fn write(
    mut stream: SendStream<Bytes>,
    request: &Request,
    trailers: Option<HeaderMap>,
    ended: bool,
) -> Result<(), h2::Error> {
    if ended {
        return Ok(());
    }
    let pieces = request.body.as_ref().map_or(&[][..], |body| &body.pieces);
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            pause_after_piece(index).await;
        }
        let last = index.saturating_add(1) == pieces.len() && trailers.is_none();
        stream.send_data(Bytes::copy_from_slice(piece), last)?;
    }
    match trailers {
        Some(trailers) => stream.send_trailers(trailers),
        None if pieces.is_empty() => stream.send_data(Bytes::new(), true),
        None => Ok(()),
    }
}

async fn read(response: http::Response<RecvStream>) -> Result<Response, ClientError> {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(from_h2)?;
        if body.len().saturating_add(piece.len()) > MAX_MESSAGE_BYTES {
            return Err(ClientError::BadResponse("a body of more than 64 MiB".to_owned()));
        }
        body.extend_from_slice(&piece);
        stream.flow_control().release_capacity(piece.len()).map_err(from_h2)?;
    }
    let trailers = stream.trailers().await.map_err(from_h2)?;
    Ok(Response {
        status: head.status.as_u16(),
        headers: Headers::from(&head.headers),
        body,
        trailers: trailers.as_ref().map(Headers::from).unwrap_or_default(),
    })
}

fn refuse(what: impl Into<String>) -> ClientError {
    ClientError::NotExpressible { protocol: Protocol::Http2, what: what.into() }
}

fn from_h2(error: h2::Error) -> ClientError {
    if error.is_io() {
        return error.into_io().map_or_else(|| ClientError::Closed("unknown".to_owned()), from_io);
    }
    if error.is_remote() { ClientError::Closed(error.to_string()) } else { refuse(error.to_string()) }
}
