//! One of something for each table.

use cdp_ports::TableName;

pub(crate) struct PerTable<T> {
    events: T,
    quarantine: T,
    identity: T,
    profiles: T,
}

impl<T> PerTable<T> {
    /// Stops at the first that can't be made.
    pub fn try_of<E>(mut make: impl FnMut(TableName) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            events: make(TableName::Events)?,
            quarantine: make(TableName::Quarantine)?,
            identity: make(TableName::Identity)?,
            profiles: make(TableName::Profiles)?,
        })
    }

    /// Stops at the first that fails.
    pub fn try_map<U, E>(self, mut each: impl FnMut(T) -> Result<U, E>) -> Result<PerTable<U>, E> {
        Ok(PerTable {
            events: each(self.events)?,
            quarantine: each(self.quarantine)?,
            identity: each(self.identity)?,
            profiles: each(self.profiles)?,
        })
    }

    pub fn of(&self, table: TableName) -> &T {
        match table {
            TableName::Events => &self.events,
            TableName::Quarantine => &self.quarantine,
            TableName::Identity => &self.identity,
            TableName::Profiles => &self.profiles,
        }
    }
}
