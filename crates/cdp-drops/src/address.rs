//! Files that lie in a bucket: `SOURCE/…/NAME`.

use std::fmt;

use cdp_ports::PortResult;

use crate::dropped::{Dropped, REPORTS_FOLDER};
use crate::report::FileReport;

/// Where the files of all sources lie.
pub trait DropBox: Send + Sync {
    type File: Dropped;

    /// `Missing`: it is gone.
    fn open(&self, address: &Address) -> impl Future<Output = PortResult<Self::File>> + Send;

    /// As [`Dropped::report`], whether the file can be opened or not.
    fn report(&self, address: &Address) -> impl Future<Output = PortResult<Option<FileReport>>> + Send;

    /// As [`Dropped::put_report`], likewise.
    fn put_report(&self, address: &Address, report: &FileReport) -> impl Future<Output = PortResult<()>> + Send;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub bucket: String,
    pub key: String,
    /// `None`: the bucket keeps none.
    pub version: Option<String>,
}

impl Address {
    /// The folder that the file lies in, first of all. `None`: it lies in none.
    pub fn source(&self) -> Option<&str> {
        self.key.split_once('/').map(|(source, _)| source)
    }

    /// Below its source's folder.
    pub fn name(&self) -> &str {
        self.key.split_once('/').map_or(&self.key, |(_, name)| name)
    }

    /// Of a stamp. `tag`: of the content, in quotes, as a bucket tells it of an object.
    pub fn mark(&self, tag: &str) -> String {
        format!("{} {tag}", self.version.as_deref().unwrap_or("unversioned"))
    }

    /// Beside the file.
    pub fn report_key(&self) -> String {
        match self.key.rsplit_once('/') {
            Some((folder, name)) => format!("{folder}/{REPORTS_FOLDER}/{name}.json"),
            None => format!("{REPORTS_FOLDER}/{}.json", self.key),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)?;
        match &self.version {
            Some(version) => write!(f, " version {version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_source_file_and_report() {
        for (key, source, name, report) in [
            ("partner/a.csv", Some("partner"), "a.csv", "partner/.reports/a.csv.json"),
            ("partner/2026/a.csv", Some("partner"), "2026/a.csv", "partner/2026/.reports/a.csv.json"),
            ("a.csv", None, "a.csv", ".reports/a.csv.json"),
        ] {
            let address = Address { bucket: "b".to_owned(), key: key.to_owned(), version: None };
            assert_eq!((address.source(), address.name(), address.report_key().as_str()), (source, name, report));
        }
    }
}
