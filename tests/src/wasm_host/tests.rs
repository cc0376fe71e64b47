//! Guests written as text, put into the host. What they are told is what Envoy 1.40 told the same guest.

use super::*;

/// Imports and helpers of every guest. `$say` logs a letter and a number; `$show` logs the text that a call left at 16 and 20.
const PRELUDE: &str = r#"
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $state (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "elsewhere" "unknown" (func $unknown (param i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "proxy_abi_version_0_2_1"))
  (global $free (mut i32) (i32.const 4096))
  (func (export "malloc") (param i32) (result i32)
    (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 0))))
  (func $say (param $letter i32) (param $number i32)
    (i32.store8 (i32.const 32) (local.get $letter))
    (i32.store8 (i32.const 33) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 10))))
    (i32.store8 (i32.const 34) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (drop (call $log (i32.const 2) (i32.const 32) (i32.const 3))))
  (func $show (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20)))))
  (func $deny (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 2)
    (i32.const 0) (i32.const 0) (i32.const -1))))
  (data (i32.const 100) "no")
  (data (i32.const 110) ":path")
  (data (i32.const 120) "content-length")
"#;

/// Calls the sizes and ends of all body and trailer callbacks by name, holding bodies back until they end.
const HOLDING: &str = r#"
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $say (i32.const 72) (local.get 2)) (i32.const 0))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (call $say (i32.const 66) (local.get 1)) (i32.eqz (local.get 2)))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
    (call $say (i32.const 84) (local.get 1)) (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $say (i32.const 104) (local.get 2)) (i32.const 0))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (call $say (i32.const 98) (local.get 1)) (i32.const 0))
  (func (export "proxy_on_log") (param i32) (call $say (i32.const 76) (i32.const 0)))
"#;

fn module(body: &str) -> Result<Module, HostError> {
    Module::from_bytes(&wat::parse_str(format!("(module {PRELUDE} {body})")).unwrap())
}

fn start(body: &str) -> Vm {
    Vm::start(&module(body).unwrap(), "{\"bundle\":\"\"}").unwrap()
}

/// A POST in these pieces, answered by `200 ok`.
fn post(pieces: &[&str]) -> HttpExchange {
    let request = ClientRequest {
        method: "POST",
        authority: "a",
        path: "/p",
        headers: &[],
        body: Some(pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect()),
        chunked: false,
        trailers: &[],
    };
    let (request, refused) = admit(&request);
    let headers = HeaderMap::from_iter([(":status", "200")]);
    let response = Message { headers, body: Some(vec![b"ok".to_vec()]), ..Message::default() };
    HttpExchange { connection: None, peer: None, at: None, request, refused, response }
}

fn lines(log: &[LogLine]) -> String {
    log.iter().map(|line| line.message.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_held_body_adds_up_and_its_end_is_a_call_of_its_own() {
    let seen = start(HOLDING).exchange(&post(&["hello", "", "world"])).unwrap();
    assert_eq!(lines(&seen.log), "H00 B05 B10 B10 h00 b02 b00 L00");
    assert_eq!(seen.upstream.unwrap().body, b"helloworld");
    assert_eq!(
        (seen.status, seen.client.body.as_slice(), seen.client.complete),
        (200, b"ok".as_slice(), true)
    );
}

#[test]
fn over_http2_the_end_comes_with_the_last_piece() {
    let mut exchange = post(&["hello", "world"]);
    exchange.request.end = BodyEnd::WithLastPiece;
    let seen = start(HOLDING).exchange(&exchange).unwrap();
    assert_eq!(lines(&seen.log), "H00 B05 B10 h00 b02 b00 L00");
}

#[test]
fn trailers_are_the_end_that_the_body_callback_never_hears_of() {
    let mut exchange = post(&["hello"]);
    exchange.request.trailers = Some(HeaderMap::from_iter([("x-t", "1")]));
    let seen = start(HOLDING).exchange(&exchange).unwrap();
    assert_eq!(lines(&seen.log), "H00 B05 T01 h00 b02 b00 L00");
    assert_eq!(seen.upstream.unwrap().body, b"hello");
}

#[test]
fn without_a_body_the_headers_are_the_end() {
    let mut exchange = post(&[]);
    exchange.response.body = None;
    assert_eq!(lines(&start(HOLDING).exchange(&exchange).unwrap().log), "H01 h01 L00");
}

/// Reads `:path` in every callback, and says what that answers.
const READING: &str = r#"
  (func $read (param i32)
    (call $say (local.get 0) (call $header (i32.const 0) (i32.const 110) (i32.const 5) (i32.const 16) (i32.const 20))))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $read (i32.const 67)) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $read (i32.const 72)) (call $show) (i32.const 0))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (call $read (i32.const 66)) (i32.const 0))
  (func (export "proxy_on_log") (param i32) (call $read (i32.const 76)))
  (func (export "proxy_on_done") (param i32) (result i32) (call $read (i32.const 68)) (i32.const 1))
"#;

#[test]
fn headers_are_gone_once_they_went_on_and_back_for_the_log() {
    let mut vm = start(READING);
    assert_eq!(lines(vm.start_log()), "C02");
    assert_eq!(lines(&vm.exchange(&post(&["x"])).unwrap().log), "H00 /p B02 B02 L00 D02");
}

#[test]
fn envoys_own_refusals_reach_only_the_log() {
    let mut exchange = post(&["x"]);
    exchange.refused = admit(&ClientRequest {
        method: "get",
        authority: "a",
        path: "/",
        headers: &[],
        body: None,
        chunked: false,
        trailers: &[],
    })
    .1;
    let seen = start(HOLDING).exchange(&exchange).unwrap();
    assert_eq!((lines(&seen.log).as_str(), seen.status, seen.upstream.is_some()), ("L00", 400, false));
}

#[test]
fn a_denial_stops_the_request_and_passes_our_own_response_callbacks() {
    let denying = HOLDING.replace(
        "(call $say (i32.const 66) (local.get 1))",
        "(call $say (i32.const 66) (local.get 1)) (if (local.get 2) (then (call $deny)))",
    );
    let seen = start(&denying).exchange(&post(&["x"])).unwrap();
    assert_eq!(lines(&seen.log), "H00 B01 B01 h00 b02 L00");
    assert!(seen.upstream.is_none());
    assert_eq!((seen.status, seen.client.body.as_slice()), (403, b"no".as_slice()));
}

#[test]
fn without_the_buffer_filter_the_upstream_sees_a_torn_request() {
    let denying =
        HOLDING.replace("(call $say (i32.const 66) (local.get 1))", "(if (local.get 2) (then (call $deny)))");
    let options = Options { buffer_after: false, ..Options::default() };
    let mut vm = Vm::start_with(&module(&denying).unwrap(), "", options).unwrap();
    let torn = vm.exchange(&post(&["x"])).unwrap().upstream.unwrap();
    assert!(!torn.complete && torn.body.is_empty() && torn.headers.get(":path").is_some());
}

#[test]
fn a_denial_after_the_response_began_tears_it() {
    let denying =
        HOLDING.replace("(call $say (i32.const 98) (local.get 1))", "(if (local.get 2) (then (call $deny)))");
    let seen = start(&denying).exchange(&post(&["x"])).unwrap();
    assert_eq!((seen.status, seen.client.complete), (200, false));
}

#[test]
fn a_trap_is_an_error_with_the_log_and_the_end_of_the_vm() {
    let trapping = HOLDING.replace("(i32.eqz (local.get 2)))", "(unreachable))");
    let mut vm = start(&trapping);
    let error = vm.exchange(&post(&["x"])).unwrap_err();
    assert!(error.to_string().starts_with("VM trapped: "), "{error}");
    let HostError::Trap { function, log, .. } = error else { panic!("{error}") };
    assert_eq!((function, lines(&log).as_str()), ("proxy_on_request_body", "H00 B01"));
    assert!(matches!(vm.exchange(&post(&["x"])), Err(HostError::Lost)));
}

#[test]
fn a_pause_at_the_headers_hangs_unless_the_plugin_has_the_flag() {
    let pausing = HOLDING.replace("(call $say (i32.const 72) (local.get 2)) (i32.const 0)", "(i32.const 1)");
    let module = module(&pausing).unwrap();
    let mut vm = Vm::start(&module, "").unwrap();
    let error = vm.exchange(&post(&["x"])).unwrap_err();
    assert!(matches!(error, HostError::Stalled { function: "proxy_on_request_headers", .. }), "{error}");
    let options = Options { allow_on_headers_stop_iteration: true, ..Options::default() };
    let seen = Vm::start_with(&module, "", options).unwrap().exchange(&post(&["x"])).unwrap();
    assert_eq!(seen.upstream.unwrap().body, b"x");
}

#[test]
fn what_envoy_will_not_hold_is_413() {
    let options = Options { buffer_limit: 8, ..Options::default() };
    let mut vm = Vm::start_with(&module(HOLDING).unwrap(), "", options).unwrap();
    assert_eq!(vm.exchange(&post(&["12345678"])).unwrap().status, 200);
    let seen = vm.exchange(&post(&["12345678", "9"])).unwrap();
    assert_eq!((seen.status, seen.upstream.is_some()), (413, false));
    assert_eq!(lines(&seen.log), "H00 B08 h00 b17 L00");
}

#[test]
fn a_replaced_body_gets_its_new_length() {
    let replacing = HOLDING.replace(
        "(call $say (i32.const 72) (local.get 2))",
        "(drop (call $remove (i32.const 0) (i32.const 120) (i32.const 14)))",
    );
    let replacing = replacing.replace(
        "(call $say (i32.const 66) (local.get 1))",
        "(if (local.get 2) (then (drop (call $replace (i32.const 0) (i32.const 0) (i32.const 99) (i32.const 100) (i32.const 2)))))",
    );
    let got = start(&replacing).exchange(&post(&["hello"])).unwrap().upstream.unwrap();
    assert_eq!(
        (got.body.as_slice(), got.headers.get("content-length")),
        (b"no".as_slice(), Some(b"2".as_slice()))
    );
}

/// Shows the certificate's properties and leaves filter state.
const IDENTITY: &str = r#"
  (data (i32.const 200) "connection\00uri_san_peer_certificate")
  (data (i32.const 300) "connection\00peer_certificate_valid")
  (data (i32.const 400) "connection\00peer_certificate")
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $say (i32.const 85) (call $property (i32.const 200) (i32.const 35) (i32.const 16) (i32.const 20)))
    (call $show)
    (call $say (i32.const 86) (call $property (i32.const 300) (i32.const 33) (i32.const 16) (i32.const 20)))
    (call $say (i32.const 118) (i32.load8_u (i32.load (i32.const 16))))
    (call $say (i32.const 80) (call $property (i32.const 400) (i32.const 27) (i32.const 16) (i32.const 20)))
    (call $show)
    (call $say (i32.const 83) (call $state (i32.const 100) (i32.const 2) (i32.const 110) (i32.const 5)))
    (i32.const 0))
"#;

#[test]
fn a_certificate_shows_its_first_san_and_its_pem_shows_all() {
    let mut vm = start(IDENTITY);
    let sans = ["spiffe://a/1".to_owned(), "spiffe://a/2".to_owned()];
    let mut identities = Identities::default();
    let peer = identities.peer(&sans).unwrap();
    assert_eq!(identities.peer(&sans).unwrap(), peer, "a certificate is minted once");
    let exchange = HttpExchange { peer: Some(peer.clone()), ..post(&["x"]) };
    let seen = vm.exchange(&exchange).unwrap();
    let expected = format!("U00 spiffe://a/1 V00 v01 P00 {} S00", peer.certificate_pem);
    assert_eq!(lines(&seen.log), expected);
    assert_eq!((seen.state("no"), seen.state("x")), (Some(b":path".as_slice()), None));
    let seen = vm.exchange(&post(&["x"])).unwrap();
    let codes: Vec<_> =
        seen.log.iter().map(|line| line.message.as_str()).filter(|line| line.len() == 3).collect();
    assert_eq!(codes, ["U01", "V00", "v00", "P01", "S00"]);
}

#[test]
fn the_configuration_is_there_during_configure_only() {
    let configured = r#"
      (func $read (param i32)
        (call $say (local.get 0) (call $buffer (i32.const 7) (i32.const 2) (i32.const 6) (i32.const 16) (i32.const 20))))
      (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (call $read (i32.const 86)) (i32.const 1))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (call $read (i32.const 67)) (call $say (i32.const 110) (local.get 1)) (call $show)
        (call $say (i32.const 85) (call $unknown (i32.const 0))) (i32.const 1))
      (func (export "proxy_on_log") (param i32) (call $read (i32.const 76)))
    "#;
    let mut vm = start(configured);
    assert_eq!(lines(vm.start_log()), "V01 C00 n13 bundle U12");
    assert_eq!(lines(&vm.exchange(&post(&["x"])).unwrap().log), "L01");
}

#[test]
fn a_module_that_says_no_or_is_none_does_not_start() {
    let refusing = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))"#;
    let error = Vm::start(&module(refusing).unwrap(), "").unwrap_err();
    assert!(matches!(error, HostError::Rejected("proxy_on_configure")), "{error}");
    let error = Module::from_bytes(&wat::parse_str("(module)").unwrap()).unwrap_err();
    assert!(error.to_string().contains("proxy_abi_version"), "{error}");
    assert!(matches!(Module::from_bytes(b"no"), Err(HostError::Compile(_))));
}
