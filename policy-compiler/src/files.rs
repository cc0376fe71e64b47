//! Files and directories, as the user names them, to text.
//!
//! A directory stands for every `.yaml`, `.yml` and `.json` file in it, at any depth, except names that begin with a dot (so
//! that a mounted ConfigMap is read once). Files are taken in the order of their paths; nothing depends on it.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::report::Report;
use crate::sources::{FileId, MAX_FILE_BYTES, Sources, Span};
use crate::tree::Node;
use crate::{json, yaml};

/// What files are of the kinds we read.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The files found so far, and every file and directory seen, by its true name: one that two links or two arguments lead
/// to is taken once, and a link that leads back up ends there.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    seen: BTreeSet<PathBuf>,
}

/// Reads every file that `paths` stand for into the report, and says which.
pub fn read(paths: &[PathBuf], report: &mut Report) -> Vec<FileId> {
    let mut found = Found::default();
    for path in paths {
        let before = found.files.len();
        found.collect(path, report);
        if found.files.len() == before && path.is_dir() {
            let file = report.sources.add(path.display().to_string(), "");
            let message = "this directory holds no .yaml, .yml or .json file";
            let help = "check the path; names that begin with a dot are passed over";
            report
                .diagnostics
                .push(Diagnostic::new(Id::NothingHere, Span::start_of(file), message).help(help));
        }
    }
    let mut files = found.files;
    files.sort();
    let read: Vec<_> = files.iter().filter_map(|path| read_one(path, report)).collect();
    if read.len() < files.len() {
        report.diagnostics.lose();
    }
    read
}

/// Every file and folder that `paths` stand for, by its true name; what cannot be read is left out.
pub(crate) fn seen(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let (mut found, mut report) = (Found::default(), Report::default());
    paths.iter().for_each(|path| found.collect(path, &mut report));
    found.seen
}

/// The documents of one file, by the language that its name says.
pub fn parse<'s>(sources: &'s Sources, file: FileId, out: &mut Diagnostics) -> Vec<Node<'s>> {
    if Path::new(sources.name(file)).extension().is_some_and(|extension| extension == "json") {
        json::parse(sources, file, out)
    } else {
        yaml::parse(sources, file, out)
    }
}

impl Found {
    fn collect(&mut self, path: &Path, report: &mut Report) {
        // What has no true name cannot be read either, and that is reported when it is tried.
        let is_new = path.canonicalize().map_or(true, |canonical| self.seen.insert(canonical));
        if !is_new {
            return;
        }
        if !path.is_dir() {
            self.files.push(path.to_owned());
            return;
        }
        let entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return unreadable(path, &error, report),
        };
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let ours = path.extension().is_some_and(|extension| {
                EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
            });
            if !hidden && ours && path.metadata().is_ok_and(|of| !of.is_file() && !of.is_dir()) {
                // Reading a pipe may wait for ever, and a device may never end. Who names one means it.
                unreadable(&path, &io::Error::other("it is no regular file"), report);
                report.diagnostics.lose();
            } else if !hidden && (ours || path.is_dir()) {
                self.collect(&path, report);
            }
        }
    }
}

fn read_one(path: &Path, report: &mut Report) -> Option<FileId> {
    let name = path.display().to_string();
    let bytes = match read_at_most(path, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            unreadable(path, &error, report);
            return None;
        }
    };
    let Some(bytes) = bytes else {
        let file = report.sources.add(name, "");
        let message = format!("this file is larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024);
        let help = "divide it; a directory of files reads as one policy";
        report.diagnostics.push(Diagnostic::new(Id::TooLarge, Span::start_of(file), message).help(help));
        return None;
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(report.sources.add(name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let file = report.sources.add(name, String::from_utf8_lossy(&error.into_bytes()));
            let message = format!("this file is not UTF-8 text: byte {valid} begins no character");
            let diagnostic = Diagnostic::new(Id::NotUtf8, Span::new(file, valid, valid), message);
            report.diagnostics.push(diagnostic.help("save it as UTF-8"));
            None
        }
    }
}

/// The content of a file; `None` if there is more of it than `most` bytes.
pub fn read_at_most(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path)?;
    // Room for all of it at once: else it is copied each time that it has outgrown what there is.
    let expected = file.metadata().map_or(0, |of| of.len().min(limit));
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}

/// Writes beside the target, brings it to disk, then renames: a reader sees the old file or the new one, never a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask applies, as it does to any new file.
    let mut builder = tempfile::Builder::new();
    let mut file = builder.permissions(Permissions::from_mode(0o666)).tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

fn unreadable(path: &Path, error: &io::Error, report: &mut Report) {
    let file = report.sources.add(path.display().to_string(), "");
    let message = format!("this can not be read: {error}");
    let diagnostic = Diagnostic::new(Id::Unreadable, Span::start_of(file), message);
    report.diagnostics.push(diagnostic.help("check the path and its permissions"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_whole_and_each_file_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("sub/.hidden")).unwrap();
        for name in ["b.yaml", "a.yml", "sub/c.json", "README.md", ".d.yaml", "sub/.hidden/e.yaml"] {
            fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("sub/up")).unwrap();
        std::os::unix::fs::symlink(root.join("b.yaml"), root.join("again.yaml")).unwrap();
        let mut report = Report::default();
        let ids = read(&[root.to_owned(), root.join("a.yml")], &mut report);
        let names: Vec<_> =
            ids.into_iter().map(|id| report.sources.name(id).rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["a.yml", "again.yaml", "c.json"]);
        assert!(!report.has_errors());
    }

    #[test]
    fn a_pipe_in_a_directory_is_refused_rather_than_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), "").unwrap();
        let pipe = directory.path().join("b.yaml");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        let mut report = Report::default();
        assert_eq!(read(&[directory.path().to_owned()], &mut report).len(), 1);
        assert!(report.has_errors());
    }

    #[test]
    fn a_file_is_replaced_whole_and_readable_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.bundle");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o400, 0o400);
        assert!(write_atomically(&directory.path().join("none/x"), b"").is_err());
    }
}
