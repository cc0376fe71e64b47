//! A compiled module, ready to be started any number of times.

use std::path::{Path, PathBuf};

use wasmtime::{Config, Engine, InstancePre};

use super::error::HostError;
use super::host::Host;
use super::imports;

/// The variable that names another module than `target/sallyport.wasm`.
const MODULE_VARIABLE: &str = "SALLYPORT_MODULE";

/// A module, compiled by Cranelift with full optimisation, as V8's top tier would.
#[derive(Clone)]
pub struct Module {
    pub(super) engine: Engine,
    pub(super) instance: InstancePre<Host>,
}

impl Module {
    /// `$SALLYPORT_MODULE`, or where `scripts/build-module` leaves the module.
    pub fn default_path() -> PathBuf {
        let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sallyport.wasm");
        std::env::var_os(MODULE_VARIABLE).map_or_else(built, PathBuf::from)
    }

    /// Reads and compiles a module. Takes about a second for each 500 KiB.
    pub fn load(path: &Path) -> Result<Self, HostError> {
        let read = |source| HostError::Read { path: path.to_owned(), source };
        Self::from_bytes(&std::fs::read(path).map_err(read)?)
    }

    /// Compiles a module.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HostError> {
        let compile = |error: wasmtime::Error| HostError::Compile(format!("{error:#}"));
        let engine = Engine::new(&Config::new()).map_err(compile)?;
        let module = wasmtime::Module::new(&engine, bytes).map_err(compile)?;
        if !module.exports().any(|export| export.name().starts_with("proxy_abi_version_0_2_")) {
            return Err(HostError::NotProxyWasm("it exports no proxy_abi_version_0_2_1".to_owned()));
        }
        let instance = imports::linker(&module)?
            .instantiate_pre(&module)
            .map_err(|error| HostError::Instantiate(format!("{error:#}")))?;
        Ok(Self { engine, instance })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").finish_non_exhaustive()
    }
}
