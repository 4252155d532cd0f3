//! Claims of the tables, held against State page by page.

use cdp_event::Identifier;
use cdp_identity::Claim;
use cdp_ports::{Key, State};

use super::report::Sum;
use super::{ClaimCount, VerifyError};
use crate::keys::claim_key;

pub(super) struct Claims {
    pub stand: Sum,
    pub rows: u64,
}

impl Claims {
    pub fn new() -> Self {
        Self { stand: Sum::new("claims_equal_identity"), rows: 0 }
    }

    pub async fn compare(&mut self, state: &impl State, page: &[ClaimCount]) -> Result<(), VerifyError> {
        let mut told: Vec<(&ClaimCount, Identifier<'_>)> = Vec::with_capacity(page.len());
        for row in page {
            self.rows += row.rows;
            let identifier =
                row.namespace.parse().ok().and_then(|namespace| Identifier::new(namespace, row.value.as_str()).ok());
            match identifier {
                Some(identifier) => told.push((row, identifier)),
                None => self.stand.wrong(|| format!("{}: not an identifier", shown(row))),
            }
        }
        let keys: Vec<Key> = told.iter().map(|(_, identifier)| claim_key(identifier)).collect();
        for ((row, _), item) in told.iter().zip(state.get(&keys).await?) {
            let claim = item.map(|item| Claim::decode(item.body)).transpose()?;
            let claimed_by = claim.map(|claim| claim.profile.to_string());
            let is_so = claimed_by.as_deref() == Some(row.profile_id.as_str());
            self.stand.expect(is_so.into(), is_so.into(), row.rows, || match is_so {
                true => format!("{}: told {} times", shown(row), row.rows),
                false => format!("{}: claimed by {}", shown(row), claimed_by.as_deref().unwrap_or("nobody")),
            });
        }
        Ok(())
    }
}

/// Without the value: it may be somebody's address.
fn shown(row: &ClaimCount) -> String {
    format!("{} of {}", row.namespace, row.profile_id)
}
