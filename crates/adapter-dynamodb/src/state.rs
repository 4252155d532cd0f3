//! The port: one table.

use std::collections::{HashMap, HashSet};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use cdp_aws::{Faulty, fault};
use cdp_ports::{FaultKind, Item, Key, PortError, PortResult, State, Transaction, Write};
use futures::{StreamExt, TryStreamExt, stream};

use crate::item::{self, Attributes, PARTITION, SORT};
use crate::pack::Packer;
use crate::patience::Patience;
use crate::write::{self, Parameters};

/// What BatchGetItem takes.
const KEYS_AT_A_TIME: usize = 100;
/// Items that a query asks for at once: more than a page of 1 MB holds of ours.
const ITEMS_AT_A_TIME: usize = 10_000;
/// Requests on their way at once.
const SIDE_BY_SIDE: usize = 64;

pub struct DynamoState {
    client: Client,
    /// Repeats nothing by itself. A conditional update whose answer was lost would find its own trace, and be told as stale
    /// though it happened; a transaction carries a token against that.
    once: Client,
    table: String,
    packer: Packer,
}

impl DynamoState {
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        let once = aws_sdk_dynamodb::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Self {
            client: Client::new(config),
            once: Client::from_conf(once),
            table: table.into(),
            packer: Packer::default(),
        }
    }

    /// Any number of keys, in their order.
    async fn find(&self, keys: &[Key], consistent: bool) -> PortResult<Vec<Option<Item>>> {
        let different: HashSet<&Key> = keys.iter().collect();
        let different: Vec<&Key> = different.into_iter().collect();
        let some = different.chunks(KEYS_AT_A_TIME).map(|some| self.find_some(some, consistent)).collect::<Vec<_>>();
        let found: Vec<Vec<Item>> = stream::iter(some).buffer_unordered(SIDE_BY_SIDE).try_collect().await?;
        let found: HashMap<Key, Item> = found.into_iter().flatten().map(|item| (item.key.clone(), item)).collect();
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Different keys.
    async fn find_some(&self, keys: &[&Key], consistent: bool) -> PortResult<Vec<Item>> {
        let action =
            || format!("get {} items, {} first", keys.len(), keys.first().map(ToString::to_string).unwrap_or_default());
        let mut found = Vec::with_capacity(keys.len());
        let mut wanted: Vec<Attributes> = keys.iter().map(|key| item::key(key)).collect();
        let mut patience = Patience::default();
        loop {
            let asked = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(consistent).build();
            let asked = asked.map_err(|error| PortError::because(FaultKind::Refused, action(), error))?;
            let answer = self.client.batch_get_item().request_items(&self.table, asked).send().await;
            let answer = answer.map_err(|error| fault(action(), error))?;
            for attributes in answer.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                found.push(item::read(attributes, &self.packer)?);
            }
            let left = answer.unprocessed_keys.into_iter().flat_map(HashMap::into_values);
            wanted = left.flat_map(|left| left.keys).collect();
            if wanted.is_empty() {
                return Ok(found);
            }
            if !patience.wait().await {
                let why = format!("{} were not read", wanted.len());
                return Err(PortError::because(FaultKind::Busy, action(), why));
            }
        }
    }

    /// One write by itself. `token`: as for [`transact`](Self::transact).
    async fn write(&self, write: &Write, token: &str) -> Result<(), WriteError> {
        let Parameters { key, update, condition, names, values } = Parameters::of(write, &self.packer);
        let condition = condition.map(str::to_owned);
        match write {
            Write::Put { .. } => self
                .once
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key))
                .set_update_expression(update.map(str::to_owned))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .send()
                .await
                .map(drop)
                .map_err(WriteError::of),
            Write::Delete { .. } => self
                .once
                .delete_item()
                .table_name(&self.table)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .send()
                .await
                .map(drop)
                .map_err(WriteError::of),
            Write::Check { .. } => self.transact(std::slice::from_ref(write), token).await,
        }
    }

    /// All writes or none. `token`: the same at each try, for one whose answer was lost may be followed by one that is
    /// refused, and the one after that would find the trace of the first.
    async fn transact(&self, writes: &[Write], token: &str) -> Result<(), WriteError> {
        let items = writes.iter().map(|write| write::in_transaction(&self.table, write, &self.packer));
        let items = items.collect::<Result<Vec<_>, _>>();
        let items = items.map_err(|error| WriteError::told(FaultKind::Refused, error))?;
        let sent =
            self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(token).send().await;
        sent.map(drop).map_err(|error| match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons().iter().zip(writes);
                let reasons = reasons.filter_map(|(reason, write)| Some((reason.code()?, write.key())));
                WriteError::cancelled(reasons.filter(|(code, _)| *code != "None").collect())
            }
            _ => WriteError::of(error),
        })
    }
}

/// Why a write did not happen, or whether nobody knows.
struct WriteError {
    fault: PortError,
    /// Nothing has happened, and the same may pass soon.
    may_pass: bool,
}

impl WriteError {
    fn of<E: Faulty>(error: SdkError<E>) -> Self {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        Self { may_pass: code.is_some_and(may_pass), fault: fault("", error) }
    }

    fn told(kind: FaultKind, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { may_pass: false, fault: PortError::because(kind, "", why) }
    }

    /// `reasons`: the code of each item that was a reason, and its key.
    fn cancelled(reasons: Vec<(&str, &Key)>) -> Self {
        let why = reasons.iter().map(|(code, key)| format!("{code} at {key}")).collect::<Vec<_>>().join(", ");
        let is_any = |wanted: &str| reasons.iter().any(|(code, _)| *code == wanted);
        let all_may_pass = reasons.iter().all(|(code, _)| may_pass(code));
        let kind = match () {
            () if is_any("ConditionalCheckFailed") => FaultKind::Stale,
            () if all_may_pass => FaultKind::Busy,
            () => FaultKind::Refused,
        };
        Self { may_pass: kind == FaultKind::Busy, ..Self::told(kind, why) }
    }
}

/// Codes of a request that DynamoDB has not carried out, and may carry out soon.
fn may_pass(code: &str) -> bool {
    matches!(
        code.trim_end_matches("Exception"),
        "TransactionConflict"
            | "ProvisionedThroughputExceeded"
            | "Throttling"
            | "ThrottlingError"
            | "RequestLimitExceeded"
    )
}

impl State for DynamoState {
    async fn get(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.find(keys, true).await
    }

    async fn peek(&self, keys: &[Key]) -> PortResult<Vec<Option<Item>>> {
        self.find(keys, false).await
    }

    async fn query(&self, partition: &str, prefix: &str, after: Option<&str>, limit: usize) -> PortResult<Vec<Item>> {
        // A start before the range is no start of it, and nothing comes after one behind it.
        let after = after.filter(|after| *after >= prefix);
        if limit == 0 || after.is_some_and(|after| !after.starts_with(prefix)) {
            return Ok(vec![]);
        }
        let mut start = after.map(|after| item::key_of(partition, after));
        let mut found = Vec::new();
        loop {
            let wanted = i32::try_from((limit - found.len()).min(ITEMS_AT_A_TIME)).unwrap_or(i32::MAX);
            let mut query = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .limit(wanted)
                .set_exclusive_start_key(start)
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", PARTITION)
                .expression_attribute_values(":partition", item::text(partition));
            if !prefix.is_empty() {
                query = query
                    .key_condition_expression("#partition = :partition AND begins_with(#sort, :prefix)")
                    .expression_attribute_names("#sort", SORT)
                    .expression_attribute_values(":prefix", item::text(prefix));
            }
            let page = query.send().await.map_err(|error| fault(format!("query {partition}/{prefix}*"), error))?;
            for attributes in page.items.into_iter().flatten() {
                found.push(item::read(attributes, &self.packer)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    async fn commit(&self, transaction: Transaction) -> PortResult<()> {
        transaction.check()?;
        let (token, mut patience) = (format!("{:032x}", rand::random::<u128>()), Patience::default());
        loop {
            let outcome = match transaction.writes.as_slice() {
                [] => Ok(()),
                [alone] => self.write(alone, &token).await,
                writes => self.transact(writes, &token).await,
            };
            let Err(WriteError { fault, may_pass }) = outcome else { return Ok(()) };
            if !may_pass || !patience.wait().await {
                return Err(PortError { action: transaction.naming(), ..fault });
            }
        }
    }

    async fn commit_each(&self, transactions: Vec<Transaction>) -> Vec<PortResult<()>> {
        stream::iter(transactions.into_iter().map(|transaction| self.commit(transaction)))
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await
    }
}

#[cfg(test)]
mod tests;
