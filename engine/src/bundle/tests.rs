use super::*;
use crate::policy::fixture;
use alloc::borrow::ToOwned as _;
use alloc::vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::new(&key(seed).verifying_key().to_bytes()).unwrap()
}

fn bundle(serial: u64, terms: &Terms) -> Vec<u8> {
    let mut parts = fixture::parts();
    parts.serial = serial;
    encode_under(&Policy::new(parts).unwrap(), terms).unwrap()
}

fn signed(bundle: &[u8], seeds: &[u8]) -> Vec<u8> {
    let bundle = Bundle::read(bundle).unwrap();
    let sign = |seed: &u8| (public(*seed).id(), key(*seed).sign(bundle.signed()).to_bytes());
    bundle.signed_by(&seeds.iter().map(sign).collect::<Vec<_>>()).unwrap()
}

fn trust(active: &[u8], retired: &[u8]) -> Trust {
    let keys = |seeds: &[u8]| seeds.iter().map(|seed| public(*seed)).collect::<Vec<_>>();
    Trust { keys: KeySet::new(keys(active), keys(retired)), audience: None }
}

fn accept(trust: &Trust, bytes: &[u8]) -> Result<Change, BundleError> {
    trust.accept(None, &Bundle::read(bytes)?, Some(100))
}

#[test]
fn a_policy_survives_the_round_trip() {
    let policy = fixture::policy();
    let bytes = encode(&policy).unwrap();
    assert_eq!(decode(&bytes), Ok(policy));
    let terms = Terms { not_before: 3, not_after: 9, audience: Some("tools/api".to_owned()) };
    let bytes = bundle(12, &terms);
    let read = Bundle::read(&bytes).unwrap();
    assert_eq!((read.serial(), read.valid(), read.audience()), (12, 3..9, "tools/api"));
    assert_eq!(read.policy().unwrap().parts().serial, 12);
    assert_eq!(bytes.len() % 4, 0);
}

#[test]
fn every_cut_and_every_longer_bundle_is_refused() {
    let whole = signed(&bundle(1, &Terms::default()), &[1, 2]);
    let unsigned = whole.len() - 2 * 72;
    for length in 0..whole.len() {
        // Without its signatures a bundle is still one, which nobody signed.
        let is_whole = length == unsigned || length == unsigned + 72;
        assert_eq!(Bundle::read(&whole[..length]).is_ok(), is_whole, "{length}");
    }
    for more in 1..72 {
        let longer = [&whole[..], &vec![0; more]].concat();
        assert_eq!(Bundle::read(&longer).err(), Some(BundleError::Length), "{more}");
    }
}

#[test]
fn every_field_is_held_to_its_limits() {
    let terms = Terms { not_before: 3, not_after: 9, audience: Some("a/b".to_owned()) };
    let good = bundle(1, &terms);
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        Bundle::read(&bytes).err()
    };
    assert_eq!(changed(0, b"x"), Some(BundleError::NotABundle));
    assert_eq!(changed(8, &(FORMAT - 1).to_le_bytes()), Some(BundleError::Format(FORMAT - 1)));
    assert_eq!(changed(8, &(FORMAT + 1).to_le_bytes()), Some(BundleError::Format(FORMAT + 1)));
    assert_eq!(changed(10, &600_u16.to_le_bytes()), Some(BundleError::Header));
    assert_eq!(changed(12, &0_u32.to_le_bytes()), Some(BundleError::Engine(0)));
    assert_eq!(changed(12, &(ENGINE + 1).to_le_bytes()), Some(BundleError::Engine(ENGINE + 1)));
    assert_eq!(changed(16, &u32::MAX.to_le_bytes()), Some(BundleError::Length));
    assert_eq!(changed(20, &[1]), Some(BundleError::Header));
    assert_eq!(changed(32, &9_u64.to_le_bytes()), Some(BundleError::Header));
    assert_eq!(changed(40, &3_u64.to_le_bytes()), Some(BundleError::Header));
    assert_eq!(changed(48, &[good[48] ^ 1]), Some(BundleError::Digest));
    for text in [&b"a/B"[..], b"a//", b"/ab", b"a\xff/", b"a/-", b"a b"] {
        assert_eq!(changed(80, text), Some(BundleError::Header), "{text:?}");
    }
    assert_eq!(changed(83, &[1]), Some(BundleError::Header), "padding");
    assert_eq!(changed(84, &[good[84] ^ 1]), Some(BundleError::Digest));
    let policy = fixture::policy();
    for terms in [
        Terms { not_after: 0, ..Terms::default() },
        Terms { audience: Some("A".to_owned()), ..Terms::default() },
        Terms { audience: Some("a".repeat(600)), ..Terms::default() },
    ] {
        assert_eq!(encode_under(&policy, &terms), Err(BundleError::Header));
    }
}

#[test]
fn signatures_are_few_sorted_and_each_of_another_key() {
    let plain = bundle(1, &Terms::default());
    let read = Bundle::read(&plain).unwrap();
    let signature = |id: u8| (KeyId([id; 8]), [id; 64]);
    assert_eq!(read.signed_by(&[signature(2), signature(1)]), read.signed_by(&[signature(1), signature(2)]));
    assert_eq!(read.signed_by(&[signature(1), signature(1)]), Err(BundleError::Header));
    let nine: Vec<_> = (0..9).map(signature).collect();
    assert!(read.signed_by(&nine[..8]).is_ok());
    assert_eq!(read.signed_by(&nine), Err(BundleError::Length));
    // A reader holds to the same.
    let two = read.signed_by(&[signature(1), signature(2)]).unwrap();
    let at = two.len() - 144;
    let swapped = [&two[..at], &two[at + 72..], &two[at..at + 72]].concat();
    assert_eq!(Bundle::read(&swapped).err(), Some(BundleError::Header));
}

#[test]
fn only_what_an_active_key_signed_is_believed() {
    let plain = bundle(1, &Terms::default());
    let ours = trust(&[1, 2], &[3]);
    assert_eq!(accept(&ours, &plain), Err(BundleError::Unsigned));
    for (seeds, expected) in [
        (&[1][..], Ok(Change::Replace)),
        (&[2], Ok(Change::Replace)),
        (&[1, 2], Ok(Change::Replace)),
        (&[2, 3], Ok(Change::Replace)),
        (&[2, 9], Ok(Change::Replace)),
        (&[3], Err(BundleError::RetiredKey(public(3).id()))),
        (&[3, 9], Err(BundleError::RetiredKey(public(3).id()))),
        (&[9], Err(BundleError::UnknownKey)),
    ] {
        assert_eq!(accept(&ours, &signed(&plain, seeds)), expected, "{seeds:?}");
    }
    // Without keys nobody asks.
    assert_eq!(accept(&Trust::default(), &plain), Ok(Change::Replace));
    // The signature of one bundle is not that of another.
    let other = bundle(2, &Terms::default());
    let (mine, theirs) = (signed(&plain, &[1]), signed(&other, &[1]));
    let mixed = [&other[..], &mine[plain.len()..]].concat();
    assert_eq!(accept(&ours, &mixed), Err(BundleError::Signature(public(1).id())));
    // Nor does a good one help beside a forged one.
    let forged = [&theirs[theirs.len() - 72..]].concat();
    let good = signed(&plain, &[2]);
    let mut both = [forged, good[plain.len()..].to_vec()];
    both.sort();
    let bytes = [&plain[..], &both.concat()].concat();
    assert_eq!(accept(&ours, &bytes), Err(BundleError::Signature(public(1).id())));
}

#[test]
fn every_bit_of_what_is_signed_counts() {
    let terms = Terms { not_before: 3, not_after: 1 << 40, audience: Some("a/b".to_owned()) };
    let good = signed(&bundle(5, &terms), &[1]);
    let ours = trust(&[1], &[]);
    assert_eq!(accept(&ours, &good), Ok(Change::Replace));
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert!(accept(&ours, &bytes).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_signature_has_one_form() {
    // S + L is another number for the same scalar (RFC 8032 section 5.1.7 forbids it).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = signed(&bundle(1, &Terms::default()), &[1]);
    let at = bytes.len() - 32;
    let mut carry = 0_u16;
    for (byte, add) in bytes[at..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = u8::try_from(carry & 0xff).unwrap();
        carry >>= 8;
    }
    assert_eq!(carry, 0, "S is below L, so that S + L fits");
    assert_eq!(accept(&trust(&[1], &[]), &bytes), Err(BundleError::Signature(public(1).id())));
}

#[test]
fn keys_that_anybody_can_sign_for_are_none() {
    // The points of small order, in all their encodings (RFC 7748; "Taming the many EdDSAs", table 4).
    for weak in [
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "7P///////////////////////////////////////38=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=",
        "xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o=",
        "xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA/o=",
        "JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/AU=",
        "JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/IU=",
        "7v///////////////////////////////////////38=",
        "7f///////////////////////////////////////38=",
        "7v////////////////////////////////////////8=",
        "7f////////////////////////////////////////8=",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=",
    ] {
        assert_eq!(PublicKey::parse(weak), None, "{weak}");
    }
}

#[test]
fn keys_are_read_as_pem_and_as_base64() {
    let raw = public(1).to_bytes();
    let pem = |der: &[u8]| {
        alloc::format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    };
    let spki = [&SPKI_PREFIX[..], &raw].concat();
    assert_eq!(PublicKey::parse(&pem(&spki)), Some(public(1)));
    assert_eq!(PublicKey::parse(&STANDARD.encode(raw)), Some(public(1)));
    let mut x25519 = spki.clone();
    x25519[8] = 0x6e;
    for wrong in [
        pem(&x25519),
        pem(&spki[..43]),
        pem(&raw),
        STANDARD.encode(&spki),
        "x".repeat(2000),
        alloc::string::String::new(),
    ] {
        assert_eq!(PublicKey::parse(&wrong), None, "{wrong}");
    }
}

#[test]
fn a_key_set_has_a_key_and_none_twice() {
    assert_eq!(KeySet::new(vec![], vec![public(1)]), None);
    assert_eq!(KeySet::new(vec![public(1), public(1)], vec![]), None);
    assert_eq!(KeySet::new(vec![public(1)], vec![public(1)]), None, "active or retired, not both");
    let many = |count: u8| (1..=count).map(public).collect::<Vec<_>>();
    assert!(KeySet::new(many(16), vec![]).is_some());
    assert_eq!(KeySet::new(many(17), vec![]), None);
}

#[test]
fn a_bundle_is_for_its_audience_and_its_time() {
    for (of_bundle, mine, taken) in [
        (None, Some("tools/api"), true),
        (Some("tools"), Some("tools/api"), true),
        (Some("tools/api"), Some("tools/api"), true),
        (Some("tools/api"), Some("tools"), false),
        (Some("tools/api"), Some("tools/apis"), false),
        (Some("tool"), Some("tools/api"), false),
        (Some("other"), Some("tools/api"), false),
        (Some("other"), None, true),
    ] {
        let terms = Terms { audience: of_bundle.map(str::to_owned), ..Terms::default() };
        let trust = Trust { keys: None, audience: mine.map(str::to_owned) };
        let expected = if taken { Ok(Change::Replace) } else { Err(BundleError::Audience) };
        assert_eq!(accept(&trust, &bundle(1, &terms)), expected, "{of_bundle:?} {mine:?}");
    }
    let bytes = bundle(1, &Terms { not_before: 50, not_after: 60, audience: None });
    let read = Bundle::read(&bytes).unwrap();
    for (now, expected) in [
        (Some(49), Err(BundleError::NotYet)),
        (Some(50), Ok(Change::Replace)),
        (Some(59), Ok(Change::Replace)),
        (Some(60), Err(BundleError::Expired)),
        (None, Err(BundleError::NotYet)),
    ] {
        assert_eq!(Trust::default().accept(None, &read, now), expected, "{now:?}");
    }
    let ends = bundle(1, &Terms { not_after: 60, ..Terms::default() });
    assert_eq!(Trust::default().accept(None, &Bundle::read(&ends).unwrap(), None), Err(BundleError::Expired));
    let forever = bundle(1, &Terms::default());
    assert_eq!(
        Trust::default().accept(None, &Bundle::read(&forever).unwrap(), Some(u64::MAX)),
        Ok(Change::Replace)
    );
}

#[test]
fn an_older_bundle_never_takes_the_place_of_a_newer_one() {
    let bytes = bundle(5, &Terms::default());
    let candidate = Bundle::read(&bytes).unwrap();
    let digest = *candidate.digest();
    for (serial, digest, expected) in [
        (4, [0; 32], Ok(Change::Replace)),
        (5, digest, Ok(Change::Nothing)),
        (5, [0; 32], Err(BundleError::Reused)),
        (6, digest, Err(BundleError::Older)),
        (u64::MAX, digest, Err(BundleError::Older)),
    ] {
        let active = Active { serial, digest };
        assert_eq!(Trust::default().accept(Some(&active), &candidate, Some(1)), expected, "{serial}");
    }
}

proptest::proptest! {
    #[test]
    fn a_damaged_bundle_never_panics(at in 10_usize..4000, bit in 0_u8..8) {
        let mut bytes = signed(&bundle(1, &Terms::default()), &[1]);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let _ = decode(&bytes);
    }

    #[test]
    fn a_damaged_payload_never_panics(at in 0_usize..4000, bit in 0_u8..8) {
        let mut payload = postcard::to_allocvec(fixture::policy().parts()).unwrap();
        let at = at % payload.len();
        payload[at] ^= 1 << bit;
        let bytes = frame(&payload, 1, &Terms::default()).unwrap();
        let _ = decode(&bytes);
    }
}
