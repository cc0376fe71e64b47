//! A folder of policy, with the cases that it must pass and the keys that it is signed with.
//!
//! INVARIANT: the bytes published depend on the files alone (content, times of modification, keys), so that every replica over the same
//! files publishes the same. The one exception: where content changed and time did not, the serial is raised above the last one.

use std::path::{Path, PathBuf};

use notify::RecursiveMode;
use sallyport_engine::Policy;
use sallyport_engine::bundle::{self, Bundle, DIGEST_LEN, KeySet, Terms};
use sallyport_engine::policy::PolicyParts;

use super::problem::Problem;
use super::publication::{Publication, Served};
use super::stamps::Stamps;
use super::state::Saved;
use crate::check::Checked;
use crate::keys::{self, SecretKey};
use crate::project::{self, Project};
use crate::testing::{Outcome, Suite};
use crate::{cases, compile, files};

/// The longest file with a serial.
const MAX_SERIAL_FILE: usize = 64;

/// Where policy and cases are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A folder with `policy/` and `cases/` in it.
    Project(PathBuf),
    /// Each by its name; there may be no cases.
    Named(Project),
}

/// Policy to publish.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) place: Place,
    /// Files with the private keys to sign with.
    pub(crate) keys: Vec<PathBuf>,
    /// A file with the serial; without one it is made of the times of the files.
    pub(crate) serial: Option<PathBuf>,
}

/// A publication's number and content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) serial: u64,
    pub(super) digest: [u8; DIGEST_LEN],
}

impl Mark {
    pub(super) fn of(bundle: &[u8]) -> Option<Self> {
        let bundle = Bundle::read(bundle).ok()?;
        Some(Self { serial: bundle.serial(), digest: *bundle.digest() })
    }
}

impl Folder {
    /// What to be told of when it changes.
    pub(super) fn roots(&self) -> Vec<(PathBuf, RecursiveMode)> {
        let project = self.project().ok();
        let deep = project.iter().flat_map(|project| std::iter::once(&project.policy).chain(&project.cases));
        let mut roots: Vec<_> = deep.map(|path| (path.clone(), RecursiveMode::Recursive)).collect();
        let around = match &self.place {
            Place::Project(folder) => Some(folder),
            Place::Named(_) => None,
        };
        let flat = around.into_iter().chain(&self.keys).chain(&self.serial);
        roots.extend(flat.map(|path| (path.clone(), RecursiveMode::NonRecursive)));
        roots
    }

    pub(super) fn stamps(&self) -> Stamps {
        let mut stamps = match (self.project(), &self.place) {
            (Ok(project), _) => {
                let mut stamps = Stamps::of(&project.cases);
                stamps.append(Stamps::of(std::slice::from_ref(&project.policy)));
                stamps
            }
            (Err(_), Place::Project(folder)) => {
                let mut stamps = Stamps::default();
                stamps.add(folder);
                stamps
            }
            (Err(_), Place::Named(_)) => Stamps::default(),
        };
        self.keys.iter().chain(&self.serial).for_each(|path| stamps.add(path));
        stamps
    }

    /// Compiles, tests and signs what is there now.
    pub(super) fn build(&self, last: Option<Mark>) -> Result<Publication, Problem> {
        let project = self.project()?;
        // Before anything is read: what changes while it is read is noticed, and read again.
        let newest = Stamps::of(std::slice::from_ref(&project.policy)).newest();
        let keys = self.signers()?;
        let (checked, report) = compile::check_all(std::slice::from_ref(&project.policy));
        let Some(Checked { policy, audiences, .. }) = checked else {
            return Err(Problem::of_report(
                "policy",
                "the policy has errors, so it is not published",
                &report,
            ));
        };
        let refuse = |why: bundle::BundleError| Problem::new("policy", why.to_string());
        let unnumbered = bundle::encode(&policy).map_err(refuse)?;
        test(&project, &unnumbered)?;
        let serial = self.serial(newest, last, &unnumbered)?;
        let parts = PolicyParts { serial, ..policy.parts().clone() };
        let policy = Policy::new(parts).map_err(|why| Problem::new("policy", why.to_string()))?;
        let bytes = bundle::encode_under(&policy, &Terms::default()).map_err(refuse)?;
        let whole = keys::sign(&bytes, &keys).and_then(Served::new).map_err(refuse)?;
        Ok(Publication::of_policy(whole, policy, audiences, keys))
    }

    /// What was published before, if it was signed by a key that we sign with.
    pub(super) fn restore(&self, saved: &Saved) -> Result<Publication, Problem> {
        let refuse = |why: bundle::BundleError| Problem::new("state", why.to_string());
        let keys = self.signers()?;
        let bytes = saved.bundles.get("").ok_or_else(|| Problem::new("state", "there is no whole policy"))?;
        let services = saved.services.clone().ok_or_else(|| Problem::new("state", "made of bundles"))?;
        let public = keys.iter().filter_map(SecretKey::public).collect();
        let bundle = Bundle::read(bytes).map_err(refuse)?;
        let set =
            KeySet::new(public, Vec::new()).ok_or_else(|| Problem::new("keys", "name each key once"))?;
        set.verify(&bundle).map_err(refuse)?;
        let policy = bundle.policy().map_err(refuse)?;
        let whole = Served::new(bytes.clone()).map_err(refuse)?;
        Ok(Publication::of_policy(whole, policy, services, keys))
    }

    fn project(&self) -> Result<Project, Problem> {
        match &self.place {
            Place::Named(project) => Ok(project.clone()),
            Place::Project(folder) => {
                let found = project::find(std::slice::from_ref(folder));
                let found = found.map_err(|why| Problem::new("policy", why))?.into_iter().next();
                found.ok_or_else(|| Problem::new("policy", "there is no project"))
            }
        }
    }

    fn signers(&self) -> Result<Vec<SecretKey>, Problem> {
        let read = |path: &PathBuf| {
            let told =
                |why| Problem::new("keys", format!("the key `{}` can not be used: {why}", path.display()));
            SecretKey::read(path).map_err(told)
        };
        self.keys.iter().map(read).collect()
    }

    /// The number of a publication made now.
    fn serial(&self, newest: u64, last: Option<Mark>, bundle: &[u8]) -> Result<u64, Problem> {
        let content = Mark::of(bundle).map(|mark| mark.digest);
        let used = last.filter(|last| Some(last.digest) != content);
        let Some(path) = &self.serial else {
            let least = match used {
                Some(used) => used.serial.checked_add(1),
                None => Some(last.map_or(0, |last| last.serial)),
            };
            let message = "the last serial there is was used, and filters take nothing below it: \
                           start them and the companion anew, without its state and with a new key";
            return least.map(|least| newest.max(least)).ok_or_else(|| Problem::new("serial", message));
        };
        let given = read_serial(path)?;
        match used.or(last) {
            Some(last) if given < last.serial || (used.is_some() && given == last.serial) => {
                let message = format!(
                    "`{}` says {given} and serial {} is published already: raise it",
                    path.display(),
                    last.serial
                );
                Err(Problem::new("serial", message))
            }
            _ => Ok(given),
        }
    }
}

fn read_serial(path: &Path) -> Result<u64, Problem> {
    let bytes = files::read_at_most(path, MAX_SERIAL_FILE)
        .map_err(|why| Problem::new("serial", format!("`{}` can not be read: {why}", path.display())))?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let number = text.and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| Problem::new("serial", format!("`{}` holds no number", path.display())))
}

/// Puts the cases to the policy; there may be none.
fn test(project: &Project, bundle: &[u8]) -> Result<(), Problem> {
    if project.cases.is_empty() {
        return Ok(());
    }
    let (cases, report) = cases::load(&project.cases);
    if report.has_errors() {
        let message = "the case files have errors, so the policy is not published";
        return Err(Problem::of_report("cases", message, &report));
    }
    let suite = Suite::of(project.policy.display().to_string(), bundle, cases);
    let suite = suite.map_err(|why| Problem::of_not_run(&why))?;
    if suite.count(Outcome::Failed) > 0 { Err(Problem::of_suite(&suite)) } else { Ok(()) }
}
