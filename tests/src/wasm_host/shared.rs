//! What the VMs of one Envoy share: keyed data with compare-and-swap, queues, and the values of metrics.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::abi::{Answer, Status};
use super::metrics::Metric;

/// The shared memory of one process. Clones are the same memory; give one to every VM that should see it.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
    queues: Vec<Queue>,
    metrics: BTreeMap<String, Metric>,
}

#[derive(Debug)]
struct Queue {
    name: Vec<u8>,
    items: VecDeque<Vec<u8>>,
    /// Items whose arrival was not announced yet.
    unannounced: usize,
}

impl Shared {
    /// Forgets all data; queues stay.
    pub(super) fn clear(&self) {
        self.state().data.clear();
    }

    /// Does something with the values of all metrics, by name.
    pub(super) fn with_metrics<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Metric>) -> T) -> T {
        work(&mut self.state().metrics)
    }

    /// The value under a key and its version.
    pub(super) fn get(&self, key: &[u8]) -> Answer<(Vec<u8>, u32)> {
        self.state().data.get(key).cloned().ok_or(Status::NotFound.into())
    }

    /// Sets a value if its version still is `cas`; 0 sets it whatever its version.
    pub(super) fn set(&self, key: &[u8], value: Vec<u8>, cas: u32) -> Answer {
        let mut state = self.state();
        if cas != 0 && state.data.get(key).is_some_and(|(_, version)| *version != cas) {
            return Err(Status::CasMismatch.into());
        }
        state.last_cas += 1;
        let version = state.last_cas;
        state.data.insert(key.to_vec(), (value, version));
        Ok(())
    }

    /// The number of the queue of that name, which is made if it is not there.
    pub(super) fn register(&self, name: &[u8]) -> Answer<u32> {
        if let Ok(number) = self.resolve(name) {
            return Ok(number);
        }
        self.state().queues.push(Queue { name: name.to_vec(), items: VecDeque::new(), unannounced: 0 });
        self.resolve(name)
    }

    /// The number of the queue of that name.
    pub(super) fn resolve(&self, name: &[u8]) -> Answer<u32> {
        let at = self.state().queues.iter().position(|queue| queue.name == name).ok_or(Status::NotFound)?;
        u32::try_from(at + 1).map_err(|_| Status::NotFound.into())
    }

    pub(super) fn enqueue(&self, number: u32, value: Vec<u8>) -> Answer {
        let mut state = self.state();
        let queue = state.queue(number)?;
        queue.items.push_back(value);
        queue.unannounced += 1;
        Ok(())
    }

    pub(super) fn dequeue(&self, number: u32) -> Answer<Vec<u8>> {
        self.state().queue(number)?.items.pop_front().ok_or(Status::Empty.into())
    }

    /// The queues that got something since they were last asked, once per item.
    pub(super) fn ready(&self) -> Vec<u32> {
        let mut ready = Vec::new();
        for (number, queue) in (1..).zip(self.state().queues.iter_mut()) {
            ready.extend(std::iter::repeat_n(number, std::mem::take(&mut queue.unannounced)));
        }
        ready
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, number: u32) -> Answer<&mut Queue> {
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.queues.get_mut(at)).ok_or(Status::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_guards_a_value() {
        let shared = Shared::default();
        assert!(shared.get(b"k").is_err());
        assert!(shared.set(b"k", b"v".to_vec(), 0).is_ok());
        let (_, version) = shared.get(b"k").unwrap();
        assert!(shared.set(b"k", b"w".to_vec(), version + 5).is_err());
        assert!(shared.set(b"k", b"w".to_vec(), version).is_ok());
        assert_eq!(shared.clone().get(b"k").unwrap().0, b"w");
    }

    #[test]
    fn queues_keep_order_and_announce_each_item_once() {
        let shared = Shared::default();
        let queue = shared.register(b"q").unwrap();
        assert_eq!(shared.register(b"q").unwrap(), queue);
        shared.enqueue(queue, b"1".to_vec()).unwrap();
        shared.enqueue(queue, b"2".to_vec()).unwrap();
        assert_eq!((shared.ready(), shared.ready()), (vec![queue, queue], vec![]));
        assert_eq!(shared.dequeue(queue).unwrap(), b"1");
        assert_eq!(shared.dequeue(queue).unwrap(), b"2");
        assert!(shared.dequeue(queue).is_err() && shared.enqueue(queue + 1, vec![]).is_err());
    }
}
