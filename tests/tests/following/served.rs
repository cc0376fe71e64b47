//! The real companion before a real Envoy: edits, broken edits, ends and beginnings.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::bundle::{ENGINE, Terms};
use sallyport_tests::companion::{Companion, replace};
use tempfile::TempDir;

use crate::gate::{Gate, Publisher, inline, public};
use crate::scripted::{Act, Scripted};

/// What the companion says of itself.
fn get(companion: &Companion, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(companion.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: c\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A folder with policy, and one for the companion's state.
struct Project(TempDir);

impl Project {
    fn new(publisher: &Publisher) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policy")).unwrap();
        fs::create_dir(folder.path().join("bundles")).unwrap();
        let project = Self(folder);
        publisher.key.write_new(&project.path("key")).unwrap();
        fs::write(project.path("key.pub"), keys::public_pem(&publisher.key.public().unwrap())).unwrap();
        project.edit("odd.yaml");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes this the policy.
    fn edit(&self, name: &str) {
        let text =
            fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/following").join(name)).unwrap();
        replace(&self.path("policy/policy.yaml"), &text).unwrap();
    }

    fn serve(&self, address: &str) -> Companion {
        let (policy, key, state) = (self.name("policy"), self.name("key"), self.name("state"));
        Companion::start_on(address, &["--policy", &policy, "--sign-with", &key, "--state", &state]).unwrap()
    }
}

#[test]
fn an_edit_of_the_policy_is_enforced_and_a_broken_one_is_not() {
    let publisher = Publisher::new();
    let project = Project::new(&publisher);
    let companion = project.serve("127.0.0.1:0");
    let gate = Gate::start(companion.address(), &publisher.configuration(), 2);
    let open = |path: &str| (0..10).all(|_| gate.status(path) == 200);
    gate.wait_until("the first policy is enforced", || open("/odd"));
    project.edit("even.yaml");
    gate.wait_until("the edit is enforced", || open("/even"));
    // The companion knows who runs what.
    gate.wait_until("the fleet says so", || {
        let fleet = get(&companion, "/v1/fleet");
        let filter = &fleet["nodes"][0];
        filter["node"] == "playground"
            && filter["serial"].as_u64() == gate.serial()
            && filter["engine"] == ENGINE
    });
    assert_eq!(gate.status("/odd"), 403);
    replace(&project.path("policy/policy.yaml"), b"apiVersion: sallyport.dev/v1\nkind: Agent\n").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(open("/even"), "a broken edit changes nothing");
    project.edit("odd.yaml");
    gate.wait_until("the mended policy is enforced", || open("/odd"));
}

#[test]
fn the_gate_outlives_its_companion_and_finds_it_again() {
    let publisher = Publisher::new();
    let project = Project::new(&publisher);
    let companion = project.serve("127.0.0.1:0");
    let address = companion.address();
    let gate = Gate::start(address, &publisher.configuration(), 4);
    let open = |path: &str| (0..20).all(|_| gate.status(path) == 200);
    gate.wait_until("the first policy is enforced", || open("/odd"));
    let serial = gate.serial();
    drop(companion);
    gate.wait_until("the companion is missed", || gate.fetched("status") + gate.fetched("unreachable") > 1);
    assert!(open("/odd"), "the policy stays");
    // What was edited meanwhile is served by the one that comes after.
    project.edit("even.yaml");
    let companion = project.serve(&address.to_string());
    gate.wait_until("the edit is enforced", || open("/even"));
    assert!(gate.serial() > serial, "{:?} after {serial:?}", gate.serial());
    // One that is started again without an edit serves what there is.
    let serial = gate.serial();
    drop(companion);
    let unchanged = gate.fetched("unchanged");
    let _companion = project.serve(&address.to_string());
    gate.wait_until("it is confirmed", || gate.fetched("unchanged") > unchanged);
    assert!(open("/even") && gate.serial() == serial);
}

#[test]
fn bundles_that_were_signed_elsewhere_are_served_as_they_are() {
    let publisher = Publisher::new();
    let project = Project::new(&publisher);
    let publish = |bytes: &[u8]| replace(&project.path("bundles/policy.bundle"), bytes).unwrap();
    publish(&publisher.bundle(7));
    let (bundles, key) = (project.name("bundles"), project.name("key.pub"));
    let companion = Companion::start(&["--bundles", &bundles, "--key", &key]).unwrap();
    let gate = Gate::start(companion.address(), &publisher.configuration(), 2);
    gate.wait_for_serial(7);
    publish(&publisher.bundle(8));
    gate.wait_for_serial(8);
    let stranger = SecretKey::generate().unwrap();
    let unsigned = publisher.unsigned(9, &Terms::default(), |_| {});
    publish(&keys::sign(&unsigned, &[stranger]).unwrap());
    std::thread::sleep(Duration::from_secs(2));
    assert!(gate.is_judged_by(8), "what is of no known key is not served");
    assert_eq!(gate.fetched("unknown_key"), 0, "not even that");
    publish(&publisher.bundle(10));
    gate.wait_for_serial(10);
}

#[test]
fn keys_are_changed_in_either_order() {
    let publisher = Publisher::new();
    let (old, new) = (&publisher.key, SecretKey::generate().unwrap());
    let unsigned = publisher.unsigned(1, &Terms::default(), |_| {});
    let signed = |by: &[&SecretKey]| {
        by.iter()
            .fold(unsigned.clone(), |bundle, key| keys::sign(&bundle, std::slice::from_ref(*key)).unwrap())
    };
    // Which keys a filter has, active and retired; who signs; whether it is taken.
    for (active, retired, by, taken) in [
        (vec![old], vec![], vec![old, &new], true),
        (vec![old, &new], vec![], vec![old], true),
        (vec![old, &new], vec![], vec![&new], true),
        (vec![&new], vec![old], vec![old, &new], true),
        (vec![&new], vec![old], vec![&new], true),
        (vec![&new], vec![old], vec![old], false),
        (vec![old], vec![], vec![&new], false),
    ] {
        let bundle = signed(&by);
        let companion = Scripted::start(Act::Serve(bundle.clone()));
        let mut configuration = publisher.configuration();
        configuration["keys"] = active.into_iter().map(public).collect();
        configuration["retiredKeys"] = retired.into_iter().map(public).collect();
        let gate = Gate::start(companion.address(), &configuration, 1);
        if taken {
            gate.wait_for_serial(1);
        } else {
            gate.wait_until("it is refused", || {
                gate.fetched("retired_key") + gate.fetched("unknown_key") > 0
            });
            assert_eq!(gate.status("/odd"), 403);
        }
        // A bundle in the configuration is held to the same.
        configuration["bundle"] = inline(&bundle);
        companion.act(Act::Hang);
        let gate = Gate::start(companion.address(), &configuration, 1);
        assert_eq!(gate.is_judged_by(1), taken);
    }
}
