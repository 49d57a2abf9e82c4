//! Releasing needs no runtime, and what comes back is what can be used.

use std::{collections::HashMap, sync::atomic::Ordering::SeqCst, thread};

use mantis_pool::{CloseReason, Config, IdleOrder, Object, Pool};

use crate::lab::{Behaviour, Lab, assert_whole, ms, plain, pool, take};

#[tokio::test]
async fn on_a_plain_thread_wakes_a_waiter_in_the_runtime() {
    let (lab, pool) = pool(plain(1));
    let held = pool.acquire().await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.unwrap().number }
    });
    while pool.stats().waiters == 0 {
        tokio::task::yield_now().await;
    }
    let releaser = thread::spawn(move || drop(held));
    assert_eq!(waiter.await.unwrap(), 0);
    releaser.join().unwrap();
    assert_whole(&lab, &pool);
}

#[test]
fn after_the_runtime_is_gone() {
    let (lab, pool) = pool(plain(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let held = runtime.block_on(async {
        let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        // A waiter that dies with the runtime.
        let pool = pool.clone();
        tokio::spawn(async move { pool.acquire().await.map(drop) });
        tokio::task::yield_now().await;
        held
    });
    assert_eq!(pool.stats().waiters, 1);
    let (first, second) = held;
    drop(first); // granted to the waiter, whose task is never polled again
    assert_eq!(pool.stats().idle, 0);
    drop(runtime); // and given back here
    assert_eq!(pool.stats().idle, 1);
    drop(second);
    assert_whole(&lab, &pool);
}

#[test]
fn after_the_pool_is_gone_closes_the_object() {
    let (lab, pool) = pool(plain(2));
    let mut held = take(&pool, 2);
    drop(held.pop());
    let weak = pool.downgrade();
    drop(pool);
    assert!(weak.upgrade().is_none());
    assert_eq!(lab.alive(), 1, "the idle one is gone with the last handle");
    drop(held);
    assert_eq!(lab.alive(), 0);
}

#[test]
fn guards_may_be_stored_and_sent() {
    fn sendable<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let (lab, pool) = pool(plain(2));
    let mut sessions: HashMap<u32, Object<Lab>> = HashMap::new();
    sessions.insert(7, sendable(pool.try_acquire().unwrap().unwrap()));
    let mut sessions = thread::spawn(move || sessions).join().unwrap();
    sessions.get_mut(&7).unwrap().number = 99;
    assert_eq!(sessions[&7].number, 99);
    sessions.clear();
    assert_whole(&lab, &sendable(pool));
}

#[test]
fn a_failing_reset_closes_the_object() {
    let (lab, pool) = pool(plain(1));
    *lab.on_release.lock() = Behaviour::Fail;
    drop(take(&pool, 1));
    assert_eq!(lab.alive(), 0);
    assert_eq!(pool.stats().closed_for(CloseReason::ReleaseFailed), 1);
    assert_whole(&lab, &pool);
}

#[test]
fn detaching_makes_room() {
    let (lab, pool) = pool(plain(1));
    let item = Object::detach(pool.try_acquire().unwrap().unwrap());
    assert_eq!((item.number, lab.alive()), (0, 1));
    assert_eq!(pool.stats().total(), 0);
    assert_eq!(pool.try_acquire().unwrap().unwrap().number, 1);
    drop(item);
    assert_eq!(pool.stats().closed_for(CloseReason::Detached), 1);
}

#[test]
fn closing_an_object_makes_room() {
    let (lab, pool) = pool(plain(1));
    Object::close(pool.try_acquire().unwrap().unwrap());
    assert_eq!(lab.alive(), 0);
    assert_eq!(pool.stats().closed_for(CloseReason::Discarded), 1);
    assert_whole(&lab, &pool);
}

#[track_caller]
fn check_order(order: IdleOrder, released: [usize; 3], expected: [usize; 3]) {
    let (_, pool) = pool(Config { idle_order: order, ..plain(3) });
    let mut held: HashMap<usize, _> = take(&pool, 3).into_iter().map(|object| (object.number, object)).collect();
    for number in released {
        drop(held.remove(&number));
    }
    let taken: Vec<usize> = take(&pool, 3).iter().map(|object| object.number).collect();
    assert_eq!(taken, expected);
}

#[test]
fn idle_objects_come_in_the_configured_order() {
    check_order(IdleOrder::Lifo, [1, 0, 2], [2, 0, 1]);
    check_order(IdleOrder::Fifo, [1, 0, 2], [1, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn metrics_count_uses_and_times() {
    let (_, pool) = pool(Config { max_lifetime: Some(ms(10_000)), ..plain(1) });
    let begin = tokio::time::Instant::now();
    tokio::time::advance(ms(5)).await;
    let object = pool.acquire().await.unwrap();
    let created_at = Object::metrics(&object).created_at();
    assert_eq!((created_at - begin).as_millis(), 5);
    assert_eq!(Object::metrics(&object).last_used_at(), Some(created_at));
    assert_eq!(Object::metrics(&object).recycled_count(), 0);
    drop(object);
    tokio::time::advance(ms(20)).await;
    let object = pool.acquire().await.unwrap();
    assert_eq!(Object::metrics(&object).created_at(), created_at);
    assert_eq!(Object::metrics(&object).last_used_at(), Some(created_at + ms(20)));
    assert_eq!(Object::metrics(&object).recycled_count(), 1);
}

#[test]
fn a_hook_may_use_the_pool() {
    let weak: std::sync::Arc<std::sync::OnceLock<mantis_pool::WeakPool<Lab>>> = std::sync::Arc::default();
    let lab = Lab::default();
    let looker = weak.clone();
    let pool = Pool::builder(lab.clone())
        .config(plain(2))
        .pre_close(move |_, _, _| {
            let pool = looker.get().and_then(mantis_pool::WeakPool::upgrade).unwrap();
            assert!(pool.try_acquire().unwrap().is_some());
            assert!(pool.stats().total() <= 2);
        })
        .build()
        .unwrap();
    weak.set(pool.downgrade()).unwrap();
    Object::close(pool.try_acquire().unwrap().unwrap());
    assert_eq!(lab.created.load(SeqCst), 2);
}
