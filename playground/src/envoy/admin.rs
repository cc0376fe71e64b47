//! Envoy's admin interface: readiness, the listener's port, statistics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::bootstrap::LISTENER;
use crate::Response;
use crate::client::ResponseReader;

/// How long one request to the admin interface may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The admin interface did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("Envoy's admin interface at {address} does not answer `{path}`: {what}")]
pub struct AdminError {
    /// Where it was asked.
    address: SocketAddr,
    /// What it was asked for.
    path: String,
    /// What happened.
    what: String,
}

/// Where the admin interface listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admin(pub(super) SocketAddr);

// === impl Admin ===

impl Admin {
    /// The body of a GET that was answered with 200.
    pub(super) fn get(self, path: &str) -> Result<String, AdminError> {
        let error = |what: String| AdminError { address: self.0, path: path.to_owned(), what };
        let response = self.request(path).map_err(|cause| error(cause.to_string()))?;
        if response.status == 200 {
            Ok(response.text())
        } else {
            Err(error(format!("status {}: {}", response.status, response.text().trim())))
        }
    }

    /// Where the gate listens, once it does.
    pub(super) fn listener(self) -> Option<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.get("/listeners?format=json").ok()?).ok()?;
        let gate = listeners
            .get("listener_statuses")?
            .as_array()?
            .iter()
            .find(|item| item.get("name").and_then(Value::as_str) == Some(LISTENER))?;
        let address = gate.get("local_address")?.get("socket_address")?;
        let ip: IpAddr = address.get("address")?.as_str()?.parse().ok()?;
        let port = u16::try_from(address.get("port_value")?.as_u64()?).ok()?;
        (port != 0).then(|| SocketAddr::new(ip, port))
    }

    /// Counters and gauges by name; histograms are left out. `filter` is part of the names wanted.
    pub(super) fn stats(self, filter: &str) -> Result<BTreeMap<String, u64>, AdminError> {
        let path = format!("/stats?format=json&filter={}", escape(filter));
        let text = self.get(&path)?;
        let error = |what: &str| AdminError { address: self.0, path: path.clone(), what: what.to_owned() };
        let stats: Value = serde_json::from_str(&text).map_err(|_| error("the answer is no JSON"))?;
        let stats =
            stats.get("stats").and_then(Value::as_array).ok_or_else(|| error("the answer has no list"))?;
        let number =
            |stat: &Value| Some((stat.get("name")?.as_str()?.to_owned(), stat.get("value")?.as_u64()?));
        Ok(stats.iter().filter_map(number).collect())
    }

    fn request(self, path: &str) -> Result<Response, Box<dyn std::error::Error>> {
        let mut stream = TcpStream::connect_timeout(&self.0, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.write_all(
            format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut reader = ResponseReader::new(false);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let size = stream.read(&mut buffer)?;
            if size == 0 {
                return Ok(reader.end()?);
            }
            if let Some(response) = reader.feed(buffer.get(..size).unwrap_or_default())? {
                return Ok(response);
            }
        }
    }
}

/// Text as a regular expression that means just it, in a query.
fn escape(text: &str) -> String {
    let literal = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => character.to_string(),
        '.' => "%5C.".to_owned(),
        // Rare in names of statistics, and never two of them differ only in such a character.
        _ => ".".to_owned(),
    };
    text.chars().map(literal).collect()
}
