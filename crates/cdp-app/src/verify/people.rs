//! The rows of `profiles` and of the view `canonical`, held against State: what SQL says of a person is what State has.

use std::cmp::Ordering;

use cdp_identity::{IdentitySet, ProfileId};

use super::NewestRow;
use super::late::Late;
use super::members::Standings;
use super::walk::Told;

/// Each profile's root is the one that `canonical` names.
pub(super) fn compare_canonical(profile: ProfileId, told: &Told, set: &IdentitySet, late: &mut Late) {
    let root = set.root();
    // As the view has it: a profile that no claim names is not in it.
    let named = told.is_claimant.then(|| told.canonical.as_deref().unwrap_or(&told.profile_id));
    if named == Some(root.to_string().as_str()) {
        late.sum.add(1, 1, 1);
    } else {
        let example = format!("{profile}: {} in the view, {root} in State", named.unwrap_or("not"));
        late.add(root, 1, 0, example);
    }
}

/// The newest row of a root is the fold of its members, and that of any other profile names its root.
pub(super) fn compare_newest(
    profile: ProfileId,
    newest: Option<&NewestRow>,
    set: &IdentitySet,
    standings: &Standings,
    late: &mut Late,
) {
    if set.root() == profile {
        compare_person(newest, set, standings, late);
    } else if let Some(row) = newest {
        compare_merged(row, set, late);
    }
}

/// While the set is the same, events of its members are only ever added, and whatever else the row shows changes with one of the two.
fn compare_person(newest: Option<&NewestRow>, set: &IdentitySet, standings: &Standings, late: &mut Late) {
    let root = set.root();
    let events = standings.events(set);
    let Some(row) = newest else {
        if !standings.is_in_flight(set) {
            late.add(root, events, 0, format!("{root}: no row, {events} events in State"));
        }
        return;
    };
    let told = row.events;
    if let Some(other) = &row.merged_into {
        // Nothing takes a merge back.
        late.wrong(events, told, format!("{root}: merged into {other} in its row, a root in State"));
        return;
    }
    match (row.set_revision(), told).cmp(&(set.revision, events)) {
        Ordering::Equal => late.sum.add(events, events, told),
        Ordering::Less if standings.is_in_flight(set) => {}
        Ordering::Less => {
            late.add(root, events, told, format!("{root}: its row is older: {told} events, {events} in State"));
        }
        // State was read after the table.
        Ordering::Greater => {
            late.wrong(events, told, format!("{root}: its row is newer: {told} events, {events} in State"));
        }
    }
}

fn compare_merged(row: &NewestRow, set: &IdentitySet, late: &mut Late) {
    let (profile, root) = (&row.profile_id, set.root());
    if row.merged_into.as_deref() == Some(root.to_string().as_str()) {
        return;
    }
    let merged_into = row.merged_into.as_deref().unwrap_or("nobody");
    let example = format!("{profile}: merged into {merged_into} in its row, {root} in State");
    if row.set_revision() < set.revision {
        late.add(root, 0, row.events, example);
    } else {
        late.wrong(0, row.events, example);
    }
}
