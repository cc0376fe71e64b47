//! Why the host could not carry an exchange through.

use std::path::PathBuf;

use super::LogLine;

/// Why there is no observation. A denial is none of these.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The module's file could not be read.
    #[error("cannot read the module `{}`: {source}; scripts/build-module makes it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are no WebAssembly module, or one that Cranelift cannot compile.
    #[error("cannot compile the module: {0}")]
    Compile(String),
    /// The module lacks something that every Proxy-Wasm module has.
    #[error("not a Proxy-Wasm 0.2 module: {0}")]
    NotProxyWasm(String),
    /// The module could not be instantiated.
    #[error("cannot instantiate the module: {0}")]
    Instantiate(String),
    /// `proxy_on_vm_start` or `proxy_on_configure` returned false. Envoy would then leave the filter out.
    #[error("{0} returned false: on a worker, Envoy would now let traffic pass unfiltered")]
    Rejected(&'static str),
    /// The guest trapped: in Envoy the client gets a 503, and so do the later ones.
    #[error("VM trapped: {message}, in {function}; {}", last_words(log))]
    Trap {
        /// The callback.
        function: &'static str,
        /// What wasmtime said.
        message: String,
        /// What the guest had logged in this exchange.
        log: Vec<LogLine>,
    },
    /// The guest trapped earlier, and a VM does not come back.
    #[error("the VM trapped in an earlier exchange; start another")]
    Lost,
    /// The filter said Pause where nothing comes that could resume it: the client would wait for ever.
    #[error("the exchange hangs: {function} said Pause and nothing will resume it; {}", last_words(log))]
    Stalled {
        /// The callback.
        function: &'static str,
        /// What the guest had logged in this exchange.
        log: Vec<LogLine>,
    },
    /// A callback returned an action that no SDK has and this host does not model.
    #[error("{function} returned the unknown action {action}")]
    Action {
        /// The callback.
        function: &'static str,
        /// What it returned.
        action: u32,
    },
}

/// The last lines of a log: a panic's message is among them.
fn last_words(log: &[LogLine]) -> String {
    let lines: Vec<_> = log.iter().rev().take(3).rev().map(|line| line.message.as_str()).collect();
    if lines.is_empty() {
        "nothing was logged".to_owned()
    } else {
        format!("logged last: {}", lines.join(" | "))
    }
}
