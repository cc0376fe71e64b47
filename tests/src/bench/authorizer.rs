//! An authorizer that allows everything and does nothing: the least that `ext_authz` can cost.
//!
//! It speaks `envoy.service.auth.v3.Authorization/Check` over h2c, reads each request to its end, and answers an empty
//! `CheckResponse`, whose status 0 is OK. It runs as a process of its own, so that its CPU time can be told from Envoy's.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

/// The hidden argument that makes the program an authorizer.
pub const SUBCOMMAND: &str = "authorizer";

/// A gRPC message of no bytes: not compressed, length 0.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

/// Flow-control windows, in bytes: larger than any body here.
const WINDOW_BYTES: u32 = 16 << 20;

/// A running authorizer; it ends with this value.
pub(super) struct Authorizer {
    process: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Authorizer {
    /// Starts this program again, as an authorizer.
    pub(super) fn start() -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        // It ends when its standard input does, which is when this process does, however that ends.
        let mut process = command.arg(SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut told = String::new();
        let output = process.stdout.take().ok_or("the authorizer has no output")?;
        BufReader::new(output).read_line(&mut told)?;
        let address = told.trim().parse().map_err(|_| "the authorizer did not say where it listens")?;
        Ok(Self { process, address })
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Authorizer {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell either way.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Serves until standard input ends. Prints the address first.
pub fn serve() -> Result<(), Box<dyn Error>> {
    std::thread::spawn(|| {
        let mut nothing = Vec::new();
        let _ended = std::io::stdin().read_to_end(&mut nothing);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                if let Err(error) = connection(stream).await {
                    eprintln!("authorizer: a connection ended: {error}");
                }
            });
        }
    })
}

async fn connection(stream: TcpStream) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
    let mut connection = builder.handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        tokio::spawn(allow(request.into_body(), respond));
    }
    Ok(())
}

/// Reads the request and allows it. A stream that Envoy resets in between concerns nobody.
async fn allow(mut body: h2::RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(Bytes::from_static(EMPTY_MESSAGE), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}
