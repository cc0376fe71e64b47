//! Which records are asked for.

use std::path::Path;

use super::database::StoreError;
use super::postgres::Postgres;
use super::record::Record;
use super::rows::{Chain, Entry, Place};
use super::sqlite::Sqlite;
use super::store::Store;

/// What must be so of a record; what is not given may be anything.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// Received at this time or later, as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = crate::commands::moment)]
    since: Option<u64>,
    /// Received before this time
    #[arg(long, value_name = "TIME", value_parser = crate::commands::moment)]
    until: Option<u64>,
    /// From this proxy: a SPIFFE ID, or `node:` and its name
    #[arg(long, value_name = "PROXY")]
    proxy: Option<String>,
    /// Of this caller, a SPIFFE ID
    #[arg(long, value_name = "ID")]
    caller: Option<String>,
    /// Of this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Decided by a rule of this mission
    #[arg(long, value_name = "NAME")]
    mission: Option<String>,
    /// With this verdict: `allow`, `redact`, `deny` or `hold`; may be given several times
    #[arg(long, value_name = "VERDICT", value_parser = clap::builder::PossibleValuesParser::new(super::record::VERDICTS))]
    verdict: Vec<String>,
    /// With this reason; `scope.*` for a family
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Whose operation begins so
    #[arg(long, value_name = "TEXT")]
    operation: Option<String>,
    /// To this destination
    #[arg(long, value_name = "AUTHORITY")]
    destination: Option<String>,
    /// With a finding of this detector; `*` for any
    #[arg(long, value_name = "ID")]
    finding: Option<String>,
    /// Of this trace
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Of this request
    #[arg(long, value_name = "ID")]
    request: Option<String>,
}

/// A record that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The proxy's name in the store.
    pub(crate) proxy: String,
    pub(crate) entry: Entry,
    pub(crate) record: Record,
}

/// The chains of a store by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(u64, String)>);

impl Filter {
    /// Whether a record is asked for.
    pub(crate) fn takes(&self, found: &Found) -> bool {
        self.wants(&found.proxy, found.entry.place.received, &found.record)
    }

    /// Whether a record is asked for that this proxy sent, and that was received at this time.
    pub(crate) fn wants(&self, proxy: &str, received: u64, record: &Record) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
        };
        self.since.is_none_or(|since| received >= since.saturating_mul(1000))
            && self.until.is_none_or(|until| received < until.saturating_mul(1000))
            && is(&self.proxy, Some(proxy))
            && is(&self.caller, record.caller.as_deref())
            && is(&self.agent, record.agent.as_deref())
            && is(&self.mission, record.mission.as_deref())
            && (self.verdict.is_empty()
                || self.verdict.iter().any(|verdict| verdict == record.verdict.as_str()))
            && self.reason.as_deref().is_none_or(|wanted| is_reason(wanted, &record.reason))
            && (self.operation.as_deref())
                .is_none_or(|start| record.operation.as_deref().is_some_and(|it| it.starts_with(start)))
            && is(&self.destination, record.destination.as_deref())
            && (self.finding.as_deref())
                .is_none_or(|wanted| record.findings.iter().any(|it| wanted == "*" || it.detector == wanted))
            && is(&self.trace, record.trace_id.as_deref())
            && is(&self.request, record.request_id.as_deref())
    }

    /// Hands over what is asked for, the oldest first.
    pub(crate) fn each(
        &self,
        store: &mut Store,
        mut take: impl FnMut(Found) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut names = Names::default();
        let mut place = self.since.map_or(Place::default(), |since| Place::at(since.saturating_mul(1000)));
        loop {
            let page = store.after(place)?;
            let Some(last) = page.last() else { return Ok(()) };
            place = last.place;
            if self.until.is_some_and(|until| {
                page.first().is_some_and(|entry| entry.place.received >= until.saturating_mul(1000))
            }) {
                return Ok(());
            }
            for entry in page {
                if let Some(found) = names.find(store, entry)?.filter(|found| self.takes(found)) {
                    take(found)?;
                }
            }
        }
    }

    /// The newest that are asked for, the oldest of them first.
    pub(crate) fn newest(&self, store: &mut Store, most: usize) -> Result<Vec<Found>, StoreError> {
        let mut names = Names::default();
        let mut newest = Vec::new();
        let mut place = self.until.map_or(Place::LAST, |until| Place::at(until.saturating_mul(1000)));
        'all: while newest.len() < most {
            let page = store.before(place)?;
            let Some(last) = page.last() else { break };
            place = last.place;
            for entry in page {
                if self.since.is_some_and(|since| entry.place.received < since.saturating_mul(1000))
                    || newest.len() >= most
                {
                    break 'all;
                }
                newest.extend(names.find(store, entry)?.filter(|found| self.takes(found)));
            }
        }
        newest.reverse();
        Ok(newest)
    }
}

fn is_reason(wanted: &str, reason: &str) -> bool {
    match wanted.strip_suffix(".*") {
        Some(family) => reason.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
        None => wanted == reason,
    }
}

impl Names {
    /// A record with its proxy's name; nothing where it can no longer be read, of which `verify` tells.
    pub(crate) fn find(&mut self, store: &mut Store, entry: Entry) -> Result<Option<Found>, StoreError> {
        let chain = entry.place.chain;
        let known = |names: &Self| names.0.iter().find(|(id, _)| *id == chain).map(|(_, name)| name.clone());
        let mut proxy = known(self);
        if proxy.is_none() {
            let named = |chain: Chain| (chain.id, chain.signed.extent.proxy.as_str().to_owned());
            self.0 = store.chains()?.into_iter().map(named).collect();
            proxy = known(self);
        }
        let record = Record::parse(&entry.raw);
        Ok(proxy.zip(record).map(|(proxy, record)| Found { proxy, entry, record }))
    }
}

impl Store {
    /// Opens the store that is named: `postgres://…`, or a file of SQLite. It is made if that is asked.
    pub(crate) fn named(name: &str, make: bool) -> Result<Self, StoreError> {
        let database: Box<dyn super::database::Database> =
            if name.starts_with("postgres://") || name.starts_with("postgresql://") {
                Box::new(Postgres::open(name)?)
            } else {
                Box::new(Sqlite::open(Path::new(name), make)?)
            };
        if make { Self::create(database) } else { Self::open(database) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_reason;

    #[test]
    fn a_family_is_a_whole_word() {
        assert!(is_reason("scope.*", "scope.tool") && is_reason("scope.tool", "scope.tool"));
        assert!(
            !is_reason("scop.*", "scope.tool")
                && !is_reason("scope", "scope.tool")
                && !is_reason("scope.*", "scope")
        );
    }
}
