//! What services are called in both policies, and which operations are part of others.

use std::collections::BTreeSet;

use sallyport_engine::http::HostPattern;
use sallyport_engine::identity::SpiffePattern;
use sallyport_engine::policy::{PolicyParts, Service};

/// The names of services, by their place in each policy. A service that only has another name keeps the new one in both.
pub(super) struct Names {
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

impl Names {
    pub(super) fn of(before: &PolicyParts, after: &PolicyParts) -> Self {
        let known: BTreeSet<_> = before.services.iter().map(|service| service.name.as_str()).collect();
        let kept: BTreeSet<_> = after.services.iter().map(|service| service.name.as_str()).collect();
        let renamed = |service: &Service| {
            let same =
                |other: &&Service| !known.contains(other.name.as_str()) && hosts(other) == hosts(service);
            let new = || after.services.iter().find(same);
            let name = if kept.contains(service.name.as_str()) { None } else { new() };
            name.map_or_else(|| service.name.clone(), |other| other.name.clone())
        };
        Self {
            before: before.services.iter().map(renamed).collect(),
            after: after.services.iter().map(|service| service.name.clone()).collect(),
        }
    }
}

pub(super) fn hosts(service: &Service) -> BTreeSet<String> {
    service.hosts.iter().map(ToString::to_string).collect()
}

/// The hosts of one service that are not hosts of the other, too.
pub(super) fn hosts_beyond(service: &Service, other: &Service) -> BTreeSet<String> {
    let is_at = |host: &HostPattern| {
        other.hosts.iter().any(|known| match (known, host) {
            // A suffix begins with a dot, so it ends in another one only at a label's border.
            (HostPattern::Suffix(wide), HostPattern::Suffix(narrow)) => narrow.ends_with(wide.as_str()),
            (known, HostPattern::Exact(host)) => known.matches(host),
            (HostPattern::Exact(_), HostPattern::Suffix(_)) => false,
        })
    };
    service.hosts.iter().filter(|host| !is_at(host)).map(ToString::to_string).collect()
}

/// Whether every text that `narrow` covers is covered by `wide`: a star is only covered by a star.
pub(super) fn covers_glob(wide: &str, narrow: &str, ignoring_case: bool) -> bool {
    if !wide.contains('*') {
        return if ignoring_case { wide.eq_ignore_ascii_case(narrow) } else { wide == narrow };
    }
    let wide = sallyport_engine::glob::Glob::new(wide);
    if ignoring_case { wide.matches_ignoring_case(narrow) } else { wide.matches(narrow) }
}

/// Whether every SPIFFE ID that `narrow` covers is covered by `wide`.
pub(super) fn covers_pattern(wide: &SpiffePattern, narrow: &SpiffePattern) -> bool {
    let (wide, narrow) = (wide.to_string(), narrow.to_string());
    let covers = |(wide, narrow)| covers_glob(wide, narrow, false);
    wide.split('/').count() == narrow.split('/').count() && wide.split('/').zip(narrow.split('/')).all(covers)
}

/// Whether some text is covered by both, whatever its case.
pub(super) fn globs_overlap(one: &str, other: &str) -> bool {
    let glob = |text: &str| sallyport_engine::glob::Glob::new(text.to_ascii_lowercase());
    glob(one).overlaps(&glob(other))
}

/// Whether every path that `narrow` covers is covered by `wide`: to the letter, or by a rule that refuses, which covers what a server
/// could take for it.
pub(super) fn covers_path(wide: &str, narrow: &str, loosely: bool) -> bool {
    let covers = |wide, narrow| covers_segments(wide, narrow, loosely);
    covers(wide, narrow) || (loosely && covers(without_slash(wide), without_slash(narrow)))
}

/// Whether a server could take some path of one for a path of the other.
pub(super) fn paths_overlap(one: &str, other: &str) -> bool {
    let overlap = |one: &str, other: &str| {
        let ((one, one_open), (other, other_open)) = (segments(one), segments(other));
        let lengths = match (one_open, other_open) {
            (true, true) => true,
            (true, false) => other.len() >= one.len(),
            (false, true) => one.len() >= other.len(),
            (false, false) => one.len() == other.len(),
        };
        let meet = |(one, other): (&&str, &&str)| match (*one, *other) {
            ("*", "*") => true,
            ("*", literal) | (literal, "*") => !literal.is_empty(),
            (one, other) => one.eq_ignore_ascii_case(other),
        };
        lengths && one.iter().zip(&other).all(meet)
    };
    overlap(one, other) || overlap(without_slash(one), without_slash(other))
}

/// A template without the slash at its end, unless that is all of it.
fn without_slash(template: &str) -> &str {
    template.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(template)
}

fn covers_segments(wide: &str, narrow: &str, ignoring_case: bool) -> bool {
    let (wide, wide_open) = segments(wide);
    let (narrow, narrow_open) = segments(narrow);
    let fits = |(wide, narrow): (&&str, &&str)| match (*wide, *narrow) {
        ("*", narrow) => !narrow.is_empty(),
        (wide, narrow) if ignoring_case => wide.eq_ignore_ascii_case(narrow),
        (wide, narrow) => wide == narrow,
    };
    let long_enough = match (wide_open, narrow_open) {
        (true, _) => narrow.len() >= wide.len(),
        (false, true) => false,
        (false, false) => narrow.len() == wide.len(),
    };
    long_enough && wide.iter().zip(&narrow).all(fits)
}

/// The template with one word for every variable, so that their names mean nothing.
pub(super) fn plain_path(template: &str) -> String {
    let (segments, open) = segments(template);
    let open = if open { "/**" } else { "" };
    let closed: String = segments.iter().map(|segment| format!("/{segment}")).collect();
    closed + open
}

/// A template's segments, `*` for a variable, and whether it ends in `/**`.
fn segments(template: &str) -> (Vec<&str>, bool) {
    let (closed, open) = match template.strip_suffix("/**") {
        Some(closed) => (closed, true),
        None => (template, false),
    };
    let variable = |segment| if str::starts_with(segment, '{') { "*" } else { segment };
    let segments = closed.strip_prefix('/').map(|rest| rest.split('/').map(variable).collect());
    (segments.unwrap_or_default(), open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_part_of_a_wider_one() {
        let covers = |wide, narrow| covers_path(wide, narrow, false);
        assert!(covers("/docs/{id}", "/docs/1") && covers("/docs/*", "/docs/{name}"));
        assert!(
            covers("/**", "/docs/{id}") && covers("/docs/**", "/docs/a/**") && covers("/docs/**", "/docs/**")
        );
        assert!(
            !covers("/docs/1", "/docs/{id}")
                && !covers("/docs/{id}", "/docs/**")
                && !covers("/docs/{id}", "/docs/")
        );
        assert!(!covers("/docs/{id}", "/docs/{id}/{part}") && !covers("/a/**", "/b/**"));
        assert!(!covers("/Docs", "/docs") && covers_path("/Docs", "/docs", true));
        assert!(!covers("/docs/", "/docs") && covers_path("/docs/", "/Docs", true));
    }

    /// The engine's own reading is what counts: whatever is said to be part of a template is covered by it.
    #[test]
    fn the_engine_agrees() {
        use sallyport_engine::http::{PathTemplate, RequestPath};
        let templates =
            ["/", "/**", "/A", "/a", "/a/", "/a/**", "/a/{x}", "/a/{x}/**", "/*", "/*/b", "/a/b", "/{x}/**"];
        let paths = ["/", "/a", "/a/", "/b", "/a/b", "/a/b/", "/a/b/c", "/c/b"];
        for wide in templates {
            for narrow in templates.into_iter().filter(|narrow| covers_path(wide, narrow, false)) {
                let covers = |template: &str, path: &str| {
                    PathTemplate::parse(template).unwrap().matches(&RequestPath::parse(path).unwrap())
                };
                for path in paths.into_iter().filter(|path| covers(narrow, path)) {
                    assert!(covers(wide, path), "{wide} covers {narrow}, and not {path}");
                }
            }
        }
        for (one, other) in templates.into_iter().flat_map(|one| templates.map(|other| (one, other))) {
            let loosely = |template: &str, path: &str| {
                PathTemplate::parse(template).unwrap().matches_loosely(&RequestPath::parse(path).unwrap())
            };
            for path in paths.into_iter().filter(|path| loosely(one, path)) {
                assert!(loosely(other, path) || !covers_path(other, one, true), "{other} {one} {path}");
                assert!(!loosely(other, path) || paths_overlap(one, other), "{other} {one} {path}");
            }
        }
    }

    #[test]
    fn the_names_of_variables_mean_nothing() {
        assert_eq!(plain_path("/a/{id}/b/**"), plain_path("/a/*/b/**"));
        assert_eq!(
            (plain_path("/**").as_str(), plain_path("/").as_str(), plain_path("/a/").as_str()),
            ("/**", "/", "/a/")
        );
    }

    #[test]
    fn a_pattern_of_identities_is_part_of_a_wider_one() {
        let covers = |wide, narrow| {
            let pattern = |path: &str| SpiffePattern::parse(&format!("spiffe://td/{path}")).unwrap();
            covers_pattern(&pattern(wide), &pattern(narrow))
        };
        assert!(covers("ns/*", "ns/*") && covers("ns/*", "ns/a-*") && covers("*/a*", "ns/a"));
        assert!(!covers("ns/a-*", "ns/*") && !covers("ns/*", "ns/a/b") && !covers("ns/a*", "ns/*b"));
    }

    #[test]
    fn a_star_is_only_part_of_a_star() {
        assert!(covers_glob("search_*", "search_docs", false) && covers_glob("*", "a*", false));
        assert!(!covers_glob("search_docs", "search_*", false) && !covers_glob("A", "a", false));
        assert!(covers_glob("A*", "ab", true));
    }
}
