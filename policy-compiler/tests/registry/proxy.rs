//! Something between the program and a registry that does to answers what a test wants, and remembers what was asked.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of one request.
pub(crate) enum Act {
    /// It is passed on, and so is the answer.
    Pass,
    /// It is answered here, with this head.
    Answer(String),
    /// It is passed on, and the answer ends after so much of its body.
    Cut(usize),
    /// It is passed on, and one byte of the answer's body is changed.
    Tamper,
    /// The connection ends without an answer.
    Drop,
    /// It is never answered.
    Hang,
    /// It is answered with 8 MiB of nothing.
    Flood,
}

/// A proxy in front of one server. It lives as long as the process.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `act` is told the head of a request, in lower case, and how many began like it before: with the same method and path.
    pub(crate) fn before(
        server: SocketAddr,
        act: impl Fn(&str, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, act) = (Arc::new(Mutex::new(Vec::<String>::new())), Arc::new(act));
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (kept, act) = (Arc::clone(&kept), Arc::clone(&act));
                thread::spawn(move || serve(client, server, &kept, act.as_ref()));
            }
        });
        Self { address, asked }
    }

    /// The heads of all requests, in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests begin so.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.asked().iter().filter(|head| head.starts_with(start)).count()
    }

    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }
}

fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    asked: &Mutex<Vec<String>>,
    act: &(dyn Fn(&str, usize) -> Act + Send + Sync),
) {
    let (head, request) = read_request(&mut client);
    let line = head.lines().next().unwrap_or_default().to_owned();
    let before = {
        let mut asked = asked.lock().unwrap();
        let before = asked.iter().filter(|known| known.lines().next() == Some(line.as_str())).count();
        asked.push(head.clone());
        before
    };
    let pass = || {
        let mut upstream = TcpStream::connect(server).unwrap();
        upstream.write_all(&request).unwrap();
        let mut answer = Vec::new();
        let _ = upstream.read_to_end(&mut answer);
        answer
    };
    let answer = match act(&head, before) {
        Act::Pass => pass(),
        Act::Answer(head) => format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
        Act::Cut(length) => {
            let mut answer = pass();
            let body = body_of(&answer);
            answer.truncate(body + length);
            answer
        }
        Act::Tamper => {
            let mut answer = pass();
            let at = body_of(&answer) + 20;
            answer[at] ^= 1;
            answer
        }
        Act::Drop => Vec::new(),
        Act::Flood => [&b"HTTP/1.1 200 ok\r\nconnection: close\r\n\r\n"[..], &vec![b' '; 8 << 20]].concat(),
        Act::Hang => loop {
            thread::park();
        },
    };
    let _ = client.write_all(&answer);
    let _ = client.shutdown(Shutdown::Both);
}

fn body_of(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

/// The head of a request in lower case, and all of its bytes.
pub(crate) fn read_request(client: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut request, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let read = client.read(&mut piece).unwrap_or(0);
        request.extend_from_slice(&piece[..read]);
        if request.windows(4).any(|window| window == b"\r\n\r\n") {
            let body = body_of(&request);
            let head = String::from_utf8_lossy(&request[..body]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |n| n.parse().unwrap());
            if request.len() - body >= length {
                return (head, request);
            }
        }
        if read == 0 {
            return (String::new(), request);
        }
    }
}
