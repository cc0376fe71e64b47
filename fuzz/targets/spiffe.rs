//! See `sallyport_fuzz::spiffe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sallyport_fuzz::spiffe::check(data));
