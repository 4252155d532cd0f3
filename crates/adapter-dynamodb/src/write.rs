//! Writes as DynamoDB's expressions. A version counts up by itself: no write says what it will be.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, TransactWriteItem, Update};
use bytes::Bytes;
use cdp_ports::{Condition, Write};

use crate::item::{self, Attributes, BODY, VERSION};

/// What the names in the expressions below stand for.
const VERSION_NAME: &str = "#version";
const BODY_NAME: &str = "#body";
pub(crate) const PUT: &str = "SET #body = :body ADD #version :one";
const ABSENT: &str = "attribute_not_exists(#version)";
const AT: &str = "#version = :expected";
/// Of a check that always holds.
const ANY: &str = "attribute_exists(#version) OR attribute_not_exists(#version)";

pub(crate) fn condition(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Absent => Some(ABSENT),
        Condition::At(_) => Some(AT),
        Condition::Any => None,
    }
}

/// What the names of a write's expressions stand for. `None`: it has none.
pub(crate) fn names(write: &Write) -> Option<std::collections::HashMap<String, String>> {
    let version = (VERSION_NAME.to_owned(), VERSION.to_owned());
    match write {
        Write::Put { .. } => Some([version, (BODY_NAME.to_owned(), BODY.to_owned())].into()),
        Write::Delete { condition: Condition::Any, .. } => None,
        Write::Delete { .. } | Write::Check { .. } => Some([version].into()),
    }
}

/// What the values of a write's expressions stand for. `None`: it has none.
pub(crate) fn values(write: &Write) -> Option<Attributes> {
    let mut values = Attributes::new();
    if let Write::Put { body, .. } = write {
        values.extend(put_values(body));
    }
    if let Condition::At(version) = write.condition() {
        values.insert(":expected".to_owned(), item::number(version));
    }
    (!values.is_empty()).then_some(values)
}

fn put_values(body: &Bytes) -> [(String, AttributeValue); 2] {
    [(":body".to_owned(), item::blob(body)), (":one".to_owned(), item::number(1))]
}

/// The write as one of a transaction.
pub(crate) fn in_transaction(table: &str, write: &Write) -> Result<TransactWriteItem, BuildError> {
    let (key, names, values) = (item::key(write.key()), names(write), values(write));
    let condition = condition(write.condition());
    let item = TransactWriteItem::builder();
    let item = match write {
        Write::Put { .. } => item.update(
            Update::builder()
                .table_name(table)
                .set_key(Some(key))
                .update_expression(PUT)
                .set_condition_expression(condition.map(str::to_owned))
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()?,
        ),
        Write::Delete { .. } => item.delete(
            Delete::builder()
                .table_name(table)
                .set_key(Some(key))
                .set_condition_expression(condition.map(str::to_owned))
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()?,
        ),
        Write::Check { .. } => item.condition_check(
            ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(key))
                .condition_expression(condition.unwrap_or(ANY))
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()?,
        ),
    };
    Ok(item.build())
}
