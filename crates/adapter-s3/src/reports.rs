//! Reports, as objects beside the files that they tell of.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use cdp_aws::fault;
use cdp_drops::{Address, FileReport};
use cdp_ports::{FaultKind, PortError, PortResult};

/// `None`: there is none that can be read.
pub(crate) async fn read(client: &Client, address: &Address) -> PortResult<Option<FileReport>> {
    let action = || format!("read the report on {address}");
    let asked = client.get_object().bucket(&address.bucket).key(address.report_key());
    let answer = match asked.send().await.map_err(|error| fault(action(), error)) {
        Ok(answer) => answer,
        Err(missing) if missing.kind == FaultKind::Missing => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let json = answer.body.collect().await;
    let json = json.map_err(|error| PortError::because(FaultKind::Busy, action(), error))?;
    Ok(FileReport::from_json(&json.into_bytes()))
}

/// The report of a file that took this one's name stays.
pub(crate) async fn put(client: &Client, address: &Address, report: &FileReport) -> PortResult<()> {
    if read(client, address).await?.is_some_and(|there| there.is_of_a_later_file_than(report)) {
        return Ok(());
    }
    let action = || format!("put the report on {address}");
    let json = report.to_json().map_err(|error| PortError::because(FaultKind::Broken, action(), error))?;
    let put = client.put_object().bucket(&address.bucket).key(address.report_key());
    let put = put.content_type("application/json").body(ByteStream::from(json.into_bytes())).send().await;
    put.map(drop).map_err(|error| fault(action(), error))
}
