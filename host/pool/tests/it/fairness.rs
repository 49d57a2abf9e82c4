//! First come, first served; newcomers do not overtake.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use mantis_pool::{Config, Error, IdleOrder, Object, Pool};

use crate::lab::{Behaviour, Broken, Lab, assert_whole, ms, plain, poll_once, pool, take};

type Waiter<'a> = Pin<Box<dyn Future<Output = Result<Object<Lab>, Error<Broken>>> + Send + 'a>>;

/// Outside a runtime nothing can be timed.
fn untimed(max: usize) -> Config {
    Config { wait_timeout: None, ..plain(max) }
}

fn queue_up(pool: &Pool<Lab>, count: usize) -> Vec<Waiter<'_>> {
    (0..count)
        .map(|_| {
            let mut waiter: Waiter<'_> = Box::pin(pool.acquire());
            assert!(poll_once(waiter.as_mut()).is_pending());
            waiter
        })
        .collect()
}

fn check_order(config: Config) {
    let (lab, pool) = pool(config);
    let mut held = take(&pool, 1).pop();
    let mut waiters = queue_up(&pool, 10);
    while !waiters.is_empty() {
        drop(held.take());
        assert!(pool.try_acquire().unwrap().is_none(), "a newcomer must not overtake");
        let mut newcomer = queue_up(&pool, 1);
        // Asked in the wrong order, only the first has it.
        for later in waiters[1..].iter_mut().rev() {
            assert!(poll_once(later.as_mut()).is_pending());
        }
        assert!(poll_once(newcomer[0].as_mut()).is_pending());
        let Poll::Ready(Ok(object)) = poll_once(waiters.remove(0).as_mut()) else { panic!("the first is served") };
        held = Some(object);
    }
    drop(held);
    assert_whole(&lab, &pool);
}

#[test]
fn waiters_are_served_in_order() {
    check_order(untimed(1));
}

#[test]
fn waiters_are_served_in_order_with_idle_fifo() {
    check_order(Config { idle_order: IdleOrder::Fifo, ..untimed(1) });
}

#[test]
fn a_departed_waiter_does_not_delay_the_rest() {
    let (lab, pool) = pool(untimed(1));
    let held = take(&pool, 1);
    let mut waiters = queue_up(&pool, 5);
    drop(waiters.remove(2));
    drop(waiters.remove(0));
    drop(held);
    for mut waiter in waiters {
        assert!(poll_once(waiter.as_mut()).is_ready());
    }
    assert_whole(&lab, &pool);
}

#[test]
fn several_releases_serve_several_waiters_at_once() {
    let (lab, pool) = pool(untimed(3));
    let held = take(&pool, 3);
    let mut waiters = queue_up(&pool, 4);
    drop(held);
    let mut served = Vec::new();
    for waiter in waiters.iter_mut().rev() {
        if let Poll::Ready(object) = poll_once(waiter.as_mut()) {
            served.push(object.unwrap());
        }
    }
    assert_eq!(served.len(), 3);
    assert_eq!(pool.stats().waiters, 1);
    drop(served);
    drop(waiters);
    assert_whole(&lab, &pool);
}

#[test]
fn a_caller_whose_object_was_unfit_keeps_its_turn() {
    let (lab, pool) = pool(untimed(1));
    let held = take(&pool, 1);
    let mut waiters = queue_up(&pool, 2);
    drop(held);
    *lab.on_recycle.lock() = Behaviour::Fail;
    let Poll::Ready(Ok(object)) = poll_once(waiters[0].as_mut()) else { panic!("the first creates in its slot") };
    assert_eq!(object.number, 1);
    drop(object);
    drop(waiters);
    assert_whole(&lab, &pool);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_has_to_wait_again_comes_first() {
    let (lab, pool) = pool(untimed(3));
    let mut held = take(&pool, 2);
    *lab.on_create.lock() = Behaviour::Fail;
    assert!(pool.acquire().await.is_err());
    let mut waiters = queue_up(&pool, 2);
    *lab.on_recycle.lock() = Behaviour::Fail;
    drop(held.pop());
    assert!(poll_once(waiters[0].as_mut()).is_pending(), "its object was unfit, and creating has to pause");
    lab.all_succeed();
    drop(held);
    assert!(poll_once(waiters[1].as_mut()).is_pending());
    assert!(poll_once(waiters[0].as_mut()).is_ready());
    drop(waiters);
    tokio::time::advance(ms(100)).await;
    assert_whole(&lab, &pool);
}

#[test]
fn too_many_waiters_are_refused() {
    let (_, pool) = pool(Config { max_waiters: 2, ..untimed(1) });
    let _held = take(&pool, 1);
    let _waiters = queue_up(&pool, 2);
    let Poll::Ready(Err(error)) = poll_once(Box::pin(pool.acquire()).as_mut()) else { panic!("refused") };
    assert!(matches!(error, Error::QueueFull { max_waiters: 2 }), "{error:?}");
    assert!(error.is_overload());
}

/// Every caller gets the same share, whoever else waits.
#[tokio::test]
async fn nobody_starves() {
    const TASKS: usize = 16;
    let (lab, pool) = pool(plain(2));
    let rounds: Arc<Vec<AtomicUsize>> = Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, rounds) = (pool.clone(), Arc::clone(&rounds));
            tokio::spawn(async move {
                while rounds[task].load(SeqCst) < 500 {
                    let object = pool.acquire().await.unwrap();
                    rounds[task].fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    drop(object);
                }
                rounds.iter().map(|rounds| rounds.load(SeqCst)).min().unwrap_or_default()
            })
        })
        .collect();
    for task in tasks {
        let least = task.await.unwrap();
        assert!(least >= 498, "when one was done with 500, another had only {least}");
    }
    assert_whole(&lab, &pool);
}
