//! Functions that read a value out of JSON text: `json_get_str(properties, 'cart.id')`. Null where there is none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use serde_json::Value;

/// For who looks for another way.
pub(crate) const HOW_TO_READ: &str =
    "JSON text is read by json_get_str(traits, 'address.city'), json_get_int and json_get_float";

/// A column of what was found.
type Build = fn(Vec<Option<Value>>) -> ArrayRef;

pub(crate) fn register(context: &SessionContext) {
    let functions: [(&str, DataType, Build); 3] = [
        ("json_get_str", DataType::Utf8, |values| Arc::new(values.into_iter().map(text).collect::<StringArray>())),
        ("json_get_float", DataType::Float64, |values| {
            Arc::new(values.into_iter().map(|v| v.as_ref().and_then(Value::as_f64)).collect::<Float64Array>())
        }),
        ("json_get_int", DataType::Int64, |values| {
            Arc::new(values.into_iter().map(|v| v.as_ref().and_then(Value::as_i64)).collect::<Int64Array>())
        }),
    ];
    for (name, kind, build) in functions {
        let run = move |args: &[ColumnarValue]| Ok(ColumnarValue::Array(build(values(args)?)));
        let arguments = vec![DataType::Utf8, DataType::Utf8];
        context.register_udf(create_udf(name, arguments, kind, Volatility::Immutable, Arc::new(run)));
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn values(args: &[ColumnarValue]) -> Result<Vec<Option<Value>>> {
    let [json, ColumnarValue::Scalar(ScalarValue::Utf8(Some(path)))] = args else {
        return exec_err!("a json function takes a column of JSON text and a constant path such as 'cart.id'");
    };
    let json = match json {
        ColumnarValue::Array(array) => Arc::clone(array),
        ColumnarValue::Scalar(scalar) => scalar.to_array()?,
    };
    let json = json.as_string::<i32>();
    let keys: Vec<&str> = path.split('.').collect();
    Ok((0..json.len()).map(|at| if json.is_null(at) { None } else { find(json.value(at), &keys) }).collect())
}

fn find(json: &str, keys: &[&str]) -> Option<Value> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    for key in keys {
        value = match &mut value {
            Value::Object(fields) => fields.remove(*key)?,
            Value::Array(items) => {
                let at: usize = key.parse().ok()?;
                if at < items.len() { items.swap_remove(at) } else { return None }
            }
            _ => return None,
        };
    }
    Some(value)
}
