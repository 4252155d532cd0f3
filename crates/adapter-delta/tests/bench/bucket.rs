//! A bench in a bucket that is in memory.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_delta::{Bucket, DeltaLake, DeltaLanding};
use cdp_ports::TableName;
use futures::TryStreamExt;
use futures::executor::block_on;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use crate::bench::{Bench, version};

type Store = Arc<dyn ObjectStore>;

fn bucket(store: &Store) -> Bucket {
    Bucket::over(Arc::clone(store), Url::parse("memory:///lakes/of%20a%20test").expect("a URL"))
}

fn open(store: &Store) -> DeltaLake {
    DeltaLake::open_bucket(bucket(store)).expect("an empty bucket becomes a lake")
}

impl Bench<Store> {
    pub fn over(store: Store) -> Self {
        Self { lake: open(&store), place: store }
    }

    pub fn in_memory() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    pub fn open_again(&self) -> DeltaLake {
        open(&self.place)
    }

    pub fn open_existing(&self) -> DeltaLake {
        DeltaLake::open_existing_bucket(bucket(&self.place)).expect("a lake")
    }

    pub fn landing(&self) -> DeltaLanding {
        DeltaLanding::in_bucket(&bucket(&self.place)).expect("a URL that may have tables")
    }

    /// What is below the table's root.
    pub fn objects(&self, table: TableName) -> Vec<Path> {
        let root = Path::parse(format!("lakes/of a test/{table}")).expect("a path");
        let objects = self.place.list(Some(&root)).map_ok(|object| object.location);
        block_on(objects.try_collect()).expect("a listing")
    }

    pub fn commits(&self, table: TableName) -> BTreeMap<u64, String> {
        let paths = self.objects(table).into_iter();
        let commits = paths.filter_map(|path| Some((version(path.as_ref())?, path)));
        let text = |path| {
            let bytes = block_on(async { self.place.get(&path).await?.bytes().await }).expect("an object");
            String::from_utf8(bytes.into()).expect("text")
        };
        commits.map(|(version, path)| (version, text(path))).collect()
    }
}
