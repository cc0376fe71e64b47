//! Metrics: ids per definition, values per name, as in Envoy's stats, which all VMs of a process share.

use std::collections::BTreeMap;

use super::abi::{Answer, Status};
use super::shared::Shared;

/// How ids of one kind are apart; what is left over names the kind.
const ID_STEP: u32 = 4;

/// A metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// How many values were recorded, and their sum.
    Histogram {
        /// How many.
        count: u64,
        /// Their sum.
        sum: u64,
    },
}

#[derive(Debug, Default)]
pub(super) struct Metrics {
    values: Shared,
    names: BTreeMap<u32, String>,
    defined: [u32; 3],
}

impl Metrics {
    pub(super) fn of(values: Shared) -> Self {
        Self { values, ..Self::default() }
    }

    pub(super) fn define(&mut self, kind: u32, name: &[u8]) -> Answer<u32> {
        let fresh = match kind {
            0 => Metric::Counter(0),
            1 => Metric::Gauge(0),
            2 => Metric::Histogram { count: 0, sum: 0 },
            _ => return Err(Status::BadArgument.into()),
        };
        let name = String::from_utf8_lossy(name).into_owned();
        self.values.with_metrics(|values| values.entry(name.clone()).or_insert(fresh).to_owned());
        let defined = self.defined.get_mut(kind as usize).ok_or(Status::BadArgument)?;
        *defined += 1;
        let id = *defined * ID_STEP + kind;
        self.names.insert(id, name);
        Ok(id)
    }

    pub(super) fn increment(&mut self, id: u32, offset: i64) -> Answer {
        self.change(id, |metric| {
            match (id % ID_STEP, metric) {
                (0, Some(Metric::Counter(value))) if offset > 0 => *value += offset.unsigned_abs(),
                (1, Some(Metric::Gauge(value))) => *value = value.saturating_add_signed(offset),
                (0 | 1, None) => return Err(Status::NotFound.into()),
                _ => return Err(Status::BadArgument.into()),
            }
            Ok(())
        })
    }

    pub(super) fn record(&mut self, id: u32, recorded: u64) -> Answer {
        self.change(id, |metric| {
            match metric {
                Some(Metric::Counter(value)) => *value += recorded,
                Some(Metric::Gauge(value)) => *value = recorded,
                Some(Metric::Histogram { count, sum }) => (*count, *sum) = (*count + 1, *sum + recorded),
                None => return Err(Status::NotFound.into()),
            }
            Ok(())
        })
    }

    pub(super) fn get(&mut self, id: u32) -> Answer<u64> {
        self.change(id, |metric| match (id % ID_STEP, metric) {
            (_, Some(Metric::Counter(value) | Metric::Gauge(value))) => Ok(*value),
            (0 | 1, None) => Err(Status::NotFound.into()),
            _ => Err(Status::BadArgument.into()),
        })
    }

    pub(super) fn all(&self) -> BTreeMap<String, Metric> {
        self.values.with_metrics(|values| values.clone())
    }

    fn change<T>(&self, id: u32, work: impl FnOnce(Option<&mut Metric>) -> T) -> T {
        let name = self.names.get(&id);
        self.values.with_metrics(|values| work(name.and_then(|name| values.get_mut(name))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::abi::Fault;
    use super::*;

    fn code(answer: Answer) -> u32 {
        match answer {
            Ok(()) => 0,
            Err(Fault::Status(status)) => status.code(),
            Err(Fault::Trap(trap)) => panic!("{trap}"),
        }
    }

    /// The numbers are those that Envoy 1.40 gave for the same calls.
    #[test]
    fn ids_and_answers_are_envoys() {
        let mut metrics = Metrics::default();
        let ids: Vec<_> = [(0, "c"), (1, "g"), (2, "h"), (0, "c")]
            .map(|(kind, name)| metrics.define(kind, name.as_bytes()).unwrap())
            .into();
        assert_eq!(ids, [4, 5, 6, 8]);
        assert!(metrics.define(9, b"x").is_err());
        let calls = [
            (4, 3),
            (8, 2),
            (4, -1),
            (4, 0),
            (5, 5),
            (5, -2),
            (6, 1),
            (4000, 1),
            (4001, 1),
            (4002, 1),
            (4003, 1),
        ];
        let answers = calls.map(|(id, offset)| code(metrics.increment(id, offset)));
        assert_eq!(answers, [0, 0, 2, 2, 0, 0, 2, 1, 1, 2, 2]);
        let answers = [4, 5, 6, 4000, 4002].map(|id| code(metrics.get(id).map(drop)));
        assert_eq!(answers, [0, 0, 2, 1, 2]);
        let answers =
            [(4, 3), (5, 7), (6, 7), (4000, 1), (4002, 1)].map(|(id, value)| code(metrics.record(id, value)));
        assert_eq!(answers, [0, 0, 0, 1, 1]);
        assert_eq!(metrics.all()["c"], Metric::Counter(8));
        assert_eq!(metrics.all()["g"], Metric::Gauge(7));
        assert_eq!(metrics.all()["h"], Metric::Histogram { count: 1, sum: 7 });
    }
}
