//! Which reading of a dropped file counts.
//!
//! Of a file of which nothing was taken, the refused rows can come again in two ways: the whole file is read anew, as another
//! partition, once its source has other settings; or a replay sends its rows. Whichever is first shuts the other out, in State,
//! so that no row comes in both ways.

use bytes::Bytes;
use cdp_event::PartitionId;
use cdp_ports::{Condition, FaultKind, Key, PortError, PortResult, State, Transaction, Version, Write};
use prost::Message;

/// The newest reading of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// That of the first reading of the content, which tells all of them apart from other contents.
    first: PartitionId,
    pub partition: PartitionId,
    /// Its rows were replayed: the file is not read anew.
    pub is_last: bool,
    version: Option<Version>,
}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(string, tag = "1")]
    partition: String,
    #[prost(bool, tag = "2")]
    is_last: bool,
}

impl Reading {
    /// `partition`: that of any reading of the content.
    pub async fn newest(state: &impl State, partition: &PartitionId) -> PortResult<Self> {
        let first = partition.first_reading();
        let Some(item) = state.get(&[key(&first)]).await?.pop().flatten() else {
            return Ok(Self { partition: first.clone(), first, is_last: false, version: None });
        };
        let unread = |error| PortError::because(FaultKind::Broken, format!("tell how {first} was read"), error);
        let stored = Stored::decode(item.body).map_err(unread)?;
        let (partition, is_last) = (PartitionId::new(stored.partition), stored.is_last);
        Ok(Self { first, partition, is_last, version: Some(item.version) })
    }

    /// The file is read anew, as another partition. `Stale`: something else came of it meanwhile.
    pub async fn replace(&mut self, state: &impl State, partition: PartitionId) -> PortResult<()> {
        self.put(state, partition, false).await
    }

    /// Its rows are replayed. `Stale`: as above.
    pub async fn be_last(&mut self, state: &impl State) -> PortResult<()> {
        self.put(state, self.partition.clone(), true).await
    }

    async fn put(&mut self, state: &impl State, partition: PartitionId, is_last: bool) -> PortResult<()> {
        let body = Stored { partition: partition.to_string(), is_last }.encode_to_vec();
        let condition = self.version.map_or(Condition::Absent, Condition::At);
        let write = Write::Put { key: key(&self.first), body: Bytes::from(body), condition };
        state.commit(Transaction { writes: vec![write], durable: true }).await?;
        (self.partition, self.is_last) = (partition, is_last);
        self.version = Some(self.version.map_or(1, |version| version + 1));
        Ok(())
    }
}

fn key(first: &PartitionId) -> Key {
    Key::new(first.as_str(), "reading")
}
