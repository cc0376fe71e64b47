//! One VM: a started instance of the module with its root context.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wasmtime::{Store, TypedFunc, WasmParams, WasmResults};

use super::error::HostError;
use super::exports::Exports;
use super::host::{Host, LogLine, Plugin};
use super::metrics::{Metric, Metrics};
use super::module::Module;
use super::shared::Shared;

/// The id of the root context; streams get the ids after it.
pub(super) const ROOT_CONTEXT: u32 = 1;

/// The plugin's name and root id, as the harness configures them in Envoy.
const PLUGIN_NAME: &str = "sallyport";

/// How the host is set up around the module.
#[derive(Clone, Debug)]
pub struct Options {
    /// `allow_on_headers_stop_iteration` of the plugin: a Pause at the headers withholds only them, and the body comes. Off, as
    /// in every `WasmPlugin`, it withholds everything.
    pub allow_on_headers_stop_iteration: bool,
    /// Envoy's `buffer` filter stands after the module: the upstream sees nothing before the whole request has passed.
    pub buffer_after: bool,
    /// How many bytes Envoy holds for the filter, and the buffer filter for itself: beyond it the answer is 413.
    pub buffer_limit: usize,
    /// What this VM shares with others.
    pub shared: Shared,
}

/// A started module.
pub struct Vm {
    pub(super) store: Store<Host>,
    pub(super) exports: Exports,
    pub(super) options: Options,
    pub(super) contexts: u32,
    /// The guest trapped: nothing can be called any more.
    pub(super) lost: bool,
    /// Time spent in callbacks, their host calls included.
    pub(super) spent: Duration,
    start_log: Vec<LogLine>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_on_headers_stop_iteration: false,
            buffer_after: true,
            buffer_limit: 16 << 20,
            shared: Shared::default(),
        }
    }
}

impl Vm {
    /// Starts the module with this plugin configuration, in the chain that the documentation recommends.
    pub fn start(module: &Module, plugin_configuration: &str) -> Result<Self, HostError> {
        Self::start_with(module, plugin_configuration, Options::default())
    }

    /// Starts the module in another setting.
    pub fn start_with(
        module: &Module,
        plugin_configuration: &str,
        options: Options,
    ) -> Result<Self, HostError> {
        let host = Host {
            plugin: Plugin {
                name: PLUGIN_NAME.to_owned(),
                root_id: PLUGIN_NAME.to_owned(),
                configuration: plugin_configuration.as_bytes().to_vec(),
                configuring: false,
            },
            memory: None,
            allocate: None,
            log: Vec::new(),
            metrics: Metrics::of(options.shared.clone()),
            shared: options.shared.clone(),
            tick_period_ms: 0,
            streams: BTreeMap::new(),
            current: ROOT_CONTEXT,
        };
        let mut store = Store::new(&module.engine, host);
        let instance = module.instance.instantiate(&mut store);
        let instance = instance.map_err(|error| HostError::Instantiate(format!("{error:#}")))?;
        let exports = Exports::of(&instance, &mut store)?;
        let spent = Duration::ZERO;
        let mut vm = Self {
            store,
            exports,
            options,
            contexts: ROOT_CONTEXT,
            lost: false,
            spent,
            start_log: Vec::new(),
        };
        vm.set_up(plugin_configuration.len())?;
        vm.start_log = std::mem::take(&mut vm.store.data_mut().log);
        Ok(vm)
    }

    fn set_up(&mut self, configuration_size: usize) -> Result<(), HostError> {
        self.call("_initialize", ROOT_CONTEXT, self.exports.initialize.clone(), ())?;
        self.call(
            "proxy_on_context_create",
            ROOT_CONTEXT,
            self.exports.context_create.clone(),
            (ROOT_CONTEXT, 0),
        )?;
        let name = "proxy_on_vm_start";
        if self.call(name, ROOT_CONTEXT, self.exports.vm_start.clone(), (ROOT_CONTEXT, 0))? == Some(0) {
            return Err(HostError::Rejected(name));
        }
        let size = u32::try_from(configuration_size);
        let size =
            size.map_err(|_| HostError::Instantiate("the configuration is larger than 4 GiB".to_owned()))?;
        let name = "proxy_on_configure";
        self.store.data_mut().plugin.configuring = true;
        let accepted = self.call(name, ROOT_CONTEXT, self.exports.configure.clone(), (ROOT_CONTEXT, size));
        self.store.data_mut().plugin.configuring = false;
        if accepted? == Some(0) { Err(HostError::Rejected(name)) } else { Ok(()) }
    }

    /// Calls `proxy_on_tick` once; false if the module set no tick period.
    pub fn tick(&mut self) -> Result<bool, HostError> {
        if self.store.data().tick_period_ms == 0 {
            return Ok(false);
        }
        self.call("proxy_on_tick", ROOT_CONTEXT, self.exports.tick.clone(), ROOT_CONTEXT)?;
        self.announce_queues()?;
        Ok(true)
    }

    /// Tells the root context of every item that came into a queue.
    pub(super) fn announce_queues(&mut self) -> Result<(), HostError> {
        for queue in self.options.shared.ready() {
            self.call(
                "proxy_on_queue_ready",
                ROOT_CONTEXT,
                self.exports.queue_ready.clone(),
                (ROOT_CONTEXT, queue),
            )?;
        }
        Ok(())
    }

    /// Forgets the data that VMs share, as a new proxy would have none.
    pub fn forget_shared(&mut self) {
        self.options.shared.clear();
    }

    /// The size of the guest's memory in bytes. It never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// Metrics by name, without Envoy's `wasmcustom.` before it: those of all VMs that share something.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.store.data().metrics.all()
    }

    /// What was logged while the module started.
    pub fn start_log(&self) -> &[LogLine] {
        &self.start_log
    }

    /// Calls one callback of a context; `None` if the module does not export it.
    pub(super) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        context: u32,
        callback: Option<TypedFunc<P, R>>,
        parameters: P,
    ) -> Result<Option<R>, HostError> {
        if self.lost {
            return Err(HostError::Lost);
        }
        let Some(callback) = callback else { return Ok(None) };
        self.store.data_mut().current = context;
        let began = Instant::now();
        let result = callback.call(&mut self.store, parameters);
        self.spent += began.elapsed();
        result.map(Some).map_err(|error| {
            self.lost = true;
            let log = std::mem::take(&mut self.store.data_mut().log);
            HostError::Trap { function: name, message: error.root_cause().to_string(), log }
        })
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("lost", &self.lost)
            .field("memory_bytes", &self.memory_bytes())
            .finish_non_exhaustive()
    }
}
