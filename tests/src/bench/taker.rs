//! A companion that takes every record and does nothing with it: what records cost a proxy is measured against it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Listens on a port that the system chooses, for as long as the program runs.
pub(super) fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A connection that breaks ends, and nothing else does.
            std::thread::spawn(move || stream.and_then(talk));
        }
    });
    Ok(address)
}

fn talk(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut calls = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while calls.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        let mut body = vec![0; length];
        calls.read_exact(&mut body)?;
        match last(&body) {
            Some(last) => {
                let answer = format!("{{\"acknowledged\":{last}}}");
                write!(answers, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
            }
            // It serves no bundles.
            None => write!(answers, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")?,
        }
    }
}

/// The number of the last record.
fn last(body: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(body).ok()?.lines().last()?;
    line.strip_prefix("{\"seq\":")?.split(',').next()?.parse().ok()
}
