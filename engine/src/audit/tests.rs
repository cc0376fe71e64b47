use super::*;
use crate::policy::{Audit, Overflow};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn audit(overflow: Overflow, records: u32) -> Audit {
    Audit { overflow, records, ..Audit::default() }
}

fn fill(ledger: &mut Ledger, audit: &Audit, records: usize) {
    for _ in 0..records {
        ledger.claim(audit, None);
    }
}

#[test]
fn a_ledger_is_read_as_it_was_written() {
    let mut ledger = Ledger::new([7; 16]);
    let audit = audit(Overflow::Required, 9);
    assert!(ledger.reserve(3, 1, &audit, 1000) && ledger.reserve(4, 1, &audit, 1000));
    ledger.claim(&audit, None);
    ledger.claim(&audit, Some(4));
    let bytes = ledger.to_bytes();
    assert_eq!(Ledger::read(&bytes), Some(ledger));
    for length in 0..bytes.len() {
        let cut = Ledger::read(&bytes[..length]);
        assert!(cut.is_none() || (length - 52).is_multiple_of(20), "{length}");
    }
    let broken = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at + 7] = 1;
        Ledger::read(&bytes)
    };
    assert!(broken(20).is_none(), "the head is behind the tail");
    assert!(broken(28).is_none(), "more than the ring holds");
    assert!(broken(36).is_none(), "what was never sent is acknowledged");
}

#[test]
fn the_oldest_is_dropped_and_counted() {
    let audit = audit(Overflow::DropOldest, 2);
    let mut ledger = Ledger::new([0; 16]);
    let claims: Vec<_> = (0..4).map(|_| ledger.claim(&audit, None)).collect();
    assert_eq!(claims[1..3], [Claim::Number(1, 0..0), Claim::Number(2, 0..1)]);
    assert_eq!((claims[3].clone(), ledger.queued(), ledger.dropped()), (Claim::Number(3, 1..2), 2..4, 2));
    // A policy with less room drops what is too much at once.
    assert_eq!(ledger.claim(&self::audit(Overflow::DropOldest, 1), None), Claim::Number(4, 2..4));
}

#[test]
fn what_was_dropped_on_its_way_and_arrived_is_not_counted() {
    let audit = audit(Overflow::DropOldest, 2);
    let mut ledger = Ledger::new([0; 16]);
    fill(&mut ledger, &audit, 4);
    // Records 2 and 3 are on their way while two more come.
    fill(&mut ledger, &audit, 2);
    assert_eq!((ledger.queued(), ledger.dropped()), (4..6, 4));
    assert_eq!(ledger.acknowledge(2, 3), 4..4);
    assert_eq!(ledger.dropped(), 2);
    ledger.acknowledge(2, 3);
    assert_eq!((ledger.queued(), ledger.dropped()), (4..6, 2), "an answer that is heard twice counts once");
    assert_eq!(ledger.acknowledge(4, 5), 4..6);
    assert_eq!((ledger.queued(), ledger.dropped()), (6..6, 2));
}

#[test]
fn room_that_is_kept_is_nobody_elses() {
    let audit = audit(Overflow::Required, 2);
    let mut ledger = Ledger::new([0; 16]);
    assert!(ledger.reserve(1, 1, &audit, 0) && ledger.reserve(2, 1, &audit, 0));
    assert!(!ledger.reserve(1, 2, &audit, 0), "there is none left");
    assert_eq!(ledger.claim(&audit, None), Claim::Dropped, "a refusal has no room of its own");
    assert_eq!(ledger.dropped(), 1);
    assert_eq!(ledger.claim(&audit, Some(1)), Claim::Number(0, 0..0));
    assert!(!ledger.reserve(1, 1, &audit, 0), "the record itself takes it");
    ledger.acknowledge(0, 0);
    assert!(ledger.reserve(1, 1, &audit, 0));
    // The second VM traps. What it kept comes back, some time later; the first renews what it keeps.
    ledger.keep(1, 1, ROOM_MILLIS);
    assert!(!ledger.reserve(1, 2, &audit, ROOM_MILLIS));
    assert!(ledger.reserve(1, 2, &audit, ROOM_MILLIS + 1));
}

#[test]
fn a_batch_takes_only_the_record_that_is_next() {
    let mut batch = Batch::new(7);
    assert_eq!((batch.next(), batch.last()), (Some(7), None));
    for slot in [
        &b""[..],
        b"{\"seq\":8,\"a\":1}",
        b"{\"seq\":70,\"a\":1}",
        b"{\"seq\":7,\"a\":1",
        b"{\"seq\":7,\n}",
        b"{\"seq\":7}",
    ] {
        assert!(!batch.add(7, slot), "{slot:?}");
    }
    assert!(batch.add(7, line_of(7, r#"{"a":1}"#).as_bytes()) && batch.add(8, b"{\"seq\":8,\"a\":1}"));
    assert_eq!((batch.next(), batch.last()), (Some(9), Some(8)));
    assert_eq!(batch.body(), b"{\"seq\":7,\"a\":1}\n{\"seq\":8,\"a\":1}\n");
}

#[test]
fn a_batch_keeps_to_its_limits() {
    for filling in [1, MAX_LINE - 100] {
        let record = format!("{{\"a\":\"{}\"}}", "x".repeat(filling));
        let mut batch = Batch::new(0);
        while let Some(number) = batch.next() {
            assert!(batch.add(number, line_of(number, &record).as_bytes()));
        }
        let lines = batch.body().split(|byte| *byte == b'\n').count() - 1;
        assert!(lines <= MAX_LINES && batch.body().len() <= MAX_BODY, "{lines}");
        assert_eq!(lines == MAX_LINES, filling == 1);
    }
}

#[test]
fn only_a_sound_answer_acknowledges() {
    let read = |status: &str, body: &str| acknowledged(status.as_bytes(), body.as_bytes(), 5, 9);
    assert_eq!(read("200", r#"{"acknowledged":9}"#), Some(9));
    assert_eq!(read("200", r#"{"acknowledged":5,"more":true}"#), Some(5), "a part of it");
    for (status, body) in [
        ("200", r#"{"acknowledged":4}"#),
        ("200", r#"{"acknowledged":10}"#),
        ("200", r#"{"acknowledged":"9"}"#),
        ("200", r#"{"acknowledged":9.0}"#),
        ("200", r#"{"acknowledged":9,"acknowledged":9}"#),
        ("200", r#"{"acknowledged":99999999999999999999}"#),
        ("200", "[9]"),
        ("200", "<html>"),
        ("200", ""),
        ("202", r#"{"acknowledged":9}"#),
        ("500", r#"{"acknowledged":9}"#),
        ("", r#"{"acknowledged":9}"#),
    ] {
        assert_eq!(read(status, body), None, "{status} {body}");
    }
    let long = format!(r#"{{"acknowledged":9,"x":"{}"}}"#, "x".repeat(300));
    assert_eq!(read("200", &long), None);
}

/// What happens at a proxy.
#[derive(Clone, Debug)]
enum Event {
    /// A request ends on this worker; whether the VM traps before the record is written.
    End { vm: u64, traps: bool },
    /// A worker sends what is queued; two may at once, where the lease changed hands.
    Send,
    /// The oldest call under way comes to this end.
    Answer(End),
    /// Some time passes, in milliseconds.
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// The companion has so much of it, in 256ths, and says so.
    Heard(u8),
    /// It has all, and nobody hears of it.
    Unheard,
    /// It has nothing.
    Failed,
}

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![
        4 => Just(End::Heard(255)),
        1 => any::<u8>().prop_map(End::Heard),
        1 => Just(End::Unheard),
        2 => Just(End::Failed),
    ];
    prop_oneof![
        12 => (0..4_u64, prop::bool::weighted(0.03)).prop_map(|(vm, traps)| Event::End { vm, traps }),
        3 => Just(Event::Send),
        3 => end.prop_map(Event::Answer),
        1 => (1..SLOT_MILLIS).prop_map(Event::Wait),
    ]
}

/// A proxy, its queue and its companion.
struct World {
    audit: Audit,
    ledger: Ledger,
    slots: BTreeMap<u64, String>,
    now: u64,
    /// Numbers that were announced and never written.
    torn: BTreeSet<u64>,
    calls: Vec<(u64, u64, Vec<u64>)>,
    durable: BTreeSet<u64>,
    /// Requests that ended, and those that were refused for want of room.
    ended: u64,
    unheard: bool,
}

impl World {
    fn new(overflow: Overflow) -> Self {
        Self {
            audit: audit(overflow, 16),
            ledger: Ledger::new([1; 16]),
            slots: BTreeMap::new(),
            now: 0,
            torn: BTreeSet::new(),
            calls: vec![],
            durable: BTreeSet::new(),
            ended: 0,
            unheard: false,
        }
    }

    fn end(&mut self, vm: u64, traps: bool) {
        self.ended += 1;
        let required = self.audit.overflow == Overflow::Required;
        let kept = required && self.ledger.reserve(vm, 1, &self.audit, self.now);
        match self.ledger.claim(&self.audit, kept.then_some(vm)) {
            Claim::Number(number, emptied) => {
                assert!(!required || (kept && emptied.is_empty()), "nothing is dropped that has room");
                emptied.for_each(|number| drop(self.slots.remove(&number)));
                if traps {
                    self.torn.insert(number);
                } else {
                    let line = line_of(number, r#"{"verdict":"allow"}"#);
                    assert_eq!(self.slots.insert(number, line), None, "a number is given once");
                }
            }
            Claim::Dropped => assert!(required && !kept),
        }
        assert!(self.ledger.queued().count() <= 16);
    }

    fn send(&mut self) {
        while let Some(torn) = self.torn.iter().find(|torn| **torn == self.ledger.queued().start).copied() {
            self.torn.remove(&torn);
            self.ledger.skip(1);
        }
        let queued = self.ledger.queued();
        let mut batch = Batch::new(queued.start);
        let mut numbers = vec![];
        while let Some(number) = batch.next().filter(|number| queued.contains(number)) {
            let Some(line) = self.slots.get(&number) else { break };
            assert!(batch.add(number, line.as_bytes()));
            numbers.push(number);
        }
        if let Some(last) = batch.last() {
            self.calls.push((batch.first, last, numbers));
        }
    }

    fn answer(&mut self, end: End) {
        if self.calls.is_empty() {
            return;
        }
        let (first, last, numbers) = self.calls.remove(0);
        match end {
            End::Failed => {}
            End::Unheard => {
                self.unheard = true;
                self.durable.extend(numbers);
            }
            End::Heard(part) => {
                let upto = first + (last - first) * u64::from(part) / 255;
                self.durable.extend(numbers.into_iter().filter(|number| *number <= upto));
                let emptied = self.ledger.acknowledge(first, upto);
                emptied.for_each(|number| drop(self.slots.remove(&number)));
            }
        }
    }

    /// The companion comes back, and all is sent.
    fn settle(&mut self) {
        while !self.calls.is_empty() {
            self.answer(End::Failed);
        }
        while !self.ledger.queued().is_empty() {
            self.send();
            self.answer(End::Heard(255));
        }
    }
}

proptest! {
    /// Whatever the workers and the companion do: a record arrives, or is counted as dropped.
    #[test]
    fn nothing_is_lost_that_is_not_counted(
        required: bool,
        events in prop::collection::vec(event(), 1..200),
    ) {
        let mut world = World::new(if required { Overflow::Required } else { Overflow::DropOldest });
        for event in events {
            match event {
                Event::End { vm, traps } => world.end(vm, traps),
                Event::Send => world.send(),
                Event::Answer(end) => world.answer(end),
                Event::Wait(millis) => world.now += millis,
            }
            world.ledger = Ledger::read(&world.ledger.to_bytes()).unwrap();
        }
        world.settle();
        let (arrived, dropped) = (world.durable.len() as u64, world.ledger.dropped());
        if world.unheard {
            prop_assert!(arrived + dropped >= world.ended, "{arrived} + {dropped} of {}", world.ended);
        } else {
            prop_assert_eq!(arrived + dropped, world.ended);
        }
        let holes = world.ledger.queued().end - arrived;
        prop_assert!(holes <= dropped);
        prop_assert!(world.slots.is_empty(), "what arrived or was dropped takes no room");
    }
}
