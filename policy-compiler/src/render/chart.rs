//! The chart (`istio/chart`), as it was when this program was built.

/// What the chart says of itself.
pub(super) const CHART: &str = include_str!("../../../istio/chart/Chart.yaml");
/// The values that nobody gave.
pub(super) const VALUES: &str = include_str!("../../../istio/chart/values.yaml");
/// Which values there are.
pub(super) const SCHEMA: &str = include_str!("../../../istio/chart/values.schema.json");
/// What is said of an installation, for people.
pub(super) const NOTES: (&str, &str) =
    ("NOTES.txt", include_str!("../../../istio/chart/templates/NOTES.txt"));
/// What the other templates share; nothing comes of it alone.
pub(super) const HELPERS: (&str, &str) =
    ("_helpers.tpl", include_str!("../../../istio/chart/templates/_helpers.tpl"));

macro_rules! templates {
    ($($name:literal,)+) => {
        /// Templates that resources come of, by name.
        pub(super) const TEMPLATES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../istio/chart/templates/", $name))),)+];
    };
}

templates! {
    // First: it says what does not go together.
    "gate.yaml",
    "access-log.yaml",
    "companion/audit.yaml",
    "companion/certificate.yaml",
    "companion/deployment.yaml",
    "companion/mesh.yaml",
    "companion/network-policy.yaml",
    "companion/service.yaml",
    "hold.yaml",
    "interlock.yaml",
    "monitors.yaml",
    "peer-authentication.yaml",
    "waypoint.yaml",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn no_template_is_left_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../istio/chart/templates");
        let (mut folders, mut found): (Vec<PathBuf>, _) = (vec![root.clone()], BTreeSet::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let known = TEMPLATES.iter().chain([&NOTES, &HELPERS]).map(|(name, _)| (*name).to_owned());
        assert_eq!(found, known.collect());
    }
}
