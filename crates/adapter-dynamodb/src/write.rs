//! Writes as DynamoDB's expressions. A version counts up by itself: no write says what it will be.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem, Update};
use cdp_ports::{Condition, Write};

use crate::item::{self, Attributes, BODY, PACKED, VERSION};
use crate::pack::{Packer, Stored};

/// What the names in the expressions below stand for.
const VERSION_NAME: &str = "#version";
const PLAIN_NAME: (&str, &str) = ("#body", BODY);
const PACKED_NAME: (&str, &str) = ("#packed", PACKED);
const PUT_PLAIN: &str = "SET #body = :body REMOVE #packed ADD #version :one";
const PUT_PACKED: &str = "SET #packed = :body REMOVE #body ADD #version :one";
const ABSENT: &str = "attribute_not_exists(#version)";
const AT: &str = "#version = :expected";
/// Of a check that always holds.
const ANY: &str = "attribute_exists(#version) OR attribute_not_exists(#version)";

fn condition(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Absent => Some(ABSENT),
        Condition::At(_) => Some(AT),
        Condition::Any => None,
    }
}

/// A write, as DynamoDB's parameters.
pub(crate) struct Parameters {
    pub key: Attributes,
    /// Of a put.
    pub update: Option<&'static str>,
    pub condition: Option<&'static str>,
    /// What the names of the expressions stand for. `None`: they have none.
    pub names: Option<HashMap<String, String>>,
    /// What their values stand for. `None`: they have none.
    pub values: Option<Attributes>,
}

impl Parameters {
    pub fn of(write: &Write, packer: &Packer) -> Self {
        let (mut names, mut values, mut update) = (HashMap::new(), Attributes::new(), None);
        if !matches!(write, Write::Delete { condition: Condition::Any, .. }) {
            names.insert(VERSION_NAME.to_owned(), VERSION.to_owned());
        }
        if let Write::Put { key, body, .. } = write {
            let (expression, body) = match packer.pack(body, item::beside(key)) {
                Stored::Plain(body) => (PUT_PLAIN, body),
                Stored::Packed(body) => (PUT_PACKED, body),
            };
            update = Some(expression);
            names.extend([PLAIN_NAME, PACKED_NAME].map(|(name, attribute)| (name.to_owned(), attribute.to_owned())));
            values.extend([(":body".to_owned(), item::blob(&body)), (":one".to_owned(), item::number(1))]);
        }
        if let Condition::At(version) = write.condition() {
            values.insert(":expected".to_owned(), item::number(version));
        }
        Self {
            key: item::key(write.key()),
            update,
            condition: condition(write.condition()),
            names: (!names.is_empty()).then_some(names),
            values: (!values.is_empty()).then_some(values),
        }
    }
}

/// The write as one of a transaction.
pub(crate) fn in_transaction(table: &str, write: &Write, packer: &Packer) -> Result<TransactWriteItem, BuildError> {
    let Parameters { key, update, condition, names, values } = Parameters::of(write, packer);
    let item = TransactWriteItem::builder();
    let item = match write {
        Write::Put { .. } => item.update(
            Update::builder()
                .table_name(table)
                .set_key(Some(key))
                .set_update_expression(update.map(str::to_owned))
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
