use super::*;

#[test]
fn names_are_unique_and_found() {
    for &check in Check::ALL {
        assert_eq!(Check::of(check.name()), Some(check));
        assert!(check.doc().trim().ends_with('.'), "{check:?}");
    }
    assert_eq!(Check::of("Luhn"), None);
}
