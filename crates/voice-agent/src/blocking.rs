//! Work that is too long for the runtime's threads.

use tokio::runtime::{Handle, RuntimeFlavor};

/// From more tasks on, matching a title against all of them, or writing all of them as JSON, may hold a runtime's thread for
/// longer than it may be held (500 µs). Both grow with the number of tasks.
pub(crate) const MANY_TASKS: usize = 50;

/// Does the work here and now; if it `is_long`, what else waits for this thread of the runtime goes to another one first.
/// On a runtime of one thread, or on none, there is nobody to hand anything to.
pub(crate) fn run<T>(is_long: bool, work: impl FnOnce() -> T) -> T {
    let has_others = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if is_long && has_others() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_holds_nobody_up() {
        let (other_ran, seen) = mpsc::channel();
        let long = tokio::spawn(async move {
            tokio::spawn(async move { other_ran.send(()).unwrap() });
            // The only worker is here: the other task runs if the work makes room for it.
            run(true, move || seen.recv_timeout(Duration::from_secs(20)).is_ok())
        });
        assert!(long.await.unwrap());
    }

    #[tokio::test]
    async fn where_there_is_one_thread_it_is_simply_done() {
        assert_eq!(run(true, || 7), 7);
    }

    #[test]
    fn without_a_runtime_too() {
        assert_eq!(run(true, || 7), 7);
    }
}
