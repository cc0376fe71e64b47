//! See `sallyport_fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sallyport_fuzz::json::check(data));
