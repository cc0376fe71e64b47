//! Where the policy and the cases of a project are.
//!
//! A project is a folder that holds `policy/` (or one file, `policy.yaml`) and `cases/` (or `*.cases.yaml` beside the policy).

use std::io;
use std::path::{Path, PathBuf};

/// What the policy of a project may be called.
const POLICIES: [&str; 3] = ["policy", "policy.yaml", "policy.yml"];
/// The folder of a project's cases.
const CASES: &str = "cases";
/// How case files end that stand beside the policy.
const CASE_ENDINGS: [&str; 3] = [".cases.yaml", ".cases.yml", ".cases.json"];

/// One policy and the case files that it is to be tried with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// A directory, a file, or a bundle.
    pub policy: PathBuf,
    /// Files and directories.
    pub cases: Vec<PathBuf>,
}

/// The projects that paths stand for, each policy once. A path is a project, or a part of one's cases.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Project>, String> {
    let mut projects: Vec<Project> = Vec::new();
    for path in paths {
        let found = project_of(path)?;
        match projects.iter_mut().find(|known| known.policy == found.policy) {
            Some(known) => known.cases.extend(found.cases),
            None => projects.push(found),
        }
    }
    Ok(projects)
}

fn project_of(path: &Path) -> Result<Project, String> {
    if let Some(policy) = policy_in(path)? {
        let cases = cases_in(path)?.ok_or_else(|| {
            format!(
                "`{}` has a policy and no cases: write some into `{}`",
                path.display(),
                path.join(CASES).display()
            )
        })?;
        return Ok(Project { policy, cases });
    }
    if let Err(error) = path.metadata() {
        return Err(format!("`{}` can not be read: {error}", path.display()));
    }
    let above = path.ancestors().skip(1).map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    let policy_of = |folder| Some((folder, policy_in(folder).transpose()?));
    let (folder, policy) = above.into_iter().find_map(policy_of).ok_or_else(|| {
        format!(
            "`{}` is no project: that is a folder with `policy/` and `cases/` in it; say where they are with \
                 `--policy` and `--cases`",
            path.display()
        )
    })?;
    let policy = policy?;
    // `./policy` and `policy` are one place.
    let plain = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_owned();
    if plain(path).starts_with(plain(&policy)) {
        return Err(format!(
            "`{}` is policy: name the folder around it, `{}`",
            path.display(),
            folder.display()
        ));
    }
    Ok(Project { policy, cases: vec![path.to_owned()] })
}

/// The policy of a folder. Of several none is passed over in silence.
fn policy_in(folder: &Path) -> Result<Option<PathBuf>, String> {
    let mut found = POLICIES.iter().map(|name| folder.join(name)).filter(|path| path.exists());
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(both(&one, &other, "policies")),
        (found, _) => Ok(found),
    }
}

fn both(one: &Path, other: &Path, what: &str) -> String {
    let (one, other) = (one.display(), other.display());
    format!("there are two {what} here, `{one}` and `{other}`: move what is in one of them into the other")
}

/// The folder of cases, or the case files that stand beside the policy; `None` if there are neither.
fn cases_in(folder: &Path) -> Result<Option<Vec<PathBuf>>, String> {
    let own = folder.join(CASES);
    let files =
        files_in(folder).map_err(|error| format!("`{}` can not be read: {error}", folder.display()))?;
    match (own.is_dir(), files.first()) {
        (true, Some(file)) => Err(both(&own, file, "places for cases")),
        (true, None) => Ok(Some(vec![own])),
        (false, _) => Ok((!files.is_empty()).then_some(files)),
    }
}

/// The case files that stand in a folder itself.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = folder.read_dir()?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| !name.starts_with('.') && CASE_ENDINGS.iter().any(|end| name.ends_with(end)))
    });
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn a_project_is_found_from_its_folder_and_from_its_cases() {
        let folder = folder(&["policy/a.yaml", "cases/x/a.yaml", "cases/b.yaml"]);
        let root = folder.path();
        let policy = root.join("policy");
        let whole = Project { policy: policy.clone(), cases: vec![root.join("cases")] };
        assert_eq!(find(&[root.to_owned()]).unwrap(), [whole]);
        let parts = [root.join("cases/b.yaml"), root.join("cases/x")];
        assert_eq!(find(&parts).unwrap(), [Project { policy, cases: parts.to_vec() }]);
    }

    #[test]
    fn cases_may_stand_beside_the_policy() {
        let folder = folder(&["policy.yaml", "b.cases.yaml", "a.cases.json", "README.md", "other.yaml"]);
        let root = folder.path();
        let [found] = find(&[root.to_owned()]).unwrap().try_into().unwrap();
        assert_eq!(found.policy, root.join("policy.yaml"));
        assert_eq!(found.cases, [root.join("a.cases.json"), root.join("b.cases.yaml")]);
    }

    #[test]
    fn nothing_is_passed_over_where_there_are_two() {
        let folder = folder(&[
            "a/policy/x.yaml",
            "a/policy.yaml",
            "a/cases/c.yaml",
            "b/policy.yaml",
            "b/cases/c.yaml",
            "b/d.cases.yaml",
        ]);
        let error = |path: &str| find(&[folder.path().join(path)]).unwrap_err();
        for path in ["a", "a/cases"] {
            assert!(
                error(path).contains("a/policy` and `") && error(path).contains("a/policy.yaml`"),
                "{}",
                error(path)
            );
        }
        assert!(
            error("b").contains("b/cases` and `") && error("b").contains("b/d.cases.yaml`"),
            "{}",
            error("b")
        );
        assert_eq!(find(&[folder.path().join("b/cases")]).unwrap().len(), 1, "one is named");
    }

    #[test]
    fn what_is_no_project_is_told_with_the_remedy() {
        let folder = folder(&["a/policy/x.yaml", "b/other.yaml"]);
        let error = |path: &str| find(&[folder.path().join(path)]).unwrap_err();
        assert!(error("a").contains("has a policy and no cases: write some into"), "{}", error("a"));
        assert!(error("a/policy").ends_with("a`") && error("a/policy").contains("is policy"));
        assert!(error("a/policy/x.yaml").contains("is policy"));
        assert!(error("b").contains("`--policy` and `--cases`") && error("none").contains("can not be read"));
    }
}
