//! Creating an object with the pool's permission.

use std::{pin::pin, sync::Arc};

use super::step::{Ran, TimeoutPolicy, run_step};
use crate::{
    CloseReason, Error, Manager, Metrics, Object, Step,
    errors::Failure,
    hooks,
    state::{
        core::Core,
        entry::{Entry, ReleaseAction},
        queue::CreationPermit,
        shared::Shared,
    },
};

/// A creation under way. Dropping it passes the permission on.
pub(crate) struct Creation<'a, M: Manager> {
    shared: &'a Arc<Shared<M>>,
    /// `None` once the outcome is known.
    permit: Option<CreationPermit>,
}

impl<'a, M: Manager> Creation<'a, M> {
    pub(crate) fn new(shared: &'a Arc<Shared<M>>, permit: CreationPermit) -> Self {
        Self { shared, permit: Some(permit) }
    }

    /// Creates the object; `None` if that takes time and the caller does not wait.
    pub(crate) async fn run(mut self, policy: TimeoutPolicy) -> Result<Option<Object<M>>, Failure<M>> {
        let shared = self.shared;
        let ran = run_step(shared, Step::Create, policy, pin!(shared.manager.create())).await;
        let failure = match ran {
            Ok(Ran::Done(Ok(object))) => match self.check_new(object) {
                Ok((object, metrics)) => return self.admit(object, metrics).map(Some),
                Err(refusal) => refusal,
            },
            Ok(Ran::Done(Err(error))) => Box::new(Error::Create(Arc::new(error))),
            Ok(Ran::NotStarted | Ran::CutShort) => return Ok(None),
            Err(failure) => failure,
        };
        // The lack of a runtime says nothing about the backend.
        if !matches!(*failure, Error::NoRuntime { .. })
            && let Some(permit) = self.permit.take()
        {
            shared.with_core(|core| core.creation_failed(&permit, Some(&failure)));
        }
        Err(failure)
    }

    fn check_new(&self, mut object: M::Object) -> Result<(M::Object, Metrics), Failure<M>> {
        let metrics = Metrics::new();
        match hooks::run(&self.shared.hooks.post_create, &mut object, &metrics) {
            Ok(()) => Ok((object, metrics)),
            Err(refusal) => Err(Box::new(Error::Hook(Arc::from(refusal)))),
        }
    }

    fn admit(mut self, object: M::Object, metrics: Metrics) -> Result<Object<M>, Failure<M>> {
        self.permit = None;
        let is_wanted = self.shared.with_core(Core::created);
        let mut object = Object::new(self.shared, Box::new(Entry::new(object, metrics, &self.shared.config)));
        if is_wanted {
            Ok(object)
        } else {
            object.set_release_action(ReleaseAction::Close(CloseReason::Shutdown));
            Err(Box::new(Error::Closed))
        }
    }
}

impl<M: Manager> Drop for Creation<'_, M> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        self.shared.with_core(|core| {
            if std::thread::panicking() {
                core.creation_failed(&permit, None);
            } else {
                core.cancel_creation();
            }
        });
    }
}
