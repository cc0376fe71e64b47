//! Following a companion: fetches bundles for all workers of the proxy, and takes what another worker has fetched.
//!
//! Every worker has a VM, and so a follower, of its own. One of them, which holds the lease, asks the companion; it leaves the bundle
//! and a notice of it in memory that they share. The others look at the notice with each tick. A VM that starts anew after a trap
//! finds both there. What is found is verified before it is used, as what is fetched is: other plugins can write to that memory.

use crate::companion::{self, Companion, chance};
use crate::host::{self, Buffer, HostError, Level, Map};
use crate::telemetry::Telemetry;
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Active, BundleError, Trust};
use sallyport_engine::http::Head;
use sallyport_engine::subscription::{Answer, FetchError, Notice, Pace, Subscription, call_millis};
use std::cell::Cell;
use std::rc::Rc;

/// How often a follower looks at the notice.
const TICK_MILLIS: u32 = 200;
/// What the keys in shared memory begin with.
const SHARED: &str = "sallyport.policy\n";

/// One worker's follower.
#[derive(Debug)]
pub(crate) struct Follower {
    companion: Rc<Companion>,
    subscription: Subscription,
    keys: Keys,
    pace: Pace,
    /// This VM's number among those of the proxy.
    me: u64,
    /// The call that is under way, and the tag that it named.
    call: Option<(u32, Vec<u8>)>,
    /// Why the last call brought nothing.
    failure: Option<FetchError>,
    /// The notice that led to nothing new here, so that what it tells of is not verified again with each tick; and why, if it was refused.
    passed_by: Option<(Notice, Option<BundleError>)>,
    confirmed: Rc<Cell<u64>>,
    clock: Option<u64>,
    telemetry: Rc<Telemetry>,
}

/// The keys in shared memory. The lease is of one configuration: after a change of keys, an earlier one goes on until its last stream
/// has ended, and would not take what the new one takes. What was fetched is for all: each verifies it.
#[derive(Debug)]
struct Keys {
    bundle: String,
    notice: String,
    lease: String,
}

/// What a follower is made of.
pub(crate) struct Following<'a> {
    pub(crate) companion: Rc<Companion>,
    pub(crate) trust: Trust,
    /// The bundle of the configuration, to begin with.
    pub(crate) bundle: Option<&'a [u8]>,
    /// A number that differs from configuration to configuration.
    pub(crate) configuration: u64,
    pub(crate) clock: Option<u64>,
    pub(crate) telemetry: Rc<Telemetry>,
}

impl Follower {
    /// A follower, and the policy that it begins with: what the proxy's workers have, or else the bundle of the configuration.
    pub(crate) fn start(following: Following<'_>) -> (Self, Option<Policy>) {
        let Following { companion, trust, bundle, configuration, clock, telemetry } = following;
        let audience = trust.audience.as_deref().unwrap_or_default();
        // Two plugins in one proxy may have companions of their own.
        let plugin = ["plugin_name", "plugin_root_id"].map(|part| host::property(part).unwrap_or_default());
        let plugin = String::from_utf8_lossy(&plugin.join(&b'\n')).into_owned();
        let keys = Keys {
            bundle: format!("{SHARED}bundle\n{plugin}\n{audience}"),
            notice: format!("{SHARED}notice\n{plugin}\n{audience}"),
            lease: format!("{SHARED}lease\n{plugin}\n{audience}\n{configuration}"),
        };
        let mut follower = Self {
            companion,
            subscription: Subscription::new(trust),
            keys,
            pace: Pace::default(),
            me: companion::number(),
            call: None,
            failure: None,
            passed_by: None,
            confirmed: Rc::default(),
            clock,
            telemetry,
        };
        let own = bundle.and_then(|bundle| follower.begin_with(bundle));
        let shared = follower.look();
        if let Err(error) = host::set_tick_period(TICK_MILLIS) {
            host::log(Level::Critical, &format!("sallyport cannot follow its companion: {error}"));
        }
        (follower, shared.or(own))
    }

    /// When the companion last said that the policy holds, in seconds since 1970; 0 if it never did.
    pub(crate) fn confirmed(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.confirmed)
    }

    /// Takes the bundle of the configuration, unless the proxy has a newer one, and lets the others know.
    fn begin_with(&mut self, bundle: &[u8]) -> Option<Policy> {
        let (floor, now) = (self.floor(), self.now());
        match self.subscription.take(bundle, floor.as_ref(), now) {
            Ok(policy) => {
                if !self.notice().is_some_and(|notice| self.subscription.is_told_by(&notice)) {
                    self.publish(bundle, Vec::new());
                }
                policy
            }
            // A newer one is there, which `look` finds.
            Err(BundleError::Older) => None,
            Err(error) => {
                host::log(Level::Critical, &format!("`bundle` in pluginConfig is refused: {error}"));
                None
            }
        }
    }

    /// Looks whether the proxy has something newer, and asks the companion when it is time to.
    pub(crate) fn tick(&mut self) -> Option<Policy> {
        let policy = self.look();
        let now = host::unix_millis().unwrap_or(0);
        // Its holder keeps the lease while it waits, too: else the others would not wait with it.
        if companion::holds_lease(&self.keys.lease, self.me, now) && self.pace.is_due(now) {
            self.ask(now);
        }
        policy
    }

    /// Takes what another worker left, if it is newer than what is in force here.
    fn look(&mut self) -> Option<Policy> {
        let notice = self.notice()?;
        if self.subscription.is_told_by(&notice) {
            self.confirmed.set(notice.confirmed);
            return None;
        }
        let before = self.passed_by.as_ref();
        if !self.subscription.is_behind(&notice) {
            return None;
        }
        if before.is_some_and(|(known, _)| *known == notice) {
            self.telemetry.lags(self.subscription.active().map(|active| active.serial));
            return None;
        }
        let (bundle, _) = host::shared(&self.keys.bundle).ok()?;
        let taken = self.subscription.take(&bundle, None, self.now());
        if self.subscription.is_told_by(&notice) {
            self.confirmed.set(notice.confirmed);
            return taken.ok().flatten();
        }
        let error = taken.as_ref().err().copied();
        if let Some(error) = error.filter(|_| before.is_none_or(|(_, before)| *before != error)) {
            host::log(Level::Warn, &format!("sallyport refuses what another worker left: {error}"));
        }
        self.passed_by = Some((notice, error));
        taken.ok().flatten()
    }

    /// What the proxy has that is newer than what is in force here.
    fn floor(&self) -> Option<Active> {
        let shared = || host::shared(&self.keys.bundle).ok().map(|(bundle, _)| bundle);
        self.subscription.floor(&self.notice()?, shared)
    }

    fn notice(&self) -> Option<Notice> {
        let (bytes, _) = host::shared(&self.keys.notice).ok()?;
        Notice::read(&bytes)
    }

    fn ask(&mut self, now: u64) {
        // Only what is in force can be unchanged: another tag may be of something that this worker refuses.
        let notice = self.notice().filter(|notice| self.subscription.is_told_by(notice));
        let tag = notice.map(|notice| notice.tag).unwrap_or_default();
        self.pace.begin(now);
        match self.dispatch(&tag) {
            Ok(token) => self.call = Some((token, tag)),
            Err(_) => self.fail(FetchError::Unreachable),
        }
    }

    fn dispatch(&self, tag: &[u8]) -> Result<u32, HostError> {
        let serial = self.subscription.active().map(|active| active.serial.to_string());
        // Without something to hold it against, nobody is served by waiting.
        let seconds = if tag.is_empty() { 0 } else { self.subscription.wait_seconds() };
        let wait = format!("wait={seconds}");
        let mut headers: Vec<(&str, &[u8])> =
            vec![("accept", b"application/vnd.sallyport.bundle"), ("accept-encoding", b"gzip")];
        if let Some(serial) = &serial {
            headers.push(("x-sallyport-serial", serial.as_bytes()));
        }
        // What failed on the way says nothing of what was served.
        if let Some(failure @ FetchError::Refused(_)) = &self.failure {
            headers.push(("x-sallyport-refused", failure.code().as_bytes()));
        }
        if !tag.is_empty() {
            headers.extend([("if-none-match", tag), ("prefer", wait.as_bytes())]);
        }
        self.companion.call(&self.companion.path, &headers, b"", call_millis(seconds))
    }

    /// Reads what came of a call.
    pub(crate) fn answered(&mut self, token: u32, headers: usize, size: usize) -> Option<Policy> {
        let (_, tag) = self.call.take_if(|(call, _)| *call == token)?;
        match self.read_answer(&tag, headers, size) {
            Ok(policy) => {
                if self.failure.take().is_some() {
                    host::log(Level::Warn, "sallyport hears from its companion again");
                }
                self.telemetry.fetched(if policy.is_some() { "new" } else { "unchanged" });
                self.pace.succeeded(policy.is_some(), chance());
                policy
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn read_answer(&mut self, tag: &[u8], headers: usize, size: usize) -> Result<Option<Policy>, FetchError> {
        if headers == 0 {
            return Err(FetchError::Unreachable);
        }
        let head = host::header_pairs(Map::CallResponseHeaders).map_err(|_| FetchError::Unreachable)?;
        let pairs = head.parse().ok_or(FetchError::Unreachable)?;
        let body = host::buffer(Buffer::CallResponseBody, size).map_err(|_| FetchError::Unreachable)?;
        match Answer::read(&Head::new(&pairs), &body, tag)? {
            Answer::Unchanged => {
                self.confirm();
                Ok(None)
            }
            Answer::Bundle(bundle, tag) => {
                let (floor, now) = (self.floor(), self.now());
                let taken = self.subscription.take(&bundle, floor.as_ref(), now);
                let policy = taken.map_err(FetchError::Refused)?;
                self.publish(&bundle, tag);
                Ok(policy)
            }
        }
    }

    fn fail(&mut self, error: FetchError) {
        self.telemetry.fetched(error.code());
        // Once, and not with each call: this may go on for days.
        if self.failure != Some(error) {
            let why = match &error {
                FetchError::Unreachable => "does not answer".to_owned(),
                FetchError::Status => "answers with another status than 200 and 304".to_owned(),
                FetchError::Encoding => "answers with a body that does not decode".to_owned(),
                FetchError::TooLarge => "answers with more than a bundle may hold".to_owned(),
                FetchError::Refused(error) => format!("serves a bundle that is refused: {error}"),
            };
            host::log(Level::Warn, &format!("sallyport keeps what it has: its companion {why}"));
        }
        self.failure = Some(error);
        self.pace.failed(host::unix_millis().unwrap_or(0), chance());
    }

    /// Leaves a bundle that is in force here for the others: first the bundle, then the notice that sends them to it. The same policy under
    /// other signatures takes the place of what is there: others may have other keys since. Where another worker is faster it stays as
    /// that one leaves it, and the next answer puts it right.
    fn publish(&self, bundle: &[u8], tag: Vec<u8>) {
        let Some(active) = self.subscription.active() else { return };
        if self.floor().is_some() {
            return;
        }
        let (there, version) = host::shared(&self.keys.bundle).unwrap_or_default();
        if there == bundle || host::set_shared(&self.keys.bundle, bundle, version).is_ok() {
            self.tell(&Notice::new(*active, self.seconds(), tag));
        }
    }

    /// The companion says that what is in force holds.
    fn confirm(&self) {
        let Some(mut notice) = self.notice().filter(|notice| self.subscription.is_told_by(notice)) else {
            return;
        };
        notice.confirmed = self.seconds();
        self.tell(&notice);
    }

    fn tell(&self, notice: &Notice) {
        self.confirmed.set(notice.confirmed);
        self.telemetry.confirmed(notice.confirmed);
        // Who cannot be told finds out when the companion is asked next.
        let _ = host::set_shared(&self.keys.notice, &notice.to_bytes(), 0);
    }

    /// The time for limits of bundles, in seconds.
    fn now(&self) -> Option<u64> {
        self.clock.or_else(|| host::unix_seconds().ok())
    }

    fn seconds(&self) -> u64 {
        self.now().unwrap_or(0)
    }
}
