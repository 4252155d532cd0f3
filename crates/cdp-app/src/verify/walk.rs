//! What the tables say of each profile, brought together: answers that come by profile id are read side by side.
//!
//! Here and not by SQL: a join would hold one side of millions in memory.

use std::iter::Peekable;
use std::vec;

use cdp_ports::{FaultKind, PortError, PortResult};
use futures::TryStreamExt;
use futures::stream::BoxStream;

use super::{CanonicalRow, NewestRow, PAGE, ProfileCount, TableFacts};

/// A profile that any of the tables names.
#[derive(Debug)]
pub(super) struct Told {
    pub profile_id: String,
    /// Its rows in `events`.
    pub rows: u64,
    pub is_claimant: bool,
    pub canonical: Option<String>,
    pub newest: Option<NewestRow>,
}

pub(super) struct Walk<'t> {
    events: Ordered<'t, ProfileCount>,
    claimants: Ordered<'t, String>,
    canonical: Ordered<'t, CanonicalRow>,
    newest: Ordered<'t, NewestRow>,
    last: Option<String>,
}

impl<'t> Walk<'t> {
    pub fn of(tables: &'t impl TableFacts) -> Self {
        Self {
            events: Ordered::new(tables.events_by_profile()),
            claimants: Ordered::new(tables.claimants()),
            canonical: Ordered::new(tables.canonical()),
            newest: Ordered::new(tables.newest_profiles()),
            last: None,
        }
    }

    /// Up to [`PAGE`] profiles; none: that were all. What a table says is as it stood when the first of them was asked for, so
    /// whatever is read of State afterwards is no older.
    pub async fn next_page(&mut self) -> PortResult<Vec<Told>> {
        let mut page = Vec::with_capacity(PAGE);
        while page.len() < PAGE {
            let Some(told) = self.next().await? else { break };
            page.push(told);
        }
        Ok(page)
    }

    async fn next(&mut self) -> PortResult<Option<Told>> {
        let heads = [
            self.events.peek().await?,
            self.claimants.peek().await?,
            self.canonical.peek().await?,
            self.newest.peek().await?,
        ];
        let Some(profile_id) = heads.into_iter().flatten().min().map(str::to_owned) else { return Ok(None) };
        if self.last.as_ref().is_some_and(|last| *last >= profile_id) {
            // Rows of one profile would be told as those of two.
            let why = "they do not come once each, by id";
            return Err(PortError::because(FaultKind::Broken, "walk the profiles", why));
        }
        self.last = Some(profile_id.clone());
        let rows = self.events.take(&profile_id).map_or(0, |count| count.rows);
        let is_claimant = self.claimants.take(&profile_id).is_some();
        let canonical = self.canonical.take(&profile_id).map(|row| row.canonical_id);
        let newest = self.newest.take(&profile_id);
        Ok(Some(Told { profile_id, rows, is_claimant, canonical, newest }))
    }
}

trait OfProfile {
    fn profile_id(&self) -> &str;
}

impl OfProfile for String {
    fn profile_id(&self) -> &str {
        self
    }
}

impl OfProfile for ProfileCount {
    fn profile_id(&self) -> &str {
        &self.profile_id
    }
}

impl OfProfile for CanonicalRow {
    fn profile_id(&self) -> &str {
        &self.profile_id
    }
}

impl OfProfile for NewestRow {
    fn profile_id(&self) -> &str {
        &self.profile_id
    }
}

/// One answer, row by row.
struct Ordered<'t, T> {
    pages: BoxStream<'t, PortResult<Vec<T>>>,
    page: Peekable<vec::IntoIter<T>>,
}

impl<'t, T: OfProfile> Ordered<'t, T> {
    fn new(pages: BoxStream<'t, PortResult<Vec<T>>>) -> Self {
        Self { pages, page: vec![].into_iter().peekable() }
    }

    async fn peek(&mut self) -> PortResult<Option<&str>> {
        while self.page.peek().is_none() {
            let Some(page) = self.pages.try_next().await? else { break };
            self.page = page.into_iter().peekable();
        }
        Ok(self.page.peek().map(T::profile_id))
    }

    /// The row that was peeked at, if it is of `profile`.
    fn take(&mut self, profile: &str) -> Option<T> {
        self.page.next_if(|row| row.profile_id() == profile)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::executor::block_on;
    use futures::stream;

    use super::*;

    /// Pages of two.
    fn ordered<T: Clone + OfProfile + Send + 'static>(rows: &[T]) -> Ordered<'static, T> {
        let pages: Vec<PortResult<Vec<T>>> = rows.chunks(2).map(|page| Ok(page.to_vec())).collect();
        Ordered::new(stream::iter(pages).boxed())
    }

    fn walk(events: &[&str], claimants: &[&str]) -> PortResult<Vec<(String, u64, bool)>> {
        let count = |profile: &&str| ProfileCount { profile_id: (*profile).to_owned(), rows: 1 };
        let mut walk = Walk {
            events: ordered(&events.iter().map(count).collect::<Vec<_>>()),
            claimants: ordered(&claimants.iter().map(ToString::to_string).collect::<Vec<_>>()),
            canonical: ordered(&[]),
            newest: ordered(&[]),
            last: None,
        };
        let page = block_on(walk.next_page())?;
        Ok(page.into_iter().map(|told| (told.profile_id, told.rows, told.is_claimant)).collect())
    }

    #[test]
    fn a_profile_of_any_table_comes_once_with_what_each_says() {
        let told = walk(&["a", "c", "d"], &["b", "c", "e"]).expect("memory");
        let told: Vec<(&str, u64, bool)> =
            told.iter().map(|(id, rows, claims)| (id.as_str(), *rows, *claims)).collect();
        assert_eq!(told, [("a", 1, false), ("b", 0, true), ("c", 1, true), ("d", 1, false), ("e", 0, true)]);
    }

    #[test]
    fn what_does_not_come_in_order_is_not_walked() {
        for claimants in [["a", "c", "b"], ["a", "b", "b"], ["a", "a", "b"]] {
            assert_eq!(walk(&["a"], &claimants).expect_err("out of order").kind, FaultKind::Broken, "{claimants:?}");
        }
    }
}
