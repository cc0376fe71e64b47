//! The same policy under several codecs. Each feature is a codec; a module has one of them and exports `load` alone.

#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "a module only reads, and in one way"))]
mod codec;
pub mod shape;
mod touch;

#[cfg(not(target_arch = "wasm32"))]
pub use codec::*;

/// Decodes a policy and reads every text and number in it once. 0 if it is refused.
///
/// # Safety
///
/// `len` bytes at `bytes` are readable.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load(bytes: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's promise.
    let bytes = unsafe { core::slice::from_raw_parts(bytes, len) };
    codec::chosen(bytes).map_or(0, |sum| sum | 1 << 31)
}
