//! From calls that wait to clients that do not: their work runs on a thread of the store's own, so that whoever waits may stand inside of
//! another runtime, and a lease is renewed while the engine waits for a record.

use super::kv::KvError;
use crate::journal::JournalError;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a store may take to answer one request.
const ANSWER: Duration = Duration::from_secs(5);

/// The thread.
#[derive(Debug)]
pub struct Bridge(Option<Runtime>);

impl Bridge {
    /// Starts it.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn new(store: &str) -> Result<Self, JournalError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("store").enable_all().build();
        let failed =
            |e: std::io::Error| JournalError::Unreachable { store: store.to_owned(), why: e.to_string() };
        Ok(Self(Some(runtime.map_err(failed)?)))
    }

    /// Waits for some work, but not for ever.
    ///
    /// # Errors
    /// [`KvError`], that of the work or that it took too long.
    pub fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, KvError>> + Send + 'static,
    ) -> Result<T, KvError> {
        let none = || KvError::NoAnswer("the store's own thread is gone".to_owned());
        let runtime = self.0.as_ref().ok_or_else(none)?;
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let late = |_| Err(KvError::NoAnswer(format!("no answer within {} s", ANSWER.as_secs())));
            // Whoever asked waits for as long as this takes.
            drop(sender.send(tokio::time::timeout(ANSWER, work).await.unwrap_or_else(late)));
        });
        receiver.recv().map_err(|_| none())?
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // It may be dropped inside of another runtime, where nobody may wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
