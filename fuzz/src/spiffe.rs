//! SPIFFE IDs and patterns of them: neither panics, what is accepted is kept to the byte, and a pattern covers what it should.
//!
//! The first line of the input is an ID, the second a pattern, the third another pattern.

use sallyport_engine::identity::{MAX_SPIFFE_ID_LEN, SpiffeId, SpiffePattern, TrustDomain};

/// Checks the three.
pub fn check(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or(data);
    let id = check_id(line());
    let patterns = [check_pattern(line()), check_pattern(line())];
    for pattern in patterns.iter().flatten() {
        if let Some(id) = &id
            && pattern.matches(id)
        {
            let exact = SpiffePattern::parse(id.as_str()).expect("an ID is a pattern");
            assert!(pattern.overlaps(&exact) && exact.overlaps(pattern));
            assert_eq!(pattern.trust_domain().as_str(), id.trust_domain());
        }
    }
    if let [Some(a), Some(b)] = &patterns {
        assert_eq!(a.overlaps(b), b.overlaps(a));
        if let Some(id) = &id {
            assert!(!(a.matches(id) && b.matches(id)) || a.overlaps(b), "one ID under both, and no overlap");
        }
    }
}

fn check_id(bytes: &[u8]) -> Option<SpiffeId> {
    let id = SpiffeId::parse(bytes).ok()?;
    assert!(bytes.len() <= MAX_SPIFFE_ID_LEN);
    assert_eq!(id.as_str().as_bytes(), bytes, "kept to the byte");
    assert_eq!(format!("spiffe://{}/{}", id.trust_domain(), id.path()), id.as_str());
    assert!(TrustDomain::parse(id.trust_domain()).is_ok());
    // Sections 2.1 and 2.2 of the specification, read once more.
    let domain = id.trust_domain();
    assert!((1..=255).contains(&domain.len()));
    assert!(domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b)));
    for segment in id.path().split('/') {
        assert!(!matches!(segment, "" | "." | ".."));
        assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)));
    }
    let pattern = SpiffePattern::parse(id.as_str()).expect("an ID is a pattern");
    assert!(pattern.matches(&id) && pattern.as_exact().as_ref() == Some(&id));
    Some(id)
}

fn check_pattern(bytes: &[u8]) -> Option<SpiffePattern> {
    let text = std::str::from_utf8(bytes).ok()?;
    let pattern = SpiffePattern::parse(text).ok()?;
    assert_eq!(pattern.to_string(), text, "kept to the byte");
    assert_eq!(pattern.as_exact().is_some(), !text.contains('*'));
    assert!(pattern.overlaps(&pattern));
    // A star stands for any run within its segment: so for a letter, and for none where something is left.
    let filled = text.replace('*', "x");
    if let Ok(id) = SpiffeId::parse(filled.as_bytes()) {
        assert!(pattern.matches(&id));
        let deeper = SpiffeId::parse(format!("{filled}/x").as_bytes());
        assert!(!deeper.is_ok_and(|id| pattern.matches(&id)), "a star does not cross a segment");
    }
    Some(pattern)
}
