//! The callbacks that a guest exports. All are optional: Envoy goes on without those that are missing.

use wasmtime::{AsContextMut, Instance, Store, TypedFunc, WasmParams, WasmResults};

use super::error::HostError;
use super::host::Host;

/// Callbacks by what they take: a context and, mostly, a size and whether the stream ends.
pub(super) type Sized<R> = Option<TypedFunc<(u32, u32), R>>;
pub(super) type Ending = Option<TypedFunc<(u32, u32, u32), u32>>;
pub(super) type Plain<R> = Option<TypedFunc<u32, R>>;

pub(super) struct Exports {
    pub(super) initialize: Option<TypedFunc<(), ()>>,
    pub(super) context_create: Sized<()>,
    pub(super) vm_start: Sized<u32>,
    pub(super) configure: Sized<u32>,
    pub(super) tick: Plain<()>,
    pub(super) queue_ready: Sized<()>,
    pub(super) request: Half,
    pub(super) response: Half,
    pub(super) log: Plain<()>,
    pub(super) done: Plain<u32>,
    pub(super) delete: Plain<()>,
}

/// The callbacks of one direction.
pub(super) struct Half {
    pub(super) headers: Ending,
    pub(super) body: Ending,
    pub(super) trailers: Sized<u32>,
}

impl Exports {
    pub(super) fn of(instance: &Instance, store: &mut Store<Host>) -> Result<Self, HostError> {
        let mut find = Finder { instance, store };
        let allocate = match find.function("proxy_on_memory_allocate")? {
            None => find.function("malloc")?,
            some => some,
        };
        if allocate.is_none() {
            let what = "it exports neither proxy_on_memory_allocate nor malloc";
            return Err(HostError::NotProxyWasm(what.to_owned()));
        }
        let memory = instance.get_memory(find.store.as_context_mut(), "memory");
        let memory = memory.ok_or_else(|| HostError::NotProxyWasm("it exports no memory".to_owned()))?;
        let host = find.store.data_mut();
        (host.allocate, host.memory) = (allocate, Some(memory));
        let initialize = match find.function("_initialize")? {
            None => find.function("_start")?,
            some => some,
        };
        Ok(Self {
            initialize,
            context_create: find.function("proxy_on_context_create")?,
            vm_start: find.function("proxy_on_vm_start")?,
            configure: find.function("proxy_on_configure")?,
            tick: find.function("proxy_on_tick")?,
            queue_ready: find.function("proxy_on_queue_ready")?,
            request: Half {
                headers: find.function("proxy_on_request_headers")?,
                body: find.function("proxy_on_request_body")?,
                trailers: find.function("proxy_on_request_trailers")?,
            },
            response: Half {
                headers: find.function("proxy_on_response_headers")?,
                body: find.function("proxy_on_response_body")?,
                trailers: find.function("proxy_on_response_trailers")?,
            },
            log: find.function("proxy_on_log")?,
            done: find.function("proxy_on_done")?,
            delete: find.function("proxy_on_delete")?,
        })
    }
}

struct Finder<'f> {
    instance: &'f Instance,
    store: &'f mut Store<Host>,
}

impl Finder<'_> {
    /// The export of that name; one of another type is an error.
    fn function<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<Option<TypedFunc<P, R>>, HostError> {
        let Some(function) = self.instance.get_func(self.store.as_context_mut(), name) else {
            return Ok(None);
        };
        let typed = function.typed(self.store.as_context_mut());
        typed.map(Some).map_err(|error| HostError::NotProxyWasm(format!("{name}: {error}")))
    }
}
