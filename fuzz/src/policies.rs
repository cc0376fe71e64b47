//! The policies that targets judge by: bundles that the policy-compiler made, found by an environment variable.

use sallyport_engine::{Policy, bundle};
use std::path::Path;
use std::rc::Rc;

/// The variable that names the folder of bundles; `scripts/fuzz` sets it.
pub const BUNDLES: &str = "SALLYPORT_FUZZ_BUNDLES";

thread_local! {
    static POLICIES: Vec<Rc<Policy>> = load();
}

/// The policy of a number; any number will do.
pub(crate) fn policy(number: usize) -> Rc<Policy> {
    POLICIES.with(|all| Rc::clone(&all[number % all.len()]))
}

fn load() -> Vec<Rc<Policy>> {
    let folder =
        std::env::var_os(BUNDLES).unwrap_or_else(|| panic!("{BUNDLES} is not set; use scripts/fuzz"));
    let mut files: Vec<_> = std::fs::read_dir(Path::new(&folder))
        .expect("the folder of bundles can be read")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bundle"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are no bundles in {}", Path::new(&folder).display());
    let read = |path| bundle::decode(&std::fs::read(path).expect("a bundle can be read"));
    files.iter().map(|path| Rc::new(read(path).expect("the policy-compiler's bundles load"))).collect()
}
