//! A future that is dropped at any await loses no object and no permit.

use std::{pin::pin, sync::atomic::Ordering::SeqCst};

use mantis_pool::{CloseReason, Config};

use crate::lab::{Behaviour, assert_whole, ms, plain, poll_once, pool, secs, take};

/// Drops an acquisition after each number of polls, and checks the pool after each.
fn check_acquire(config: &Config, idle: usize, arrange: impl Fn(&crate::lab::Lab)) {
    let mut polls_to_end = None;
    for polls in 0..20 {
        let (lab, pool) = pool(config.clone());
        drop(take(&pool, idle));
        arrange(&lab);
        {
            let mut acquire = pin!(pool.acquire());
            for poll in 1..=polls {
                if poll_once(acquire.as_mut()).is_ready() {
                    polls_to_end.get_or_insert(poll);
                    break;
                }
            }
        }
        assert_whole(&lab, &pool);
    }
    assert!(polls_to_end.is_some_and(|polls| polls > 1), "the acquisition ended, after a suspension: {polls_to_end:?}");
}

/// Steps without a timeout, as these tests run outside a runtime.
fn untimed(max: usize) -> Config {
    Config { wait_timeout: None, create_timeout: None, recycle_timeout: None, validate_timeout: None, ..plain(max) }
}

#[test]
fn while_creating() {
    check_acquire(&untimed(3), 0, |lab| *lab.on_create.lock() = Behaviour::Yield(5));
}

#[test]
fn while_recycling() {
    check_acquire(&untimed(3), 2, |lab| *lab.on_recycle.lock() = Behaviour::Yield(5));
}

#[test]
fn while_validating_then_recycling() {
    let config = Config { validate_after_idle: Some(std::time::Duration::from_nanos(1)), ..untimed(3) };
    check_acquire(&config, 3, |lab| {
        *lab.on_validate.lock() = Behaviour::Yield(3);
        *lab.on_recycle.lock() = Behaviour::Yield(3);
    });
}

#[test]
fn while_replacing_an_unfit_object() {
    check_acquire(&untimed(2), 2, |lab| {
        *lab.on_recycle.lock() = Behaviour::Fail;
        *lab.on_create.lock() = Behaviour::Yield(4);
    });
}

#[test]
fn while_waiting() {
    let (lab, pool) = pool(untimed(1));
    let held = pool.try_acquire().unwrap();
    for polls in 0..4 {
        let mut waiter = pin!(pool.acquire());
        for _ in 0..polls {
            assert!(poll_once(waiter.as_mut()).is_pending());
        }
    }
    assert_eq!(pool.stats().waiters, 0);
    assert_eq!(pool.stats().waits_abandoned, 3, "the one that was never polled never waited");
    drop(held);
    assert_whole(&lab, &pool);
}

#[test]
fn with_an_object_granted_but_not_picked_up() {
    let (lab, pool) = pool(untimed(1));
    let held = pool.try_acquire().unwrap();
    let mut next = Box::pin(pool.acquire());
    let mut first = Box::pin(pool.acquire());
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(next.as_mut()).is_pending());
    drop(held);
    assert!(poll_once(next.as_mut()).is_pending(), "it is the first one's");
    drop(first);
    assert!(poll_once(next.as_mut()).is_ready(), "and now the next one's");
    drop(next);
    assert_whole(&lab, &pool);
}

#[test]
fn with_a_vacancy_granted_but_not_picked_up() {
    let (lab, pool) = pool(untimed(1));
    let held = pool.try_acquire().unwrap().unwrap();
    let mut next = Box::pin(pool.acquire());
    let mut first = Box::pin(pool.acquire());
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(next.as_mut()).is_pending());
    mantis_pool::Object::close(held);
    assert_eq!(pool.stats().creating, 1);
    drop(first);
    assert!(poll_once(next.as_mut()).is_ready());
    drop(next);
    assert_whole(&lab, &pool);
}

#[test]
fn with_an_object_cut_short_it_is_closed() {
    let (lab, pool) = pool(untimed(1));
    drop(take(&pool, 1));
    *lab.on_recycle.lock() = Behaviour::Hang;
    {
        let mut acquire = pin!(pool.acquire());
        assert!(poll_once(acquire.as_mut()).is_pending());
    }
    assert_eq!(lab.alive(), 0);
    assert_eq!(pool.stats().closed_for(CloseReason::Abandoned), 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn of_maintenance_at_any_point() {
    let config = Config {
        min_idle: 3,
        health_check_interval: Some(ms(10)),
        maintenance_interval: ms(10),
        idle_timeout: Some(ms(25)),
        ..plain(6)
    };
    for polls in 0..30 {
        let (lab, pool) = pool(config.clone());
        drop(take(&pool, 4));
        *lab.on_validate.lock() = Behaviour::Yield(2);
        *lab.on_create.lock() = Behaviour::Yield(2);
        tokio::time::advance(ms(15)).await;
        {
            let mut pass = pin!(pool.maintain());
            for _ in 0..polls {
                if poll_once(pass.as_mut()).is_ready() {
                    break;
                }
            }
        }
        assert_whole(&lab, &pool);
    }
}

#[tokio::test(start_paused = true)]
async fn of_drain_leaves_the_pool_draining() {
    let (_, pool) = pool(plain(1));
    let held = pool.try_acquire().unwrap();
    assert!(tokio::time::timeout(secs(1), pool.drain()).await.is_err());
    assert_eq!(pool.state(), mantis_pool::PoolState::Draining);
    drop(held);
    pool.drain().await;
    assert_eq!(pool.state(), mantis_pool::PoolState::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_random_under_load() {
    let (lab, pool) = pool(plain(4));
    *lab.on_create.lock() = Behaviour::Yield(1);
    *lab.on_recycle.lock() = Behaviour::Yield(1);
    let tasks: Vec<_> = (0..32_u64)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..300 {
                    let polls_max = (task * 7 + round * 13) % 6;
                    let acquired = give_up_after(polls_max, pool.acquire()).await;
                    if polls_max % 2 == 0 {
                        tokio::task::yield_now().await;
                    }
                    drop(acquired);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(pool.stats().waits_abandoned > 0);
    assert!(lab.created.load(SeqCst) > 4, "some were cut short and replaced");
    assert_whole(&lab, &pool);
}

/// Polls at most this many times, whenever the future wakes.
async fn give_up_after<F: Future>(mut polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if polls == 0 {
            return std::task::Poll::Ready(None);
        }
        polls -= 1;
        // Also look again without having been woken, to give up at all.
        cx.waker().wake_by_ref();
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
