//! A million tool calls with a new policy every second: memory must stay flat.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sallyport_playground::client::{Client, Protocol};

use super::bundles::{Publisher, resident};
use super::envoy::request;
use super::report::ScaleRow;
use super::subjects::CALLER;

const WORKERS: u32 = 2;
const CONNECTIONS: usize = 4;
/// The share of the requests after which memory should have found its level.
const SETTLED: u64 = 5;
/// Memory may grow by this share of what it was then.
const BUDGET_GROWTH: f64 = 0.05;

/// Sends so many requests while policy changes every second.
pub(super) fn measure(bundle: &[u8], requests: u64) -> Result<Vec<ScaleRow>, Box<dyn Error>> {
    let mut publisher = Publisher::start(bundle)?;
    let follower = publisher.follower(WORKERS)?;
    let identity = follower.ca.mint(&[CALLER])?;
    let client = || Client::new(follower.envoy.address(), Protocol::Http1, &follower.ca, Some(&identity));
    let clients = (0..CONNECTIONS).map(|_| client()).collect::<Result<Vec<_>, _>>()?;
    let (sent, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let (mut swaps, mut settled, mut last) = (0_u64, 0, 0);
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        for client in &clients {
            scope.spawn(|| {
                let whole = send(client, &sent, requests);
                failed.fetch_or(whole.is_err(), Ordering::Relaxed);
            });
        }
        while sent.load(Ordering::Relaxed) < requests && !failed.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            publisher.publish(bundle)?;
            swaps += 1;
            last = resident(follower.envoy.id())?;
            if settled == 0 && sent.load(Ordering::Relaxed) > requests / SETTLED {
                settled = last;
            }
            eprint!(
                "\r    {} requests, {swaps} policies, {} MiB ",
                sent.load(Ordering::Relaxed),
                last / 1024
            );
        }
        eprintln!();
        Ok(())
    })?;
    if failed.load(Ordering::Relaxed) {
        return Err("a request was not answered as the policy says".into());
    }
    let growth = last as f64 / settled.max(1) as f64 - 1.0;
    let row = |what: &str, value, unit, budget| ScaleRow::new(what.to_owned(), value, unit, budget);
    Ok(vec![
        row("soak: requests", requests as f64, "", None),
        row("soak: policies put into force meanwhile", swaps as f64, "", None),
        row("soak: requests a second", requests as f64 / began.elapsed().as_secs_f64(), "", None),
        row("soak: memory of Envoy after a fifth of them", settled as f64 / 1024.0, "MiB", None),
        row("soak: its growth from there to the end", growth * 100.0, "%", Some(BUDGET_GROWTH * 100.0)),
    ])
}

/// Sends requests until all have been sent together.
fn send(client: &Client, sent: &AtomicU64, requests: u64) -> Result<(), Box<dyn Error>> {
    let mut connection = client.connect()?;
    let request = request()?;
    while sent.fetch_add(1, Ordering::Relaxed) < requests {
        let status = connection.send(&request)?.status;
        if status != 200 {
            return Err(format!("{status} where 200 was expected").into());
        }
    }
    Ok(())
}
