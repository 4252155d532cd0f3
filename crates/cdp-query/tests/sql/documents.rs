//! `schemas/tables/` and the code say the same.

use std::fs;
use std::path::Path;

use arrow::datatypes::{DataType, Field, SchemaRef};
use cdp_lake::layout;
use cdp_query::VIEWS;

use crate::sample::Sample;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/tables").join(format!("{name}.md"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The columns of a document's table, as `name type null`.
fn documented(name: &str) -> Vec<String> {
    listed(name, &document(name))
}

fn listed(name: &str, document: &str) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(4, '|').map(str::trim).collect();
        let [column, kind, null, meaning] = cells[..] else { panic!("{name}: {row}") };
        assert!(!meaning.is_empty(), "{name}: {row}");
        format!("{} {kind} {null}", column.trim_matches('`'))
    })
    .collect()
}

fn in_words(field: &Field) -> String {
    let kind = match field.data_type() {
        DataType::Utf8 => "string",
        DataType::Timestamp(_, Some(zone)) if &**zone == "UTC" => "timestamp",
        DataType::Int32 => "int",
        DataType::Int64 => "long",
        DataType::Float64 => "double",
        DataType::Binary => "binary",
        other => panic!("{}: no word for {other}", field.name()),
    };
    format!("{} {kind} {}", field.name(), if field.is_nullable() { "yes" } else { "no" })
}

#[test]
fn each_tables_document_lists_its_columns() {
    let layouts: [(&str, &SchemaRef); 4] = [
        ("events", &layout::EVENTS),
        ("quarantine", &layout::QUARANTINE),
        ("identity", &layout::IDENTITY),
        ("profiles", &layout::PROFILES),
    ];
    for (name, layout) in layouts {
        let mut columns: Vec<String> = layout.fields().iter().map(|field| in_words(field)).collect();
        columns.push(format!("{} date yes", layout::DATE));
        assert_eq!(documented(name), columns, "{name}");
    }
}

#[test]
fn the_views_document_has_their_sql() {
    let document = document("views");
    let written: Vec<String> = document
        .split("```sql\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .map(|sql| sql.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let code: Vec<String> = VIEWS.iter().map(|(_, sql)| sql.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(written, code);
    for (name, _) in VIEWS {
        assert!(document.contains(&format!("\n## {name}\n")), "{name}");
    }
}

#[tokio::test]
async fn the_views_document_lists_their_columns() {
    let sample = Sample::full().await;
    let query = sample.query();
    for (name, _) in VIEWS {
        let document = document("views");
        let section = document.split_once(&format!("\n## {name}\n")).expect("a section").1;
        let section = section.split("\n## ").next().unwrap_or_default();
        let (columns, _) = query.sql(&format!("select * from {name}")).await.expect("a view");
        // Whether it may be null is what the document knows better than the engine.
        let kinds = |words: String| words.rsplit_once(' ').map(|(column, _)| column.to_owned());
        let documented: Vec<_> = listed(name, section).into_iter().filter_map(kinds).collect();
        let found: Vec<_> = columns.fields().iter().map(|field| in_words(field)).filter_map(kinds).collect();
        assert_eq!(documented, found, "{name}");
    }
}
