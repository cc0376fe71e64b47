//! A companion that publishes what a registry has.

use std::process::Command;

use super::common::{Companion, Project, run, until};
use super::http::Answer;
use super::layouts::bundle;
use super::proxy::{Act, Proxy};
use super::registry::{Login, PASSWORD, Registry, Tool, USER, wasm};

struct Setting {
    project: Project,
    tool: Tool,
    registry: Registry,
}

impl Setting {
    /// With TLS and a password, as it will be.
    fn new() -> Self {
        let registry = Registry::new(true, Login::Password);
        let tool = Tool::logged_in(&registry.address.to_string(), USER, PASSWORD);
        Self { project: Project::new(), tool, registry }
    }

    /// Moves the tag to bundles of these.
    fn push(&self, files: &[&str]) {
        let (place, ca) = (self.place(), self.registry.path("ca.pem"));
        self.tool.json(&[&["push"], files, &[&place, "--ca-file", &ca]].concat());
    }

    /// Moves the tag to a bundle for everybody, with another policy each time.
    fn publish(&self, serial: u64) -> String {
        self.project.edit(&format!("agent-{serial}"));
        let file = bundle(&self.project, &format!("{serial}.bundle"), serial, &[]);
        self.push(&[&file]);
        file
    }

    fn place(&self) -> String {
        self.registry.reference("policy:live")
    }

    fn serve(&self, more: &[&str]) -> Companion {
        let mut command: Command = self.tool.command();
        let (place, key) = (self.place(), self.project.name("key.pub"));
        command.args(["serve", "--registry", &place, "--registry-ca-file", &self.registry.path("ca.pem")]);
        command.args(["--key", &key, "--poll", "1", "--listen", "127.0.0.1:0"]).args(more);
        Companion::spawn(command, false)
    }
}

fn ready(companion: &Companion, status: &str) -> Answer {
    until(status, || Some(companion.get("/readyz", &[])).filter(|ready| ready.json()["status"] == status))
}

#[test]
fn a_tag_that_is_moved_is_followed() {
    let setting = Setting::new();
    let first = setting.publish(1);
    let companion = setting.serve(&[]);
    let served = companion.bundle();
    assert_eq!(served.body, std::fs::read(&first).unwrap(), "as it was signed");
    assert_eq!(ready(&companion, "ready").status, 200);
    let second = setting.publish(2);
    let next = companion.next(served.etag());
    assert_eq!((next.serial(), next.body), (2, std::fs::read(&second).unwrap()));

    // Bundles for several audiences at once.
    let tools = bundle(&setting.project, "tools.bundle", 4, &["--audience", "tools"]);
    let all = bundle(&setting.project, "all.bundle", 3, &[]);
    setting.push(&[&tools, &all]);
    let three = companion.next(companion.bundle().etag());
    assert_eq!((three.serial(), companion.get("/v1/bundle/tools/docs", &[]).serial()), (3, 4));
    assert!(companion.logged("fetched").len() >= 3);
    assert!(companion.log().iter().all(|line| !line.to_string().contains(PASSWORD)));
}

#[test]
fn what_does_not_verify_is_not_published_wherever_the_tag_goes() {
    let setting = Setting::new();
    setting.publish(5);
    let companion = setting.serve(&[]);
    let good = companion.bundle();
    run(&["keygen", "-o", &setting.project.name("stranger")]);
    let policy = setting.project.policy().display().to_string();
    let (forged, stranger) = (setting.project.name("forged.bundle"), setting.project.name("stranger"));
    run(&["compile", "--policy", &policy, "-o", &forged, "--serial", "9", "--sign-with", &stranger]);
    let older = bundle(&setting.project, "older.bundle", 4, &[]);
    let module = setting.tool.file("module.wasm", &wasm());
    for (file, kind, id) in
        [(&forged, "bundles", "unknown_key"), (&older, "bundles", "older"), (&module, "registry", "")]
    {
        setting.push(&[file]);
        until(id, || {
            let page = ready(&companion, "degraded").json();
            let problems = page["problems"].as_array().unwrap().clone();
            let found = problems.iter().find(|one| one["kind"] == kind)?;
            (id.is_empty() || found["details"][0]["id"] == id).then_some(())
        });
        assert_eq!(companion.bundle().body, good.body, "{id}");
    }
    setting.publish(10);
    assert_eq!(companion.next(good.etag()).serial(), 10);
    ready(&companion, "ready");
}

#[test]
fn when_the_registry_is_gone_the_last_good_policy_stays() {
    let mut setting = Setting::new();
    setting.publish(1);
    let state = setting.project.name("state");
    let companion = setting.serve(&["--state", &state]);
    let good = companion.bundle();
    setting.registry.stop();
    let page = ready(&companion, "degraded");
    assert_eq!((page.status, &page.json()["problems"][0]["kind"]), (200, &"registry".into()));
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"registry\"}"), 1.0);
    assert_eq!(companion.bundle().body, good.body);
    drop(companion);

    // A restart serves it too; without a state it waits, and says for what.
    let companion = setting.serve(&["--state", &state]);
    assert_eq!(companion.bundle().body, good.body);
    ready(&companion, "degraded");
    let fresh = setting.serve(&[]);
    until("it says so", || {
        let page = fresh.get("/readyz", &[]);
        (page.status == 503 && page.json()["problems"][0]["kind"] == "registry").then_some(())
    });
    assert_eq!(fresh.get("/v1/bundle", &[]).status, 503);
    setting.registry.restart();
    for companion in [&companion, &fresh] {
        assert_eq!(companion.bundle().body, good.body);
        ready(companion, "ready");
    }
    setting.publish(2);
    assert_eq!(companion.next(good.etag()).serial(), 2);
}

#[test]
fn a_registry_that_hangs_holds_nothing_up() {
    let (project, registry, tool) = (Project::new(), Registry::open(), Tool::new());
    let file = bundle(&project, "1.bundle", 1, &[]);
    tool.json(&["push", &file, &registry.reference("policy:live"), "--plain-http"]);
    let proxy = Proxy::before(
        registry.address,
        |head, _| if head.starts_with("head") { Act::Hang } else { Act::Pass },
    );
    let (place, key) = (proxy.reference("policy:live"), project.name("key.pub"));
    let mut companion = Companion::start(&[
        "serve",
        "--registry",
        &place,
        "--registry-plain-http",
        "--key",
        &key,
        "--poll",
        "1",
    ]);
    companion.bundle();
    until("it hangs", || (proxy.count("head ") > 0).then_some(()));
    assert_eq!(companion.bundle().serial(), 1);
    let start = std::time::Instant::now();
    companion.signal("TERM");
    assert_eq!(companion.ended(), Some(0));
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
}
