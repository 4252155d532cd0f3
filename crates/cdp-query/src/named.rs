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

fn references(context: &SessionContext, statement: &str) -> Result<Vec<TableReference>, DataFusionError> {
    let state = context.state();
    let parsed = state.sql_to_statement(statement, &state.config_options().sql_parser.dialect)?;
    state.resolve_table_references(&parsed)
}
