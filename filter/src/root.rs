//! The root context: from plugin configuration to what every stream starts with.

use crate::config::{Config, ConfigError, Hold};
use crate::host::{self, Buffer, Level};
use crate::peer::Peers;
use crate::stream::Stream;
use crate::telemetry::Telemetry;
use crate::world::World;
use sallyport_engine::{Exchange, Policy};
use std::rc::Rc;

/// What the streams of one plugin configuration share. Without a policy, everything is refused.
#[derive(Debug, Default)]
pub(crate) struct Root {
    policy: Option<Rc<Policy>>,
    hold: Hold,
    peers: Rc<Peers>,
    telemetry: Rc<Telemetry>,
    world: Rc<World>,
}

impl Root {
    fn load(size: usize) -> Result<Config, ConfigError> {
        let json = host::buffer(Buffer::PluginConfiguration, size).map_err(|_| ConfigError::Absent)?;
        Config::parse(&json, host::unix_seconds().ok())
    }

    /// Reads the plugin configuration anew.
    pub(crate) fn configure(&mut self, size: usize) {
        match Self::load(size) {
            Ok(Config { policy, hold, clock }) => {
                if clock.is_some() {
                    host::log(
                        Level::Critical,
                        "sallyport's clock stands still, as `clock` in pluginConfig says: this is for tests only",
                    );
                }
                self.world = Rc::new(World { clock });
                self.telemetry.configured(policy.parts().serial);
                self.policy = Some(Rc::new(policy));
                self.hold = hold;
            }
            Err(error) => {
                host::log(Level::Critical, &format!("sallyport denies everything: {error}"));
                self.telemetry.misconfigured(error.code());
                self.policy = None;
            }
        }
    }

    /// Begins a stream; it stays with the policy of this moment to its end.
    pub(crate) fn stream(&self) -> Stream {
        let exchange = Exchange::new(self.policy.clone(), Rc::<World>::clone(&self.world))
            .holding_heads(self.hold == Hold::Headers);
        Stream::new(exchange, self.hold, Rc::clone(&self.peers), Rc::clone(&self.telemetry))
    }
}
