//! What a full queue takes of a real Envoy's memory, and that it takes no more however long the companion is away.

use std::time::Duration;

use sallyport_engine::policy::Overflow;

use crate::archive::{Act, Archive};
use crate::gate::{Gate, Publisher, audit};

/// The most records that policy can let wait.
const RECORDS: u32 = 8192;
/// The most that the queue may take: half of what the longest records would.
const MOST: u64 = 8 * 1024 * RECORDS as u64 / 2;

/// What Envoy has allocated, in bytes. It looks every five seconds.
fn allocated(gate: &Gate) -> u64 {
    std::thread::sleep(Duration::from_secs(6));
    gate.stat("server.memory_allocated").unwrap()
}

#[test]
fn a_full_queue_takes_a_few_megabytes_and_no_more() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::DropOldest, RECORDS));
    let archive = Archive::start(bundle.clone(), Act::Keep);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 2);
    let requests = usize::try_from(RECORDS).unwrap();
    gate.load(2000);
    gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
    let empty = allocated(&gate);
    archive.act(Act::Close);
    gate.load(requests + 100);
    let full = allocated(&gate);
    gate.load(requests);
    let overrun = allocated(&gate);
    gate.wait_until("it is full", || gate.stat("sallyport_audit_queued") == Some(u64::from(RECORDS)));
    let kib = |bytes: u64| bytes / 1024;
    eprintln!(
        "{RECORDS} records wait: {} KiB more than with none, {} bytes each; {} KiB more after as many were dropped",
        kib(full.saturating_sub(empty)),
        full.saturating_sub(empty) / u64::from(RECORDS),
        kib(overrun.saturating_sub(full)),
    );
    assert!(full > empty + 256 * u64::from(RECORDS), "records take room: {empty} {full}");
    assert!(full.saturating_sub(empty) < MOST, "{empty} {full}");
    assert!(overrun.saturating_sub(full) < MOST / 4, "{full} {overrun}");
}
