//! HTTP/1.1, written by hand: what the caller names is what goes on the wire.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{ClientError, Protocol, ResponseReader, from_io, pause_after_piece};
use crate::{Framing, Request, Response};

/// How much is read at a time.
const READ_BYTES: usize = 64 << 10;

/// One connection. It is used up when a response came before its request was sent, or said `connection: close`.
#[derive(Debug)]
pub(super) struct Http1 {
    stream: TlsStream<TcpStream>,
    usable: bool,
}

impl Http1 {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self { stream, usable: true }
    }

    pub(super) async fn exchange(&mut self, request: &Request) -> Result<Response, ClientError> {
        let head = head(request)?;
        if !std::mem::replace(&mut self.usable, false) {
            return Err(ClientError::Closed("this connection was used up by an earlier exchange".to_owned()));
        }
        let (mut input, mut output) = tokio::io::split(&mut self.stream);
        let read = read(&mut input, request.method == b"HEAD");
        let write = write(&mut output, &head, request);
        tokio::pin!(read, write);
        // An early answer (413, 403) ends the exchange even if the body was not sent; a failed write does not, because the
        // answer may have been sent before the peer stopped reading.
        let mut sent = false;
        let response = loop {
            tokio::select! {
                response = &mut read => break response?,
                written = &mut write, if !sent => {
                    sent = true;
                    if let Err(error) = written {
                        break read.await.map_err(|_| from_io(error))?;
                    }
                }
            }
        };
        let close = response.headers.get_all("connection").any(|value| value.eq_ignore_ascii_case(b"close"));
        self.usable = sent && !close;
        Ok(response)
    }
}

/// The request line and the header section.
fn head(request: &Request) -> Result<Vec<u8>, ClientError> {
    let mut head = Vec::with_capacity(512);
    let mut part = |bytes: &[u8], what: &str| {
        if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(refuse(format!("a line break in {what}: it would be another message")));
        }
        head.extend_from_slice(bytes);
        Ok(())
    };
    part(&request.method, "the method")?;
    part(b" ", "")?;
    part(&request.target, "the request target")?;
    part(b" HTTP/1.1", "")?;
    let framing = framing_header(request)?;
    let authority = request.authority.iter().map(|host| (b"host".as_slice(), host.as_slice()));
    let framing = framing.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut lines = authority.chain(request.headers.iter()).chain(framing);
    let mut head = lines.try_fold(head, |head, (name, value)| field(head, name, value))?;
    head.extend_from_slice(b"\r\n\r\n");
    Ok(head)
}

/// One header or trailer line, led by the line break that ends the line before.
fn field(mut lines: Vec<u8>, name: &[u8], value: &[u8]) -> Result<Vec<u8>, ClientError> {
    let breaks = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    if name.is_empty() || name.contains(&b':') || breaks(name) || breaks(value) {
        let name = String::from_utf8_lossy(name).into_owned();
        return Err(refuse(format!("the header {name:?}: it would be read as something else")));
    }
    for part in [b"\r\n".as_slice(), name, b": ", value] {
        lines.extend_from_slice(part);
    }
    Ok(lines)
}

fn framing_header(request: &Request) -> Result<Option<(&'static str, String)>, ClientError> {
    let framing = request.body.as_ref().map(|body| (body.framing, body.len()));
    if !request.trailers.is_empty() && !matches!(framing, Some((Framing::Chunked, _))) {
        return Err(refuse("trailers without a chunked body".to_owned()));
    }
    Ok(match framing {
        None | Some((Framing::Verbatim, _)) => None,
        Some((Framing::Chunked, _)) => Some(("transfer-encoding", "chunked".to_owned())),
        Some((Framing::Length, length)) => Some(("content-length", length.to_string())),
    })
}

fn refuse(what: String) -> ClientError {
    ClientError::NotExpressible { protocol: Protocol::Http1, what }
}

async fn write(
    output: &mut (impl AsyncWrite + Unpin),
    head: &[u8],
    request: &Request,
) -> std::io::Result<()> {
    output.write_all(head).await?;
    let Some(body) = &request.body else { return output.flush().await };
    let chunked = body.framing == Framing::Chunked;
    // An empty chunk would end the body.
    let pieces = body.pieces.iter().filter(|piece| !piece.is_empty());
    for (index, piece) in pieces.enumerate() {
        if index > 0 {
            output.flush().await?;
            pause_after_piece(index).await;
        }
        if chunked {
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            output.write_all(&chunk).await?;
        } else {
            output.write_all(piece).await?;
        }
    }
    if chunked {
        output.write_all(&last_chunk(request)?).await?;
    }
    output.flush().await
}

fn last_chunk(request: &Request) -> std::io::Result<Vec<u8>> {
    let mut last = request
        .trailers
        .iter()
        .try_fold(b"0".to_vec(), |lines, (name, value)| field(lines, name, value))
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
    last.extend_from_slice(b"\r\n\r\n");
    Ok(last)
}

async fn read(input: &mut (impl AsyncRead + Unpin), bodiless: bool) -> Result<Response, ClientError> {
    let mut reader = ResponseReader::new(bodiless);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let size = match input.read(&mut buffer).await {
            Ok(size) => size,
            // A peer that drops TCP without ending TLS has ended the connection all the same.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(from_io(error)),
        };
        if size == 0 {
            return reader.end();
        }
        if let Some(response) = reader.feed(buffer.get(..size).unwrap_or_default())? {
            return Ok(response);
        }
    }
}
