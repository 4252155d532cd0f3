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
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

use crate::DeltaError;

pub(crate) fn engine(store: Arc<DynObjectStore>) -> Result<Arc<dyn Engine>, DeltaError> {
    let threads = Threads::start().map_err(DeltaError::Threads)?;
    Ok(Arc::new(DefaultEngineBuilder::new(store).with_task_executor(Arc::new(threads)).build()))
}

/// The kernel's I/O is async behind calls that wait for it. The callers may be on threads of any runtime, or of none;
/// the kernel's own executors panic on some of them, and when they are dropped there.
struct Threads {
    /// Always there until the drop.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("delta-log").enable_all().build()?;
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
        let wait = || receiver.recv().expect("a task of the Delta log panicked");
        // A task that waits for another, as a checkpoint's does, lets the other one have its thread.
        let is_our_thread = Handle::try_current().is_ok_and(|current| current.id() == self.handle.id());
        if is_our_thread { tokio::task::block_in_place(wait) } else { wait() }
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
