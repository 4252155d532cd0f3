//! The sweep: files that nothing names any more, and the part of the log that a checkpoint has replaced.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use cdp_event::Timestamp;
use cdp_lake::layout;
use serde_json::Value;

use crate::DeltaError;
use crate::files::{self, UNFINISHED};
use crate::table::Table;

/// Answers how many data files are gone. Whoever began to read the table before `before` may miss some of them.
pub(crate) fn sweep(table: &Table, named: &[String], before: Timestamp) -> Result<u64, DeltaError> {
    let root = table.root();
    let log = root.join("_delta_log");
    // Old files are looked for first: one that is committed or removed meanwhile is found in the log then.
    let old = old_data_files(root, before)?;
    let newest = table.newest()?;
    let mut kept = removed_since(&log, before)?;
    kept.extend(newest.files.iter().map(|file| file.path.clone()));
    kept.extend(named.iter().cloned());
    let mut count = 0;
    for path in old.into_iter().filter(|path| !kept.contains(path)) {
        let path = root.join(path);
        count += u64::from(files::remove(&path).map_err(DeltaError::io(path))?);
    }
    shorten(&log, before)?;
    Ok(count)
}

/// Relative to `root`, finished or not.
fn old_data_files(root: &Path, before: Timestamp) -> Result<Vec<String>, DeltaError> {
    let mut found = Vec::new();
    for (folder, _) in files::entries(root).map_err(DeltaError::io(root))? {
        if folder.starts_with(layout::DATE) {
            let path = root.join(&folder);
            let old = files::older_than(&path, before).map_err(DeltaError::io(path))?;
            found.extend(old.into_iter().map(|name| format!("{folder}/{name}")));
        }
    }
    Ok(found)
}

/// Files that a compaction replaced not long ago: somebody may be reading them.
fn removed_since(log: &Path, before: Timestamp) -> Result<HashSet<String>, DeltaError> {
    let old: HashSet<String> = files::older_than(log, before).map_err(DeltaError::io(log))?.into_iter().collect();
    let mut removed = HashSet::new();
    for (name, _) in files::entries(log).map_err(DeltaError::io(log))? {
        if old.contains(&name) || !matches!(entry(&name), Some((_, "json"))) {
            continue;
        }
        let path = log.join(name);
        let actions = fs::read_to_string(&path).map_err(DeltaError::io(path))?;
        for action in actions.lines().filter(|action| action.starts_with(r#"{"remove""#)) {
            let action: Value = serde_json::from_str(action).unwrap_or_default();
            removed.extend(action["remove"]["path"].as_str().map(str::to_owned));
        }
    }
    Ok(removed)
}

/// Takes away what a checkpoint replaced, and what a crash left unfinished. Whoever began to read after `before` has seen a
/// checkpoint that is older than that; a younger one may be unknown to a reader who needs what it replaced.
fn shorten(log: &Path, before: Timestamp) -> Result<(), DeltaError> {
    let old = files::older_than(log, before).map_err(DeltaError::io(log))?;
    let checkpoints = old.iter().filter_map(|name| entry(name)).filter(|(_, kind)| *kind == "checkpoint.parquet");
    let checkpoint = checkpoints.map(|(version, _)| version).max().unwrap_or(0);
    for name in old {
        let is_replaced = entry(&name).is_some_and(|(version, _)| version < checkpoint);
        if is_replaced || name.ends_with(UNFINISHED) {
            let path = log.join(name);
            files::remove(&path).map_err(DeltaError::io(path))?;
        }
    }
    Ok(())
}

/// `00000000000000000010.checkpoint.parquet`: 10, and `checkpoint.parquet`.
fn entry(name: &str) -> Option<(u64, &str)> {
    let (version, kind) = name.split_once('.')?;
    Some((version.parse().ok()?, kind))
}
