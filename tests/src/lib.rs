//! Sallyport's corpus, the runners that put it to the module in wasmtime and to a real Envoy, and the benchmarks.

pub mod bench;
pub mod companion;
pub mod envoy_runner;
pub mod suites;
pub mod wasm_host;
pub mod wasm_runner;
