//! Who asks, what they run, and what monitoring sees of it.

use std::process::Command;

use sallyport_engine::bundle::FORMAT;

use super::common::{PROGRAM, Project};

#[test]
fn the_fleet_is_listed_as_it_says_of_itself() {
    let project = Project::new();
    let companion = project.serve(&[]);
    let serial = companion.bundle().serial();
    let (now, old) = (serial.to_string(), (serial - 1).to_string());
    let format = FORMAT.to_string();
    let says = |node, serial, more: &[(&str, &str)]| {
        let words = [
            ("x-sallyport-node", node),
            ("x-sallyport-serial", serial),
            ("x-sallyport-engine", "1"),
            ("x-sallyport-format", &format),
            ("x-sallyport-module", "0.1.0"),
        ];
        companion.get("/v1/bundle/tools/docs", &[&words[..], more].concat()).status
    };
    assert_eq!(says("sidecar~a", &now, &[]), 200);
    assert_eq!(says("sidecar~b", &old, &[("x-sallyport-refused", "unknown_key")]), 200);
    assert_eq!(says("sidecar~b", &old, &[("x-sallyport-refused", "unknown_key")]), 200);
    // Only who does not take what it was sent is without policy.
    companion.get("/v1/bundle", &[("x-sallyport-node", "sidecar~c")]);
    companion.get("/v1/bundle", &[("x-sallyport-node", "sidecar~c")]);
    companion.get("/v1/bundle", &[("x-sallyport-node", "sidecar~d")]);
    companion.get("/v1/bundle", &[("x-sallyport-serial", "1")]);
    companion.get("/v1/bundle", &[("x-sallyport-node", &"n".repeat(300))]);

    let fleet = companion.get("/v1/fleet", &[]).json();
    assert_eq!(fleet["serial"], serial);
    let nodes = fleet["nodes"].as_array().unwrap();
    let names: Vec<_> = nodes.iter().map(|node| node["node"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["sidecar~a", "sidecar~b", "sidecar~c", "sidecar~d"],
        "who gives no name is not listed"
    );
    let first = &nodes[0];
    assert_eq!((&first["audience"], &first["serial"]), (&"tools/docs".into(), &serial.into()));
    assert_eq!(
        (&first["engine"], &first["format"], &first["module"]),
        (&1.into(), &FORMAT.into(), &"0.1.0".into())
    );
    assert_eq!((&first["spiffeId"], &first["refused"]), (&().into(), &().into()));
    assert!(first["since"].as_str().unwrap().ends_with('Z') && first["lastSeen"].is_string());
    assert_eq!((&nodes[1]["refused"], &nodes[2]["serial"]), (&"unknown_key".into(), &().into()));
    let told = companion.logged("a filter refused what it was sent");
    assert_eq!(told.len(), 1, "told once");
    assert_eq!((&told[0]["code"], &told[0]["node"]), (&"unknown_key".into(), &"sidecar~b".into()));

    let metric = |series: &str| companion.metric(&format!("sallyport_companion_{series}"));
    for (state, count) in [("current", 1.0), ("behind", 1.0), ("ahead", 0.0), ("none", 1.0), ("unheard", 1.0)]
    {
        assert_eq!(metric(&format!("fleet_nodes{{serial=\"{state}\"}}")), count, "{state}");
    }
    assert_eq!((metric("fleet_refusing"), metric("publications_total{result=\"published\"}")), (1.0, 1.0));
    assert!(metric("bundle_requests_total{code=\"200\"}") >= 7.0 && metric("sent_bytes_total") > 1000.0);
    assert_eq!(metric("bundle_serial") as u64, serial);
    let before = metric("sent_bytes_total");
    let head = companion.client().ask(hyper::Method::HEAD, "/v1/bundle", &[]).unwrap();
    assert!(head.status == 200 && head.header("content-length").parse::<u64>().unwrap() > 100);
    assert_eq!(metric("sent_bytes_total"), before, "nothing was sent");

    let url = format!("http://{}", companion.address);
    let status = |args: &[&str]| {
        let output = Command::new(PROGRAM).args(["status", &url]).args(args).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = status(&[]);
    let head = format!(
        "serial {serial} is published; 4 nodes: 1 current, 1 behind, 1 without policy, 1 not heard of since, "
    );
    assert!(text.starts_with(&head) && text.contains("unknown_key"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&status(&["--format", "json"])).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 4);
}

#[test]
fn metrics_are_in_the_form_that_prometheus_reads() {
    let project = Project::new();
    let companion = project.serve(&[]);
    companion.bundle();
    let answer = companion.get("/metrics", &[]);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
    let mut known = (String::new(), false);
    let mut series = 0;
    for line in answer.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            known = (name.to_owned(), kind == "histogram");
        } else if !line.starts_with("# HELP ") {
            let (of, value) = line.rsplit_once(' ').unwrap();
            let (name, is_histogram) = &known;
            let part = of.split('{').next().unwrap().strip_prefix(name.as_str());
            let parts = if *is_histogram { &["_bucket", "_sum", "_count"][..] } else { &[""] };
            assert!(part.is_some_and(|part| parts.contains(&part)), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            series += 1;
        }
    }
    assert!((10..100).contains(&series), "{series}");
}

#[test]
fn nobody_is_there_to_ask() {
    let output = Command::new(PROGRAM).args(["status", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = Command::new(PROGRAM).args(["status", "127.0.0.1:1"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("http://host:port"));
}
