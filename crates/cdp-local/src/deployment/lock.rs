//! One process at a time works on a deployment's stores. `run.json` tells the others where to find it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::DeploymentError;

/// Who runs a deployment, as `run.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub address: SocketAddr,
    pub pid: u32,
}

/// Held while a process works on the stores. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

const FILE: &str = "run.json";
/// So long is waited for one that does not say where it listens: a command that is soon done, or a look at who it is.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Lock {
    pub fn take(dir: &Path) -> Result<Self, DeploymentError> {
        let began = Instant::now();
        loop {
            match Self::try_take(dir) {
                Err(DeploymentError::Locked(_)) if began.elapsed() < PATIENCE => thread::sleep(LOOK_AGAIN),
                outcome => return outcome,
            }
        }
    }

    fn try_take(dir: &Path) -> Result<Self, DeploymentError> {
        let path = dir.join(FILE);
        let io = |source| DeploymentError::Io { path: path.clone(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                // What an earlier process left does not hold any more.
                file.set_len(0).map_err(io)?;
                Ok(Self { file, path })
            }
            Err(TryLockError::WouldBlock) => Err(match read(file) {
                Some(Running { address, pid }) => {
                    DeploymentError::InUse { dir: dir.to_owned(), address: address.to_string(), pid }
                }
                None => DeploymentError::Locked(dir.to_owned()),
            }),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Tells other processes where this one listens.
    pub fn announce(&mut self, address: SocketAddr) -> Result<(), DeploymentError> {
        let running = Running { address, pid: std::process::id() };
        let text = serde_json::to_string(&running).unwrap_or_default();
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(text.as_bytes()));
        written.map_err(|source| DeploymentError::Io { path: self.path.clone(), source })
    }
}

impl Running {
    /// The process that runs the deployment now, if there is one that listens.
    pub fn find(dir: &Path) -> Option<Self> {
        let file = File::open(dir.join(FILE)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read(file),
            // Nobody holds it: what it says is left from a process that is gone.
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

fn read(mut file: File) -> Option<Running> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_the_others_learn_where_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Running::find(dir.path()), None);
        let mut lock = Lock::take(dir.path()).expect("free");
        assert!(matches!(Lock::take(dir.path()), Err(DeploymentError::Locked(_))));
        let address = "127.0.0.1:8080".parse().expect("an address");
        lock.announce(address).expect("written");
        assert_eq!(Running::find(dir.path()), Some(Running { address, pid: std::process::id() }));
        assert!(matches!(Lock::take(dir.path()), Err(DeploymentError::InUse { .. })));
        drop(lock);
        assert_eq!(Running::find(dir.path()), None);
        Lock::take(dir.path()).expect("free again");
    }

    #[test]
    fn whoever_is_soon_done_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let short = Lock::take(dir.path()).expect("free");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::take(dir.path()));
            thread::sleep(LOOK_AGAIN * 3);
            drop(short);
            waiting.join().expect("no panic").expect("free in time");
        });
    }
}
