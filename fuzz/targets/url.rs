//! See `sallyport_fuzz::url`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sallyport_fuzz::url::check(data));
