//! The sweep: files that nothing names any more, and the part of the log that a checkpoint has replaced.

use std::collections::HashSet;

use cdp_event::Timestamp;
use cdp_lake::layout;
use serde_json::Value;

use crate::DeltaError;
use crate::folder::UNFINISHED;
use crate::log::FOLDER as LOG;
use crate::place::Listed;
use crate::table::Table;

/// Answers how many data files are gone. Whoever began to read the table before `before` may miss some of them.
pub(crate) fn sweep(table: &Table, named: &[String], before: Timestamp) -> Result<u64, DeltaError> {
    // Old files are looked for first: one that is committed or removed meanwhile is found in the log then.
    let mut old = paths(&table.place().list("")?, |file| file.written < before && is_data(&file.path));
    let newest = table.newest()?;
    let log = table.place().list(LOG)?;
    let mut kept = removed_since(table, &log, before)?;
    kept.extend(newest.files.iter().map(|file| file.path.clone()));
    kept.extend(named.iter().cloned());
    old.retain(|path| !kept.contains(path));
    let count = table.place().remove(&old)?;
    table.place().remove(&replaced(&log, before))?;
    Ok(count)
}

fn paths(files: &[Listed], are_wanted: impl Fn(&Listed) -> bool) -> Vec<String> {
    files.iter().filter(|file| are_wanted(file)).map(|file| file.path.clone()).collect()
}

/// In the folder of a date, finished or not.
fn is_data(path: &str) -> bool {
    path.split_once('/').is_some_and(|(folder, _)| folder.starts_with(layout::DATE))
}

/// Files that a compaction replaced not long ago: somebody may be reading them.
fn removed_since(table: &Table, log: &[Listed], before: Timestamp) -> Result<HashSet<String>, DeltaError> {
    let is_commit = |file: &Listed| matches!(entry(&file.path), Some((_, "json")));
    let commits = paths(log, |file| file.written >= before && is_commit(file));
    let mut removed = HashSet::new();
    for actions in table.read_log(&commits)? {
        let actions = actions?;
        for action in actions.split(|byte| *byte == b'\n').filter(|action| action.starts_with(br#"{"remove""#)) {
            let action: Value = serde_json::from_slice(action).unwrap_or_default();
            removed.extend(action["remove"]["path"].as_str().map(str::to_owned));
        }
    }
    Ok(removed)
}

/// What a checkpoint has replaced in the log, and what a crash left unfinished. Whoever began to read after `before` has seen a
/// checkpoint that is older than that; a younger one may be unknown to a reader who needs what it replaced.
fn replaced(log: &[Listed], before: Timestamp) -> Vec<String> {
    let old = paths(log, |file| file.written < before);
    let checkpoints = old.iter().filter_map(|path| entry(path)).filter(|(_, kind)| *kind == "checkpoint.parquet");
    let checkpoint = checkpoints.map(|(version, _)| version).max().unwrap_or(0);
    let is_replaced = |path: &str| entry(path).is_some_and(|(version, _)| version < checkpoint);
    old.into_iter().filter(|path| is_replaced(path) || path.ends_with(UNFINISHED)).collect()
}

/// `_delta_log/00000000000000000010.checkpoint.parquet`: 10, and `checkpoint.parquet`.
fn entry(path: &str) -> Option<(u64, &str)> {
    let (version, kind) = path.strip_prefix(LOG)?.strip_prefix('/')?.split_once('.')?;
    Some((version.parse().ok()?, kind))
}
