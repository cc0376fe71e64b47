//! The root context: from plugin configuration to what every stream starts with.

use crate::config::{Config, ConfigError, Hold};
use crate::host::{self, Buffer, Level};
use crate::peer::Peers;
use crate::stream::Stream;
use crate::telemetry::Telemetry;
use crate::world::World;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
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
        Config::parse(&json)
    }
}

impl Context for Root {}

impl RootContext for Root {
    /// Always true: Envoy leaves a filter whose configuration fails on a worker out of the chain, and traffic passes. A bad
    /// configuration is a state in which everything is refused.
    fn on_configure(&mut self, size: usize) -> bool {
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
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let exchange = Exchange::new(self.policy.clone(), Rc::<World>::clone(&self.world));
        Some(Box::new(Stream::new(exchange, self.hold, Rc::clone(&self.peers), Rc::clone(&self.telemetry))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
