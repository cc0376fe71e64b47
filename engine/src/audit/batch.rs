//! What one call carries.

use super::{MAX_BODY, MAX_LINE, MAX_LINES};
use crate::json::{Document, Kind};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256;

/// Records in the order of their numbers, without a gap.
#[derive(Debug, Default)]
pub struct Batch {
    /// The number of the first.
    pub first: u64,
    lines: usize,
    body: Vec<u8>,
}

impl Batch {
    /// Begins with the record of this number.
    pub fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// The number of the record that is wanted next; `None` if there is no room for another one.
    pub fn next(&self) -> Option<u64> {
        let fits = self.lines < MAX_LINES && self.body.len().saturating_add(MAX_LINE) < MAX_BODY;
        fits.then(|| self.first.saturating_add(u64::try_from(self.lines).unwrap_or(u64::MAX)))
    }

    /// Adds what stands in the next record's slot; `false` if that is not the record.
    pub fn add(&mut self, number: u64, slot: &[u8]) -> bool {
        let begins = format!("{{\"seq\":{number},");
        let whole = slot.starts_with(begins.as_bytes()) && slot.ends_with(b"}") && slot.len() <= MAX_LINE;
        // Other plugins can write to the memory that this comes from.
        if !whole || slot.contains(&b'\n') {
            return false;
        }
        self.body.extend_from_slice(slot);
        self.body.push(b'\n');
        self.lines = self.lines.saturating_add(1);
        true
    }

    /// The number of the last record; `None` if there is none.
    pub fn last(&self) -> Option<u64> {
        let more = u64::try_from(self.lines).ok()?.checked_sub(1)?;
        Some(self.first.saturating_add(more))
    }

    /// The lines.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// A record under its number, as a slot and a line hold it.
pub fn line_of(number: u64, record: &str) -> String {
    let members = record.strip_prefix('{').unwrap_or(record);
    format!("{{\"seq\":{number},{members}")
}

/// Up to which record the companion has all that was sent for good, by its answer; `None` for an answer that does not say so, or says
/// it of records that were not sent.
pub fn acknowledged(status: &[u8], body: &[u8], first: u64, last: u64) -> Option<u64> {
    if status != b"200" || body.len() > MAX_ANSWER {
        return None;
    }
    let document = Document::parse(body).ok()?;
    let value = document.root()?.get("acknowledged").filter(|value| value.kind() == Kind::Number)?;
    value.raw().parse().ok().filter(|number| (first..=last).contains(number))
}
