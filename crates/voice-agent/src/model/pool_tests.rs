use std::sync::mpsc;

use super::*;

/// A model that counts what it did.
#[derive(Debug, Default)]
struct Counter {
    jobs: u32,
}

const CONFIG: PoolConfig = PoolConfig { name: "counter", workers: 1, queue_limit: 2 };

fn pool(config: PoolConfig) -> ModelPool<Counter> {
    ModelPool::start(config, || Ok(Counter::default())).expect("a pool")
}

/// Keeps a worker busy until the returned sender is used or dropped.
fn block(pool: &ModelPool<Counter>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let answer = pool.submit(Lane::Urgent, move |_| {
        began.send(()).expect("the test waits");
        // A dropped sender releases too.
        let _released = released.recv();
    });
    begun.recv().expect("the job begins");
    // It runs: that nobody waits for its answer does not end it any more.
    drop(answer.expect("room in the lane"));
    release
}

#[tokio::test]
async fn jobs_run_on_a_named_thread_and_keep_their_model() {
    let pool = pool(CONFIG);
    for expected in 1..=3 {
        let (jobs, thread) = pool
            .run(Lane::Urgent, |model| {
                model.jobs += 1;
                (model.jobs, std::thread::current().name().map(str::to_owned))
            })
            .await
            .expect("an answer");
        assert_eq!((jobs, thread.as_deref()), (expected, Some("counter-0")));
    }
    assert_eq!(pool.stats().finished(), 3);
    assert_eq!((pool.stats().queued(), pool.stats().running()), (0, 0));
}

#[tokio::test]
async fn a_full_lane_refuses_at_once_and_the_other_one_does_not() {
    let pool = pool(CONFIG);
    let release = block(&pool);
    let waiting: Vec<_> =
        (0..2).map(|n| pool.submit(Lane::Speculative, move |_| n).expect("room in the lane")).collect();
    assert_eq!(pool.submit(Lane::Speculative, |_| 9).err(), Some(PoolError::Full));
    let urgent = pool.submit(Lane::Urgent, |_| 9).expect("a lane of its own");
    assert_eq!((pool.stats().queued(), pool.stats().running(), pool.stats().refused()), (3, 1, 1));
    drop(release);
    assert_eq!(urgent.await.expect("an answer").value, 9);
    for (n, answer) in waiting.into_iter().enumerate() {
        assert_eq!(answer.await.expect("an answer").value, n);
    }
}

#[tokio::test]
async fn urgent_jobs_go_first() {
    let pool = pool(CONFIG);
    let release = block(&pool);
    let (order, ordered) = mpsc::channel();
    let submit = |lane, name| {
        let order = order.clone();
        pool.submit(lane, move |_| order.send(name).expect("the test waits")).expect("room in the lane")
    };
    let answers = [submit(Lane::Speculative, "partial"), submit(Lane::Urgent, "final")];
    drop(release);
    for answer in answers {
        answer.await.expect("an answer");
    }
    assert_eq!(ordered.try_iter().collect::<Vec<_>>(), ["final", "partial"]);
}

#[tokio::test]
async fn a_job_whose_caller_has_gone_is_skipped() {
    let pool = pool(CONFIG);
    let release = block(&pool);
    let gone = pool.submit(Lane::Urgent, |model| model.jobs += 100).expect("room in the lane");
    let stays = pool.submit(Lane::Urgent, |model| model.jobs).expect("room in the lane");
    drop(gone);
    drop(release);
    assert_eq!(stays.await.expect("an answer").value, 0);
    assert_eq!(pool.stats().skipped(), 1);
}

#[tokio::test]
async fn a_panic_ends_one_job_and_the_model_is_built_anew() {
    let pool = pool(CONFIG);
    pool.run(Lane::Urgent, |model| model.jobs = 7).await.expect("an answer");
    let panicked = pool.run(Lane::Urgent, |_| -> () { panic!("a bug in the model") }).await;
    assert_eq!(panicked, Err(PoolError::Panicked));
    assert_eq!(pool.run(Lane::Urgent, |model| model.jobs).await, Ok(0));
    assert_eq!((pool.stats().panicked(), pool.stats().finished(), pool.stats().running()), (1, 2, 0));
}

#[tokio::test]
async fn a_model_that_cannot_be_rebuilt_is_tried_again_with_the_next_job() {
    let built = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&built);
    // The first model works, the two after it cannot be loaded (one attempt panics), the fourth works.
    let pool = ModelPool::start(CONFIG, move || match counter.fetch_add(1, Ordering::SeqCst) {
        1 => Err(ModelError::Runtime("no memory".to_owned())),
        2 => panic!("a bug in the factory"),
        _ => Ok(Counter::default()),
    })
    .expect("a pool");
    assert_eq!(pool.run(Lane::Urgent, |_| -> () { panic!("a bug in the model") }).await, Err(PoolError::Panicked));
    assert_eq!(pool.run(Lane::Urgent, |_| ()).await, Err(PoolError::ModelLost));
    assert_eq!(pool.run(Lane::Urgent, |_| ()).await, Ok(()));
    assert_eq!(built.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn every_worker_has_a_model_of_its_own() {
    let pool = pool(PoolConfig { workers: 2, ..CONFIG });
    let (first, second) = (block(&pool), block(&pool));
    assert_eq!(pool.stats().running(), 2);
    drop((first, second));
    assert_eq!(pool.run(Lane::Urgent, |_| ()).await, Ok(()));
}

#[test]
fn a_factory_that_fails_starts_no_pool() {
    let error = ModelPool::<Counter>::start(CONFIG, || Err(ModelError::Runtime("no file".to_owned())));
    assert!(error.expect_err("no model").to_string().contains("no file"));
}

#[tokio::test]
async fn shutdown_finishes_what_waits_and_refuses_what_comes() {
    let pool = pool(CONFIG);
    let release = block(&pool);
    let waiting = pool.submit(Lane::Speculative, |_| 5).expect("room in the lane");
    pool.close();
    assert_eq!(pool.submit(Lane::Urgent, |_| ()).err(), Some(PoolError::Closed));
    drop(release);
    pool.shutdown();
    assert_eq!(waiting.await.expect("an answer").value, 5);
    // A second time there is nothing left to do.
    pool.shutdown();
}

#[tokio::test]
async fn answers_tell_their_share_of_time() {
    let pool = pool(CONFIG);
    let release = block(&pool);
    let answer = pool.submit(Lane::Urgent, |_| ()).expect("room in the lane");
    drop(release);
    let done = answer.await.expect("an answer");
    assert!(pool.stats().total_wait() + Duration::from_micros(2) >= done.waited);
    assert!(pool.stats().total_run() + Duration::from_micros(2) >= done.ran);
}

#[tokio::test]
async fn a_worker_without_a_model_leaves_the_jobs_to_the_others() {
    let built = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&built);
    let pool =
        ModelPool::start(PoolConfig { workers: 2, ..CONFIG }, move || match counter.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Ok(Counter::default()),
            _ => Err(ModelError::Runtime("the file is gone".to_owned())),
        })
        .expect("a pool");
    assert_eq!(pool.health(), Health::Well);
    assert_eq!(pool.run(Lane::Urgent, |_| -> () { panic!("a bug in the model") }).await, Err(PoolError::Panicked));
    while pool.stats().lost() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..50 {
        assert_eq!(pool.run(Lane::Urgent, |_| ()).await, Ok(()));
    }
    assert!(matches!(pool.health(), Health::Trouble(reason) if reason.contains("1 of 2")));
    assert_eq!(pool.run(Lane::Urgent, |_| -> () { panic!("a bug in the model") }).await, Err(PoolError::Panicked));
    assert_eq!(pool.run(Lane::Urgent, |_| ()).await, Err(PoolError::ModelLost));
    assert!(matches!(pool.health(), Health::Out(_)));
}
