//! The folder that a restart serves from at once: the last publication, as files that appear whole or not at all.
//!
//! Bundles stand in files that are named after their content, and `current.json` names them. It is replaced last, by a rename, so that
//! whenever the process ends, what it names is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use sallyport_engine::bundle::MAX_LEN;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::publication::{Publication, hex};
use crate::Audience;
use crate::files::{read_at_most, write_atomically};

const CURRENT: &str = "current.json";
const EXTENSION: &str = "bundle";
const LOCK: &str = "lock";
/// How the names of files begin that were not finished.
const UNFINISHED: &str = ".tmp";
/// The longest `current.json`.
const MAX_CURRENT: usize = 64 * 1024 * 1024;
/// What this program writes and reads.
const VERSION: u32 = 1;

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(pub(crate) PathBuf);

/// A publication as it was saved. Nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) bundles: BTreeMap<String, Vec<u8>>,
    pub(super) services: Option<Vec<Vec<Audience>>>,
}

/// `current.json`.
#[derive(Deserialize, Serialize)]
struct Current {
    version: u32,
    /// By audience, the SHA-256 of a bundle.
    bundles: BTreeMap<String, String>,
    /// Whom each service is for, where slices are made.
    services: Option<Vec<Vec<String>>>,
}

impl StateDir {
    /// Makes the folder if it is not there, and takes away what was left unfinished. While the file is held that this gives, the
    /// folder is ours.
    pub(super) fn prepare(&self) -> io::Result<File> {
        fs::create_dir_all(&self.0)?;
        let lock = File::create(self.0.join(LOCK))?;
        lock.try_lock().map_err(|why| match why {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses it: give each replica its own",
            ),
            TryLockError::Error(error) => error,
        })?;
        self.remove(|name| name.starts_with(UNFINISHED))?;
        Ok(lock)
    }

    /// What was saved last; nothing if nothing was yet.
    pub(super) fn load(&self) -> io::Result<Option<Saved>> {
        let bytes = match read_at_most(&self.0.join(CURRENT), MAX_CURRENT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?.unwrap_or_default(),
        };
        let current: Current = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        if current.version != VERSION {
            return Err(io::Error::other("it was written by another version"));
        }
        let bundles = current.bundles.into_iter().map(|(audience, tag)| Ok((audience, self.bundle(&tag)?)));
        let bundles = bundles.collect::<io::Result<_>>()?;
        let audiences = |names: Vec<String>| -> io::Result<Vec<_>> {
            names.iter().map(|name| Audience::parse(name).map_err(io::Error::other)).collect()
        };
        let services = current.services.map(|all| all.into_iter().map(audiences).collect()).transpose()?;
        Ok(Some(Saved { bundles, services }))
    }

    /// Saves a publication; when this returns it is on the disk.
    pub(super) fn save(&self, publication: &Publication) -> io::Result<()> {
        let bundles = publication.bundles();
        for served in bundles.values() {
            let path = self.file(&served.tag);
            // Named after its content, but perhaps by a disk that lost some of it.
            if fs::read(&path).is_ok_and(|there| there == served.bytes) {
                continue;
            }
            write_atomically(&path, &served.bytes)?;
        }
        let names = |audiences: &Vec<Audience>| audiences.iter().map(ToString::to_string).collect();
        let current = Current {
            version: VERSION,
            bundles: bundles.iter().map(|(name, served)| (name.clone(), served.tag.clone())).collect(),
            services: publication.services().map(|all| all.iter().map(names).collect()),
        };
        write_atomically(&self.0.join(CURRENT), &serde_json::to_vec(&current).map_err(io::Error::other)?)?;
        let used = |name: &str| current.bundles.values().any(|tag| name.strip_prefix(tag.as_str()).is_some());
        self.remove(|name| name.ends_with(&format!(".{EXTENSION}")) && !used(name))
    }

    fn file(&self, tag: &str) -> PathBuf {
        self.0.join(format!("{tag}.{EXTENSION}"))
    }

    fn bundle(&self, tag: &str) -> io::Result<Vec<u8>> {
        let is_tag = tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = if is_tag { self.file(tag) } else { return Err(io::Error::other("it names no bundle")) };
        let bytes = read_at_most(&path, MAX_LEN)?.unwrap_or_default();
        if hex(&Sha256::digest(&bytes)) == tag {
            Ok(bytes)
        } else {
            Err(io::Error::other("a bundle is torn"))
        }
    }

    /// Removes our files whose names are so.
    fn remove(&self, unwanted: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(&unwanted) && is_file(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sallyport_engine::bundle::{Terms, frame};

    use super::super::publication::Served;
    use super::*;

    fn publication(serial: u64) -> Publication {
        let bundle = |audience: Option<&str>| {
            let terms = Terms { audience: audience.map(str::to_owned), ..Terms::default() };
            Arc::new(Served::new(frame(b"policy", serial, &terms).unwrap()).unwrap())
        };
        let all = [(String::new(), bundle(None)), ("tools".to_owned(), bundle(Some("tools")))];
        Publication::of_bundles(all.into())
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_last_publication_is_read_back_and_the_one_before_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir(folder.path().join("made"));
        let lock = state.prepare().unwrap();
        assert!(state.load().unwrap().is_none());
        for serial in [1, 2] {
            state.save(&publication(serial)).unwrap();
            let saved = state.load().unwrap().unwrap();
            let expected = publication(serial);
            for (audience, served) in expected.bundles() {
                assert_eq!(saved.bundles[audience], served.bytes);
            }
            assert_eq!((saved.bundles.len(), saved.services), (2, None));
        }
        assert_eq!(names(&state.0).len(), 4, "two bundles, what names them, the lock");
        assert_eq!(state.prepare().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(lock);
        state.prepare().unwrap();
    }

    /// The steps of a save, each of which may be the last.
    #[test]
    fn whenever_a_save_ends_the_last_whole_one_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir(folder.path().to_owned());
        state.save(&publication(1)).unwrap();
        let tags = |publication: &Publication| -> Vec<_> {
            publication.bundles().values().map(|served| (served.tag.clone(), served.bytes.clone())).collect()
        };
        let loads = |serial| {
            let saved = state.load().unwrap().unwrap();
            let tags: Vec<_> = tags(&publication(serial)).into_iter().map(|(_, bytes)| bytes).collect();
            assert_eq!(saved.bundles.into_values().collect::<Vec<_>>(), tags);
        };
        fs::write(state.0.join(".tmpAbCdEf"), "half").unwrap();
        loads(1);
        for (tag, bytes) in tags(&publication(2)) {
            fs::write(state.file(&tag), &bytes).unwrap();
            loads(1);
        }
        fs::write(state.0.join(".tmpGhIjKl"), "{\"version\":1").unwrap();
        loads(1);
        drop(state.prepare().unwrap());
        assert!(names(&state.0).iter().all(|name| !name.starts_with(UNFINISHED)));
        state.save(&publication(2)).unwrap();
        loads(2);

        // What a disk lost or changed is found out.
        let (tag, bytes) = tags(&publication(2)).remove(0);
        fs::write(state.file(&tag), &bytes[1..]).unwrap();
        assert!(state.load().unwrap_err().to_string().contains("torn"));
        state.save(&publication(2)).unwrap();
        loads(2);
        for bad in ["", "{}", "{\"version\":2,\"bundles\":{}}", "{\"version\":1,\"bundles\":{\"\":\"../x\"}}"]
        {
            fs::write(state.0.join(CURRENT), bad).unwrap();
            assert!(state.load().is_err(), "{bad}");
        }
    }
}
