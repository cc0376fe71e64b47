//! What goes wrong around the store: the process killed, the disk full, the server gone, the clock set.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::common::{Companion, PROGRAM, until};
use super::http::Client;
use super::setup::{Kind, Proxy, Setup, record};

on_both!(killed_at_any_moment_it_loses_nothing_that_it_acknowledged);

/// Sends batches until told to stop, as a proxy does: each again until it is acknowledged. What was acknowledged last.
fn keep_sending(clients: &Arc<Mutex<Client>>, stop: &Arc<AtomicBool>, node: &str) -> thread::JoinHandle<u64> {
    let (clients, stop, mut proxy) = (Arc::clone(clients), Arc::clone(stop), Proxy::new(node));
    thread::spawn(move || {
        let mut acknowledged = 0;
        while !stop.load(Ordering::Relaxed) {
            let (first, body) = proxy.body(3);
            while !stop.load(Ordering::Relaxed) {
                let client = clients.lock().unwrap().clone();
                match proxy.send(&client, first, &body) {
                    Ok(answer) if answer.status == 200 => {
                        acknowledged = answer.json()["acknowledged"].as_u64().unwrap();
                        break;
                    }
                    Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                    Err(_) => {}
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        acknowledged
    })
}

/// That every record up to these numbers is there, once.
fn all_there(setup: &Setup, acknowledged: &[u64]) {
    let all = setup.all();
    for (number, last) in acknowledged.iter().enumerate() {
        let name = format!("node:p{number}");
        let of_proxy = all.iter().filter(|line| line["proxy"] == name.as_str());
        let mut seqs: Vec<_> = of_proxy.map(|line| line["record"]["seq"].as_u64().unwrap()).collect();
        seqs.sort_unstable();
        let expected: Vec<_> = (1..=seqs.len() as u64).collect();
        assert_eq!(seqs, expected, "{name}: each once");
        assert!(seqs.len() as u64 >= *last && *last > 0, "{name}: {} of {last}", seqs.len());
    }
    setup.verified();
}

fn killed_at_any_moment_it_loses_nothing_that_it_acknowledged(kind: Kind) {
    let setup = Setup::new(kind);
    let mut companion = setup.serve(&[]);
    let clients = Arc::new(Mutex::new(companion.client()));
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..3).map(|number| keep_sending(&clients, &stop, &format!("p{number}"))).collect();
    for round in 0..8_u64 {
        thread::sleep(Duration::from_millis(150 + round * 37 % 100));
        companion.signal("KILL");
        companion.ended();
        companion = setup.serve(&[]);
        *clients.lock().unwrap() = companion.client();
    }
    thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    all_there(&setup, &acknowledged);
}

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let setup = Setup::new(Kind::Sqlite);
    let mut proxy = Proxy::new("p0");
    proxy.sends(&setup.serve(&[]).client(), 5);
    // Files may be of 256 or 512 KiB.
    let script = "trap '' XFSZ; ulimit -S -f 512; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, PROGRAM]).args(setup.args()).args(["--listen", "127.0.0.1:0"]);
    let companion = Companion::spawn(command, false);
    companion.bundle();
    let client = companion.client();
    let (refused, first, body) = until("a refusal", || {
        let (first, body) = proxy.body(200);
        let answer = proxy.send(&client, first, &body).unwrap();
        (answer.status != 200).then_some((answer, first, body))
    });
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.text());
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"audit\"}"), 1.0);
    let ready = companion.get("/readyz", &[]);
    assert_eq!(
        (ready.status, &ready.json()["problems"][0]["kind"]),
        (200, &"audit".into()),
        "policy is served"
    );
    setup.verified();

    let process = companion.id().to_string();
    assert!(
        Command::new("prlimit").args(["--pid", &process, "--fsize=unlimited"]).status().unwrap().success()
    );
    let answer = proxy.send(&client, first, &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"audit\"}"), 0.0);
    all_there(&setup, &[proxy.next - 1]);
}

#[test]
fn postgresql_may_be_restarted_or_gone() {
    let mut setup = Setup::new(Kind::Postgres);
    let companion = setup.serve(&[]);
    let clients = Arc::new(Mutex::new(companion.client()));
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..3).map(|number| keep_sending(&clients, &stop, &format!("p{number}"))).collect();
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(400));
        setup.server.as_mut().unwrap().stop();
        let probe = Proxy::new("probe");
        until("it is told", || {
            let answer = probe.send(&companion.client(), 1, &record(1, &[])).unwrap();
            (answer.status == 503).then_some(())
        });
        assert_eq!(companion.metric("sallyport_companion_problems{with=\"audit\"}"), 1.0);
        setup.server.as_mut().unwrap().restart().unwrap();
    }
    thread::sleep(Duration::from_millis(1500));
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    all_there(&setup, &acknowledged);
    assert_eq!(companion.get("/readyz", &[]).json()["problems"], serde_json::json!([]));
}

#[test]
fn a_store_that_is_not_there_at_the_start_holds_no_policy_back() {
    let mut setup = Setup::new(Kind::Postgres);
    setup.server.as_mut().unwrap().stop();
    let companion = setup.serve(&[]);
    assert_eq!(companion.bundle().status, 200);
    let (client, mut proxy) = (companion.client(), Proxy::new("p0"));
    let (first, body) = proxy.body(1);
    assert_eq!(proxy.send(&client, first, &body).unwrap().status, 503);
    setup.server.as_mut().unwrap().restart().unwrap();
    until("it is taken", || proxy.send(&client, first, &body).ok().filter(|answer| answer.status == 200));
    all_there(&setup, &[1]);
}

#[test]
fn a_password_is_never_shown() {
    let mut setup = Setup::new(Kind::Postgres);
    setup.server.as_mut().unwrap().stop();
    let url = setup.store().replace("audit@", "audit:open-sesame@");
    let args =
        [setup.project.args(), ["--audit", &url, "--audit-key", &setup.key()].map(str::to_owned).to_vec()];
    let args = args.concat();
    let companion = Companion::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    until("the problem", || {
        (companion.metric("sallyport_companion_problems{with=\"audit\"}") > 0.0).then_some(())
    });
    let shown = format!("{:?}{}", companion.log(), companion.get("/readyz", &[]).text());
    assert!(shown.contains("PostgreSQL can not be reached") && !shown.contains("sesame"), "{shown}");
    let asked = Command::new(PROGRAM).args(["audit", "query", "--store", &url]).output().unwrap();
    assert!(!asked.status.success() && !super::setup::text(&asked.stderr).contains("sesame"));
    let wrong =
        Command::new(PROGRAM).args(["audit", "query", "--store", "postgres://a:sesame@[/"]).output().unwrap();
    assert!(!wrong.status.success() && !super::setup::text(&wrong.stderr).contains("sesame"));
}
