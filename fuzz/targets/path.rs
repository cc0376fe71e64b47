//! See `sallyport_fuzz::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sallyport_fuzz::path::check(data));
