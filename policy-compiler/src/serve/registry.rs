//! Bundles from a container registry: a thread that looks whether the tag was moved, and keeps what it names.
//!
//! A registry that hangs or is away holds nothing up but this thread; what was fetched last stays.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::Companion;
use super::problem::{Problem, cut};
use super::publisher::Wake;
use crate::registry::{Access, Client, Digest, Failure, Kind, Progress, Reference, block_on, pull};

/// How often it is seen whether the companion ends.
const STEP: Duration = Duration::from_millis(100);

/// A tag, or a digest, whose bundles are to be published.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    pub(crate) reference: Reference,
    access: Access,
    /// What it named when it was last looked at.
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    digest: Option<Digest>,
    bundles: Arc<Vec<Vec<u8>>>,
    /// How often it was another.
    changes: u64,
}

impl Registry {
    pub(crate) fn new(reference: Reference, access: Access) -> Self {
        Self { reference, access, held: Arc::default() }
    }

    /// The bundles that are there, and what they are called; `None` before the first look that worked.
    pub(super) fn bundles(&self) -> Option<(String, Arc<Vec<Vec<u8>>>)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = held.digest.as_ref()?;
        Some((self.reference.at(digest).to_string(), Arc::clone(&held.bundles)))
    }

    /// A number that is another when the bundles are.
    pub(super) fn changes(&self) -> u64 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).changes
    }

    /// Looks every so often, until the companion ends.
    pub(super) fn follow(&self, poll: Duration, companion: &Companion, wake: &SyncSender<Wake>) {
        let stopping = companion.stopping.subscribe();
        while !*stopping.borrow() {
            let problem = match self.look() {
                Ok(Some(digest)) => {
                    tracing::info!(%digest, "fetched");
                    // A full channel wakes it as well.
                    let _ = wake.try_send(Wake::Look);
                    None
                }
                Ok(None) => None,
                Err(why) => Some(Problem::new("registry", cut(&format!("`{}`: {why}", self.reference)))),
            };
            companion.problem("registry", problem);
            let mut left = poll;
            while !left.is_zero() && !*stopping.borrow() {
                thread::sleep(left.min(STEP));
                left = left.saturating_sub(STEP);
            }
        }
    }

    /// What the reference names now, fetched if that is another; its digest then. Credentials and CAs are read anew each time.
    fn look(&self) -> Result<Option<Digest>, Failure> {
        let known = self.held.lock().unwrap_or_else(PoisonError::into_inner).digest.clone();
        let pulled = block_on(async {
            let client = Client::new(&self.reference, &self.access, false, Progress::Silent)?;
            if known.is_some() && Some(client.digest().await?) == known {
                return Ok(None);
            }
            pull(&client).await.map(Some)
        })?;
        let Some(pulled) = pulled.filter(|pulled| Some(&pulled.digest) != known.as_ref()) else {
            return Ok(None);
        };
        if pulled.kind != Kind::Bundles {
            return Err(Failure::Refused("it is a module, not bundles".to_owned()));
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.digest = Some(pulled.digest.clone());
        held.bundles = Arc::new(pulled.files);
        held.changes += 1;
        Ok(Some(pulled.digest))
    }
}
