//! A folder of bundles that were signed elsewhere.

use std::fs;
use std::path::PathBuf;

use super::common::{Companion, Project, replace, run, until};

struct Signed {
    project: Project,
}

impl Signed {
    fn new() -> Self {
        let project = Project::new();
        fs::create_dir(project.path("bundles")).unwrap();
        Self { project }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.project.path("bundles").join(format!("{name}.bundle"))
    }

    /// Puts a bundle into the folder.
    fn put(&self, name: &str, serial: u64, more: &[&str]) {
        self.put_by("key", name, serial, more);
    }

    fn put_by(&self, key: &str, name: &str, serial: u64, more: &[&str]) {
        let (policy, file) =
            (self.project.policy().display().to_string(), self.file(name).display().to_string());
        let (key, serial) = (self.project.name(key), serial.to_string());
        let args = ["compile", "--policy", &policy, "-o", &file, "--serial", &serial, "--sign-with", &key];
        run(&[&args[..], more].concat());
    }

    fn serve(&self, more: &[&str]) -> Companion {
        let (folder, key) = (self.project.name("bundles"), self.project.name("key.pub"));
        Companion::start(&[&["serve", "--bundles", &folder, "--key", &key], more].concat())
    }
}

/// A moment some seconds from now, as the command line has it.
fn soon(seconds: i64) -> String {
    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    soon.format(&time::format_description::well_known::Rfc3339).unwrap()
}

/// The ids of what is wrong, when there is as much of it.
fn problems(companion: &Companion, count: usize) -> Vec<String> {
    until("problems", || {
        let ready = companion.get("/readyz", &[]).json();
        let details =
            ready["problems"].get(0).map_or(Vec::new(), |one| one["details"].as_array().unwrap().clone());
        let ids: Vec<_> = details.iter().map(|detail| detail["id"].as_str().unwrap().to_owned()).collect();
        (ids.len() == count).then_some(ids)
    })
}

#[test]
fn each_audience_gets_the_newest_that_is_for_it() {
    let signed = Signed::new();
    signed.put("all-1", 1, &[]);
    signed.put("all-2", 2, &[]);
    signed.put("tools", 5, &["--audience", "tools"]);
    signed.put("docs", 4, &["--audience", "tools/docs"]);
    let companion = signed.serve(&[]);
    companion.bundle();
    for (path, serial, file) in [
        ("/v1/bundle", 2, "all-2"),
        ("/v1/bundle/finance", 2, "all-2"),
        ("/v1/bundle/finance/ledger", 2, "all-2"),
        ("/v1/bundle/tools", 5, "tools"),
        ("/v1/bundle/tools/other", 5, "tools"),
        ("/v1/bundle/tools/docs", 4, "docs"),
    ] {
        let answer = companion.get(path, &[]);
        assert_eq!((answer.status, answer.serial()), (200, serial), "{path}");
        assert_eq!(answer.body, fs::read(signed.file(file)).unwrap(), "{path}: as it was signed");
    }
    let says = |path: &str, serial| {
        let words = [("x-sallyport-node", path), ("x-sallyport-serial", serial)];
        companion.get(path, &words)
    };
    for path in ["/v1/bundle/tools/docs", "/v1/bundle/tools"] {
        says(path, "4");
        says(path, "4");
    }
    for (state, count) in [("current", 1.0), ("behind", 1.0)] {
        let series = format!("sallyport_companion_fleet_nodes{{serial=\"{state}\"}}");
        assert_eq!(companion.metric(&series), count, "each by what is for it: {state}");
    }
    signed.put("all-3", 3, &[]);
    until("the new one", || (companion.bundle().serial() == 3).then_some(()));
    fs::remove_file(signed.file("docs")).unwrap();
    until("it is taken away", || (companion.get("/v1/bundle/tools/docs", &[]).serial() == 5).then_some(()));
}

#[test]
fn without_one_for_everybody_others_get_none() {
    let signed = Signed::new();
    signed.put("tools", 5, &["--audience", "tools"]);
    let companion = signed.serve(&[]);
    until("a bundle", || (companion.get("/v1/bundle/tools", &[]).status == 200).then_some(()));
    for path in ["/v1/bundle", "/v1/bundle/finance"] {
        let answer = companion.get(path, &[]);
        assert_eq!((answer.status, &answer.json()["error"]), (404, &"audience".into()), "{path}");
    }
}

#[test]
fn what_does_not_verify_is_refused_and_the_last_good_one_stays() {
    let signed = Signed::new();
    signed.put("good", 3, &[]);
    let companion = signed.serve(&[]);
    let good = companion.bundle();
    run(&["keygen", "-o", &signed.project.name("stranger")]);
    signed.put_by("stranger", "unknown", 9, &[]);
    signed.put("older", 2, &[]); // which is nothing wrong
    signed.put("expired", 9, &["--not-after", "2020-01-01T00:00:00Z"]);
    let mut forged = good.body.clone();
    *forged.last_mut().unwrap() ^= 1;
    fs::write(signed.file("forged"), &forged).unwrap();
    fs::write(signed.file("cut"), &good.body[..good.body.len() / 2]).unwrap();
    fs::write(signed.file("html"), "<html>").unwrap();
    let mut ids = problems(&companion, 5);
    ids.sort();
    assert_eq!(ids, ["damaged", "expired", "signature", "unknown_key", "unreadable"]);
    assert_eq!(companion.bundle().body, good.body);

    // The file of the good one is overwritten by half.
    fs::write(signed.file("good"), &good.body[..1000]).unwrap();
    assert!(
        problems(&companion, 7).contains(&"older".to_owned()),
        "now the older one is the newest that is left"
    );
    assert_eq!(companion.bundle().body, good.body);
    signed.project.edit("another");
    signed.put("reused", 3, &[]);
    until("it is seen", || problems(&companion, 7).contains(&"reused".to_owned()).then_some(()));
    assert_eq!(companion.bundle().body, good.body);
    signed.put("new", 10, &[]);
    until("the new one", || (companion.bundle().serial() == 10).then_some(()));
}

#[test]
fn retired_keys_sign_no_more() {
    let signed = Signed::new();
    run(&["keygen", "-o", &signed.project.name("retired")]);
    signed.put_by("retired", "late", 9, &[]);
    signed.put("good", 3, &[]);
    let companion = signed.serve(&["--retired-key", &signed.project.name("retired.pub")]);
    assert_eq!(companion.bundle().serial(), 3);
    assert_eq!(problems(&companion, 1), ["retired_key"]);
}

#[test]
fn a_bundle_that_waits_for_its_time_is_published_then() {
    let signed = Signed::new();
    signed.put("now", 1, &[]);
    signed.put("soon", 2, &["--not-before", &soon(4)]);
    let companion = signed.serve(&["--poll", "1"]);
    let first = companion.bundle();
    assert_eq!(first.serial(), 1);
    assert_eq!(companion.next(first.etag()).serial(), 2);
}

#[test]
fn a_bundle_that_expires_while_it_is_published_shows() {
    let signed = Signed::new();
    signed.put("short", 2, &["--not-after", &soon(4)]);
    let companion = signed.serve(&["--poll", "1"]);
    let first = companion.bundle();
    assert_eq!(companion.get("/readyz", &[]).json()["status"], "ready");
    assert_eq!(problems(&companion, 1), ["expired"]);
    let ready = companion.get("/readyz", &[]);
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"degraded".into()));
    assert_eq!(companion.bundle().body, first.body, "who has it hears that there is nothing newer");
    signed.put("long", 3, &[]);
    assert_eq!(companion.next(first.etag()).serial(), 3);
    // That an old one expired is nothing wrong.
    until("all well", || (companion.get("/readyz", &[]).json()["status"] == "ready").then_some(()));
}

#[test]
fn what_a_withdrawn_key_signed_keeps_nothing_out() {
    let signed = Signed::new();
    run(&["keygen", "-o", &signed.project.name("stolen")]);
    fs::copy(signed.project.path("stolen.pub"), signed.project.path("second.pub")).unwrap();
    signed.put_by("stolen", "far", 900, &[]);
    signed.put("good", 3, &[]);
    let second = signed.project.name("second.pub");
    let companion = signed.serve(&["--key", &second, "--poll", "1"]);
    assert_eq!(companion.bundle().serial(), 900);
    // The same file now holds another key: the stolen one is known no more.
    run(&["keygen", "-o", &signed.project.name("next")]);
    replace(
        &signed.project.path("second.pub"),
        &fs::read_to_string(signed.project.path("next.pub")).unwrap(),
    );
    until("the newest that the keys vouch for", || (companion.bundle().serial() == 3).then_some(()));
    assert_eq!(problems(&companion, 1), ["unknown_key"]);
    signed.put("newer", 4, &[]);
    until("the next one", || (companion.bundle().serial() == 4).then_some(()));
}

#[test]
fn a_restart_serves_them_from_its_state() {
    let signed = Signed::new();
    signed.put("all", 3, &[]);
    signed.put("tools", 4, &["--audience", "tools"]);
    let state = signed.project.name("state");
    let all = signed.serve(&["--state", &state]).bundle();
    for name in ["all", "tools"] {
        fs::write(signed.file(name), "gone").unwrap();
    }
    let companion = signed.serve(&["--state", &state]);
    assert_eq!(companion.get("/v1/bundle", &[]).body, all.body);
    assert_eq!(companion.get("/v1/bundle/tools/x", &[]).serial(), 4);
    problems(&companion, 2);
    assert_eq!(companion.get("/v1/bundle", &[]).body, all.body);
}
