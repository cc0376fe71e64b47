//! Which records are in the queue.

use super::{RING, ROOM_MILLIS};
use crate::policy::{Audit, Overflow};
use alloc::vec::Vec;
use core::ops::Range;

/// How a ledger begins; another layout gets another.
const MAGIC: &[u8; 4] = b"SPQ1";
/// The most VMs that keep room at once; Envoy has one a worker.
const MAX_VMS: usize = 256;
/// Bytes of one VM's room.
const ROOM_LEN: usize = 20;

/// The state of the queue. Records are numbered from 0; those from `head` on, before `tail`, are in it.
///
/// `tail` = records that the companion has + records in the queue + those dropped after they were numbered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ledger {
    /// Which queue this is: numbers begin again with each.
    epoch: [u8; 16],
    head: u64,
    tail: u64,
    /// The companion has every record before this one that was not dropped.
    acknowledged: u64,
    dropped: u64,
    /// Room that VMs keep for records of requests that are under way.
    room: Vec<Room>,
}

/// What one VM keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Room {
    vm: u64,
    records: u32,
    /// In milliseconds since 1970.
    until: u64,
}

/// What becomes of a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// It has this number; the slots of these numbers are to be emptied.
    Number(u64, Range<u64>),
    /// There is no room. It is counted as dropped.
    Dropped,
}

impl Ledger {
    /// An empty queue.
    pub fn new(epoch: [u8; 16]) -> Self {
        Self { epoch, head: 0, tail: 0, acknowledged: 0, dropped: 0, room: Vec::new() }
    }

    /// Which queue this is.
    pub fn epoch(&self) -> &[u8; 16] {
        &self.epoch
    }

    /// The numbers of the records that are in it.
    pub fn queued(&self) -> Range<u64> {
        self.head..self.tail
    }

    /// How many were dropped since it began.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many records are in it, or will be.
    fn used(&self) -> u64 {
        let kept = self.room.iter().fold(0_u64, |sum, room| sum.saturating_add(u64::from(room.records)));
        self.tail.saturating_sub(self.head).saturating_add(kept)
    }

    /// Keeps room for so many records of a VM; `false` if there is not so much.
    pub fn reserve(&mut self, vm: u64, records: u32, audit: &Audit, now: u64) -> bool {
        let kept = self.kept(vm);
        self.keep(vm, records, now);
        let fits = self.kept(vm) == records && self.used() <= u64::from(audit.records);
        if !fits {
            self.keep(vm, kept, now);
        }
        fits
    }

    /// Says how much room a VM keeps. What others kept and did not renew is given up: they trapped.
    pub fn keep(&mut self, vm: u64, records: u32, now: u64) {
        self.room.retain(|room| room.until >= now && room.vm != vm);
        if records > 0 && self.room.len() < MAX_VMS {
            self.room.push(Room { vm, records, until: now.saturating_add(ROOM_MILLIS) });
        }
    }

    fn kept(&self, vm: u64) -> u32 {
        self.room.iter().find(|room| room.vm == vm).map_or(0, |room| room.records)
    }

    /// Gives up the room for one record.
    pub fn release(&mut self, vm: u64) {
        if let Some(room) = self.room.iter_mut().find(|room| room.vm == vm) {
            room.records = room.records.saturating_sub(1);
        }
    }

    /// Numbers a record. Room that was kept for it is used up.
    pub fn claim(&mut self, audit: &Audit, kept_by: Option<u64>) -> Claim {
        if let Some(vm) = kept_by {
            self.release(vm);
        }
        let most = u64::from(audit.records);
        let first = self.head;
        if self.used() >= most {
            match audit.overflow {
                Overflow::Required if kept_by.is_none() || self.tail.saturating_sub(self.head) >= most => {
                    self.dropped = self.dropped.saturating_add(1);
                    return Claim::Dropped;
                }
                Overflow::Required => {}
                Overflow::DropOldest => {
                    let oldest = self.tail.saturating_add(1).saturating_sub(most);
                    self.skip(oldest.saturating_sub(self.head));
                }
            }
        }
        let number = self.tail;
        self.tail = number.saturating_add(1);
        Claim::Number(number, first..self.head)
    }

    /// Counts records that were dropped before they were numbered.
    pub fn lose(&mut self, records: u64) {
        self.dropped = self.dropped.saturating_add(records);
    }

    /// Drops the oldest records.
    pub fn skip(&mut self, records: u64) {
        let records = records.min(self.tail.saturating_sub(self.head));
        self.head = self.head.saturating_add(records);
        self.dropped = self.dropped.saturating_add(records);
    }

    /// The companion has the records from `first` to `last` for good; the slots of these numbers are to be emptied. What of them was
    /// dropped while they were on their way arrived all the same.
    pub fn acknowledge(&mut self, first: u64, last: u64) -> Range<u64> {
        let end = last.saturating_add(1).min(self.tail);
        let arrived = self.head.min(end).saturating_sub(first.max(self.acknowledged));
        self.dropped = self.dropped.saturating_sub(arrived);
        let emptied = self.head..end.max(self.head);
        self.acknowledged = self.acknowledged.max(end);
        self.head = self.head.max(end);
        emptied
    }

    /// Reads what [`Ledger::to_bytes`] wrote; `None` for anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (head, rest) = number(rest)?;
        let (tail, rest) = number(rest)?;
        let (acknowledged, rest) = number(rest)?;
        let (dropped, rest) = number(rest)?;
        let room = rest.chunks(ROOM_LEN).map(Room::read).collect::<Option<Vec<_>>>()?;
        let sound = tail.checked_sub(head).is_some_and(|queued| queued <= RING) && acknowledged <= head;
        (sound && room.len() <= MAX_VMS).then_some(Self {
            epoch: *epoch,
            head,
            tail,
            acknowledged,
            dropped,
            room,
        })
    }

    /// As bytes for the shared memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.epoch);
        for number in [self.head, self.tail, self.acknowledged, self.dropped] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for room in &self.room {
            bytes.extend_from_slice(&room.vm.to_le_bytes());
            bytes.extend_from_slice(&room.records.to_le_bytes());
            bytes.extend_from_slice(&room.until.to_le_bytes());
        }
        bytes
    }
}

impl Room {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (vm, rest) = number(bytes)?;
        let (records, rest) = rest.split_first_chunk()?;
        let (until, rest) = number(rest)?;
        rest.is_empty().then_some(Self { vm, records: u32::from_le_bytes(*records), until })
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}
