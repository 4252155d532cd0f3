//! What a statement names, read from its text. Nothing else is looked up: to list a table's files takes time.

use cdp_ports::TableName;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use crate::views::VIEWS;

/// The tables, also those that its views read, and the views.
pub(crate) struct Named {
    pub tables: Vec<TableName>,
    pub views: Vec<(&'static str, &'static str)>,
}

impl Named {
    pub fn of(context: &SessionContext, statement: &str) -> Result<Self, DataFusionError> {
        let mut named = references(context, statement)?;
        let all = named.iter().any(|reference| reference.schema() == Some("information_schema"));
        let is_named =
            |named: &[TableReference], name: &str| all || named.iter().any(|reference| reference.table() == name);
        let views: Vec<_> = VIEWS.into_iter().filter(|(name, _)| is_named(&named, name)).collect();
        for (_, select) in &views {
            named.extend(references(context, select)?);
        }
        let tables = TableName::ALL.into_iter().filter(|table| is_named(&named, table.as_str())).collect();
        Ok(Self { tables, views })
    }
}

/// The tables and the views.
pub(crate) fn all() -> Vec<&'static str> {
    TableName::ALL.map(TableName::as_str).into_iter().chain(VIEWS.map(|(name, _)| name)).collect()
}

/// What the statement names and is not there, if `error` came of that.
pub(crate) fn missing(context: &SessionContext, statement: &str, error: &DataFusionError) -> Option<String> {
    let is_of_a_table = |text: &str| text.starts_with("table '") && text.ends_with("' not found");
    if !matches!(error.find_root(), DataFusionError::Plan(text) if is_of_a_table(text)) {
        return None;
    }
    let named = references(context, statement).ok()?;
    let ours = named.iter().filter(|reference| reference.schema() != Some("information_schema"));
    ours.map(TableReference::table).find(|name| !all().contains(name)).map(str::to_owned)
}

fn references(context: &SessionContext, statement: &str) -> Result<Vec<TableReference>, DataFusionError> {
    let state = context.state();
    let parsed = state.sql_to_statement(statement, &state.config_options().sql_parser.dialect)?;
    state.resolve_table_references(&parsed)
}
