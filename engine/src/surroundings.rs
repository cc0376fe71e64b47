//! What a judgement needs of the world around it: the time, and counters that outlive an exchange.
//!
//! The engine has neither clock nor memory. Whoever drives it hands both in; what is asked for only when a policy needs it costs
//! the others nothing.

use crate::decide::Considered;
use crate::policy::{Audit, Limit};
use core::fmt;

/// The world around an exchange.
pub trait Surroundings: fmt::Debug {
    /// The time, in seconds since 1970 in UTC; `None` if it cannot be told. Rules with a window do not allow then.
    fn unix_time(&self) -> Option<u64>;

    /// Counts one request against a limit, by [`Limit::spend`]. The counter's name is made of names in policy, so there are as many
    /// as policy can name.
    fn spend(&self, counter: &str, limit: Limit) -> Spent;

    /// A number that makes what is made of it other in every exchange. It need not be secret.
    fn nonce(&self) -> u64 {
        0
    }

    /// The seconds since whoever provides policy last said that it holds; `None` where policy came with the configuration and nobody
    /// provides it.
    fn policy_age(&self) -> Option<u64> {
        None
    }

    /// Keeps room for the record of this exchange; `false` if there is none, or nobody who takes records. It is asked where policy
    /// lets nothing go on without one.
    fn reserve_record(&self, _: &Audit) -> bool {
        false
    }

    /// Whether every rule of a mission shall be considered, and not only those that could matter: for explaining.
    fn wants_every_rule(&self) -> bool {
        false
    }

    /// Hears of a rule that was considered, and what came of it.
    fn considered(&self, _: &Considered<'_>) {}
}

/// What came of counting a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spent {
    /// It is within the limit.
    Within,
    /// The limit was reached before.
    Over,
    /// It could not be counted, so it cannot be let go.
    Unknown,
}

/// A world without clock and memory: rules with windows do not allow, what is limited is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Surroundings for Nowhere {
    fn unix_time(&self) -> Option<u64> {
        None
    }

    fn spend(&self, _: &str, _: Limit) -> Spent {
        Spent::Unknown
    }
}
