//! A table in a folder: what is written is on the disk before anybody sees it.

mod files;
mod store;

use std::fs::File;
use std::path::{Path, PathBuf};

use object_store::path::Path as ObjectPath;
use url::Url;

use crate::DeltaError;
use crate::place::{Draft, Listed, Place};

pub(crate) use files::{UNFINISHED, create_folder};
pub(crate) use store::FolderStore;

use files::{Existing, NewFile};

pub(crate) struct FolderTable {
    root: PathBuf,
    url: Url,
}

impl FolderTable {
    /// `root`: absolute.
    pub fn at(root: PathBuf) -> Result<Self, DeltaError> {
        let url = Url::from_directory_path(&root).map_err(|()| DeltaError::NoFolder(root.clone()))?;
        Ok(Self { root, url })
    }

    fn list_into(&self, folder: &str, found: &mut Vec<Listed>) -> Result<(), DeltaError> {
        let whole = self.root.join(folder);
        for (name, is_folder) in files::entries(&whole).map_err(DeltaError::io(&whole))? {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if is_folder {
                self.list_into(&path, found)?;
                continue;
            }
            let whole = self.root.join(&path);
            let written = files::written_at(&whole).map_err(DeltaError::io(whole))?;
            found.extend(written.map(|written| Listed { path, written }));
        }
        Ok(())
    }
}

impl Place for FolderTable {
    fn url(&self) -> &Url {
        &self.url
    }

    fn object(&self, path: &str) -> Result<ObjectPath, DeltaError> {
        Ok(ObjectPath::from_absolute_path(self.root.join(path)).map_err(object_store::Error::from)?)
    }

    fn begin(&self, path: &str) -> Result<Box<dyn Draft>, DeltaError> {
        let path = self.root.join(path);
        Ok(Box::new(NewFile::create(&path).map_err(DeltaError::io(path))?))
    }

    fn read(&self, path: &str) -> Result<File, DeltaError> {
        let path = self.root.join(path);
        File::open(&path).map_err(DeltaError::io(path))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, DeltaError> {
        let mut found = Vec::new();
        self.list_into(folder, &mut found)?;
        Ok(found)
    }

    fn remove(&self, paths: &[String]) -> Result<u64, DeltaError> {
        let mut count = 0;
        for path in paths {
            let path = self.root.join(path);
            count += u64::from(files::remove(&path).map_err(DeltaError::io(path))?);
        }
        Ok(count)
    }
}

impl Draft for NewFile {
    fn publish(self: Box<Self>) -> Result<u64, DeltaError> {
        let path = Path::to_owned(self.path());
        NewFile::publish(*self, Existing::Replace).map_err(DeltaError::io(path))
    }
}
