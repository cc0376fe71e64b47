//! When files last changed, as far as the file system tells: enough to notice an edit, and to number publications alike on every replica.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::files;

/// What a file system says of files and folders, by their true names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Stamps {
    files: BTreeMap<PathBuf, Stamp>,
    /// For what is in no file: a number that is another when it changed.
    changes: u64,
}

/// Of one file. The time of its last change of any kind is in it because an edit can set the time of modification back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    modified_ms: u64,
    changed: (i64, i64),
    size: u64,
    inode: u64,
}

impl Stamps {
    /// Of every policy or case file that `paths` stand for, and of the folders that they are in.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut stamps = Self::default();
        files::seen(paths).iter().for_each(|path| stamps.add(path));
        stamps
    }

    /// Adds one file or folder; one that is not there has no stamp.
    pub(super) fn add(&mut self, path: &Path) {
        if let Ok(metadata) = path.metadata() {
            let ms = metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000);
            let stamp = Stamp {
                modified_ms: u64::try_from(ms).unwrap_or(0),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
                size: metadata.size(),
                inode: metadata.ino(),
            };
            self.files.insert(path.to_owned(), stamp);
        }
    }

    /// Says how often something that is in no file has changed.
    pub(super) fn count(&mut self, changes: u64) {
        self.changes = changes;
    }

    /// Adds those of other files.
    pub(super) fn append(&mut self, mut other: Self) {
        self.files.append(&mut other.files);
    }

    /// The newest time of modification, in milliseconds since 1970.
    pub(super) fn newest(&self) -> u64 {
        self.files.values().map(|stamp| stamp.modified_ms).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn edits_are_noticed_and_the_newest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = [folder.path().to_owned()];
        let file = folder.path().join("a.yaml");
        fs::write(&file, "a").unwrap();
        let first = Stamps::of(&root);
        assert_eq!(first, Stamps::of(&root));
        let future = SystemTime::now() + Duration::from_secs(1000);
        fs::File::options().write(true).open(&file).unwrap().set_modified(future).unwrap();
        let later = Stamps::of(&root);
        assert!(later != first && later.newest() > first.newest() + 900_000);
        // Back to the same time, size and inode: the time of the change itself tells.
        let back = SystemTime::UNIX_EPOCH + Duration::from_millis(first.newest());
        fs::File::options().write(true).open(&file).unwrap().set_modified(back).unwrap();
        assert_ne!(Stamps::of(&root), first);
        fs::write(folder.path().join("b.yaml"), "b").unwrap();
        fs::remove_file(&file).unwrap();
        assert!(Stamps::of(&root).newest() >= first.newest(), "the folder itself counts");
    }
}
