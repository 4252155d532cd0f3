//! Of [`Warehouse`]: what any engine runs without a table.

use std::fmt::Write;

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;

use super::{assert_fault, both, run_each};
use crate::{FaultKind, Warehouse};

pub async fn all<W: Warehouse>(make: impl AsyncFn() -> W) {
    run_each!(make:
        values_keep_their_kinds,
        a_value_that_is_absent_is_told_from_an_empty_one,
        any_text_comes_through,
        rows_that_look_like_a_header_are_rows,
        no_rows_have_columns,
        many_rows_come_once_and_in_order,
        statements_run_side_by_side,
        a_statement_that_cannot_be_run_is_refused,
    );
}

pub async fn values_keep_their_kinds(warehouse: &impl Warehouse) {
    let found = run(
        warehouse,
        "select 7 as whole, cast(-9007199254740993 as bigint) as large, cast(2.5 as double) as real, 1 = 1 as yes, 'a' as text, \
         cast(8 as varchar) as told",
    )
    .await;
    assert_eq!(found.rows, [["7", "-9007199254740993", "2.5", "true", "a", "8"]]);
    let [whole, large, real, yes, text, told] = &found.kinds[..] else { panic!("six columns: {:?}", found.kinds) };
    assert!(whole.is_integer() && large.is_integer() && real.is_floating(), "{:?}", found.kinds);
    assert_eq!((yes, text, told), (&DataType::Boolean, &DataType::Utf8, &DataType::Utf8));
}

pub async fn a_value_that_is_absent_is_told_from_an_empty_one(warehouse: &impl Warehouse) {
    let statement = "select cast(null as varchar) as nothing, '' as empty, cast(null as bigint) as no_number";
    assert_eq!(run(warehouse, statement).await.rows, [["NULL", "", "NULL"]]);
}

pub async fn any_text_comes_through(warehouse: &impl Warehouse) {
    for text in ["a,b", "say \"no\"", "it's", "two\nlines", " blanks ", "Ω 日本 🙂", "\\N", "null"] {
        let found = run(warehouse, &format!("select '{}' as text", text.replace('\'', "''"))).await;
        assert_eq!(found.rows, [[text]]);
    }
}

pub async fn rows_that_look_like_a_header_are_rows(warehouse: &impl Warehouse) {
    let found = run(warehouse, "select 'a' as a, 'b' as b union all select 'a' as a, 'b' as b").await;
    assert_eq!(found.rows, [["a", "b"], ["a", "b"]]);
}

pub async fn no_rows_have_columns(warehouse: &impl Warehouse) {
    let found = run(warehouse, "select 1 as one, 'b' as other where 1 = 2").await;
    assert_eq!((found.names, found.rows.len()), (vec!["one".to_owned(), "other".to_owned()], 0));
}

pub async fn many_rows_come_once_and_in_order(warehouse: &impl Warehouse) {
    // More than a page of Athena's, and one that ends with a page.
    for count in [1, 999, 1000, 2001, 3000] {
        let mut values = String::new();
        (0..count).rev().for_each(|n| write!(values, "({n}),").expect("memory takes it"));
        let statement = format!("select n from (values {}) as t(n) order by n", values.trim_end_matches(','));
        let found = run(warehouse, &statement).await;
        assert_eq!(found.rows.concat(), (0..count).map(|n| n.to_string()).collect::<Vec<_>>(), "{count} rows");
    }
}

pub async fn statements_run_side_by_side(warehouse: &impl Warehouse) {
    let (one, other) = both(run(warehouse, "select 1 as n"), run(warehouse, "select 2 as n")).await;
    assert_eq!((one.rows, other.rows), (vec![vec!["1".to_owned()]], vec![vec!["2".to_owned()]]));
}

pub async fn a_statement_that_cannot_be_run_is_refused(warehouse: &impl Warehouse) {
    for statement in ["selec 1", "select", "select nothing from nowhere", "select no_such_function(1)"] {
        assert_fault(warehouse.run(statement).await, FaultKind::Refused, statement);
    }
}

#[derive(Debug)]
struct Found {
    names: Vec<String>,
    kinds: Vec<DataType>,
    rows: Vec<Vec<String>>,
}

async fn run(warehouse: &impl Warehouse, statement: &str) -> Found {
    let answer = warehouse.run(statement).await.expect("a sound statement");
    let names = answer.columns.fields().iter().map(|column| column.name().clone()).collect();
    let kinds = answer.columns.fields().iter().map(|column| column.data_type().clone()).collect();
    let batches: Vec<_> = answer.rows.try_collect().await.expect("rows");
    let text = |column: &dyn Array, at: usize| match column.is_null(at) {
        true => "NULL".to_owned(),
        false => array_value_to_string(column, at).expect("text"),
    };
    let row = |batch: &arrow::record_batch::RecordBatch, at: usize| {
        batch.columns().iter().map(|column| text(column, at)).collect::<Vec<_>>()
    };
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect();
    Found { names, kinds, rows }
}
