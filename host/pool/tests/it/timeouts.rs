//! Each step has its own limit, and the error names the step.

use mantis_pool::{CloseReason, Config, Error, Step};
use tokio::time::Instant;

use crate::lab::{Behaviour, Broken, assert_whole, ms, plain, poll_once, pool, secs, take};

#[track_caller]
fn assert_timeout(error: &Error<Broken>, expected: Step, expected_limit: std::time::Duration) {
    match error {
        Error::Timeout { step, limit, .. } => assert_eq!((*step, *limit), (expected, expected_limit)),
        other => panic!("expected a timeout of step {expected}, got {other:?}"),
    }
    assert!(error.to_string().starts_with(&format!("step `{expected}` took longer than")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn waiting() {
    let (lab, pool) = pool(Config { wait_timeout: Some(ms(300)), ..plain(1) });
    let held = pool.acquire().await.unwrap();
    let begin = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert_timeout(&error, Step::Wait, ms(300));
    assert!(error.is_overload());
    assert_eq!(begin.elapsed(), ms(300));
    assert_eq!(pool.stats().timeouts.wait, 1);
    drop(held);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn waiting_without_a_limit() {
    let (_, pool) = pool(Config { wait_timeout: None, ..plain(1) });
    let held = pool.acquire().await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop) }
    });
    tokio::time::sleep(secs(1_000_000)).await;
    drop(held);
    waiter.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn creating() {
    let (lab, pool) = pool(Config { create_timeout: Some(ms(200)), ..plain(1) });
    *lab.on_create.lock() = Behaviour::Take(ms(199));
    pool.acquire().await.map(mantis_pool::Object::close).unwrap();
    *lab.on_create.lock() = Behaviour::Hang;
    let error = pool.acquire().await.unwrap_err();
    assert_timeout(&error, Step::Create, ms(200));
    assert!(!error.is_overload());
    let stats = pool.stats();
    assert_eq!((stats.timeouts.create, stats.create_failures), (1, 1));
    tokio::time::advance(secs(5)).await; // the back-off
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn recycling() {
    let (lab, pool) = pool(Config { recycle_timeout: Some(ms(200)), ..plain(1) });
    drop(take(&pool, 1));
    *lab.on_recycle.lock() = Behaviour::Hang;
    assert_timeout(&pool.acquire().await.unwrap_err(), Step::Recycle, ms(200));
    assert_eq!(pool.stats().timeouts.recycle, 1);
    assert_eq!(pool.stats().closed_for(CloseReason::RecycleFailed), 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn validating() {
    let (lab, pool) = pool(Config { validate_after_idle: Some(ms(50)), validate_timeout: Some(ms(200)), ..plain(1) });
    drop(take(&pool, 1));
    *lab.on_validate.lock() = Behaviour::Hang;
    tokio::time::advance(ms(50)).await;
    assert_timeout(&pool.acquire().await.unwrap_err(), Step::Validate, ms(200));
    assert_eq!(pool.stats().timeouts.validate, 1);
    assert_eq!(pool.stats().health_check_failures(), 1);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn steps_without_a_limit_take_their_time() {
    let config = Config {
        create_timeout: None,
        recycle_timeout: None,
        validate_timeout: None,
        validate_after_idle: Some(ms(1)),
        ..plain(1)
    };
    let (lab, pool) = pool(config);
    for behaviour in [&lab.on_create, &lab.on_recycle, &lab.on_validate] {
        *behaviour.lock() = Behaviour::Take(secs(100_000));
    }
    drop(pool.acquire().await.unwrap());
    tokio::time::advance(ms(1)).await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(lab.created(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_wait_gets_what_is_left_of_the_time() {
    let (lab, pool) = pool(Config { wait_timeout: Some(ms(300)), create_backoff_initial: secs(1), ..plain(2) });
    let held = pool.acquire().await.unwrap();
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    let begin = Instant::now();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.map(drop).unwrap_err() }
    });
    tokio::time::sleep(ms(100)).await;
    // It is served with an object that proves unfit, and may not create another: it waits again.
    *lab.on_recycle.lock() = Behaviour::Fail;
    drop(held);
    assert_timeout(&waiter.await.unwrap(), Step::Wait, ms(300));
    assert_eq!(begin.elapsed(), ms(300));
    let stats = pool.stats();
    assert_eq!((stats.waits, stats.waits_granted, stats.waits_timed_out), (2, 1, 1));
    tokio::time::advance(secs(5)).await;
    assert_whole(&lab, &pool);
}

#[test]
fn no_runtime_is_an_error_not_a_panic() {
    let (lab, pool) = pool(plain(1));
    *lab.on_create.lock() = Behaviour::Hang;
    let mut acquire = Box::pin(pool.acquire());
    let std::task::Poll::Ready(Err(error)) = poll_once(acquire.as_mut()) else { panic!("ready with an error") };
    assert!(matches!(error, Error::NoRuntime { step: Step::Create }), "{error:?}");
    drop(acquire);
    assert_eq!(pool.stats().create_failures, 0, "says nothing about the backend");
    lab.all_succeed();
    let held = take(&pool, 1);
    let mut acquire = Box::pin(pool.acquire());
    let std::task::Poll::Ready(Err(error)) = poll_once(acquire.as_mut()) else { panic!("ready with an error") };
    assert!(matches!(error, Error::NoRuntime { step: Step::Wait }), "{error:?}");
    drop((acquire, held));
    assert_whole(&lab, &pool);
}
