//! The callbacks that the module exports, and its allocator (Proxy-Wasm ABI 0.2.1).
//!
//! Each callback that is exported is called on every request, so there are only those that do something: a host goes on without
//! the others. Nothing is done here but to find the context.
#![expect(unsafe_code, reason = "an export has a name that the linker must keep")]

use crate::contexts::{self, Action};
use crate::root::Root;
use crate::stream::Stream;

/// Says which version of the ABI this is. Never called.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what the host hands over; `host::received` takes it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

/// A plugin configuration's context, where `root` is 0, or a stream's.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root == 0 { contexts::create_root(context) } else { contexts::create_stream(context, root) }
}

/// Always true: Envoy leaves a filter whose configuration fails on a worker out of the chain, and traffic passes. A bad
/// configuration is a state in which everything is refused.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, size: usize) -> u32 {
    contexts::with_root(context, |root| root.configure(size));
    1
}

/// The period that a root context asked for has passed.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    contexts::with_root(context, Root::tick);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(context: u32, call: u32, headers: usize, size: usize, _: usize) {
    contexts::with_root(context, |root| root.answered(call, headers, size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _: usize, end: u32) -> Action {
    contexts::with_stream(context, |stream| stream.timed(|stream| stream.request_headers(end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> Action {
    contexts::with_stream(context, |stream| stream.timed(|stream| stream.request_body(size, end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _: usize) -> Action {
    contexts::with_stream(context, |stream| stream.timed(Stream::request_trailers))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _: usize, end: u32) -> Action {
    contexts::with_stream(context, |stream| stream.timed(|stream| stream.response_headers(end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> Action {
    contexts::with_stream(context, |stream| stream.response_body(size, end != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, _: usize) -> Action {
    contexts::with_stream(context, |stream| stream.timed(Stream::response_trailers))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(context: u32) {
    contexts::with_stream(context, |stream| {
        stream.log();
        Action::Continue
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    contexts::delete(context);
}
