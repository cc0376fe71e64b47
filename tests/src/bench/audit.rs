//! How many records a companion makes durable: into SQLite, and into a real PostgreSQL on the same disk.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Record;
use sallyport_playground::postgres::Postgres;

use super::report::ScaleRow;
use crate::companion::Companion;

const LOAD: Duration = Duration::from_secs(5);
/// How many proxies send at once, each waiting for its acknowledgement.
const PROXIES: u64 = 16;
/// How many records a body has: one of a quiet proxy, and one of a busy one.
const RECORDS: [u64; 2] = [1, 200];

/// Measures both stores.
pub(super) fn measure() -> Result<Vec<ScaleRow>, Box<dyn Error>> {
    let postgres = Postgres::start(|_| Ok(Vec::new()))?;
    let mut rows = Vec::new();
    for name in ["SQLite", "PostgreSQL"] {
        for records in RECORDS {
            eprintln!("==> records into {name}, {records} a body");
            let folder = tempfile::tempdir()?;
            let path = |name: &str| folder.path().join(name).display().to_string();
            let store = if name == "SQLite" { path("audit.db") } else { postgres.url() };
            let key = SecretKey::generate()?;
            key.write_new(&folder.path().join("key"))?;
            keys::write_public(&key.public().ok_or("no public key")?, &folder.path().join("key.pub"))?;
            fs::create_dir(folder.path().join("bundles"))?;
            let (bundles, public, private) = (path("bundles"), path("key.pub"), path("key"));
            let companion = Companion::start(&[
                "--bundles",
                &bundles,
                "--key",
                &public,
                "--audit",
                &store,
                "--audit-key",
                &private,
            ])?;
            rows.extend(drive(name, companion.address(), records)?);
        }
    }
    Ok(rows)
}

/// Sends bodies of so many records, from all proxies at once.
fn drive(name: &str, address: SocketAddr, records: u64) -> Result<Vec<ScaleRow>, Box<dyn Error>> {
    let senders: Vec<_> = (0..PROXIES)
        .map(|proxy| thread::spawn(move || send(address, proxy, records).map_err(|why| why.to_string())))
        .collect();
    let mut times = Vec::new();
    for sender in senders {
        times.extend(sender.join().map_err(|_| "a sender panicked")??);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        times
            .get(((times.len().saturating_sub(1)) as f64 * share).round() as usize)
            .copied()
            .unwrap_or_default()
    };
    let rate = times.len() as f64 * records as f64 / LOAD.as_secs_f64();
    let what = |figure: &str| format!("{name}, {records} a body: {figure}");
    Ok(vec![
        ScaleRow::new(what("records made durable"), rate, "/s", None),
        ScaleRow::new(what("acknowledged, p50"), at(0.5), "ms", None),
        ScaleRow::new(what("acknowledged, p99"), at(0.99), "ms", None),
    ])
}

/// One proxy: how long each acknowledgement took, in milliseconds.
fn send(address: SocketAddr, proxy: u64, records: u64) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let record =
        Record { operation: Some("mcp tools/call search_docs".to_owned()), ..Record::default() }.to_json();
    let record = record.replace("\"time\":null", "\"time\":1795341600000");
    let rest = record.get(1..).unwrap_or_default();
    let (mut times, mut next, mut answer) = (Vec::new(), 1, [0; 1024]);
    let start = Instant::now();
    let epoch = start.elapsed().as_nanos() ^ u128::from(proxy) ^ (u128::from(records) << 64);
    while start.elapsed() < LOAD {
        let lines = (next..next + records).map(|seq| format!("{{\"seq\":{seq},{rest}"));
        let body = lines.collect::<Vec<_>>().join("\n");
        let request = format!(
            "POST /v1/records HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\nx-sallyport-node: p{proxy}\r\n\
             sallyport-audit-epoch: {epoch:032x}\r\nsallyport-audit-first: {next}\r\nsallyport-audit-dropped: 0\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        stream.write_all(request.as_bytes())?;
        let read = stream.read(&mut answer)?;
        let head = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
        if head.starts_with("HTTP/1.1 503") {
            // The store is not open yet.
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("records were refused: {head}").into());
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
        next += records;
    }
    Ok(times)
}
