//! Keys are changed while everything runs, and nobody is refused meanwhile.

use policy_compiler::keys::{SecretKey, sign};
use sallyport_engine::bundle::Terms;

use crate::gate::{Gate, Publisher, public};
use crate::scripted::{Act, Scripted};

const WORKERS: u64 = 4;

#[test]
fn keys_are_changed_under_way_and_no_worker_loses_its_policy() {
    let publisher = Publisher::new();
    let (old, new) = (&publisher.key, SecretKey::generate().unwrap());
    let unsigned = publisher.unsigned(1, &Terms::default(), |_| {});
    let signed = |by: &SecretKey| sign(&unsigned, std::slice::from_ref(by)).unwrap();
    let both = sign(&signed(old), std::slice::from_ref(&new)).unwrap();
    let configuration = |active: &[&SecretKey], retired: &[&SecretKey]| {
        let mut configuration = publisher.configuration();
        let texts = |keys: &[&SecretKey]| keys.iter().map(|key| public(key)).collect::<Vec<_>>();
        configuration["keys"] = texts(active).into();
        configuration["retiredKeys"] = texts(retired).into();
        configuration
    };
    let companion = Scripted::start(Act::Serve(signed(old)));
    let gate = Gate::start(companion.address(), &configuration(&[old], &[]), WORKERS as u32);
    // The main thread has a VM too. Each change of the configuration makes new ones, which all need a policy.
    let mut loaded = 0;
    let mut all_have_policy = |what: &str| {
        loaded += WORKERS + 1;
        gate.wait_until(what, || gate.stat("sallyport_policy_loads_total") >= Some(loaded));
        assert!((0..40).all(|_| gate.status("/odd") == 200), "{what}: somebody is refused");
    };
    all_have_policy("policy by the old key");
    gate.reconfigure(&configuration(&[old, &new], &[]));
    all_have_policy("both keys are trusted");
    let again = gate.fetched("unchanged");
    companion.act(Act::Serve(both));
    // The answer to the call after it: the first has brought what both signed.
    gate.wait_until("both keys sign", || gate.fetched("unchanged") > again + 1);
    gate.reconfigure(&configuration(&[&new], &[old]));
    all_have_policy("the old key is retired");
    companion.act(Act::Serve(signed(&new)));
    assert!((0..40).all(|_| gate.status("/odd") == 200), "the new key signs alone");
}
