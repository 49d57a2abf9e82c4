//! Statistics that add up, at rest and under load.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use mantis_pool::{Config, IdleOrder, Object, WaitTimes};

use crate::lab::{Behaviour, assert_balanced, assert_whole, ms, plain, pool, secs, take};

#[tokio::test(start_paused = true)]
async fn waits_are_measured() {
    let (_, pool) = pool(plain(1));
    let held = pool.acquire().await.unwrap();
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let _held = pool.acquire().await.unwrap();
                tokio::time::sleep(ms(30)).await;
            })
        })
        .collect();
    tokio::time::sleep(ms(100)).await;
    assert_eq!(pool.stats().waiters, 2);
    drop(held);
    for waiter in waiters {
        waiter.await.unwrap();
    }
    let stats = pool.stats();
    assert_eq!((stats.immediate, stats.waited, stats.acquisitions()), (1, 2, 3));
    assert_eq!((stats.wait_time_total, stats.wait_time_max), (ms(100 + 130), ms(130)));
    let upto = |bound| stats.wait_times.counts()[WaitTimes::BOUNDS.iter().position(|other| *other == bound).unwrap()];
    assert_eq!((upto(ms(100)), upto(ms(250))), (1, 1), "bounds are inclusive");
    assert_eq!(stats.wait_times.counts().iter().sum::<u64>(), stats.waits_granted);
    assert_balanced(&pool);
}

#[test]
fn sizes_match_the_objects() {
    let (lab, pool) = pool(Config { create_timeout: None, ..plain(5) });
    drop(take(&pool, 3));
    let _held = take(&pool, 1);
    *lab.on_create.lock() = Behaviour::Hang;
    let _held_too = take(&pool, 2);
    let mut creating = Box::pin(pool.acquire());
    assert!(crate::lab::poll_once(creating.as_mut()).is_pending());
    let stats = pool.stats();
    assert_eq!((stats.active, stats.idle, stats.creating, stats.total()), (3, 0, 1, 4));
    assert!(stats.to_string().starts_with("4 of 5 objects (3 active, 0 idle, 1 creating), 0 waiting"), "{stats}");
    assert_balanced(&pool);
}

#[test]
fn the_debug_form_shows_sizes() {
    let (_, pool) = pool(plain(5));
    let object = take(&pool, 1).pop().unwrap();
    assert!(format!("{pool:?}").contains("active: 1"), "{pool:?}");
    assert!(format!("{object:?}").contains("Item(0)"), "{object:?}");
}

async fn stress(config: Config) {
    const TASKS: u64 = 24;
    const ROUNDS: u64 = 1500;
    let (lab, pool) = pool(config);
    let (served, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let looker = std::thread::spawn({
        let (pool, is_over) = (pool.clone(), Arc::clone(&is_over));
        move || {
            while !is_over.load(SeqCst) {
                assert_balanced(&pool);
                assert!(pool.leaks().len() <= 8);
            }
        }
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, served) = (pool.clone(), Arc::clone(&served));
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let object = match (task + round) % 5 {
                        0 => pool.try_acquire().unwrap(),
                        _ => Some(pool.acquire().await.unwrap()),
                    };
                    let Some(mut object) = object else { continue };
                    served.fetch_add(1, SeqCst);
                    match (task * 31 + round) % 40 {
                        0 => Object::close(object),
                        1 => {
                            object.leave();
                            drop(Object::detach(object));
                        }
                        2 => {
                            tokio::task::yield_now().await;
                            drop(object);
                        }
                        3 => {
                            pool.maintain().await;
                        }
                        4 => pool.resize(0, 4 + usize::try_from(round % 5).unwrap()).unwrap(),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    is_over.store(true, SeqCst);
    looker.join().unwrap();
    pool.resize(0, 8).unwrap();
    let stats = pool.stats();
    assert_eq!(stats.acquisitions(), served.load(SeqCst));
    assert_eq!(stats.created, lab.created() as u64);
    assert_eq!((stats.active, stats.creating, stats.waiters), (0, 0, 0));
    assert_eq!(stats.idle, lab.alive());
    assert_whole(&lab, &pool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load() {
    stress(Config { wait_timeout: Some(secs(60)), leak_threshold: Some(ms(1)), ..plain(8) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_with_idle_fifo() {
    stress(Config { wait_timeout: Some(secs(60)), idle_order: IdleOrder::Fifo, ..plain(8) }).await;
}
