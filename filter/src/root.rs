//! The root context: from plugin configuration to what every stream starts with.

use crate::audit::{Queue, Sender};
use crate::companion;
use crate::config::{Config, ConfigError, Hold};
use crate::follow::{Follower, Following};
use crate::host::{self, Buffer, Level};
use crate::peer::Peers;
use crate::stream::{Around, Stream};
use crate::telemetry::Telemetry;
use crate::world::World;
use sallyport_engine::subscription::Subscription;
use sallyport_engine::{Exchange, Policy};
use std::rc::Rc;

/// What the streams of one plugin configuration share. Without a policy, everything is refused.
#[derive(Debug, Default)]
pub(crate) struct Root {
    policy: Option<Rc<Policy>>,
    follower: Option<Follower>,
    sender: Option<Sender>,
    around: Rc<Around>,
    world: Rc<World>,
}

impl Root {
    /// Reads the plugin configuration anew.
    pub(crate) fn configure(&mut self, size: usize) {
        *self = Self::default();
        if let Err(error) = self.load(size) {
            host::log(Level::Critical, &format!("sallyport denies everything: {error}"));
            self.around.telemetry.misconfigured(error.code());
        }
    }

    fn load(&mut self, size: usize) -> Result<(), ConfigError> {
        let json = host::buffer(Buffer::PluginConfiguration, size).map_err(|_| ConfigError::Absent)?;
        let Config { bundle, trust, companion, interlock, identity, hold, clock } = Config::parse(&json)?;
        if clock.is_some() {
            host::log(
                Level::Critical,
                "sallyport's clock stands still, as `clock` in pluginConfig says: this is for tests only",
            );
        }
        let telemetry = Rc::new(Telemetry::default());
        let companion = companion.map(Rc::new);
        let queue = companion.as_deref().map(|companion| Rc::new(Queue::new(companion)));
        self.around = Rc::new(Around {
            hold,
            interlock,
            peers: Peers::new(identity),
            telemetry: Rc::clone(&telemetry),
            queue: queue.clone(),
            clock,
            node: String::from_utf8(companion::node()).ok().filter(|node| !node.is_empty()),
        });
        if let (Some(companion), Some(queue)) = (&companion, &queue) {
            let (companion, queue) = (Rc::clone(companion), Rc::clone(queue));
            self.sender = Some(Sender::new(companion, queue, Rc::clone(&telemetry)));
        }
        self.world = Rc::new(World { clock, confirmed: None, queue: None });
        let policy = match companion {
            None => {
                let now = clock.or_else(|| host::unix_seconds().ok());
                let bundle = bundle.unwrap_or_default();
                Subscription::new(trust).take(&bundle, None, now).map_err(ConfigError::Bundle)?
            }
            Some(companion) => {
                let (configuration, bundle) = (fingerprint(&json), bundle.as_deref());
                let following = Following { companion, trust, bundle, configuration, clock, telemetry };
                let (follower, policy) = Follower::start(following);
                self.world = Rc::new(World { clock, confirmed: Some(follower.confirmed()), queue });
                self.follower = Some(follower);
                policy
            }
        };
        self.around.telemetry.configured(policy.is_some());
        self.enforce(policy);
        Ok(())
    }

    /// Puts a policy into force. The one before stays until the streams that began with it have ended.
    fn enforce(&mut self, policy: Option<Policy>) {
        if let Some(policy) = policy {
            self.around.telemetry.enforced(policy.parts().serial);
            self.policy = Some(Rc::new(policy));
        }
    }

    /// Some time has passed.
    pub(crate) fn tick(&mut self) {
        let policy = self.follower.as_mut().and_then(Follower::tick);
        self.enforce(policy);
        if let Some(sender) = &mut self.sender {
            sender.tick();
        }
    }

    /// A call has been answered, with so many headers and so many bytes.
    pub(crate) fn answered(&mut self, call: u32, headers: usize, size: usize) {
        let policy = self.follower.as_mut().and_then(|follower| follower.answered(call, headers, size));
        self.enforce(policy);
        if let Some(sender) = &mut self.sender {
            sender.answered(call, headers, size);
        }
    }

    /// Begins a stream; it stays with the policy of this moment to its end.
    pub(crate) fn stream(&self) -> Stream {
        let exchange = Exchange::new(self.policy.clone(), Rc::<World>::clone(&self.world))
            .holding_heads(self.around.hold == Hold::Headers);
        Stream::new(exchange, Rc::clone(&self.around))
    }
}

/// A number for a configuration (FNV-1a): those of two are hardly the same.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
