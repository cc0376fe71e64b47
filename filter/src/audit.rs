//! The queue of records: every worker puts its own in, one of them sends what is in it to the companion.
//!
//! The queue is in memory that the workers share, so that a VM that traps takes none of it along. Which records are in it says one small
//! value, the ledger; each record has a slot of its own. A worker takes a number in the ledger first, then fills the slot: two workers
//! never write to one.

use crate::companion::{self, Companion, chance};
use crate::host::{self, Buffer, HostError, Level, Map};
use crate::telemetry::Telemetry;
use sallyport_engine::audit::{Batch, Claim, Ledger, MAX_LINES, RING, SLOT_MILLIS, acknowledged, line_of};
use sallyport_engine::policy::Audit;
use sallyport_engine::subscription::Pace;
use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;

/// What the keys in shared memory begin with.
const SHARED: &str = "sallyport.audit\n";
/// How often the ledger is tried again when another worker was faster.
const TRIES: u32 = 32;
/// The version that no value has: what is set under it is set only where nothing is there yet.
const NOTHING_THERE: u32 = u32::MAX;
/// How often it is told how many records wait.
const TELL_MILLIS: u64 = 1000;
/// How long a call may take.
const CALL_MILLIS: u64 = 10_000;

/// The queue as one VM sees it.
#[derive(Debug)]
pub(crate) struct Queue {
    /// What all its keys begin with: records are for one companion.
    prefix: String,
    /// This VM's number among those of the proxy.
    me: u64,
    /// The room that this VM keeps for requests under way.
    kept: Cell<u32>,
    /// Whether the request that is being judged got room.
    reserved: Cell<bool>,
    /// Records that are dropped and not counted in the ledger yet.
    lost: Cell<u64>,
}

impl Queue {
    pub(crate) fn new(companion: &Companion) -> Self {
        let prefix =
            format!("{SHARED}{}\n{}\n{}\n", companion.cluster, companion.authority, companion.records());
        Self {
            prefix,
            me: companion::number(),
            kept: Cell::default(),
            reserved: Cell::default(),
            lost: Cell::default(),
        }
    }

    /// Keeps room for the record of the request that is being judged.
    pub(crate) fn reserve(&self, audit: &Audit) -> bool {
        let (wanted, now) = (self.kept.get().saturating_add(1), millis());
        let mut fits = false;
        let changed = self.change(&mut |ledger| fits = ledger.reserve(self.me, wanted, audit, now));
        if changed && fits {
            self.kept.set(wanted);
            self.reserved.set(true);
        }
        changed && fits
    }

    /// Whether the request that was just judged got room. It is its to give back.
    pub(crate) fn take_reserved(&self) -> bool {
        self.reserved.replace(false)
    }

    /// Gives back the room for a record that never came.
    pub(crate) fn release(&self) {
        self.kept.set(self.kept.get().saturating_sub(1));
        self.change(&mut |ledger| ledger.release(self.me));
    }

    /// Puts a record in; whether room was kept for it.
    pub(crate) fn push(&self, audit: &Audit, record: &str, reserved: bool) {
        let by = reserved.then_some(self.me);
        if reserved {
            self.kept.set(self.kept.get().saturating_sub(1));
        }
        let mut claim = Claim::Dropped;
        if !self.change(&mut |ledger| claim = ledger.claim(audit, by)) {
            self.lost.set(self.lost.get().saturating_add(1));
            return;
        }
        let Claim::Number(number, dropped) = claim else { return };
        dropped.for_each(|number| self.empty(number));
        // What cannot be written is counted when the sender does not find it.
        let _ = host::set_shared(&self.slot(number), line_of(number, record).as_bytes(), 0);
    }

    /// Changes the ledger, unless other workers are faster again and again; whether it was changed. One that is missing, or that
    /// something else wrote over, begins anew.
    fn change(&self, act: &mut dyn FnMut(&mut Ledger)) -> bool {
        let key = self.key("ledger");
        let lost = self.lost.get();
        (0..TRIES).any(|_| {
            let (kept, version) = match host::shared(&key) {
                Ok(found) => found,
                Err(HostError::NOT_FOUND) => (Vec::new(), NOTHING_THERE),
                Err(_) => return false,
            };
            let mut ledger = Ledger::read(&kept).unwrap_or_else(|| Ledger::new(epoch(self.me)));
            act(&mut ledger);
            ledger.lose(lost);
            let changed = host::set_shared(&key, &ledger.to_bytes(), version).is_ok();
            if changed {
                self.lost.set(0);
            }
            changed
        })
    }

    fn ledger(&self) -> Option<Ledger> {
        let (kept, _) = host::shared(&self.key("ledger")).ok()?;
        Ledger::read(&kept)
    }

    /// The companion has what was sent, up to this number.
    fn acknowledge(&self, sent: &Sent, last: u64) {
        let mut done = 0..0;
        self.change(&mut |ledger| {
            done = if *ledger.epoch() == sent.epoch { ledger.acknowledge(sent.first, last) } else { 0..0 };
        });
        done.for_each(|number| self.empty(number));
    }

    fn empty(&self, number: u64) {
        let _ = host::set_shared(&self.slot(number), b"", 0);
    }

    fn slot(&self, number: u64) -> String {
        let slot = number.checked_rem(RING).unwrap_or(0);
        format!("{}{slot}", self.prefix)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A call that is under way.
#[derive(Debug)]
struct Sent {
    token: u32,
    epoch: [u8; 16],
    first: u64,
    last: u64,
}

/// Records that were announced and did not appear yet.
#[derive(Debug)]
struct Missing {
    first: u64,
    /// What was announced by then.
    before: u64,
    since: u64,
}

/// Sends what is in the queue, where this VM is the one that does.
#[derive(Debug)]
pub(crate) struct Sender {
    companion: Rc<Companion>,
    queue: Rc<Queue>,
    pace: Pace,
    call: Option<Sent>,
    missing: Option<Missing>,
    /// When it was last told how many wait.
    told: u64,
    /// Whether the last call failed.
    failing: bool,
    telemetry: Rc<Telemetry>,
}

impl Sender {
    pub(crate) fn new(companion: Rc<Companion>, queue: Rc<Queue>, telemetry: Rc<Telemetry>) -> Self {
        Self {
            companion,
            queue,
            pace: Pace::default(),
            call: None,
            missing: None,
            told: 0,
            failing: false,
            telemetry,
        }
    }

    /// Some time has passed.
    pub(crate) fn tick(&mut self) {
        let now = millis();
        let (me, kept) = (self.queue.me, self.queue.kept.get());
        if kept > 0 || self.queue.lost.get() > 0 {
            self.queue.change(&mut |ledger| ledger.keep(me, kept, now));
        }
        // Its holder keeps the lease while it waits, too: else the others would not wait with it.
        if !companion::holds_lease(&self.queue.key("lease"), me, now) {
            return;
        }
        if self.pace.is_due(now) {
            self.send(now);
        } else if self.told.abs_diff(now) >= TELL_MILLIS {
            self.tell(now);
        }
    }

    /// Tells how many wait, also between calls: after failures there are long pauses.
    fn tell(&mut self, now: u64) -> Option<Ledger> {
        let ledger = self.queue.ledger()?;
        let queued = ledger.queued();
        self.told = now;
        self.telemetry.queued(queued.end.saturating_sub(queued.start), ledger.dropped());
        Some(ledger)
    }

    fn send(&mut self, now: u64) {
        let Some(ledger) = self.tell(now) else { return };
        let queued = ledger.queued();
        let mut batch = Batch::new(queued.start);
        while let Some(number) = batch.next().filter(|number| queued.contains(number)) {
            let there = host::shared(&self.queue.slot(number));
            if !there.is_ok_and(|(line, _)| batch.add(number, &line)) {
                break;
            }
        }
        let Some(last) = batch.last() else { return self.look_for(&ledger, now) };
        self.missing = None;
        self.pace.begin(now);
        match self.dispatch(&ledger, &batch) {
            Ok(token) => self.call = Some(Sent { token, epoch: *ledger.epoch(), first: batch.first, last }),
            Err(_) => self.fail("unreachable"),
        }
    }

    /// The first record is not there. Either its worker is just writing it; or that worker's VM trapped, and it will never be.
    fn look_for(&mut self, ledger: &Ledger, now: u64) {
        let queued = ledger.queued();
        match &self.missing {
            _ if queued.is_empty() => self.missing = None,
            Some(missing) if missing.first == queued.start => {
                if now.saturating_sub(missing.since) < SLOT_MILLIS {
                    return;
                }
                let there = |number: &u64| {
                    let slot = host::shared(&self.queue.slot(*number));
                    slot.is_ok_and(|(line, _)| Batch::new(*number).add(*number, &line))
                };
                let end = (queued.start..missing.before).find(there).unwrap_or(missing.before);
                let gone = end.saturating_sub(queued.start);
                self.queue.change(&mut |now| {
                    if now.queued().start == queued.start && now.epoch() == ledger.epoch() {
                        now.skip(gone);
                    }
                });
                self.missing = None;
            }
            _ => self.missing = Some(Missing { first: queued.start, before: queued.end, since: now }),
        }
    }

    fn dispatch(&self, ledger: &Ledger, batch: &Batch) -> Result<u32, HostError> {
        let mut epoch = String::with_capacity(32);
        for byte in ledger.epoch() {
            // Writing to a String cannot fail.
            let _ = write!(epoch, "{byte:02x}");
        }
        let (first, dropped) = (batch.first.to_string(), ledger.dropped().to_string());
        let headers: [(&str, &[u8]); 4] = [
            ("content-type", b"application/x-ndjson"),
            ("sallyport-audit-epoch", epoch.as_bytes()),
            ("sallyport-audit-first", first.as_bytes()),
            ("sallyport-audit-dropped", dropped.as_bytes()),
        ];
        self.companion.call(&self.companion.records(), &headers, batch.body(), CALL_MILLIS)
    }

    /// Reads what came of a call.
    pub(crate) fn answered(&mut self, token: u32, headers: usize, size: usize) {
        let Some(sent) = self.call.take_if(|sent| sent.token == token) else { return };
        if headers == 0 {
            return self.fail("unreachable");
        }
        let status = host::header(Map::CallResponseHeaders, ":status").unwrap_or_default();
        let body = host::buffer(Buffer::CallResponseBody, size).unwrap_or_default();
        let Some(last) = acknowledged(&status, &body, sent.first, sent.last) else {
            return self.fail(if status == b"200" { "answer" } else { "status" });
        };
        self.queue.acknowledge(&sent, last);
        self.telemetry.sent("acknowledged");
        if std::mem::take(&mut self.failing) {
            host::log(Level::Warn, "sallyport's companion takes records again");
        }
        self.pace.succeeded(true, chance());
        // Behind a full batch, the next one does not wait.
        let whole = sent.last.saturating_sub(sent.first).saturating_add(1);
        if usize::try_from(whole).is_ok_and(|lines| lines >= MAX_LINES) {
            self.send(millis());
        }
    }

    fn fail(&mut self, why: &str) {
        self.telemetry.sent(why);
        // Once, and not with each call: this may go on for days.
        if !std::mem::replace(&mut self.failing, true) {
            host::log(
                Level::Warn,
                &format!("sallyport keeps its records: its companion does not take them ({why})"),
            );
        }
        self.pace.failed(millis(), chance());
    }
}

fn millis() -> u64 {
    host::unix_millis().unwrap_or(0)
}

/// A name that no other queue has, on this proxy or another.
fn epoch(me: u64) -> [u8; 16] {
    let named = companion::node()
        .iter()
        .fold(chance() ^ me, |mixed, byte| (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mut epoch = [0; 16];
    let (time, rest) = epoch.split_at_mut(8);
    time.copy_from_slice(&host::unix_nanos().unwrap_or(0).to_be_bytes());
    rest.copy_from_slice(&named.to_be_bytes());
    epoch
}
