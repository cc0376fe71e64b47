//! What a rule asks beside its operations: who calls, where, when, and how often.

use super::{AgentId, Effect};
use crate::glob::Glob;
use crate::http::{Authority, HostPattern};
use crate::identity::{SpiffeId, TrustDomain};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Under which circumstances a rule counts. What is empty asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Who calls: any of these agents.
    pub agents: Vec<AgentId>,
    /// From any of these trust domains.
    pub trust_domains: Vec<TrustDomain>,
    /// From any of these Kubernetes namespaces, as Istio writes them into SPIFFE IDs.
    pub namespaces: Vec<Glob>,
    /// Under any of these Kubernetes service accounts.
    pub service_accounts: Vec<Glob>,
    /// At any of these hosts of the service.
    pub hosts: Vec<HostPattern>,
    /// On any of these ports of the service.
    pub ports: Vec<u16>,
    /// Within any of these windows of time.
    pub windows: Vec<Window>,
}

/// A stretch of time, once or every week.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The weekdays on which it begins: bit 0 is Monday.
    pub days: u8,
    /// The minute of the day at which it begins.
    pub from: u16,
    /// The minute of the day before which it ends; at or before `from`, it ends on the next day. At most 1440.
    pub until: u16,
    /// The minutes that the clock it is written in is ahead of UTC.
    pub offset: i16,
    /// Not before this time, in seconds since 1970 in UTC.
    pub not_before: Option<u64>,
    /// Before this time, in the same.
    pub not_after: Option<u64>,
}

/// How many requests may be made in how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The requests; at least one.
    pub requests: u32,
    /// The length of the window, in seconds; at least one. It begins with the first request in it.
    pub seconds: u32,
}

const MINUTES_A_DAY: u16 = 24 * 60;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

impl Conditions {
    /// Whether the host and port are among those asked for. An allow rule needs certainty; a rule that refuses counts unless it is
    /// certain that they are not.
    pub(crate) fn covers_destination(&self, effect: Effect, authority: &Authority) -> bool {
        let port = authority.port().map_or(effect != Effect::Allow, |port| self.ports.contains(&port));
        any(&self.hosts, |host| host.matches(authority.host())) && (self.ports.is_empty() || port)
    }

    /// Whether it is time; likewise where the time cannot be told.
    pub(crate) fn is_time(&self, effect: Effect, now: impl FnOnce() -> Option<u64>) -> bool {
        let within = |now| self.windows.iter().any(|window| window.holds(now));
        self.windows.is_empty() || now().map_or(effect != Effect::Allow, within)
    }

    /// Whether the caller is among those asked for.
    pub(crate) fn covers_source(&self, agent: AgentId, caller: &SpiffeId) -> bool {
        let (namespace, account) = caller.kubernetes().unzip();
        let named = |globs: &[Glob], name: Option<&str>| {
            any(globs, |glob| name.is_some_and(|name| glob.matches(name)))
        };
        any(&self.agents, |known| *known == agent)
            && any(&self.trust_domains, |known| known.as_str() == caller.trust_domain())
            && named(&self.namespaces, namespace)
            && named(&self.service_accounts, account)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.windows.iter().all(Window::is_sound)
    }
}

/// Whether one of `all` fits, or nothing is asked for.
fn any<T>(all: &[T], fits: impl Fn(&T) -> bool) -> bool {
    all.is_empty() || all.iter().any(fits)
}

impl Window {
    /// Every day of the week.
    pub const EVERY_DAY: u8 = 0b111_1111;
    /// The names of the days, as policy writes them, from Monday.
    pub const DAYS: [&'static str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

    /// Whether a time, in seconds since 1970, lies in the window.
    pub fn holds(&self, now: u64) -> bool {
        if self.not_before.is_some_and(|from| now < from) || self.not_after.is_some_and(|until| now >= until)
        {
            return false;
        }
        let offset = i64::from(self.offset).saturating_mul(60);
        let Ok(local) = i64::try_from(now).map(|now| now.saturating_add(offset)) else { return false };
        // The first of January 1970 was a Thursday, the fourth day of its week.
        let day = local.div_euclid(SECONDS_A_DAY).saturating_add(3).rem_euclid(7);
        let minute = local.rem_euclid(SECONDS_A_DAY).div_euclid(60);
        let begins_on =
            |day: i64| u32::try_from(day).is_ok_and(|day| self.days.checked_shr(day).unwrap_or(0) & 1 == 1);
        let (from, until) = (i64::from(self.from), i64::from(self.until));
        if from < until {
            return begins_on(day) && (from..until).contains(&minute);
        }
        let yesterday = day.saturating_sub(1).rem_euclid(7);
        (minute >= from && begins_on(day)) || (minute < until && begins_on(yesterday))
    }

    fn is_sound(&self) -> bool {
        let day = i16::try_from(MINUTES_A_DAY).unwrap_or(i16::MAX);
        (1..=Self::EVERY_DAY).contains(&self.days)
            && self.from < MINUTES_A_DAY
            && (1..=MINUTES_A_DAY).contains(&self.until)
            && (day.wrapping_neg()..=day).contains(&self.offset)
    }
}

impl Limit {
    /// Counts one more request. What is kept of a counter goes in and comes out; `None` comes out if the limit is reached.
    ///
    /// Whatever else may have been written in its place counts as nothing, and so does a window of the future: a clock that was
    /// set back must not lock anyone out.
    pub fn spend(self, kept: Option<&[u8]>, now: u64) -> Option<[u8; 16]> {
        let (begun, spent) =
            kept.and_then(read).filter(|&(begun, _)| self.is_open(begun, now)).unwrap_or((now, 0));
        let spent = spent.saturating_add(1);
        (spent <= u64::from(self.requests)).then(|| {
            let mut kept = [0; 16];
            let (first, second) = kept.split_at_mut(8);
            first.copy_from_slice(&begun.to_le_bytes());
            second.copy_from_slice(&spent.to_le_bytes());
            kept
        })
    }

    fn is_open(self, begun: u64, now: u64) -> bool {
        now.checked_sub(begun).is_some_and(|passed| passed < u64::from(self.seconds))
    }

    pub(super) fn is_sound(self) -> bool {
        self.requests > 0 && self.seconds > 0
    }
}

/// When a counter's window began, and what was spent in it.
fn read(kept: &[u8]) -> Option<(u64, u64)> {
    let (begun, spent) = kept.split_first_chunk()?;
    Some((u64::from_le_bytes(*begun), u64::from_le_bytes(spent.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21, a Saturday, 10:00 in UTC.
    const SATURDAY_TEN: u64 = 1_795_255_200;

    fn window(days: u8, from: u16, until: u16) -> Window {
        Window { days, from, until, offset: 0, not_before: None, not_after: None }
    }

    #[test]
    fn a_window_knows_its_days_and_minutes() {
        let saturday = 0b010_0000;
        assert!(window(saturday, 600, 601).holds(SATURDAY_TEN));
        assert!(!window(saturday, 601, 1440).holds(SATURDAY_TEN));
        assert!(!window(saturday, 0, 600).holds(SATURDAY_TEN));
        assert!(!window(!saturday & Window::EVERY_DAY, 0, 1440).holds(SATURDAY_TEN));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let friday = 0b001_0000;
        let night = window(friday, 22 * 60, 11 * 60);
        assert!(night.holds(SATURDAY_TEN), "Friday's night lasts to Saturday at 11");
        assert!(!night.holds(SATURDAY_TEN + 3600));
        assert!(!night.holds(SATURDAY_TEN + 13 * 3600), "Saturday's night is not Friday's");
        let monday = window(1, 0, 1440);
        assert!(monday.holds(SATURDAY_TEN + 2 * 86_400) && !monday.holds(SATURDAY_TEN));
    }

    #[test]
    fn an_offset_moves_the_day() {
        let sunday = 0b100_0000;
        let ahead = Window { offset: 14 * 60, ..window(sunday, 0, 1) };
        assert!(ahead.holds(SATURDAY_TEN), "at +14:00 it is midnight on Sunday");
        assert!(Window { offset: -60, ..window(0b010_0000, 540, 541) }.holds(SATURDAY_TEN));
    }

    #[test]
    fn dates_bound_a_window() {
        let all = window(Window::EVERY_DAY, 0, 1440);
        assert!(!Window { not_before: Some(SATURDAY_TEN + 1), ..all }.holds(SATURDAY_TEN));
        assert!(Window { not_before: Some(SATURDAY_TEN), ..all }.holds(SATURDAY_TEN));
        assert!(!Window { not_after: Some(SATURDAY_TEN), ..all }.holds(SATURDAY_TEN));
    }

    #[test]
    fn a_limit_counts_to_its_end_and_begins_anew() {
        let limit = Limit { requests: 2, seconds: 10 };
        let first = limit.spend(None, 100);
        let second = limit.spend(first.as_ref().map(|kept| &kept[..]), 109);
        let third = limit.spend(second.as_ref().map(|kept| &kept[..]), 109);
        assert!(first.is_some() && second.is_some() && third.is_none());
        assert!(limit.spend(second.as_ref().map(|kept| &kept[..]), 110).is_some(), "a new window");
        assert!(limit.spend(second.as_ref().map(|kept| &kept[..]), 99).is_some(), "a clock set back");
        assert!(limit.spend(Some(b"not ours"), 100).is_some());
    }
}
