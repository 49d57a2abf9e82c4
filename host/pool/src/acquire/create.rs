//! Creating an object with the pool's permission.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

use super::step::{Alarm, Patience, Ran, poll_alarm, run_step};
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

/// A creation under way, which nobody's stack holds: it may go on without the caller for whom it began.
pub(crate) type Running<M> = Pin<Box<dyn Future<Output = Outcome<M>> + Send>>;

/// The object; `None` if that takes time and the caller does not wait.
type Outcome<M> = Result<Option<Made<M>>, Failure<M>>;

/// A new object that the pool does not count yet.
pub(crate) struct Made<M: Manager> {
    creation: Creation<M>,
    entry: Box<Entry<M>>,
}

/// A permitted creation. Dropping it passes the permission on.
pub(crate) struct Creation<M: Manager> {
    shared: Arc<Shared<M>>,
    /// `None` once the outcome is known.
    permit: Option<CreationPermit>,
}

impl<M: Manager> Creation<M> {
    pub(crate) fn new(shared: &Arc<Shared<M>>, permit: CreationPermit) -> Self {
        Self { shared: Arc::clone(shared), permit: Some(permit) }
    }

    /// Creates the object for a caller, who may give up: the creation then goes on without one.
    pub(crate) fn attended(self, patience: &Patience) -> Attended<'_, M> {
        let shared = Arc::clone(&self.shared);
        // The limit of the whole is the caller's and no failure of the creation.
        let own = if patience.waits() { Patience::of_steps() } else { Patience::NoWait };
        let running: Running<M> = Box::pin(self.run(own));
        Attended { shared, patience, running: Some(running), is_polling: false, alarm: None }
    }

    /// Creates the object for the pool.
    pub(crate) fn unattended(self) -> Running<M> {
        Box::pin(self.run(Patience::of_steps()))
    }

    async fn run(mut self, patience: Patience) -> Outcome<M> {
        let shared = Arc::clone(&self.shared);
        let ran = run_step(&shared, Step::Create, &patience, pin!(shared.manager.create())).await;
        let failure = match ran {
            Ok(Ran::Done(Ok(object))) => match self.check_new(object) {
                Ok((object, metrics)) => {
                    let entry = Box::new(Entry::new(object, metrics, &shared.config));
                    return Ok(Some(Made { creation: self, entry }));
                }
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
}

impl<M: Manager> Made<M> {
    /// Hands the object to the caller for whom it was made, if the pool still wants it.
    fn lend(mut self) -> Result<Object<M>, Failure<M>> {
        self.creation.permit = None;
        let shared = &self.creation.shared;
        let is_wanted = shared.with_core(Core::created);
        let mut object = Object::new(shared, self.entry);
        if is_wanted {
            Ok(object)
        } else {
            object.set_release_action(ReleaseAction::Close(CloseReason::Shutdown));
            Err(Box::new(Error::Closed))
        }
    }

    /// Makes the object idle. In one step with the count, so that who waits is not told to create another.
    fn keep(mut self) {
        self.creation.permit = None;
        self.creation.shared.with_core(|core| {
            core.created();
            core.push_idle(self.entry);
        });
    }
}

impl<M: Manager> Drop for Creation<M> {
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

/// A creation and the caller for whom it began. Dropping it once the creation is under way leaves the creation to a
/// task of its own, so that callers in a hurry do not undo each other's work; outside a runtime it ends.
pub(crate) struct Attended<'a, M: Manager> {
    shared: Arc<Shared<M>>,
    patience: &'a Patience,
    /// `None` once it has ended.
    running: Option<Running<M>>,
    /// Still so when this is dropped: polling panicked.
    is_polling: bool,
    alarm: Option<Alarm>,
}

impl<M: Manager> Future for Attended<'_, M> {
    type Output = Result<Option<Object<M>>, Failure<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(running) = &mut this.running else { unreachable!("polled after it was ready") };
        this.is_polling = true;
        let polled = running.as_mut().poll(cx);
        this.is_polling = false;
        if let Poll::Ready(outcome) = polled {
            this.running = None;
            return Poll::Ready(outcome.and_then(|made| made.map(Made::lend).transpose()));
        }
        let Patience::Limited(limits) = this.patience else { return Poll::Pending };
        poll_alarm(&mut this.alarm, &this.shared, Step::Create, || limits.end(), cx).map(Err)
    }
}

impl<M: Manager> Drop for Attended<'_, M> {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if self.is_polling || !self.patience.waits() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(go_on(Arc::clone(&self.shared), running));
        }
    }
}

/// Brings a creation to its end that nobody waits for, unless the pool ends and so nobody will.
async fn go_on<M: Manager>(shared: Arc<Shared<M>>, mut running: Running<M>) {
    let outcome = loop {
        let mut ending = pin!(shared.ending.notified());
        ending.as_mut().enable();
        if shared.with_core(|core| core.is_unwanted()) {
            return;
        }
        let ended = poll_fn(|cx| {
            if let Poll::Ready(outcome) = running.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            ending.as_mut().poll(cx).map(|()| None)
        });
        if let Some(outcome) = ended.await {
            break outcome;
        }
    };
    // Reported already.
    let _ = settle_unattended(&shared, outcome);
}

/// Keeps an object that was created for nobody, or reports the error. Whether there is an object.
pub(crate) fn settle_unattended<M: Manager>(shared: &Shared<M>, outcome: Outcome<M>) -> Result<bool, Failure<M>> {
    match outcome {
        Ok(Some(made)) => {
            made.keep();
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(failure) => {
            shared.report(Step::Create, &*failure, None);
            Err(failure)
        }
    }
}
