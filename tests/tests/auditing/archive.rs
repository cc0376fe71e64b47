//! A companion that takes records, or does with them what it is told to.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The most of a call that is read, in bytes.
const MAX_CALL: usize = 512 * 1024;
/// The limits of the wire.
const MAX_BODY: usize = 256 * 1024;
const MAX_LINES: usize = 500;
const MAX_LINE: usize = 16 * 1024;

/// What it does with records.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Keeps them, and says so.
    Keep,
    /// Keeps the first half, and says so.
    KeepHalf,
    /// Keeps them, and closes without a word.
    KeepSilently,
    /// Does not keep them, and answers with this status and body.
    Answer(u16, &'static str),
    /// Closes at once.
    Close,
}

/// The companion. It listens until it is dropped.
#[derive(Debug)]
pub struct Archive {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    act: Act,
    bundle: Vec<u8>,
    /// By epoch and number: how often the record came, and the record.
    kept: BTreeMap<(String, u64), (u64, Value)>,
    calls: u64,
    dropped: u64,
    /// What breaks the agreement between the two.
    wrong: Vec<String>,
    over: bool,
}

/// A call.
struct Call {
    head: String,
    body: Vec<u8>,
}

impl Archive {
    /// Listens on a port that the system chooses; serves this bundle, too.
    pub fn start(bundle: Vec<u8>, act: Act) -> Self {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), bundle, act)
    }

    fn start_on(address: SocketAddr, bundle: Vec<u8>, act: Act) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            State { act, bundle, kept: BTreeMap::new(), calls: 0, dropped: 0, wrong: vec![], over: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if lock(&shared).over {
                    return;
                }
                let state = Arc::clone(&shared);
                // A connection that breaks ends, and nothing else does.
                thread::spawn(move || stream.and_then(|stream| talk(stream, &state)));
            }
        });
        Self { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on.
    pub fn act(&self, act: Act) {
        lock(&self.state).act = act;
    }

    /// How many different records it has.
    pub fn kept(&self) -> u64 {
        lock(&self.state).kept.len().try_into().unwrap()
    }

    /// How many records came more than once.
    pub fn duplicates(&self) -> u64 {
        lock(&self.state).kept.values().map(|(times, _)| times - 1).sum()
    }

    /// How many records were dropped, by the last call.
    pub fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }

    /// How many numbers are missing among those that it has.
    pub fn holes(&self) -> u64 {
        let state = lock(&self.state);
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (epoch, number) in state.kept.keys() {
            last.insert(epoch, *number);
        }
        last.values().map(|last| last + 1).sum::<u64>() - u64::try_from(state.kept.len()).unwrap()
    }

    /// How many queues it heard of.
    pub fn epochs(&self) -> usize {
        let state = lock(&self.state);
        let mut epochs: Vec<_> = state.kept.keys().map(|(epoch, _)| epoch).collect();
        epochs.dedup();
        epochs.len()
    }

    /// How many calls with records came.
    pub fn calls(&self) -> u64 {
        lock(&self.state).calls
    }

    /// The records, by number.
    pub fn records(&self) -> Vec<Value> {
        lock(&self.state).kept.values().map(|(_, record)| record.clone()).collect()
    }

    /// Forgets the records that it has.
    pub fn forget(&self) {
        lock(&self.state).kept.clear();
    }

    /// What was against the agreement.
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.state).wrong.clone()
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        lock(&self.state).over = true;
        // The listener looks at `over` with the next connection.
        drop(TcpStream::connect(self.address));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn talk(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    while let Some(call) = Call::read(&mut stream)? {
        if call.head.starts_with("get ") {
            let bundle = lock(state).bundle.clone();
            // One that asks again waits, as with an honest companion.
            if call.header("if-none-match").is_some() {
                thread::sleep(Duration::from_millis(500));
                write!(stream, "HTTP/1.1 304 Not Modified\r\netag: \"b\"\r\n\r\n")?;
                continue;
            }
            write!(stream, "HTTP/1.1 200 OK\r\netag: \"b\"\r\ncontent-length: {}\r\n\r\n", bundle.len())?;
            stream.write_all(&bundle)?;
            continue;
        }
        let act = lock(state).act.clone();
        if act == Act::Close {
            lock(state).calls += 1;
            return Ok(());
        }
        let (status, body) = lock(state).take(&call, &act);
        if act == Act::KeepSilently {
            return Ok(());
        }
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}")?;
    }
    Ok(())
}

impl State {
    /// Reads a call with records; what it is answered.
    fn take(&mut self, call: &Call, act: &Act) -> (u16, String) {
        self.calls += 1;
        let records = match call.records() {
            Ok(records) => records,
            Err(why) => {
                self.wrong.push(why.clone());
                return (400, why);
            }
        };
        let number = |name: &str| call.header(name).and_then(|value| value.parse().ok());
        self.dropped = number("sallyport-audit-dropped").unwrap_or(u64::MAX);
        let epoch = call.header("sallyport-audit-epoch").unwrap_or_default().to_owned();
        let kept = match act {
            Act::Answer(status, body) => return (*status, (*body).to_owned()),
            Act::KeepHalf => records.len().div_ceil(2),
            _ => records.len(),
        };
        let last = records[kept - 1].0;
        for (number, record) in records.into_iter().take(kept) {
            let entry = self.kept.entry((epoch.clone(), number)).or_insert((0, record.clone()));
            entry.0 += 1;
            if entry.1 != record {
                self.wrong.push(format!("record {number} came in two forms: {} and {record}", entry.1));
            }
        }
        (200, format!("{{\"acknowledged\":{last}}}"))
    }
}

impl Call {
    /// Reads a call; `None` where the connection ends before one begins.
    fn read(stream: &mut TcpStream) -> std::io::Result<Option<Self>> {
        let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
        loop {
            if let Some(call) = Self::parse(&bytes) {
                return Ok(Some(call));
            }
            let size = stream.read(&mut piece)?;
            if size == 0 || bytes.len() > MAX_CALL {
                return Ok(None);
            }
            bytes.extend_from_slice(&piece[..size]);
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let mut call = Self { head, body: vec![] };
        let length = call.header("content-length").map_or(0, |length| length.parse().unwrap());
        call.body = bytes.get(end..end + length)?.to_vec();
        Some(call)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The records with their numbers, if the call is as agreed.
    fn records(&self) -> Result<Vec<(u64, Value)>, String> {
        let whole =
            |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {}", self.head)) };
        whole(self.head.starts_with("post /v1/records http/1.1\r\n"), "another path")?;
        whole(self.header("content-type") == Some("application/x-ndjson"), "another type")?;
        whole(self.header("x-sallyport-node") == Some("playground"), "no node")?;
        let epoch = self.header("sallyport-audit-epoch").unwrap_or_default();
        whole(epoch.len() == 32 && epoch.bytes().all(|digit| digit.is_ascii_hexdigit()), "no epoch")?;
        whole(self.body.len() <= MAX_BODY && self.body.ends_with(b"\n"), "too long, or cut")?;
        let text = std::str::from_utf8(&self.body).map_err(|error| error.to_string())?;
        let mut records: Vec<(u64, Value)> = Vec::new();
        for line in text.lines() {
            whole(line.starts_with("{\"seq\":") && line.len() <= MAX_LINE, "a line that is none")?;
            let record: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            let number = record["seq"].as_u64().ok_or("no number")?;
            whole(records.last().is_none_or(|(last, _)| *last < number), "numbers that do not rise")?;
            whole(record["time"].is_u64() && record["verdict"].is_string(), "no record")?;
            records.push((number, record));
        }
        whole((1..=MAX_LINES).contains(&records.len()), "too many lines, or none")?;
        let first = self.header("sallyport-audit-first").and_then(|first| first.parse().ok());
        whole(records.first().map(|(number, _)| *number) == first, "another first number")?;
        Ok(records)
    }
}
