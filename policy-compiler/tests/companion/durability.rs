//! What outlives the process, and a disk that does not take it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::common::{Companion, PROGRAM, Project, run, until};

#[test]
fn a_restart_serves_what_was_published_at_once() {
    let project = Project::new();
    let state = project.name("state");
    let mut companion = project.serve(&["--state", &state]);
    project.edit("one");
    let (last, slice) = until("the edit", || {
        let (whole, slice) = (companion.bundle(), companion.get("/v1/bundle/tools/docs", &[]));
        (whole.serial() == slice.serial()).then_some((whole, slice))
    });
    companion.signal("TERM");
    assert_eq!(companion.ended(), Some(0));
    project.break_policy();
    let again = project.serve(&["--state", &state]);
    assert_eq!(again.get("/v1/bundle", &[]).body, last.body, "without waiting for anything");
    assert_eq!(again.get("/v1/bundle/tools/docs", &[]).body, slice.body, "and so are slices");
    assert!(!again.logged("serving what was published before").is_empty());
    project.edit("two");
    assert!(again.next(last.etag()).serial() > last.serial());
}

#[test]
fn what_another_key_signed_is_not_served_and_not_undercut() {
    let project = Project::new();
    let state = project.name("state");
    let first = project.serve(&["--state", &state]).bundle();
    run(&["keygen", "-o", &project.name("other")]);
    fs::rename(project.path("other"), project.path("key")).unwrap();
    fs::rename(project.path("other.pub"), project.path("key.pub")).unwrap();
    project.break_policy();
    let companion = project.serve(&["--state", &state]);
    assert_eq!(companion.get("/v1/bundle", &[]).status, 503);
    project.mend();
    let next = companion.bundle();
    assert!(project.verifies(&next.body, None) && next.serial() >= first.serial());
}

#[test]
fn two_do_not_share_a_state_folder() {
    let project = Project::new();
    let state = project.name("state");
    let _first = project.serve(&["--state", &state]);
    let args =
        [project.args(), vec!["--state".to_owned(), state, "--listen".to_owned(), "127.0.0.1:0".to_owned()]];
    let second = Command::new(PROGRAM).args(args.concat()).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8(second.stderr).unwrap().contains("give each replica its own"));
}

/// What `current.json` names must be there, whole.
fn saved_is_whole(project: &Project, state: &Path) -> bool {
    let Ok(text) = fs::read_to_string(state.join("current.json")) else { return false };
    let current: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tag = current["bundles"][""].as_str().unwrap();
    let bytes = fs::read(state.join(format!("{tag}.bundle"))).unwrap();
    assert!(project.verifies(&bytes, None), "{tag} is torn");
    true
}

#[test]
fn killed_while_publishing_it_leaves_a_whole_bundle() {
    let project = Project::new();
    let state = project.path("state");
    let args = ["--state", &project.name("state")];
    let mut published = 0;
    for round in 0..25_u64 {
        let mut companion = project.serve(&args);
        project.edit(&format!("round{round}"));
        // From before the edit is seen to after it is saved: building takes some hundred milliseconds here.
        thread::sleep(Duration::from_millis(round * 23 % 600));
        companion.signal("KILL");
        companion.ended();
        published += usize::from(saved_is_whole(&project, &state));
    }
    assert!(published > 5, "rounds that saved something: {published}");
    project.break_policy();
    let companion = project.serve(&args);
    let served = companion.get("/v1/bundle", &[]);
    assert!(served.status == 200 && project.verifies(&served.body, None));
    let left = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.collect();
    assert!(left.iter().all(|name| !name.starts_with(".tmp")), "unfinished files are cleared away: {left:?}");
}

#[test]
fn what_is_torn_on_the_disk_is_not_served() {
    let project = Project::new();
    let state = project.path("state");
    let first = project.serve(&["--state", &project.name("state")]).bundle();
    let tag = first.etag().trim_matches('"').to_owned();
    let file = state.join(format!("{tag}.bundle"));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    project.break_policy();
    let companion = project.serve(&["--state", &project.name("state")]);
    assert_eq!(companion.get("/v1/bundle", &[]).status, 503);
    assert!(!companion.logged("what was published before can not be served").is_empty());
    project.mend();
    let mended = companion.bundle();
    until("it is saved anew", || saved_is_whole(&project, &state).then_some(()));
    assert_eq!(
        fs::read(state.join(format!("{}.bundle", mended.etag().trim_matches('"')))).unwrap(),
        mended.body
    );
}

/// A disk that takes no more: files may be of 512 or 1024 bytes, and bundles are longer.
fn cramped(project: &Project) -> Companion {
    let script = "trap '' XFSZ; ulimit -S -f 1; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, PROGRAM]).args(project.args());
    command.args(["--state", &project.name("state"), "--listen", "127.0.0.1:0"]);
    Companion::spawn(command, false)
}

#[test]
fn a_full_disk_holds_no_policy_back_and_tears_nothing() {
    let project = Project::new();
    let first = project.serve(&["--state", &project.name("state")]).bundle();
    let companion = cramped(&project);
    let before = companion.bundle();
    assert_eq!(before.body, first.body);
    project.edit("one");
    let next = companion.next(before.etag());
    assert!(project.verifies(&next.body, None));
    let ready = companion.get("/readyz", &[]);
    assert_eq!((ready.status, &ready.json()["problems"][0]["kind"]), (200, &"state".into()));
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"state\"}"), 1.0);
    assert!(saved_is_whole(&project, &project.path("state")), "the last one that fitted");
    assert!(!project.path("state").join(format!("{}.bundle", next.etag().trim_matches('"'))).exists());

    let process = companion.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &process, "--fsize=unlimited"]).status();
    assert!(raised.unwrap().success());
    until("it is saved when there is room", || {
        (companion.get("/readyz", &[]).json()["status"] == "ready").then_some(())
    });
    assert!(project.path("state").join(format!("{}.bundle", next.etag().trim_matches('"'))).exists());
}
