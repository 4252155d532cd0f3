//! The folder as a whole: who has it, and what was decided when it was made.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cdp_event::{PartitionId, Timestamp};

use crate::LogError;

const MAX_SHARDS: usize = 10_000;

/// The folder is this process's own until this is dropped.
pub(crate) struct Folder {
    pub dir: PathBuf,
    pub created_at: Timestamp,
    _lock: File,
}

impl Folder {
    pub fn open(dir: &Path, shards: usize) -> Result<Self, LogError> {
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(LogError::BadShardCount(shards));
        }
        fs::create_dir_all(dir).map_err(LogError::io("make the folder", dir))?;
        let lock = take_lock(dir)?;
        let about = match read_about(dir)? {
            Some(about) => about,
            None => write_about(dir, shards)?,
        };
        if about.shards != shards {
            return Err(LogError::OtherShards { dir: dir.to_owned(), stored: about.shards, asked: shards });
        }
        Ok(Self { dir: dir.to_owned(), created_at: about.created_at, _lock: lock })
    }

    pub fn shard_dir(&self, shard: &PartitionId) -> PathBuf {
        self.dir.join(shard.as_str())
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), LogError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LogError::io("sync the folder", dir))
}

fn take_lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(LogError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(LogError::io("lock", &path)(error)),
    }
}

struct About {
    shards: usize,
    created_at: Timestamp,
}

impl About {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Some(Self {
            shards: field("shards")?.parse().ok()?,
            created_at: Timestamp::from_ms(field("created_ms")?.parse().ok()?),
        })
    }
}

fn read_about(dir: &Path) -> Result<Option<About>, LogError> {
    let path = dir.join("about");
    match fs::read_to_string(&path) {
        Ok(text) => match About::parse(&text) {
            Some(about) => Ok(Some(about)),
            None => Err(LogError::damaged(&path, 0, "it does not tell the shards and the time of creation")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("read", &path)(error)),
    }
}

fn write_about(dir: &Path, shards: usize) -> Result<About, LogError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let about = About { shards, created_at: Timestamp::from_ms(now.as_millis() as i64) };
    let (path, draft) = (dir.join("about"), dir.join("about.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        write!(file, "shards {shards}\ncreated_ms {}\n", about.created_at.as_ms())?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    };
    write().map_err(LogError::io("write", &path))?;
    sync_dir(dir)?;
    Ok(about)
}
