//! Deferred commits: a session that goes on before its commits are durable, and waits for them later.

use crate::Session;
use crate::engine::{Unsettled, Version};
#[cfg(not(target_family = "wasm"))]
use crate::{Database, Error, Result};

/// A page waits for nothing.
#[cfg(target_family = "wasm")]
impl Session {
    pub(crate) fn settle<T, E>(
        &self,
        outcome: Unsettled<T, E>,
    ) -> std::future::Ready<std::result::Result<(T, Version, bool), E>> {
        self.database.0.engine.settle(outcome)
    }
}

#[cfg(not(target_family = "wasm"))]
impl Session {
    /// From now on writes of keys and rows, batches, the last commit of a deletion of a span, and commits answer before they are as durable
    /// as promised, with their version and `durable` false, until this is switched off again; what defines buckets and tables waits. They
    /// may still be undone if the disk fails: [`Database::settled`] waits for the outcome. Errors are answered as before, and nobody else sees such a write before it is durable.
    pub fn set_deferred(&mut self, is_deferred: bool) {
        self.is_deferred = is_deferred;
    }

    /// The newest commit that an answer of this session rests on and that was not waited for; 0 if there is none since the last call.
    pub fn take_unsettled(&mut self) -> u64 {
        std::mem::take(&mut self.unsettled)
    }

    /// Waits until an outcome is final, unless that is deferred.
    pub(crate) async fn settle<T, E: From<Error>>(
        &mut self,
        outcome: Unsettled<T, E>,
    ) -> std::result::Result<(T, Version, bool), E> {
        let engine = &self.database.0.engine;
        match outcome {
            Ok((value, version)) if self.is_deferred => {
                let is_durable = engine.is_durable(version);
                if !is_durable {
                    self.unsettled = self.unsettled.max(version);
                }
                Ok((value, version, is_durable))
            }
            outcome => engine.settle(outcome).await,
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl Database {
    /// Waits until the commit `version` is final. Returns whether it is certain to survive a power cut.
    ///
    /// # Errors
    /// Why it did not happen: `disk-full`, `storage-failed`.
    pub async fn settled(&self, version: u64) -> Result<bool> {
        self.0.engine.settled(version).await?;
        Ok(self.0.engine.is_durable(version))
    }
}
