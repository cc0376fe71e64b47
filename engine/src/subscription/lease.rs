//! Which of a proxy's workers asks the companion: the one that holds the lease.

/// How long a lease holds. Its holder renews it with each tick; when it traps, another takes over after this time.
pub const LEASE_MILLIS: u64 = 3000;

/// The right to ask, until it runs out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The worker that holds it.
    pub holder: u64,
    /// Until when.
    pub until: u64,
}

impl Lease {
    /// The lease for `me`, if what is `kept` is no one else's at this time. What cannot be read, or would hold for longer than any lease
    /// does because a clock was set back, holds no one off.
    pub fn take(kept: Option<&[u8]>, me: u64, now: u64) -> Option<Self> {
        let latest = now.saturating_add(LEASE_MILLIS);
        let kept = kept.and_then(Self::read).filter(|lease| (now..=latest).contains(&lease.until));
        kept.is_none_or(|lease| lease.holder == me).then_some(Self { holder: me, until: latest })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (holder, until) = bytes.split_first_chunk()?;
        Some(Self { holder: u64::from_le_bytes(*holder), until: u64::from_le_bytes(until.try_into().ok()?) })
    }

    /// As bytes for the shared memory.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (holder, until) = bytes.split_at_mut(8);
        holder.copy_from_slice(&self.holder.to_le_bytes());
        until.copy_from_slice(&self.until.to_le_bytes());
        bytes
    }
}
