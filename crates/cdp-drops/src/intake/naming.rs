//! How a content is named: by its bytes. One that can never be another is read for that once; State remembers.

use std::str;

use cdp_ports::{Condition, Key, State, Transaction, Write};

use super::IntakeError;
use crate::content::{hash, hash_of};
use crate::dropped::Dropped;

pub(super) async fn name_of(state: &impl State, file: &impl Dropped) -> Result<String, IntakeError> {
    let by_its_bytes = || hash(file.content()).map_err(|error| IntakeError::at(file, error));
    let Some(key) = file.lasting_name().map(|name| Key::new(format!("content/{}", hash_of(&name)), "name")) else {
        return by_its_bytes();
    };
    let known = state.get(std::slice::from_ref(&key)).await?.pop().flatten();
    if let Some(name) = known.as_ref().and_then(|item| str::from_utf8(&item.body).ok()) {
        return Ok(name.to_owned());
    }
    let name = by_its_bytes()?;
    let write = Write::Put { key, body: name.clone().into(), condition: Condition::Any };
    state.commit(Transaction { writes: vec![write], durable: false }).await?;
    Ok(name)
}
