use super::pace::CALL_MILLIS;
use super::*;
use crate::bundle::{Terms, encode_under};
use crate::http::Head;
use crate::policy::fixture;
use alloc::vec;
use alloc::vec::Vec;

fn bundle(serial: u64) -> Vec<u8> {
    let mut parts = fixture::parts();
    parts.serial = serial;
    encode_under(&Policy::new(parts).unwrap(), &Terms::default()).unwrap()
}

fn active(bytes: &[u8]) -> Active {
    let bundle = Bundle::read(bytes).unwrap();
    Active { serial: bundle.serial(), digest: *bundle.digest() }
}

fn notice(bytes: &[u8]) -> Notice {
    Notice::new(active(bytes), 9, b"\"t\"".to_vec())
}

#[test]
fn the_newest_bundle_wins() {
    let mut here = Subscription::new(Trust::default());
    let take = |here: &mut Subscription, serial, floor: Option<&Active>| {
        here.take(&bundle(serial), floor, Some(1)).map(|policy| policy.map(|policy| policy.parts().serial))
    };
    assert!(here.is_behind(&notice(&bundle(0))));
    assert_eq!(take(&mut here, 5, None), Ok(Some(5)));
    assert_eq!(take(&mut here, 5, None), Ok(None));
    assert_eq!(take(&mut here, 4, None), Err(BundleError::Older));
    assert_eq!(take(&mut here, 6, None), Ok(Some(6)));
    assert_eq!(here.active(), Some(&active(&bundle(6))));
    assert!(!here.is_behind(&notice(&bundle(6))) && here.is_told_by(&notice(&bundle(6))));
    assert!(here.is_behind(&notice(&bundle(7))) && !here.is_told_by(&notice(&bundle(7))));
}

#[test]
fn what_goes_stale_soon_is_asked_for_sooner() {
    let wait = |after: Option<u32>| {
        let mut parts = fixture::parts();
        parts.settings.staleness =
            after.map(|after| crate::policy::Staleness { after, then: crate::policy::Otherwise::Deny });
        let bundle = encode_under(&Policy::new(parts).unwrap(), &Terms::default()).unwrap();
        let mut here = Subscription::new(Trust::default());
        here.take(&bundle, None, Some(1)).unwrap();
        here.wait_seconds()
    };
    assert_eq!([None, Some(u32::MAX), Some(3600), Some(34)].map(wait), [15; 4]);
    assert_eq!([33, 32, 10, 7, 4, 1].map(|after| wait(Some(after))), [14, 14, 3, 1, 0, 0]);
    assert_eq!(Subscription::new(Trust::default()).wait_seconds(), 15);
}

#[test]
fn a_fresh_worker_takes_nothing_older_than_the_others_have() {
    let told = notice(&bundle(7));
    let mut fresh = Subscription::new(Trust::default());
    let floor = fresh.floor(&told, || Some(bundle(7)));
    assert_eq!(floor, Some(active(&bundle(7))));
    let told = floor.as_ref();
    assert_eq!(fresh.take(&bundle(6), told, Some(1)).err(), Some(BundleError::Older));
    assert_eq!(fresh.active(), None);
    assert!(fresh.take(&bundle(7), told, Some(1)).unwrap().is_some(), "what they have is new to it");
    assert!(fresh.take(&bundle(8), told, Some(1)).unwrap().is_some());
    assert_eq!(fresh.floor(&notice(&bundle(7)), || Some(bundle(7))), None, "it has a newer one");
}

#[test]
fn a_notice_alone_keeps_nothing_out() {
    let mut here = Subscription::new(Trust { keys: None, audience: Some("a/b".into()) });
    let foreign = {
        let mut parts = fixture::parts();
        parts.serial = u64::MAX;
        let terms = Terms { audience: Some("c".into()), ..Terms::default() };
        encode_under(&Policy::new(parts).unwrap(), &terms).unwrap()
    };
    for shared in [None, Some(foreign.clone()), Some(b"garbage".to_vec())] {
        assert_eq!(here.floor(&notice(&foreign), || shared.clone()), None, "{shared:?}");
    }
    // Of what is there and what is told of, what is there counts.
    let floor = here.floor(&notice(&foreign), || Some(bundle(3)));
    assert_eq!(floor, Some(active(&bundle(3))));
    assert!(here.take(&bundle(4), floor.as_ref(), Some(1)).unwrap().is_some());
}

#[test]
fn a_bundle_that_does_not_verify_changes_nothing() {
    let mut here = Subscription::new(Trust { keys: None, audience: Some("a/b".into()) });
    here.take(&bundle(1), None, Some(1)).unwrap();
    let foreign = Terms { audience: Some("c".into()), ..Terms::default() };
    let mut parts = fixture::parts();
    parts.serial = 2;
    let foreign = encode_under(&Policy::new(parts).unwrap(), &foreign).unwrap();
    assert_eq!(here.take(&foreign, None, Some(1)).err(), Some(BundleError::Audience));
    assert_eq!(here.take(b"<html>", None, Some(1)).err(), Some(BundleError::NotABundle));
    assert_eq!(here.active().map(|active| active.serial), Some(1));
}

#[test]
fn a_notice_is_read_as_it_was_written() {
    for tag in [&b""[..], b"\"abc-gzip\""] {
        let written = Notice::new(active(&bundle(3)), 77, tag.to_vec());
        let bytes = written.to_bytes();
        assert_eq!(Notice::read(&bytes), Some(written));
        for length in 0..52 {
            assert_eq!(Notice::read(&bytes[..length]), None, "{length}");
        }
    }
    let long = [&b"\""[..], &[b'x'; 200], b"\""].concat();
    for tag in [&b"abc"[..], b"\"a b\"", b"\"\r\n\"", b"W/\"a\"", &long] {
        let bytes = Notice::new(active(&bundle(3)), 77, tag.to_vec()).to_bytes();
        assert_eq!(Notice::read(&bytes), None, "{tag:?}");
    }
}

#[test]
fn one_worker_holds_the_lease() {
    let first = Lease::take(None, 1, 1000).unwrap();
    let kept = first.to_bytes();
    assert_eq!(Lease::take(Some(&kept), 2, 1000 + LEASE_MILLIS), None);
    assert_eq!(Lease::take(Some(&kept), 1, 2000), Some(Lease { holder: 1, until: 2000 + LEASE_MILLIS }));
    assert!(Lease::take(Some(&kept), 2, 1001 + LEASE_MILLIS).is_some(), "it ran out");
    assert!(Lease::take(Some(&kept), 2, 10).is_some(), "the clock was set back");
    assert!(Lease::take(Some(b"garbage"), 2, 1000).is_some());
}

#[test]
fn failures_are_followed_by_longer_and_longer_pauses() {
    let mut pace = Pace::default();
    assert!(pace.is_due(0));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        pace.begin(1000);
        pace.failed(1000, u64::MAX);
        pauses.push((1000_u64..).find(|now| pace.is_due(*now)).unwrap() - 1000);
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[0] <= 500 && (7000..=15_000).contains(&pauses[7]), "{pauses:?}");
    pace.begin(50_000);
    pace.succeeded(true, 0);
    assert!(pace.is_due(50_100));
    pace.failed(50_100, 0);
    assert!(!pace.is_due(50_300) && pace.is_due(50_400), "a success ends the row of failures");
}

#[test]
fn chance_spreads_pauses_over_their_second_half() {
    let first_pause = |chance| {
        let mut pace = Pace::default();
        pace.failed(0, chance);
        (0_u64..).find(|now| pace.is_due(*now)).unwrap()
    };
    let pauses: Vec<_> = (0..1000).map(first_pause).collect();
    assert_eq!((pauses.iter().min(), pauses.iter().max()), (Some(&250), Some(&500)));
}

#[test]
fn a_companion_that_answers_at_once_is_not_asked_at_once() {
    let mut pace = Pace::default();
    pace.begin(1000);
    assert!((1000..=1000 + CALL_MILLIS).all(|now| !pace.is_due(now)), "one call at a time");
    assert!(!pace.is_due(1000 + CALL_MILLIS) && pace.is_due(1100 + CALL_MILLIS), "an answer that was lost");
    pace.succeeded(false, 0);
    assert!(!pace.is_due(1400) && pace.is_due(1500));
    // A clock that is set back by a day does not silence it for a day.
    pace.failed(90_000_000, 0);
    assert!(!pace.is_due(90_000_000) && pace.is_due(1000));
}

fn read<'a>(pairs: &[(&str, &str)], body: &'a [u8], asked: &[u8]) -> Result<Answer<'a>, FetchError> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Answer::read(&Head::new(&pairs), body, asked)
}

#[test]
fn answers_are_read() {
    assert_eq!(read(&[(":status", "304")], b"", b"\"a\""), Ok(Answer::Unchanged));
    assert_eq!(
        read(&[(":status", "304")], b"", b""),
        Err(FetchError::Status),
        "nobody asked for a difference"
    );
    for status in ["404", "500", "503", "204", "206", "301", "2000", ""] {
        assert_eq!(read(&[(":status", status)], b"x", b"\"a\""), Err(FetchError::Status), "{status}");
    }
    assert_eq!(read(&[], b"x", b""), Err(FetchError::Status));
    let plain = read(&[(":status", "200"), ("etag", "\"a\"")], b"x", b"");
    assert_eq!(plain, Ok(Answer::Bundle(b"x".into(), b"\"a\"".to_vec())));
    let weak = read(&[(":status", "200"), ("etag", "W/\"a\"")], b"x", b"");
    assert_eq!(weak, Ok(Answer::Bundle(b"x".into(), vec![])), "a weak tag names no bytes");
    for coding in ["br", "gzip, gzip", "gzip"] {
        let coded = read(&[(":status", "200"), ("content-encoding", coding)], b"x", b"");
        assert_eq!(coded, Err(FetchError::Encoding), "{coding}");
    }
}

#[test]
fn an_answer_is_decoded_within_limits() {
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 8 << 20], 9);
    let head = [(":status", "200"), ("content-encoding", "deflate")];
    assert_eq!(read(&head, &bomb, b""), Err(FetchError::Encoding));
    let text = bundle(4);
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&text, 9);
    assert_eq!(read(&head, &packed, b""), Ok(Answer::Bundle(text.into(), vec![])));
    let huge = vec![0; crate::bundle::MAX_LEN + 1];
    assert_eq!(read(&[(":status", "200")], &huge, b""), Err(FetchError::TooLarge));
}
