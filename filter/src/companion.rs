//! What all calls to the companion have in common: where they go, who says that they are, and which worker makes them.

use crate::host::{self, HostError};
use sallyport_engine::bundle::{ENGINE, FORMAT};
use sallyport_engine::subscription::Lease;

/// The key of the counter that numbers VMs.
const VMS: &str = "sallyport.policy\nvms";
/// How often a number for this VM is drawn when others draw, too.
const TRIES: u32 = 16;
/// Where a companion serves bundles, unless `path` says otherwise; the audience follows.
pub(crate) const BUNDLES: &str = "/v1/bundle";
/// Where it takes records, behind whatever stands before [`BUNDLES`] in `path`.
const RECORDS: &str = "/v1/records";

/// Where a companion is.
#[derive(Debug)]
pub(crate) struct Companion {
    /// Envoy's cluster.
    pub(crate) cluster: String,
    /// The authority that a call names.
    pub(crate) authority: String,
    /// The path of the bundle for this audience.
    pub(crate) path: String,
}

impl Companion {
    /// The path where it takes records.
    pub(crate) fn records(&self) -> String {
        let before = self.path.find(BUNDLES).and_then(|at| self.path.get(..at)).unwrap_or_default();
        format!("{before}{RECORDS}")
    }

    /// Makes a call with headers of its own, beside those that every call has.
    pub(crate) fn call(
        &self,
        path: &str,
        own: &[(&str, &[u8])],
        body: &[u8],
        timeout: u64,
    ) -> Result<u32, HostError> {
        let (engine, format) = (ENGINE.to_string(), FORMAT.to_string());
        let node = node();
        let method: &[u8] = if body.is_empty() { b"GET" } else { b"POST" };
        let mut headers: Vec<(&str, &[u8])> = vec![
            (":method", method),
            (":path", path.as_bytes()),
            (":authority", self.authority.as_bytes()),
            ("x-sallyport-module", env!("CARGO_PKG_VERSION").as_bytes()),
            ("x-sallyport-engine", engine.as_bytes()),
            ("x-sallyport-format", format.as_bytes()),
            ("x-sallyport-node", &node),
        ];
        headers.extend_from_slice(own);
        host::call(&self.cluster, &headers, body, u32::try_from(timeout).unwrap_or(u32::MAX))
    }
}

/// The proxy's name among its like.
pub(crate) fn node() -> Vec<u8> {
    host::property("xds\0node\0id").unwrap_or_default()
}

/// Takes or renews a lease.
pub(crate) fn holds_lease(key: &str, me: u64, now: u64) -> bool {
    let (kept, version) = host::shared(key).unwrap_or_default();
    Lease::take(Some(&kept), me, now)
        .is_some_and(|lease| host::set_shared(key, &lease.to_bytes(), version).is_ok())
}

/// A number that no other VM of the proxy has.
pub(crate) fn number() -> u64 {
    for _ in 0..TRIES {
        let (kept, version) = host::shared(VMS).unwrap_or_default();
        let last = kept.try_into().map_or(0, u64::from_le_bytes);
        let next = last.wrapping_add(1);
        if host::set_shared(VMS, &next.to_le_bytes(), version).is_ok() {
            return next;
        }
    }
    chance()
}

/// A number that cannot well be foreseen, to spread calls over time; nothing is secret about it.
pub(crate) fn chance() -> u64 {
    // SplitMix64's finishing step spreads the clock's low bits over all of them.
    let mut mixed = host::unix_nanos().unwrap_or(0);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
