//! Sallyport's corpus, and the runners that put it to the module in wasmtime and to a real Envoy.

pub mod envoy_runner;
pub mod wasm_host;
pub mod wasm_runner;
