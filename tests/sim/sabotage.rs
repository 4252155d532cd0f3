//! Bugs, planted at the ports: what the code would do to the world if it had them.

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use cdp_app::ProfileItem;
use cdp_event::{Offset, PartitionId, Timestamp};
use cdp_identity::{Claim, Founded};
use cdp_ports::{Batches, Condition, DataFile, Item, Key, Landing, PortResult, TableName, Transaction, Write};
use cdp_profile::InFlight;

use crate::executor::step;
use crate::ports::Session;

pub struct Unwritten {
    table: TableName,
    date: String,
    name: String,
    rows: Vec<RecordBatch>,
}

struct NothingReturns;

impl InFlight for NothingReturns {
    fn may_return(&self, _: &PartitionId, _: Offset) -> bool {
        false
    }
}

/// The profile forgets which offsets were applied.
pub fn without_watermark(item: Item) -> Item {
    if item.key.sort != "profile" {
        return item;
    }
    let mut profile = profile_of(&item.key, &item.body);
    profile.member.forget(&NothingReturns, Timestamp::from_ms(i64::MAX / 2));
    Item { body: profile.encode(), ..item }
}

pub fn profile_of(key: &Key, body: &Bytes) -> ProfileItem {
    let id = key.partition.strip_prefix("profile/").and_then(|id| id.parse().ok()).expect("a profile's key");
    ProfileItem::decode(Bytes::clone(body), id).expect("written by the code under test")
}

/// The last one to write such an item has it, whatever stood there.
pub fn overwrite(transaction: &mut Transaction, sort: &str) {
    for write in &mut transaction.writes {
        if let Write::Put { key, condition, .. } = write
            && key.sort == sort
        {
            *condition = Condition::Any;
        }
    }
}

/// Claims do not tell what else their profile was founded with.
pub fn forget_founded(transaction: &mut Transaction) {
    for write in &mut transaction.writes {
        if let Write::Put { key, body, .. } = write
            && key.sort == "claim"
        {
            let mut claim = Claim::decode(Bytes::clone(body)).expect("written by the code under test");
            if let Some(founded) = claim.founded.take() {
                let mut set = founded.read(claim.profile).expect("written by the code under test");
                set.held.clear();
                claim.founded = Some(Founded::with(&set));
            }
            *body = claim.encode();
        }
    }
}

/// Whether it puts a profile that took nothing, for want of room.
pub fn is_bare_profile(transaction: &Transaction) -> bool {
    transaction.writes.first().is_some_and(|write| match write {
        Write::Put { key, body, condition: Condition::Absent } if key.sort == "profile" => {
            let profile = profile_of(key, body);
            profile.member.events + profile.member.duplicates == 0
        }
        Write::Put { .. } | Write::Delete { .. } | Write::Check { .. } => false,
    })
}

/// Whether the transaction claims something. A store that repeats such a one after its answer was lost finds its own trace, and
/// tells it as another's.
pub fn claims(transaction: &Transaction) -> bool {
    transaction.writes.iter().any(|write| write.key().sort == "claim" && matches!(write, Write::Put { .. }))
}

/// A file is written only when the worker has moved on to the next one.
pub async fn put_later(
    session: &Session<'_>,
    table: TableName,
    date: &str,
    name: &str,
    rows: Batches<'_>,
) -> PortResult<DataFile> {
    let earlier: Vec<Unwritten> = session.unwritten.lock().expect("one thread").drain(..).collect();
    for file in earlier {
        session.world.lake.put(file.table, &file.date, &file.name, &mut file.rows.into_iter().map(Ok)).await?;
    }
    step().await;
    let rows: Vec<RecordBatch> = rows.collect::<Result<_, _>>().expect("columns of one length");
    let count = rows.iter().map(|batch| batch.num_rows() as u64).sum();
    let unwritten = Unwritten { table, date: date.to_owned(), name: name.to_owned(), rows };
    session.unwritten.lock().expect("one thread").push(unwritten);
    Ok(DataFile {
        path: format!("date={date}/{name}.parquet"),
        date: date.to_owned(),
        rows: count,
        bytes: 1,
        stats: "{}".to_owned(),
        written_at_ms: 0,
    })
}
