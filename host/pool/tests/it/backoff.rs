//! A backend that is down is tried seldom, by one caller at a time, and its failure reaches those who wait.

use std::{error::Error as _, sync::Arc};

use mantis_pool::{Config, Error, Pool};
use tokio::{task::JoinHandle, time::Instant};

use crate::lab::{Behaviour, Broken, Lab, assert_whole, ms, plain, poll_once, pool, secs, take};

fn spawn_acquire(pool: &Pool<Lab>) -> JoinHandle<Result<mantis_pool::Object<Lab>, Error<Broken>>> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.acquire().await })
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_the_longest() {
    let config = Config { create_backoff_initial: ms(100), create_backoff_max: ms(500), ..plain(3) };
    let (lab, pool) = pool(config);
    *lab.on_create.lock() = Behaviour::Fail;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        assert!(matches!(pool.acquire().await, Err(Error::Create(_))));
        pauses.push(u64::try_from(begin.elapsed().as_millis()).unwrap());
    }
    assert_eq!(pauses, [0, 100, 200, 400, 500]);

    lab.all_succeed();
    drop(pool.acquire().await.unwrap());
    *lab.on_create.lock() = Behaviour::Fail;
    let held = take(&pool, 1);
    let begin = Instant::now();
    assert!(pool.acquire().await.is_err());
    assert!(pool.acquire().await.is_err());
    assert_eq!(begin.elapsed(), ms(100), "a success ended the series");
    drop(held);
    tokio::time::advance(secs(1)).await;
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn many_callers_make_few_attempts() {
    let (lab, pool) = pool(plain(1000));
    *lab.on_create.lock() = Behaviour::Take(ms(10));
    assert!(pool.acquire().await.is_ok());
    *lab.on_create.lock() = Behaviour::Fail;
    let begin = Instant::now();
    let mut failures = 0;
    let held = take(&pool, 1);
    for _ in 0..20 {
        let callers: Vec<_> = (0..50).map(|_| spawn_acquire(&pool)).collect();
        for caller in callers {
            failures += usize::from(caller.await.unwrap().is_err());
        }
    }
    assert_eq!(failures, 1000);
    let attempts = lab.creations_begun() - 1;
    let elapsed = begin.elapsed();
    assert!(elapsed >= secs(10) && attempts < 250, "{attempts} attempts in {elapsed:?}");
    drop(held);
    tokio::time::advance(secs(5)).await;
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn with_no_object_alive_all_waiters_share_the_failure() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Take(ms(10));
    let first = spawn_acquire(&pool);
    tokio::time::sleep(ms(1)).await;
    *lab.on_create.lock() = Behaviour::Fail;
    let rest: Vec<_> = (0..10).map(|_| spawn_acquire(&pool)).collect();
    tokio::time::sleep(ms(1)).await;
    let held = first.await.unwrap().unwrap();
    mantis_pool::Object::close(held); // the first of the rest may create now, and fails
    let mut shared = Vec::new();
    for waiter in rest {
        match waiter.await.unwrap() {
            Err(Error::Create(source)) => shared.push(source),
            other => panic!("expected the failure, got {other:?}"),
        }
    }
    assert!(shared.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])), "one failure, ten answers");
    assert_eq!(lab.creations_begun(), 2);
    assert_eq!(pool.stats().waits_refused, 9);
    tokio::time::advance(secs(5)).await;
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn with_an_object_alive_waiters_may_still_get_it() {
    let (lab, pool) = pool(plain(2));
    let held = pool.acquire().await.unwrap();
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    let waiter = spawn_acquire(&pool);
    tokio::time::sleep(ms(50)).await;
    assert!(!waiter.is_finished(), "still in the pause, and waiting");
    let number = held.number;
    drop(held);
    assert_eq!(waiter.await.unwrap().unwrap().number, number);
    assert_eq!(lab.creations_begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn recovery_serves_the_waiters() {
    let (lab, pool) = pool(plain(5));
    let held = pool.acquire().await.unwrap();
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    let waiters: Vec<_> = (0..4).map(|_| spawn_acquire(&pool)).collect();
    tokio::time::sleep(ms(50)).await;
    lab.all_succeed();
    let begin = Instant::now();
    let mut served = vec![held];
    for waiter in waiters {
        served.push(waiter.await.unwrap().unwrap());
    }
    assert_eq!(begin.elapsed(), ms(50), "when the pause was over");
    drop(served);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn waiters_from_before_the_failure_try_when_the_pause_is_over() {
    let (lab, pool) = pool(Config { create_timeout: Some(ms(50)), ..plain(2) });
    let _held = pool.acquire().await.unwrap();
    *lab.on_create.lock() = Behaviour::Hang;
    let failing = spawn_acquire(&pool);
    tokio::time::sleep(ms(1)).await;
    lab.all_succeed();
    let begin = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert_eq!(begin.elapsed(), ms(49 + 100));
    assert!(failing.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_take_the_attempt_from_a_waiter() {
    let (lab, pool) = pool(plain(3));
    let held = pool.acquire().await.unwrap();
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    let mut waiter = Box::pin(pool.acquire());
    assert!(poll_once(waiter.as_mut()).is_pending());
    lab.all_succeed();
    tokio::time::advance(ms(100)).await;
    assert!(pool.try_acquire().unwrap().is_none());
    assert!(poll_once(waiter.as_mut()).is_ready());
    drop((waiter, held));
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_given_up_goes_on_for_the_next() {
    let (lab, pool) = pool(plain(3));
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    *lab.on_create.lock() = Behaviour::Take(ms(500));
    let prober = spawn_acquire(&pool);
    tokio::time::sleep(ms(150)).await;
    let next = spawn_acquire(&pool);
    tokio::time::sleep(ms(150)).await;
    prober.abort();
    tokio::time::sleep(ms(150)).await;
    assert_eq!(lab.creations_begun(), 2, "one at a time");
    assert_eq!(next.await.unwrap().unwrap().number, 0);
    assert_eq!(lab.creations_begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_times_out_carries_the_latest_failure() {
    let (lab, pool) = pool(Config { wait_timeout: Some(ms(500)), ..plain(3) });
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    *lab.on_create.lock() = Behaviour::Hang;
    let prober = spawn_acquire(&pool);
    tokio::time::sleep(ms(150)).await;
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_overload());
    let chain: Vec<_> =
        std::iter::successors(error.source(), |error| (*error).source()).map(ToString::to_string).collect();
    assert!(chain.last().is_some_and(|last| last == "broken on purpose"), "{chain:?}");
    prober.abort();
}

#[tokio::test(start_paused = true)]
async fn failures_side_by_side_count_as_one() {
    let (lab, pool) = pool(plain(8));
    *lab.on_create.lock() = Behaviour::Hang;
    let callers: Vec<_> = (0..8).map(|_| spawn_acquire(&pool)).collect();
    for caller in callers {
        assert!(caller.await.unwrap().is_err());
    }
    assert_eq!(pool.stats().create_failures, 8);
    lab.all_succeed();
    let begin = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert_eq!(begin.elapsed(), ms(100), "the first pause, not the eighth");
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn try_acquire_respects_the_pause() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(matches!(pool.try_acquire(), Err(Error::Create(_))));
    lab.all_succeed();
    assert!(pool.try_acquire().unwrap().is_none());
    tokio::time::advance(ms(100)).await;
    assert!(pool.try_acquire().unwrap().is_some());
}
