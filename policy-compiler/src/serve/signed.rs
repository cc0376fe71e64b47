//! Bundles that were signed elsewhere, in a folder or a registry: each is verified, and the newest for each audience is served as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use notify::RecursiveMode;
use sallyport_engine::bundle::{Bundle, BundleError, KeySet, Trust};

use super::folder::Mark;
use super::problem::{Detail, Problem};
use super::publication::{Publication, Served};
use super::registry::Registry;
use super::stamps::Stamps;
use super::state::Saved;
use crate::{bundle_file, keys};

/// How the names of bundles end.
const EXTENSION: &str = "bundle";

/// Bundles to publish.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) store: Store,
    /// Files with the public keys that may sign.
    pub(crate) keys: Vec<PathBuf>,
    /// Those that no longer may.
    pub(crate) retired: Vec<PathBuf>,
}

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// A folder of files.
    Folder(PathBuf),
    /// A container registry.
    Registry(Registry),
}

/// A bundle as it was found: where, and its bytes or why there are none.
type Found = (String, Result<Vec<u8>, String>);

/// What one look at the store gave.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) publication: Publication,
    /// Bundles that were refused; the others are published all the same.
    pub(super) problem: Option<Problem>,
    /// When a bundle that waits for its time may be published, or one expires, in seconds since 1970.
    pub(super) again: Option<u64>,
}

/// A bundle that may be published.
struct Good {
    audience: String,
    served: Served,
    /// The first second at which it may no longer be, since 1970.
    expires: Option<u64>,
}

/// Why one bundle is not published.
enum Refusal {
    File(String),
    Bundle(BundleError),
    /// It may be at this time.
    Until(u64),
    /// It no longer may be, which is nothing wrong if something newer took its place.
    Expired {
        audience: String,
        serial: u64,
    },
}

impl Store {
    /// The bundles that are there, in the order of their names.
    fn bundles(&self) -> Result<Vec<Found>, String> {
        match self {
            Self::Folder(folder) => {
                let unreadable = |why| format!("`{}` can not be read: {why}", folder.display());
                let paths = files(folder).map_err(unreadable)?;
                Ok(paths.iter().map(|path| (path.display().to_string(), bundle_file(path))).collect())
            }
            Self::Registry(registry) => {
                let nothing = || format!("nothing was fetched from `{}` yet", registry.reference);
                let (name, bundles) = registry.bundles().ok_or_else(nothing)?;
                Ok(bundles.iter().map(|bytes| (name.clone(), Ok(bytes.clone()))).collect())
            }
        }
    }

    /// What to say when there are none.
    fn is_empty(&self) -> String {
        match self {
            Self::Folder(folder) => format!("there is no `.{EXTENSION}` file in `{}`", folder.display()),
            Self::Registry(registry) => format!("there is no bundle in `{}`", registry.reference),
        }
    }
}

impl Signed {
    /// Whether there is anything to look at yet: a registry is asked by a thread of its own.
    pub(super) fn is_there(&self) -> bool {
        match &self.store {
            Store::Folder(_) => true,
            Store::Registry(registry) => registry.bundles().is_some(),
        }
    }

    /// What to be told of when it changes.
    pub(super) fn roots(&self) -> Vec<(PathBuf, RecursiveMode)> {
        let folder = match &self.store {
            Store::Folder(folder) => Some(folder),
            Store::Registry(_) => None,
        };
        let all = folder.into_iter().chain(&self.keys).chain(&self.retired);
        all.map(|path| (path.clone(), RecursiveMode::NonRecursive)).collect()
    }

    pub(super) fn stamps(&self) -> Stamps {
        let mut stamps = Stamps::default();
        let files = match &self.store {
            Store::Folder(folder) => files(folder).unwrap_or_default(),
            Store::Registry(registry) => {
                stamps.count(registry.changes());
                Vec::new()
            }
        };
        files.iter().chain(&self.keys).chain(&self.retired).for_each(|path| stamps.add(path));
        stamps
    }

    /// Verifies what is there now. What was published stays where nothing newer takes its place, unless its file was taken away and
    /// nothing is wrong with the others. It keeps older ones out only while the keys vouch for it.
    pub(super) fn build(&self, last: Option<&Publication>) -> Result<Looked, Problem> {
        let trust = self.trust()?;
        let there = self.store.bundles().map_err(|why| Problem::new("bundles", why))?;
        let nothing = there.is_empty();
        let (mut found, mut details, mut expired) = (BTreeMap::<_, Vec<_>>::new(), Vec::new(), Vec::new());
        let mut again = None::<u64>;
        for (place, bytes) in there {
            match bytes.map_err(Refusal::File).and_then(|bytes| judge(bytes, &trust)) {
                Ok(Good { audience, served, expires }) => {
                    again = again.into_iter().chain(expires).min();
                    found.entry(audience).or_default().push((place, served));
                }
                Err(Refusal::Until(time)) => again = Some(again.map_or(time, |known| known.min(time))),
                Err(Refusal::Expired { audience, serial }) => expired.push((place, audience, serial)),
                Err(refusal) => details.push(detail(&place, &refusal)),
            }
        }
        let mut best = BTreeMap::new();
        for (audience, candidates) in found {
            let published = last.and_then(|last| last.bundles().get(&audience));
            let published = published.filter(|served| vouched(&trust, &served.bytes));
            if let Some(chosen) = choose(candidates, published.map(Arc::as_ref), &mut details) {
                best.insert(audience, Arc::new(chosen));
            }
        }
        for (place, audience, serial) in expired {
            if best.get(&audience).is_none_or(|best| best.serial <= serial) {
                details.push(detail(&place, &Refusal::Bundle(BundleError::Expired)));
            }
        }
        if let Some(last) = last
            && (!details.is_empty() || best.is_empty())
        {
            for (audience, served) in last.bundles() {
                best.entry(audience.clone()).or_insert_with(|| Arc::clone(served));
            }
        }
        let problem = if !details.is_empty() {
            Some(Problem::with("bundles", "bundles are refused", details.into_iter()))
        } else if nothing {
            Some(Problem::new("bundles", self.store.is_empty()))
        } else {
            None
        };
        match problem {
            Some(problem) if best.is_empty() => Err(problem),
            problem => Ok(Looked { publication: Publication::of_bundles(best), problem, again }),
        }
    }

    /// What was published before, of that what our keys signed.
    pub(super) fn restore(&self, saved: &Saved) -> Result<Publication, Problem> {
        let trust = self.trust()?;
        let refuse = |why: BundleError| Problem::new("state", why.to_string());
        let mut bundles = BTreeMap::new();
        for (audience, bytes) in &saved.bundles {
            let bundle = Bundle::read(bytes).map_err(refuse)?;
            trust.keys.iter().try_for_each(|keys| keys.verify(&bundle).map(drop)).map_err(refuse)?;
            if bundle.audience() != audience {
                return Err(refuse(BundleError::Audience));
            }
            bundle.policy().map_err(refuse)?;
            bundles.insert(audience.clone(), Arc::new(Served::new(bytes.clone()).map_err(refuse)?));
        }
        Ok(Publication::of_bundles(bundles))
    }

    fn trust(&self) -> Result<Trust, Problem> {
        let read = |paths: &[PathBuf]| -> Result<Vec<_>, Problem> {
            let one = |path: &PathBuf| {
                keys::read_public(path).map_err(|why| {
                    Problem::new("keys", format!("the key `{}` can not be used: {why}", path.display()))
                })
            };
            paths.iter().map(one).collect()
        };
        let set = KeySet::new(read(&self.keys)?, read(&self.retired)?);
        let message = "the keys are no set: name 1 to 16 active and at most 16 retired ones, each once";
        Ok(Trust { keys: Some(set.ok_or_else(|| Problem::new("keys", message))?), audience: None })
    }
}

/// The bundles' files in a folder, by name.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = folder.read_dir()?.collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|extension| extension == EXTENSION) && !path.is_dir()
    });
    files.sort();
    Ok(files)
}

/// Whether one of the keys that may sign signed it, whatever the time.
fn vouched(trust: &Trust, bytes: &[u8]) -> bool {
    let signer = |bundle: &Bundle<'_>| trust.keys.as_ref().and_then(|keys| keys.verify(bundle).ok());
    Bundle::read(bytes).is_ok_and(|bundle| signer(&bundle).is_some())
}

/// A bundle that may be published now.
fn judge(bytes: Vec<u8>, trust: &Trust) -> Result<Good, Refusal> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
    let bundle = Bundle::read(&bytes).map_err(Refusal::Bundle)?;
    let audience = bundle.audience().to_owned();
    match trust.accept(None, &bundle, now) {
        Err(BundleError::NotYet) => return Err(Refusal::Until(bundle.valid().start)),
        Err(BundleError::Expired) => return Err(Refusal::Expired { audience, serial: bundle.serial() }),
        judged => judged.map_err(Refusal::Bundle)?,
    };
    let expires = Some(bundle.valid().end).filter(|end| *end != u64::MAX);
    // A bundle is good only if all of it is.
    bundle.policy().map_err(Refusal::Bundle)?;
    let served = Served::new(bytes).map_err(Refusal::Bundle)?;
    Ok(Good { audience, served, expires })
}

/// The newest of those for one audience, if it may take the place of what is published: filters would take nothing older, and nothing
/// else of the same serial. Of one publication that was signed twice, the same everywhere.
fn choose(
    mut candidates: Vec<(String, Served)>,
    published: Option<&Served>,
    details: &mut Vec<Detail>,
) -> Option<Served> {
    let digest = |served: &Served| Mark::of(&served.bytes).map(|mark| mark.digest);
    let newest = candidates.iter().map(|(_, served)| served.serial).max()?;
    candidates.retain(|(_, served)| served.serial == newest);
    candidates.sort_by(|(_, a), (_, b)| a.tag.cmp(&b.tag));
    let known = match published {
        Some(published) if published.serial > newest => {
            details.extend(
                candidates.iter().map(|(place, _)| detail(place, &Refusal::Bundle(BundleError::Older))),
            );
            return None;
        }
        Some(published) if published.serial == newest => digest(published),
        _ => candidates.first().and_then(|(_, served)| digest(served)),
    };
    let (same, others): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|(_, served)| digest(served) == known);
    details.extend(others.iter().map(|(place, _)| detail(place, &Refusal::Bundle(BundleError::Reused))));
    same.into_iter().next().map(|(_, served)| served)
}

fn detail(place: &str, refusal: &Refusal) -> Detail {
    let of = |why: &BundleError| (why.code(), why.to_string());
    let (id, message) = match refusal {
        Refusal::Bundle(why) => of(why),
        Refusal::File(why) => ("unreadable", why.clone()),
        Refusal::Until(_) => of(&BundleError::NotYet),
        Refusal::Expired { .. } => of(&BundleError::Expired),
    };
    Detail { id: id.to_owned(), place: place.to_owned(), message, help: None }
}
