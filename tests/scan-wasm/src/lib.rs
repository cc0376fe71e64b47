//! The scanner alone, as a module: tables and texts go in, the number of findings comes out. The benchmarks drive it in V8 and in
//! wasmtime, where a filter could not be timed without what its host does around it.
#![expect(unsafe_code, reason = "an export has a name that the linker must keep")]

use std::cell::RefCell;
use std::hint::black_box;

use sallyport_engine::json::{Document, Numbers};
use sallyport_engine::scan::{Catalogue, Inspector, Place, Profile};

#[derive(Default)]
struct Scanner {
    /// What the host wrote last.
    input: Vec<u8>,
    catalogue: Catalogue,
    profile: Profile,
}

thread_local! {
    static SCANNER: RefCell<Scanner> = RefCell::default();
}

/// Makes room for so many bytes of input, and says where.
#[unsafe(no_mangle)]
extern "C" fn room(length: usize) -> *mut u8 {
    SCANNER.with_borrow_mut(|scanner| {
        scanner.input.clear();
        scanner.input.resize(length, 0);
        scanner.input.as_mut_ptr()
    })
}

/// Takes the input for a catalogue and a profile, as a bundle carries them, and says how many detectors there are; 0 if it is neither.
#[unsafe(no_mangle)]
extern "C" fn load() -> usize {
    SCANNER.with_borrow_mut(|scanner| {
        let Ok((mut catalogue, mut profile)) = postcard::from_bytes::<(Catalogue, Profile)>(&scanner.input)
        else {
            return 0;
        };
        let count = catalogue.prepare().unwrap_or(0);
        profile.prepare(&catalogue.digits);
        (scanner.catalogue, scanner.profile) = (catalogue, profile);
        count
    })
}

/// Looks through the input so many times as a text, and says how much was found in one of them.
#[unsafe(no_mangle)]
extern "C" fn text(times: usize) -> usize {
    scan(times, |inspector, input| inspector.text(input))
}

/// The same as a document: read by the strict parser first, then value by value.
#[unsafe(no_mangle)]
extern "C" fn document(times: usize) -> usize {
    scan(times, |inspector, input| {
        if let Ok(document) = Document::parse_with(input, Numbers::Opaque) {
            inspector.document(&document);
        }
    })
}

fn scan(times: usize, inspect: impl Fn(&mut Inspector<'_>, &[u8])) -> usize {
    SCANNER.with_borrow(|Scanner { input, catalogue, profile }| {
        let once = || {
            let mut inspector = Inspector::new(catalogue, profile, Place::Request);
            inspect(&mut inspector, black_box(input));
            inspector.finish().findings.len()
        };
        (0..times).fold(0, |_, _| black_box(once()))
    })
}
