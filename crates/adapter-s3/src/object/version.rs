//! The bytes of one version, by range.

use std::ops::Range;

use aws_sdk_s3::Client;
use bytes::BytesMut;
use cdp_aws::fault;
use cdp_drops::Address;
use cdp_ports::{FaultKind, PortError, PortResult};

use crate::ranges::Ranges;

pub(crate) struct Version {
    pub client: Client,
    pub address: Address,
    /// Tells one content from the next where the bucket keeps no versions.
    pub tag: String,
    pub bytes: u64,
}

impl Ranges for Version {
    fn length(&self) -> u64 {
        self.bytes
    }

    /// `Stale`: the object was replaced. `Missing`: it is gone.
    async fn get(&self, range: Range<u64>, into: &mut BytesMut) -> PortResult<()> {
        let Self { client, address, tag, .. } = self;
        let action = || format!("read bytes {} to {} of {address}", range.start, range.end);
        let asked = client
            .get_object()
            .bucket(&address.bucket)
            .key(&address.key)
            .set_version_id(address.version.clone())
            .if_match(tag)
            .range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let mut answer = asked.send().await.map_err(|error| fault(action(), error))?;
        let comes = answer.content_length.and_then(|bytes| u64::try_from(bytes).ok());
        if comes.is_some_and(|bytes| bytes != range.end - range.start) {
            let why = format!("the answer has {} bytes", comes.unwrap_or_default());
            return Err(PortError::because(FaultKind::Broken, action(), why));
        }
        while let Some(some) = answer.body.next().await {
            let some = some.map_err(|error| PortError::because(FaultKind::Busy, action(), error))?;
            into.extend_from_slice(&some);
        }
        Ok(())
    }
}
