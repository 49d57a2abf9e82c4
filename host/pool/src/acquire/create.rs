//! Creating an object in a slot that was found vacant.

use std::{pin::pin, sync::Arc};

use crate::{
    CloseReason, Error, Manager, Metrics, Object, Step,
    acquire::step::{Failure, Patience, Ran, run_step},
    hooks,
    object::Fate,
    state::core::NewSlot,
    state::shared::Shared,
    state::slot::Entry,
};

/// The permission to create one object. Dropping it passes the permission on.
pub(crate) struct Vacancy<'a, M: Manager> {
    shared: &'a Arc<Shared<M>>,
    /// `None` once the outcome is known.
    new: Option<NewSlot>,
}

impl<'a, M: Manager> Vacancy<'a, M> {
    pub(crate) fn new(shared: &'a Arc<Shared<M>>, new: NewSlot) -> Self {
        Self { shared, new: Some(new) }
    }

    /// Creates the object; `None` if the caller's patience did not last.
    pub(crate) async fn fill(mut self, patience: Patience) -> Result<Option<Object<M>>, Failure<M>> {
        let shared = self.shared;
        let ran = run_step(shared, Step::Create, patience, pin!(shared.manager.create())).await;
        let failure = match ran {
            Ok(Ran::Done(Ok(object))) => match self.welcome(object) {
                Ok((object, metrics)) => return self.admit(object, metrics).map(Some),
                Err(refusal) => refusal,
            },
            Ok(Ran::Done(Err(error))) => Box::new(Error::Create(Arc::new(error))),
            Ok(Ran::NotStarted | Ran::CutShort) => return Ok(None),
            Err(failure) => failure,
        };
        // The lack of a runtime says nothing about the backend.
        if !matches!(*failure, Error::NoRuntime { .. })
            && let Some(new) = self.new.take()
        {
            shared.with_core(|locked| locked.creation_failed(new, Some(&failure)));
        }
        Err(failure)
    }

    fn welcome(&self, mut object: M::Object) -> Result<(M::Object, Metrics), Failure<M>> {
        let metrics = Metrics::new(&self.shared.clock);
        match hooks::run(&self.shared.hooks.post_create, &mut object, &metrics) {
            Ok(()) => Ok((object, metrics)),
            Err(refusal) => Err(Box::new(Error::Hook(Arc::from(refusal)))),
        }
    }

    fn admit(mut self, object: M::Object, metrics: Metrics) -> Result<Object<M>, Failure<M>> {
        let Some(NewSlot { slot, .. }) = self.new.take() else { unreachable!("a vacancy is filled once") };
        let is_wanted = self.shared.with_core(|locked| locked.created(&slot));
        let expires_at = metrics.created.after(self.shared.random_lifetime());
        let mut object = Object::new(self.shared, Box::new(Entry::new(object, metrics, slot, expires_at)));
        if is_wanted {
            Ok(object)
        } else {
            object.set_fate(Fate::Close(CloseReason::Shutdown));
            Err(Box::new(Error::Closed))
        }
    }
}

impl<M: Manager> Drop for Vacancy<'_, M> {
    fn drop(&mut self) {
        let Some(new) = self.new.take() else { return };
        self.shared.with_core(|locked| {
            if std::thread::panicking() {
                locked.creation_failed(new, None);
            } else {
                locked.cancel_creation(new.slot);
            }
        });
    }
}
