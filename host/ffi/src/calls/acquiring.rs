//! Connections, tokens, queues, and what is started on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use super::call;
use crate::abi::status::{self, MANTIS_OK, MANTIS_PENDING, Status};
use crate::abi::types::flags::{MANTIS_DURABLE, MANTIS_EVENT_ACQUIRED, MANTIS_EVENT_SETTLED, MANTIS_EVENT_VERSION};
use crate::abi::types::{mantis_conn, mantis_error, mantis_event, mantis_pool, mantis_queue, mantis_token};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::pool::{Pool, failure_of};
use crate::process;
use crate::queue::{EVENTS_MAX, Event, Found, QUEUES, Queue};
use crate::raw;
use crate::waiting::block::{self, Waited};
use crate::waiting::timer;
use crate::waiting::token::{TOKENS, Token};

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_acquire(
    pool: mantis_pool,
    timeout_ms: i64,
    token: mantis_token,
    conn: *mut mantis_conn,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        raw::wanted(conn, "conn")?;
        let token = Token::of(token.id)?;
        let pool = Pool::of(pool.id)?.begin_use()?;
        let link = pool.acquire(timeout_ms, token.as_ref())?;
        let id = Conn::begin(pool, link)?;
        // SAFETY: the caller gave a place for it.
        unsafe { raw::write(conn, mantis_conn { id }) };
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_release(conn: mantis_conn, error: *mut mantis_error) -> Status {
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, || Conn::end(conn.id).map(|()| MANTIS_OK)) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_token_new(token: *mut mantis_token, error: *mut mantis_error) -> Status {
    let work = || {
        raw::wanted(token, "token")?;
        process::note_use();
        let id = TOKENS.insert(Token::new()).map_err(|_| too_many("tokens"))?;
        // SAFETY: the caller gave a place for it.
        unsafe { raw::write(token, mantis_token { id }) };
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_token_cancel(token: mantis_token, error: *mut mantis_error) -> Status {
    let work = || {
        TOKENS.get(token.id).ok_or_else(|| Failure::stale("token"))?.cancel();
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_token_free(token: mantis_token, error: *mut mantis_error) -> Status {
    let work = || TOKENS.take(token.id).map(|_| MANTIS_OK).ok_or_else(|| Failure::stale("token"));
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_queue_new(queue: *mut mantis_queue, error: *mut mantis_error) -> Status {
    let work = || {
        raw::wanted(queue, "queue")?;
        process::note_use();
        let id = QUEUES.insert(Arc::new(Queue::new())).map_err(|_| too_many("queues"))?;
        // SAFETY: the caller gave a place for it.
        unsafe { raw::write(queue, mantis_queue { id }) };
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_queue_destroy(queue: mantis_queue, error: *mut mantis_error) -> Status {
    let work = || {
        QUEUES.take(queue.id).ok_or_else(|| Failure::stale("queue"))?.close();
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_queue_wake(queue: mantis_queue, error: *mut mantis_error) -> Status {
    let work = || {
        queue_of(queue)?.wake();
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_next_events(
    queue: mantis_queue,
    events: *mut mantis_event,
    event_size: usize,
    capacity: usize,
    timeout_ms: i64,
    count: *mut usize,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        raw::wanted(events, "events")?;
        raw::wanted(count, "count")?;
        // SAFETY: the caller gave a place for it.
        unsafe { raw::write(count, 0) };
        // Events of a later header would be longer: the number of this interface has no other size.
        if event_size != size_of::<mantis_event>() || capacity == 0 || capacity > 65_536 {
            return Err(Failure::misuse("`event_size` is sizeof(mantis_event), and `capacity` is 1 to 65,536"));
        }
        let queue = queue_of(queue)?;
        let found = match block::wait_for(queue.next(capacity), timeout_ms, None)? {
            Waited::Done(found) => found,
            Waited::TimeUp | Waited::Canceled => return Ok(MANTIS_PENDING),
        };
        match found {
            Found::Woken => Ok(MANTIS_PENDING),
            Found::Closed => Err(Failure::new(status::MANTIS_E_CLOSED, "queue-closed", "the queue is destroyed")),
            Found::Events(found) => {
                for (index, event) in found.iter().enumerate() {
                    // SAFETY: the caller has room for `capacity` events, and there are no more.
                    unsafe { raw::write(events.add(index), event.to_c()) };
                }
                // SAFETY: the caller gave a place for it.
                unsafe { raw::write(count, found.len()) };
                Ok(MANTIS_OK)
            }
        }
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_acquire_start(
    pool: mantis_pool,
    timeout_ms: i64,
    queue: mantis_queue,
    user_data: u64,
    ticket: *mut mantis_token,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        let pool = Pool::of(pool.id)?.begin_use()?;
        let event = move |conn| Event {
            kind: MANTIS_EVENT_ACQUIRED,
            status: MANTIS_OK,
            user_data,
            conn,
            version: 0,
            flags: 0,
            code: String::new(),
        };
        let acquire = async move {
            let wait = pool.0.links.acquire_timeout(pool.0.timeout(timeout_ms));
            let link = wait.await.map_err(|error| failure_of(&error))?;
            Conn::begin(pool, link).map(event)
        };
        // SAFETY: the caller's ticket is as the header says.
        unsafe { start(queue, MANTIS_EVENT_ACQUIRED, user_data, ticket, None, acquire) }
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_settle_start(
    pool: mantis_pool,
    version: u64,
    queue: mantis_queue,
    user_data: u64,
    ticket: *mut mantis_token,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        let pool = Pool::of(pool.id)?;
        let (end, settled) = (pool.end.clone(), pool.settled(version));
        drop(pool);
        let settled = async move {
            let (is_durable, version) = settled.await?;
            let flags = if is_durable { MANTIS_DURABLE } else { 0 };
            let kind = MANTIS_EVENT_SETTLED;
            Ok(Event { kind, status: MANTIS_OK, user_data, conn: 0, version, flags, code: String::new() })
        };
        // SAFETY: the caller's ticket is as the header says.
        unsafe { start(queue, MANTIS_EVENT_SETTLED, user_data, ticket, Some(end), settled) }
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_version_start(
    pool: mantis_pool,
    after: u64,
    queue: mantis_queue,
    user_data: u64,
    ticket: *mut mantis_token,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        let pool = Pool::of(pool.id)?;
        let (end, newer) = (pool.end.clone(), pool.newer(after));
        drop(pool);
        let changed = async move {
            let version = newer.await?;
            let kind = MANTIS_EVENT_VERSION;
            Ok(Event { kind, status: MANTIS_OK, user_data, conn: 0, version, flags: 0, code: String::new() })
        };
        // SAFETY: the caller's ticket is as the header says.
        unsafe { start(queue, MANTIS_EVENT_VERSION, user_data, ticket, Some(end), changed) }
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_wait_version(
    pool: mantis_pool,
    after: u64,
    timeout_ms: i64,
    token: mantis_token,
    version: *mut u64,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        let token = Token::of(token.id)?;
        let pool = Pool::of(pool.id)?;
        let (end, newer) = (pool.end.clone(), pool.newer(after));
        drop(pool);
        let changed = async {
            tokio::select! {
                biased;
                newer = newer => newer,
                () = end.canceled() => Err(Failure::closed()),
            }
        };
        match block::wait_for(changed, timeout_ms, token.as_ref())? {
            Waited::Done(newest) => {
                // SAFETY: the caller gave a place for it, or NULL.
                unsafe { raw::write(version, newest?) };
                Ok(MANTIS_OK)
            }
            Waited::TimeUp => Ok(MANTIS_PENDING),
            Waited::Canceled => Err(Failure::canceled()),
        }
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

fn queue_of(queue: mantis_queue) -> Result<Arc<Queue>, Failure> {
    QUEUES.get(queue.id).ok_or_else(|| Failure::stale("queue"))
}

fn too_many(what: &str) -> Failure {
    Failure::new(status::MANTIS_E_LIMIT, "handles-too-many", format!("too many {what}: free those that are not used"))
}

/// Starts work whose outcome is an event: one in any case.
///
/// # Safety
/// A token can be written to `ticket`, if it is not NULL.
unsafe fn start(
    queue: mantis_queue,
    kind: u32,
    user_data: u64,
    ticket: *mut mantis_token,
    end: Option<Token>,
    work: impl Future<Output = Result<Event, Failure>> + Send + 'static,
) -> super::Answer {
    let queue = queue_of(queue)?;
    if queue.open.fetch_add(1, Ordering::AcqRel) >= EVENTS_MAX {
        queue.open.fetch_sub(1, Ordering::AcqRel);
        return Err(Failure::new(status::MANTIS_E_QUEUE_FULL, "queue-full", "too much is under way on this queue"));
    }
    let started = Started(Arc::clone(&queue), AtomicBool::new(true));
    let token = Token::new();
    let id = if ticket.is_null() { 0 } else { TOKENS.insert(token.clone()).map_err(|_| too_many("tickets"))? };
    let runtime = timer::handle()?;
    // SAFETY: the caller of this function promises that it can be written, if it is not NULL.
    unsafe { raw::write(ticket, mantis_token { id }) };
    // Whoever starts first is first in line, however busy the thread is. What is there at once needs no thread.
    let mut work = Box::pin(work);
    let begun = {
        let _entered = runtime.enter();
        work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    let finish = move |done: Result<Event, Failure>| {
        if id != 0 {
            // Whoever cancels it now is told that it is stale.
            drop(TOKENS.take(id));
        }
        let event = done.unwrap_or_else(|failure| Event::failed(kind, user_data, &failure));
        started.1.store(false, Ordering::Relaxed);
        started.0.push(event);
    };
    if let Poll::Ready(done) = begun {
        finish(done);
        return Ok(MANTIS_OK);
    }
    runtime.spawn(async move {
        let ended = async {
            match &end {
                Some(end) => end.canceled().await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            biased;
            done = work => done,
            () = token.canceled() => Err(Failure::canceled()),
            () = queue.end.canceled() => Err(Failure::canceled()),
            () = ended => Err(Failure::closed()),
        };
        finish(done);
    });
    Ok(MANTIS_OK)
}

/// What was started on a queue, until its event is there.
struct Started(Arc<Queue>, AtomicBool);

impl Drop for Started {
    fn drop(&mut self) {
        if *self.1.get_mut() {
            self.0.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
