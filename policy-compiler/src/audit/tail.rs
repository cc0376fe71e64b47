//! What is new in a store, whoever writes it: each chain is followed by its places, so that no clock hides a record.

use std::collections::BTreeMap;

use super::database::StoreError;
use super::filter::{Found, Names};
use super::store::Store;

/// How far each chain was read.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    read: BTreeMap<u64, u64>,
    names: Names,
}

impl Tail {
    /// From now on: what is there already is not told.
    pub(crate) fn from_now(store: &mut Store) -> Result<Self, StoreError> {
        let ends = store.chains()?.into_iter().map(|chain| (chain.id, chain.signed.extent.length));
        Ok(Self { read: ends.collect(), names: Names::default() })
    }

    /// Hands over what came since, chain by chain; how many records that were.
    pub(crate) fn poll(
        &mut self,
        store: &mut Store,
        mut take: impl FnMut(Found) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let mut told = 0;
        for chain in store.chains()? {
            loop {
                let read = self.read.get(&chain.id).copied().unwrap_or(0);
                if read >= chain.signed.extent.length {
                    break;
                }
                let page = store.of_chain(chain.id, read)?;
                let Some(last) = page.last() else { break };
                self.read.insert(chain.id, last.place.place);
                for entry in page {
                    if let Some(found) = self.names.find(store, entry)? {
                        take(found)?;
                        told += 1;
                    }
                }
            }
        }
        Ok(told)
    }
}
