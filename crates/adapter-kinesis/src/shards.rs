//! What shards there are, those that were split or merged away included as long as their records are kept.

use aws_sdk_kinesis::types;
use cdp_aws::fault;
use cdp_event::PartitionId;
use cdp_ports::PortResult;

use crate::KinesisStream;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub id: PartitionId,
    /// Nothing is written to it any more: it was split or merged.
    pub is_closed: bool,
    first_hash: u128,
}

impl KinesisStream {
    /// In the order of their hash ranges; of one range, in the order of their ids, which is that of their making.
    pub async fn shards(&self) -> PortResult<Vec<Shard>> {
        let mut shards = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let request = self.client.list_shards();
            // A token stands for the name too, and they must not come together.
            let request = match next {
                None => request.stream_name(&self.name),
                Some(token) => request.next_token(token),
            };
            let action = || format!("list the shards of the stream {}", self.name);
            let answer = request.send().await.map_err(|error| fault(action(), error))?;
            shards.extend(answer.shards.into_iter().flatten().map(Shard::from));
            next = answer.next_token;
            if next.is_none() {
                break;
            }
        }
        shards.sort_by(|a, b| (a.first_hash, &a.id).cmp(&(b.first_hash, &b.id)));
        Ok(shards)
    }
}

impl From<types::Shard> for Shard {
    fn from(shard: types::Shard) -> Self {
        let first_hash = shard.hash_key_range().and_then(|range| range.starting_hash_key().parse().ok());
        let range = shard.sequence_number_range();
        Self {
            is_closed: range.is_some_and(|range| range.ending_sequence_number().is_some()),
            first_hash: first_hash.unwrap_or_default(),
            id: PartitionId::new(shard.shard_id),
        }
    }
}
