//! Records on their way to the companion: a queue in memory that the proxy's workers share.
//!
//! ```text
//!  ledger  which records are in the queue, and how many were dropped
//!  batch   what one call carries, and what its answer means
//! ```
//!
//! Nothing here stores or sends: the filter does, and hands in what came of it. The queue is a ring of [`RING`] slots, each a key of its
//! own; the [`Ledger`] is one small value that is changed only if nobody else changed it meanwhile. A record is taken out when the
//! companion has it for good, so that nothing is lost by a VM that traps or a companion that goes away: a record arrives at least once,
//! or is counted as dropped.

mod batch;
mod ledger;

pub use batch::{Batch, acknowledged, line_of};
pub use ledger::{Claim, Ledger};

/// The slots of the ring. A queue holds at most half as many, so that a slot that is emptied late is not one that was filled again.
pub const RING: u64 = 16_384;
/// The most records that a queue may be set to hold.
pub const MOST_RECORDS: u32 = 8192;
/// The longest line, in bytes: what does not fit is told with fewer findings. The companion takes twice as much.
pub const MAX_LINE: usize = 8192;
/// The most lines of one call.
pub const MAX_LINES: usize = 500;
/// The longest body of a call, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// How long a record that was announced may take to appear. Where the VM that announced it trapped, it never does.
pub const SLOT_MILLIS: u64 = 2000;
/// How long room that a VM keeps for records to come stays kept without being renewed: for longer than any worker is ever busy.
pub const ROOM_MILLIS: u64 = 30_000;

#[cfg(test)]
mod tests;
