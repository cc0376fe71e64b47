//! What is published when, and what is not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant, SystemTime};

use super::common::{Companion, Project, replace, run, until};

#[test]
fn a_folder_is_published_signed_and_each_audience_gets_its_slice() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let whole = companion.bundle();
    assert_eq!(whole.header("content-type"), "application/vnd.sallyport.bundle");
    assert_eq!(whole.header("cache-control"), "no-cache");
    assert!(project.verifies(&whole.body, None));
    for (path, audience, other) in [
        ("/v1/bundle/tools/docs", "tools/docs", "finance/ledger"),
        ("/v1/bundle/finance/ledger", "finance/ledger", "tools/docs"),
        ("/v1/bundle/tools", "tools", "finance"),
    ] {
        let slice = companion.get(path, &[]);
        assert_eq!((slice.status, slice.serial()), (200, whole.serial()), "{path}");
        assert!(project.verifies(&slice.body, Some(audience)));
        assert!(!project.verifies(&slice.body, Some(other)), "{path} is for nobody else");
        assert!(slice.body.len() < whole.body.len() && slice.etag() != whole.etag());
        assert_eq!(companion.get(path, &[]).body, slice.body);
    }
    for path in ["/v1/bundle/Tools", "/v1/bundle/a/b/c", "/v1/bundle/a/", "/v1/bundle/-a", "/"] {
        let answer = companion.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["message"].is_string());
    }
}

#[test]
fn a_broken_edit_keeps_the_last_good_one_and_says_so() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let good = companion.bundle();
    let ready = companion.get("/readyz", &[]);
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"ready".into()));

    project.break_policy();
    let ready = until("a problem", || {
        Some(companion.get("/readyz", &[])).filter(|ready| ready.json()["status"] == "degraded")
    });
    assert_eq!(ready.status, 200, "what is served is as good as before");
    let problem = &ready.json()["problems"][0];
    let place = problem["details"][0]["place"].as_str().unwrap();
    assert!(place.contains("policy.yaml:8:"), "{ready:?}");
    assert!(problem["details"][0]["message"].as_str().unwrap().contains("write"), "{problem}");
    assert_eq!(companion.bundle().body, good.body);
    assert!(companion.metric("sallyport_companion_problems{with=\"policy\"}") >= 1.0);
    let logged = companion.log().into_iter().find(|line| line["level"] == "ERROR").unwrap();
    assert!(logged["places"].as_str().unwrap().contains("policy.yaml:8:"), "{logged}");

    project.mend();
    let next = companion.next(good.etag());
    assert!(next.serial() > good.serial());
    let ready = companion.get("/readyz", &[]).json();
    assert_eq!((&ready["status"], &ready["serial"]), (&"ready".into(), &next.serial().into()));
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"policy\"}"), 0.0);
}

#[test]
fn cases_that_fail_hold_a_publication_back() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let good = companion.bundle();
    project.break_cases();
    let problem = until("a problem", || companion.get("/readyz", &[]).json()["problems"].get(0).cloned());
    assert_eq!(problem["kind"], "cases");
    assert!(problem["details"][0]["place"].as_str().unwrap().ends_with("read.yaml:1"), "{problem}");
    project.edit("late");
    until("another look", || {
        (companion.metric("sallyport_companion_publications_total{result=\"failed\"}") >= 2.0).then_some(())
    });
    assert_eq!(companion.bundle().body, good.body, "the edit is good, the cases are not");
    project.mend();
    project.edit("late");
    companion.next(good.etag());
}

#[test]
fn before_the_first_good_edit_nothing_is_served() {
    let project = Project::new();
    project.break_policy();
    let companion = project.serve(&[]);
    let answer = companion.get("/v1/bundle", &[]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    let ready = until("a problem", || {
        Some(companion.get("/readyz", &[])).filter(|ready| ready.json()["problems"][0].is_object())
    });
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"waiting".into()));
    assert_eq!(companion.get("/healthz", &[]).status, 200);
    project.mend();
    let first = companion.get("/v1/bundle", &[("prefer", "wait=20")]);
    assert_eq!(first.status, 200, "who waits gets the first one");
}

#[test]
fn replicas_over_one_folder_serve_the_same_bytes() {
    let project = Project::new();
    let replicas = [project.serve(&[]), project.serve(&["--state", &project.name("state")])];
    let paths = ["/v1/bundle", "/v1/bundle/tools", "/v1/bundle/finance/ledger", "/v1/bundle/no/body"];
    let mut etag = String::new();
    for edit in ["one", "two", "three"] {
        let newest: Vec<_> = replicas.iter().map(|replica| replica.bundle()).collect();
        etag = if etag.is_empty() { newest[0].etag().to_owned() } else { etag };
        project.edit(edit);
        let [first, second] = replicas.each_ref().map(|replica| replica.next(&etag));
        assert_eq!((first.etag(), first.serial()), (second.etag(), second.serial()));
        for path in paths {
            for encoding in ["identity", "gzip"] {
                let [first, second] =
                    replicas.each_ref().map(|one| one.get(path, &[("accept-encoding", encoding)]));
                assert_eq!((first.etag(), &first.body), (second.etag(), &second.body), "{path} {encoding}");
            }
        }
        etag = first.etag().to_owned();
    }
    // One that starts later, with nothing to remember.
    let late = project.serve(&[]);
    assert_eq!(late.bundle().etag(), etag);
}

#[test]
fn serials_rise_even_when_times_go_back() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let mut last = companion.bundle();
    let old = SystemTime::now() - Duration::from_secs(3600);
    for edit in ["one", "two"] {
        project.edit(edit);
        // As `cp -p`, `tar` and `git` may leave it, folder and all.
        for path in [project.policy(), project.path("project/policy")] {
            fs::File::open(path).unwrap().set_modified(old).unwrap();
        }
        let next = companion.next(last.etag());
        assert!(next.serial() > last.serial());
        last = next;
    }
    // Two edits of a file in place, within its time.
    let before = last.serial();
    fs::OpenOptions::new().append(true).open(project.policy()).unwrap().write_all(b"# note\n").unwrap();
    let touched = companion.next(last.etag());
    assert!(touched.serial() > before, "a new time is a new publication");
}

#[test]
fn a_serial_may_come_from_a_file() {
    let project = Project::new();
    let file = project.name("serial");
    fs::write(&file, "7\n").unwrap();
    let companion = project.serve(&["--serial-file", &file]);
    let first = companion.bundle();
    assert_eq!(first.serial(), 7);
    project.edit("one");
    let problem = until("a problem", || companion.get("/readyz", &[]).json()["problems"].get(0).cloned());
    assert_eq!(problem["kind"], "serial");
    replace(&project.path("serial"), "8");
    let next = companion.next(first.etag());
    assert_eq!(next.serial(), 8);
    for bad in ["", "x", "-1"] {
        replace(&project.path("serial"), bad);
        until("a problem", || companion.get("/readyz", &[]).json()["problems"].get(0).cloned());
        replace(&project.path("serial"), "8");
        until("all well", || (companion.get("/readyz", &[]).json()["status"] == "ready").then_some(()));
    }
    assert_eq!(companion.bundle().body, next.body);
}

#[test]
fn after_the_last_serial_there_is_none() {
    let project = Project::new();
    let (file, state) = (project.name("serial"), project.name("state"));
    fs::write(&file, u64::MAX.to_string()).unwrap();
    let last = project.serve(&["--serial-file", &file, "--state", &state]).bundle();
    assert_eq!(last.serial(), u64::MAX);
    let companion = project.serve(&["--state", &state]);
    assert_eq!(companion.bundle().body, last.body);
    project.edit("one");
    let problem = until("a problem", || companion.get("/readyz", &[]).json()["problems"].get(0).cloned());
    assert_eq!(problem["kind"], "serial");
    assert_eq!(companion.bundle().body, last.body, "and not one that begins anew");
}

/// As Kubernetes mounts a ConfigMap: files are links into a folder behind a link that is swapped.
#[test]
fn a_mount_whose_links_are_swapped_is_followed() {
    let project = Project::new();
    let mount = project.path("mount");
    let write = |name: &str, text: &str| {
        fs::create_dir_all(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("policy.yaml"), text).unwrap();
    };
    let swap = |name: &str| {
        symlink(name, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    let text = fs::read_to_string(project.policy()).unwrap();
    write("..1", &text);
    swap("..1");
    symlink("..data/policy.yaml", mount.join("policy.yaml")).unwrap();
    let (policy, cases, key) = (project.name("mount"), project.name("project/cases"), project.name("key"));
    let args = ["serve", "--policy", &policy, "--cases", &cases, "--sign-with", &key, "--poll", "3600"];
    let companion = Companion::start(&args);
    let first = companion.bundle();
    project.edit("mounted");
    write("..2", &fs::read_to_string(project.policy()).unwrap());
    swap("..2");
    fs::remove_dir_all(mount.join("..1")).unwrap();
    let start = Instant::now();
    let next = companion.next(first.etag());
    assert!(next.serial() > first.serial() && start.elapsed() < Duration::from_secs(5));
    // And once more, in what was not there when the first watch began.
    write("..3", &text);
    swap("..3");
    assert!(companion.next(next.etag()).serial() > next.serial());
}

/// The kernel tells of changes in folders that are watched, and this file is in none.
#[test]
fn changes_that_nobody_tells_of_are_found() {
    let project = Project::new();
    fs::rename(project.policy(), project.path("elsewhere.yaml")).unwrap();
    symlink(project.path("elsewhere.yaml"), project.policy()).unwrap();
    let companion = project.serve(&["--poll", "1"]);
    let first = companion.bundle();
    let text = fs::read_to_string(project.path("elsewhere.yaml")).unwrap();
    fs::write(project.path("elsewhere.yaml"), text.replace("GET", "GET, HEAD")).unwrap();
    assert!(companion.next(first.etag()).serial() > first.serial());
}

#[test]
fn a_new_key_signs_what_is_published_anew() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let first = companion.bundle();
    run(&["keygen", "-o", &project.name("second")]);
    fs::rename(project.path("second"), project.path("key")).unwrap();
    let next = companion.next(first.etag());
    assert_eq!(next.serial(), first.serial(), "it is the same policy");
    assert!(!project.verifies(&next.body, None), "by the old key");
    fs::rename(project.path("second.pub"), project.path("key.pub")).unwrap();
    assert!(project.verifies(&next.body, None));
}

#[test]
fn a_key_that_others_can_read_signs_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new();
    fs::set_permissions(project.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let companion = project.serve(&[]);
    let problem = until("a problem", || companion.get("/readyz", &[]).json()["problems"].get(0).cloned());
    assert_eq!(problem["kind"], "keys");
    assert_eq!(companion.get("/v1/bundle", &[]).status, 503);
}
