//! `init`: a starter policy with its tests, to be changed into one's own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{fail, print, table};

/// The files of the starter, by their paths in the project.
const FILES: [(&str, &str); 6] = [
    ("policy/agents.yaml", include_str!("../starter/policy/agents.yaml")),
    ("policy/gate.yaml", include_str!("../starter/policy/gate.yaml")),
    ("policy/missions.yaml", include_str!("../starter/policy/missions.yaml")),
    ("policy/services.yaml", include_str!("../starter/policy/services.yaml")),
    ("cases/identity.yaml", include_str!("../starter/cases/identity.yaml")),
    ("cases/research.yaml", include_str!("../starter/cases/research.yaml")),
];
/// The folders that they are in.
const FOLDERS: [&str; 2] = ["policy", "cases"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The project's folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let folder = &args.folder;
    let there: Vec<_> = FOLDERS.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    if !there.is_empty() {
        let names: Vec<_> = there.iter().map(|path| format!("`{}`", path.display())).collect();
        let (is, it) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
        return fail(&format!(
            "{} {is} there already, and nothing was written: move {it} away, or name another folder",
            names.join(" and ")
        ));
    }
    match write(folder) {
        Ok(()) => print(&next(folder)),
        Err(error) => fail(&format!("`{}` can not be written: {error}", folder.display())),
    }
}

/// Writes everything beside its place, then moves it there: the project is whole or not there.
fn write(folder: &Path) -> io::Result<()> {
    let is_new = !folder.exists();
    fs::create_dir_all(folder)?;
    let written = place(folder);
    if written.is_err() && is_new {
        // Whatever is not ours stays: only an empty folder can be removed.
        let _ = fs::remove_dir(folder);
    }
    written
}

fn place(folder: &Path) -> io::Result<()> {
    let aside = tempfile::Builder::new().prefix(".init-").tempdir_in(folder)?;
    for name in FOLDERS {
        fs::create_dir(aside.path().join(name))?;
    }
    for (name, text) in FILES {
        fs::write(aside.path().join(name), text)?;
    }
    let mut placed = Vec::new();
    for name in FOLDERS {
        let to = folder.join(name);
        if let Err(error) = fs::rename(aside.path().join(name), &to) {
            placed.iter().for_each(|path: &PathBuf| {
                let _ = fs::remove_dir_all(path);
            });
            return Err(error);
        }
        placed.push(to);
    }
    aside.close()
}

/// What was written, and what to do with it.
fn next(folder: &Path) -> String {
    let shown = folder.display();
    let files: Vec<_> =
        FILES.iter().map(|(name, _)| format!("  {}\n", folder.join(name).display())).collect();
    let next = [
        (format!("test {shown}"), "what the policy does, and what its cases leave out"),
        (format!("check {shown}/policy"), "everything that is wrong with it"),
        (format!("dev --policy {shown}/policy"), "try it in a real Envoy on this machine"),
    ];
    let rows = next.map(|(args, what)| vec![format!("policy-compiler {args}"), what.to_owned()]);
    format!("wrote\n{}\nnext\n{}", files.concat(), table::lines(&rows, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_starter_is_written() {
        let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/starter");
        let mut there: Vec<_> = FOLDERS
            .iter()
            .flat_map(|name| fs::read_dir(starter.join(name)).unwrap())
            .map(|entry| entry.unwrap().path().strip_prefix(&starter).unwrap().display().to_string())
            .collect();
        there.sort();
        let mut named: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        named.sort();
        assert_eq!(named, there);
    }

    #[test]
    fn what_cannot_be_written_whole_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A file that is in the way of the second folder.
        fs::write(folder.path().join("cases"), "mine").unwrap();
        assert!(write(folder.path()).is_err());
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["cases"]);
        assert_eq!(fs::read_to_string(folder.path().join("cases")).unwrap(), "mine");
    }
}
