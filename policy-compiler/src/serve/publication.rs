//! What is served: bundles by audience, none of which changes any more. The next publication takes the place of the whole.
//!
//! Of a policy folder, a slice is made when somebody first asks for it, once for all who do, and is kept while there is room.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Bundle, BundleError, Terms, encode_under};
use sallyport_engine::policy::{Mode, Overflow};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;

use crate::Audience;
use crate::keys::{self, SecretKey};
use crate::slice::slice;

/// The most slices of a kind that are kept.
const MAX_SLICES: usize = 1024;
/// The most bytes of slices for audiences that the policy names, compressed ones not counted.
const MAX_NAMED_BYTES: usize = 192 * 1024 * 1024;
/// The most bytes of slices for all others: there is little in them, and anybody may make names up.
const MAX_OTHER_BYTES: usize = 64 * 1024 * 1024;
/// How many slices are made at once.
const SLICING: usize = 2;
/// Where the engine that a bundle needs stands in it.
const ENGINE_AT: std::ops::Range<usize> = 12..16;

/// Everything that is served at one time.
#[derive(Debug)]
pub(super) struct Publication {
    /// By audience; the empty one is for all.
    bundles: BTreeMap<String, Arc<Served>>,
    slicing: Option<Arc<Slicing>>,
}

/// The bytes of one bundle, and what is said of them.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) bytes: Bytes,
    /// The SHA-256 of the bytes, in lower-case hexadecimal.
    pub(super) tag: String,
    pub(super) serial: u64,
    /// The least engine that can judge by it.
    pub(super) engine: u32,
    gzip: OnceCell<Bytes>,
    /// One at a time compresses, also where who asked for it has left.
    packing: Arc<Semaphore>,
}

/// What slices are made of.
#[derive(Debug)]
struct Slicing {
    policy: Policy,
    /// Whom each service is for, by its number.
    services: Vec<Vec<Audience>>,
    keys: Vec<SecretKey>,
    /// For audiences that the policy names, and their namespaces.
    named: Mutex<Kept>,
    /// For others. They have room of their own, so that names that somebody makes up drive nothing out that is asked for every day.
    others: Mutex<Kept>,
    workers: Arc<Semaphore>,
}

type Cell = Arc<OnceCell<Result<Arc<Served>, BundleError>>>;

/// Slices by audience, with a number that says how long ago each was asked for.
#[derive(Debug)]
struct Kept {
    /// The most bytes of them.
    room: usize,
    slices: HashMap<Audience, (Cell, u64)>,
    clock: u64,
}

// === impl Served ===

impl Served {
    /// A bundle that holds.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, BundleError> {
        let bundle = Bundle::read(&bytes)?;
        let serial = bundle.serial();
        let engine = bundle.signed().get(ENGINE_AT).and_then(|bytes| bytes.try_into().ok());
        let engine = engine.map(u32::from_le_bytes).ok_or(BundleError::Length)?;
        let tag = hex(&Sha256::digest(&bytes));
        Ok(Self {
            bytes: bytes.into(),
            tag,
            serial,
            engine,
            gzip: OnceCell::new(),
            packing: Arc::new(Semaphore::new(1)),
        })
    }

    /// The bytes compressed, the same on every machine; as they are if that fails.
    pub(super) async fn gzip(&self) -> Bytes {
        let make = || async {
            let bytes = self.bytes.clone();
            let packed = in_turn(&self.packing, move || compress(&bytes)).await;
            packed.unwrap_or_else(|| self.bytes.clone())
        };
        self.gzip.get_or_init(make).await.clone()
    }
}

/// Does hard work once it is its turn; none if it failed. Who asks may leave before it is done: the work then goes on, and so the turn is
/// the work's, not theirs.
async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = Arc::clone(turns).acquire_owned().await.ok()?;
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    spawn_blocking(work).await.ok()
}

/// Whether a policy lets nothing go on that is not recorded.
pub(crate) fn requires_records(policy: &Policy) -> bool {
    let settings = &policy.parts().settings;
    settings.audit.overflow == Overflow::Required && settings.mode != Mode::Observe
}

fn compress(bytes: &Bytes) -> Bytes {
    // No time and no name of a system: replicas answer with the same bytes.
    let mut encoder = GzBuilder::new().operating_system(255).write(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_or_else(|_| bytes.clone(), Bytes::from)
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Publication ===

impl Publication {
    /// Bundles that were signed elsewhere, by audience.
    pub(super) fn of_bundles(bundles: BTreeMap<String, Arc<Served>>) -> Self {
        Self { bundles, slicing: None }
    }

    /// A policy as a whole bundle, and what slices of it are made and signed with.
    pub(super) fn of_policy(
        whole: Served,
        policy: Policy,
        services: Vec<Vec<Audience>>,
        keys: Vec<SecretKey>,
    ) -> Self {
        let room = |bytes| Mutex::new(Kept::new(bytes));
        let (named, others) = (room(MAX_NAMED_BYTES), room(MAX_OTHER_BYTES));
        let workers = Arc::new(Semaphore::new(SLICING));
        let slicing = Slicing { policy, services, keys, named, others, workers };
        Self { bundles: BTreeMap::from([(String::new(), Arc::new(whole))]), slicing: Some(Arc::new(slicing)) }
    }

    /// The newest serial of all bundles.
    pub(super) fn serial(&self) -> u64 {
        self.bundles.values().map(|served| served.serial).max().unwrap_or(0)
    }

    /// The bundles that slices are made of, or all of them.
    pub(super) fn bundles(&self) -> &BTreeMap<String, Arc<Served>> {
        &self.bundles
    }

    /// Whom each service is for, where slices can be made.
    pub(super) fn services(&self) -> Option<&[Vec<Audience>]> {
        self.slicing.as_ref().map(|slicing| slicing.services.as_slice())
    }

    /// Whether some of it lets nothing go on that is not recorded.
    pub(super) fn requires_records(&self) -> bool {
        self.bundles.values().any(|served| {
            let policy = Bundle::read(&served.bytes).ok().and_then(|bundle| bundle.policy().ok());
            policy.is_some_and(|policy| requires_records(&policy))
        })
    }

    /// Whether both serve the same bytes to everybody.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let tags = |one: &Self| -> Vec<_> {
            one.bundles.iter().map(|(audience, served)| (audience.clone(), served.tag.clone())).collect()
        };
        tags(self) == tags(other) && self.services() == other.services()
    }

    /// The bundle for an audience, or for all: of several, the one that is for the fewest.
    pub(super) async fn bundle(
        &self,
        audience: Option<&Audience>,
    ) -> Result<Option<Arc<Served>>, BundleError> {
        let Some(audience) = audience else { return Ok(self.bundles.get("").cloned()) };
        if let Some(slicing) = &self.slicing {
            return slicing.slice(audience).await.map(Some);
        }
        Ok(self.narrowest(&audience.to_string()).cloned())
    }

    /// The serial of what an audience is sent.
    pub(super) fn serial_for(&self, audience: &str) -> Option<u64> {
        let sliced = self.slicing.is_some().then_some("");
        self.narrowest(sliced.unwrap_or(audience)).map(|served| served.serial)
    }

    fn narrowest(&self, audience: &str) -> Option<&Arc<Served>> {
        let namespace = audience.split('/').next().unwrap_or_default();
        [audience, namespace, ""].into_iter().find_map(|name| self.bundles.get(name))
    }
}

// === impl Slicing ===

impl Slicing {
    async fn slice(self: &Arc<Self>, audience: &Audience) -> Result<Arc<Served>, BundleError> {
        let kept = if self.names(audience) { &self.named } else { &self.others };
        let cell = kept.lock().unwrap_or_else(PoisonError::into_inner).cell(audience);
        let make = || async {
            let (this, audience) = (Arc::clone(self), audience.clone());
            let made = in_turn(&self.workers, move || this.make(&audience)).await;
            made.unwrap_or(Err(BundleError::Payload)).map(Arc::new)
        };
        cell.get_or_init(make).await.clone()
    }

    /// Whether some service is for this very audience, or for a workload of this namespace.
    fn names(&self, audience: &Audience) -> bool {
        self.services.iter().flatten().any(|one| audience.contains(one))
    }

    fn make(&self, audience: &Audience) -> Result<Served, BundleError> {
        let parts = slice(self.policy.parts(), &self.services, audience);
        let policy = Policy::new(parts).map_err(BundleError::Policy)?;
        let terms = Terms { audience: Some(audience.to_string()), ..Terms::default() };
        Served::new(keys::sign(&encode_under(&policy, &terms)?, &self.keys)?)
    }
}

// === impl Kept ===

impl Kept {
    fn new(room: usize) -> Self {
        Self { room, slices: HashMap::new(), clock: 0 }
    }

    /// The place of a slice, which is made there if it is not yet.
    fn cell(&mut self, audience: &Audience) -> Cell {
        self.clock += 1;
        if let Some((cell, used)) = self.slices.get_mut(audience) {
            *used = self.clock;
            return Arc::clone(cell);
        }
        while self.slices.len() >= MAX_SLICES || self.bytes() > self.room {
            let oldest = self.slices.iter().min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.slices.remove(&oldest);
        }
        let cell = Cell::default();
        self.slices.insert(audience.clone(), (Arc::clone(&cell), self.clock));
        cell
    }

    fn bytes(&self) -> usize {
        let made = self.slices.values().filter_map(|(cell, _)| cell.get()?.as_ref().ok());
        made.map(|served| served.bytes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use flate2::read::GzDecoder;
    use sallyport_engine::policy::PolicyParts;
    use tokio::time::timeout;

    use super::*;

    fn audience(number: usize) -> Audience {
        Audience::parse(&format!("tools/w{number}")).unwrap()
    }

    #[test]
    fn slices_are_kept_while_there_is_room_and_those_asked_for_last_stay() {
        let mut kept = Kept::new(MAX_OTHER_BYTES);
        let first = kept.cell(&audience(0));
        for number in 1..=MAX_SLICES {
            kept.cell(&audience(number));
            assert!(Arc::ptr_eq(&first, &kept.cell(&audience(0))), "it is in use");
        }
        assert_eq!(kept.slices.len(), MAX_SLICES);
        assert!(!kept.slices.contains_key(&audience(1)) && kept.slices.contains_key(&audience(2)));
    }

    #[test]
    fn what_the_policy_names_has_room_of_its_own() {
        let audience = |text| Audience::parse(text).unwrap();
        let policy = Policy::new(PolicyParts::default()).unwrap();
        let services = vec![vec![audience("tools/docs")], vec![audience("finance")], Vec::new()];
        let whole = Served::new(sallyport_engine::bundle::encode(&policy).unwrap()).unwrap();
        let publication = Publication::of_policy(whole, policy, services, Vec::new());
        let slicing = publication.slicing.unwrap();
        for named in ["tools", "tools/docs", "finance"] {
            assert!(slicing.names(&audience(named)), "{named}");
        }
        for other in ["tools/made-up", "finance/made-up", "made-up", "docs"] {
            assert!(!slicing.names(&audience(other)), "{other}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_leaves_does_not_make_room_for_more_work() {
        let turns = Arc::new(Semaphore::new(1));
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..20 {
            let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
            let work = move || {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                assert!(gate.lock().unwrap().recv().is_err(), "it ends when the gate opens");
                running.fetch_sub(1, SeqCst);
            };
            let left = timeout(Duration::from_millis(5), in_turn(&turns, work)).await;
            assert!(left.is_err(), "nothing is done before the gate opens");
        }
        drop(open);
        assert_eq!(in_turn(&turns, || 1).await, Some(1));
        assert_eq!(most.load(SeqCst), 1);
    }

    #[test]
    fn what_is_compressed_is_the_same_every_time() {
        let bytes = Bytes::from(b"policy ".repeat(1000));
        let packed = compress(&bytes);
        assert_eq!(packed, compress(&bytes));
        assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], "no time, no system");
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, bytes);
    }
}
