//! A companion that does as it is told: what no honest one would do can only be tested so.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest head of a call.
const MAX_HEAD: usize = 16 * 1024;
/// A connection ends when nothing comes for so long.
const IDLE: Duration = Duration::from_secs(60);

/// What the companion does with a call.
#[derive(Clone, Debug)]
pub enum Act {
    /// Serves these bytes as a companion should: with an entity tag, and holding an answer back where that is asked for.
    Serve(Vec<u8>),
    /// Sends these bytes, and closes.
    Send(Vec<u8>),
    /// Sends these bytes one by one, each after this time.
    Drip(Vec<u8>, Duration),
    /// Never answers.
    Hang,
    /// Closes at once.
    Close,
}

/// The companion. It listens until it is dropped.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    script: Arc<Script>,
}

#[derive(Debug)]
struct Script {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    act: Act,
    /// Counts what it was told to do.
    chapter: u64,
    calls: Vec<Call>,
    over: bool,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it was told to do by then.
    pub chapter: u64,
    /// The head, in lower case.
    pub head: String,
}

impl Call {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Scripted {
    /// Listens on a port that the system chooses.
    pub fn start(act: Act) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { act, chapter: 0, calls: Vec::new(), over: false };
        let script = Arc::new(Script { state: Mutex::new(state), changed: Condvar::new() });
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.state().over {
                    return;
                }
                let script = Arc::clone(&shared);
                // A connection that breaks ends, and nothing else does.
                thread::spawn(move || stream.and_then(|stream| script.talk(stream)));
            }
        });
        Self { address, script }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on. The number is that of the calls that see it.
    pub fn act(&self, act: Act) -> u64 {
        let mut state = self.script.state();
        state.act = act;
        state.chapter += 1;
        self.script.changed.notify_all();
        state.chapter
    }

    /// The calls of a chapter.
    pub fn calls(&self, chapter: u64) -> Vec<Call> {
        self.script.state().calls.iter().filter(|call| call.chapter == chapter).cloned().collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.script.state().over = true;
        self.script.changed.notify_all();
        // The listener looks at `over` with the next connection.
        drop(TcpStream::connect(self.address));
    }
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
        while let Some(head) = read_head(&mut stream)? {
            let mut call = Call { chapter: 0, head };
            if call.head.starts_with("post ") {
                refuse_records(&mut stream, &call)?;
                continue;
            }
            let (call, act) = {
                let mut state = self.state();
                call.chapter = state.chapter;
                state.calls.push(call.clone());
                (call, state.act.clone())
            };
            match act {
                Act::Serve(bytes) => self.serve(&mut stream, &call, bytes)?,
                Act::Send(bytes) => return stream.write_all(&bytes),
                Act::Drip(bytes, pause) => {
                    for byte in bytes {
                        stream.write_all(&[byte])?;
                        thread::sleep(pause);
                    }
                    return Ok(());
                }
                Act::Hang => {
                    self.wait(call.chapter, IDLE);
                    return Ok(());
                }
                Act::Close => return Ok(()),
            }
        }
        Ok(())
    }

    fn serve(&self, stream: &mut TcpStream, call: &Call, mut bytes: Vec<u8>) -> std::io::Result<()> {
        let asked = call.header("if-none-match").map(str::to_owned);
        if asked.as_deref() == Some(&tag(&bytes)) {
            let wait = call.header("prefer").and_then(|prefer| prefer.strip_prefix("wait=")?.parse().ok());
            self.wait(call.chapter, Duration::from_secs(wait.unwrap_or(0)));
            match self.state().act.clone() {
                Act::Serve(now) => bytes = now,
                // Whatever it does from now on, this call is not answered any more.
                _ => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let tag = tag(&bytes);
        if asked.as_deref() == Some(&tag) {
            return write!(stream, "HTTP/1.1 304 Not Modified\r\netag: {tag}\r\n\r\n");
        }
        write!(stream, "HTTP/1.1 200 OK\r\netag: {tag}\r\ncontent-length: {}\r\n\r\n", bytes.len())?;
        stream.write_all(&bytes)
    }

    /// Waits until it is told something new, at most so long.
    fn wait(&self, chapter: u64, most: Duration) {
        let until = Instant::now() + most;
        let mut state = self.state();
        while state.chapter == chapter && !state.over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// This companion is about bundles: it takes no records.
fn refuse_records(stream: &mut TcpStream, call: &Call) -> std::io::Result<()> {
    let length = call.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    std::io::copy(&mut std::io::Read::take(&mut *stream, length), &mut std::io::sink())?;
    write!(stream, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
}

/// Reads a head to its empty line; `None` where the connection ends before one begins.
fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD || stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).to_ascii_lowercase()))
}

fn tag(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// An answer of status 200 with a body.
pub fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
