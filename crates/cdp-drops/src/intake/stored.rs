//! What State knows of a file beside its checkpoint. JSON, under the partition's name.

use cdp_event::{PartitionId, Timestamp};
use cdp_ports::{Condition, Key, State, Transaction, Version, Write};
use serde::{Deserialize, Serialize};

use super::IntakeError;
use super::tally::Tally;
use crate::rows::Layout;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub name: String,
    bytes: u64,
    first_seen_ms: i64,
    /// Of the settings that it was read by.
    pub settings: String,
    pub format: Option<String>,
    pub compression: Option<String>,
    pub encoding: Option<String>,
    /// The tally knows of rows up to this one.
    pub told_through: u64,
    pub tally: Tally,
    pub ending: Option<StoredEnding>,
    #[serde(skip)]
    version: Option<Version>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredEnding {
    Complete,
    CutOff(String),
    Unreadable(String),
}

impl StoredFile {
    pub fn new(name: String, bytes: u64, settings: String, first_seen: Timestamp) -> Self {
        Self {
            name,
            bytes,
            first_seen_ms: first_seen.as_ms(),
            settings,
            format: None,
            compression: None,
            encoding: None,
            told_through: 0,
            tally: Tally::default(),
            ending: None,
            version: None,
        }
    }

    /// When the rows arrived: the same for all of them, whenever they are taken in.
    pub fn first_seen(&self) -> Timestamp {
        Timestamp::from_ms(self.first_seen_ms)
    }

    pub fn set_layout(&mut self, layout: &Layout) {
        self.format = Some(layout.format.as_str().to_owned());
        self.compression = Some(layout.compression.as_str().to_owned());
    }

    pub async fn load(state: &impl State, partition: &PartitionId) -> Result<Option<Self>, IntakeError> {
        let Some(item) = state.get(&[key(partition)]).await?.pop().flatten() else { return Ok(None) };
        let stored: Self = serde_json::from_slice(&item.body).map_err(|_| IntakeError::Stored(partition.clone()))?;
        Ok(Some(Self { version: Some(item.version), ..stored }))
    }

    /// `Stale` when somebody else works on the file.
    pub async fn put(&mut self, state: &impl State, partition: &PartitionId) -> Result<(), IntakeError> {
        let body = serde_json::to_vec(self).map_err(|_| IntakeError::Stored(partition.clone()))?;
        let condition = self.version.map_or(Condition::Absent, Condition::At);
        let writes = vec![Write::Put { key: key(partition), body: body.into(), condition }];
        state.commit(Transaction { writes, durable: false }).await?;
        self.version = Some(self.version.map_or(1, |version| version + 1));
        Ok(())
    }
}

fn key(partition: &PartitionId) -> Key {
    Key::new(partition.as_str(), "file")
}
