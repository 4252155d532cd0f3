//! delta_kernel's engine, and the threads it works on.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::channel;

use delta_kernel::object_store::DynObjectStore;
use delta_kernel::{Engine, KernelError, KernelResult};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::TaskExecutor;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime, RuntimeFlavor};

use crate::DeltaError;

pub(crate) fn engine(store: Arc<DynObjectStore>, threads: Arc<Threads>) -> Arc<dyn Engine> {
    Arc::new(DefaultEngineBuilder::new(store).with_task_executor(threads).build())
}

/// Waits for what other threads do. Where a runtime can spare this thread, its other tasks go on meanwhile: what we wait for
/// may need them, as a connection that the caller's runtime drives and that credentials come by.
pub(crate) fn wait<T>(until: impl FnOnce() -> T) -> T {
    let may_be_spared = Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    if may_be_spared { tokio::task::block_in_place(until) } else { until() }
}

/// The kernel's I/O is async behind calls that wait for it, and so is a bucket's. The callers may be on threads of any
/// runtime, or of none; the kernel's own executors panic on some of them, and when they are dropped there.
pub(crate) struct Threads {
    /// Always there until the drop.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    pub fn start() -> Result<Self, DeltaError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("delta-log").enable_all().build();
        let runtime = runtime.map_err(DeltaError::Threads)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl TaskExecutor for Threads {
    type Guard<'a> = EnterGuard<'a>;

    #[expect(clippy::expect_used, reason = "the trait has no way to say that a task panicked")]
    fn block_on<T>(&self, task: T) -> T::Output
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        let (sender, receiver) = channel();
        self.handle.spawn(task.map(move |output| drop(sender.send(output))));
        // Also on a thread of ours: a task that waits for another, as a checkpoint's does, lets the other one have it.
        wait(|| receiver.recv().expect("a task of the Delta log panicked"))
    }

    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handle.spawn(task);
    }

    fn spawn_blocking<T, R>(&self, task: T) -> BoxFuture<'_, KernelResult<R>>
    where
        T: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(task).map(|joined| joined.map_err(KernelError::join_failure)).boxed()
    }

    fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}
