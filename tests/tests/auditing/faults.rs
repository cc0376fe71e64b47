//! Companions that are away, or answer with something else than they should.

use std::time::{Duration, Instant};

use sallyport_engine::policy::Overflow;

use crate::archive::{Act, Archive};
use crate::gate::{Gate, Publisher, audit};

#[test]
fn a_companion_that_was_away_gets_what_there_was_room_for_and_the_number_of_the_rest() {
    for workers in [1, 2, 4] {
        let publisher = Publisher::new();
        let bundle = publisher.bundle(audit(Overflow::DropOldest, 100));
        let archive = Archive::start(bundle.clone(), Act::Close);
        let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), workers);
        assert_eq!(gate.load(700), [(200, 700)], "what is recorded or not does not matter to requests");
        gate.wait_until("the companion is missed", || archive.calls() > 1);
        archive.act(Act::Keep);
        gate.wait_until("what there is arrived", || archive.kept() >= 100);
        gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
        assert_eq!(
            (archive.kept(), archive.holes(), archive.dropped()),
            (100, 600, 600),
            "{workers} workers"
        );
        assert_eq!(gate.load(50), [(200, 50)]);
        gate.wait_until("it goes on", || archive.kept() >= 150);
        assert_eq!((archive.kept(), archive.holes(), archive.dropped()), (150, 600, 600));
        assert_eq!(gate.stat("sallyport_audit_dropped"), Some(600));
        assert_eq!(archive.wrong(), Vec::<String>::new());
    }
}

#[test]
fn how_many_wait_is_told_between_calls() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::DropOldest, 500));
    let archive = Archive::start(bundle.clone(), Act::Close);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 2);
    assert_eq!(gate.load(10), [(200, 10)]);
    // By now the pauses are of four seconds and more.
    gate.wait_until("the companion is missed", || archive.calls() > 5);
    assert_eq!(gate.load(50), [(200, 50)]);
    let asked = Instant::now();
    gate.wait_until("it is told", || gate.stat("sallyport_audit_queued") == Some(60));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[test]
fn where_records_are_required_no_request_goes_on_without_one() {
    for workers in [1, 2, 4] {
        let publisher = Publisher::new();
        let bundle = publisher.bundle(audit(Overflow::Required, 100));
        let archive = Archive::start(bundle.clone(), Act::Close);
        let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), workers);
        let counted = gate.load(400);
        assert_eq!(counted, [(200, 100), (503, 300)], "{workers} workers: the queue holds as many as go on");
        archive.act(Act::Keep);
        gate.wait_until("what went on arrived", || archive.kept() >= 100);
        gate.wait_until("requests go on again", || gate.status("/docs/1") == 200);
        let refused = gate.stat("sallyport_audit_dropped").unwrap();
        gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
        let allowed = archive.records().iter().filter(|record| record["verdict"] == "allow").count();
        assert_eq!((allowed, archive.holes()), (101, 0), "every request that went on has its record");
        // Refusals for want of room have no record, or one that came when there was room again; each is counted once.
        let others = archive.kept() - 101;
        assert!(refused >= 300 && refused + others >= 300, "{refused} {others}");
        assert_eq!(archive.wrong(), Vec::<String>::new());
    }
}

#[test]
fn whatever_is_answered_records_stay_until_they_are_acknowledged() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::DropOldest, 500));
    let archive = Archive::start(bundle.clone(), Act::Close);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 2);
    let mut asked = 0;
    for act in [
        Act::Answer(500, ""),
        Act::Answer(400, "{\"acknowledged\":0}"),
        Act::Answer(413, ""),
        Act::Answer(200, "<html>"),
        Act::Answer(200, ""),
        Act::Answer(200, "{\"acknowledged\":999999}"),
        Act::Answer(200, "{\"acknowledged\":-1}"),
        Act::Answer(200, "{\"acknowledged\":\"3\"}"),
        Act::Close,
    ] {
        archive.act(act.clone());
        let before = archive.calls();
        assert_eq!(gate.load(10), [(200, 10)]);
        asked += 10;
        gate.wait_until(&format!("{act:?} was heard"), || archive.calls() > before);
        assert_eq!(archive.kept(), 0, "{act:?}");
        // Pauses between calls grow with failures; a success ends that.
        archive.act(Act::Keep);
        gate.wait_until(&format!("they arrived after {act:?}"), || archive.kept() >= asked);
        asked = 0;
        archive.forget();
    }
    assert_eq!((archive.dropped(), archive.wrong()), (0, Vec::<String>::new()));
    assert!(gate.calls("status") > 2 && gate.calls("answer") > 4, "each is counted by what it was");
}

#[test]
fn what_is_acknowledged_in_part_or_not_at_all_comes_again() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::DropOldest, 500));
    let archive = Archive::start(bundle.clone(), Act::KeepSilently);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 2);
    assert_eq!(gate.load(40), [(200, 40)]);
    gate.wait_until("it has them, and did not say so", || archive.kept() == 40);
    archive.act(Act::KeepHalf);
    assert_eq!(gate.load(40), [(200, 40)]);
    gate.wait_until("all arrived", || archive.kept() == 80);
    gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
    assert!(archive.duplicates() >= 40, "{}", archive.duplicates());
    assert_eq!((archive.holes(), archive.dropped(), archive.wrong()), (0, 0, vec![]));
    std::thread::sleep(Duration::from_millis(500));
    let calls = archive.calls();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(archive.calls(), calls, "who has nothing to tell does not call");
}
