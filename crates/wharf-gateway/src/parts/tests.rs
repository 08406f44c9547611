use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// What parts have done, in order.
#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A pause that would be noticed if anybody waited for its end.
const HOUR: Duration = Duration::from_secs(3600);

fn parts() -> (Parts, Shutdown) {
    let shutdown = Shutdown::default();
    (Parts::new(shutdown.clone()), shutdown)
}

fn until_told(life: &Life) {
    life.ready();
    life.wait();
}

#[tokio::test]
async fn what_was_started_last_stops_first_and_has_ended_before_the_next_is_told() {
    let (mut parts, shutdown) = parts();
    let diary = Diary::default();
    for name in ["first", "second"] {
        let diary = diary.clone();
        let part = parts.thread(Part::new(name), move |life| {
            life.ready();
            life.wait();
            diary.note(format!("{name} is told"));
            std::thread::yield_now();
            diary.note(format!("{name} ends"));
            Ok(())
        });
        parts.ready(part.unwrap()).await;
    }
    let drained = diary.clone();
    let third = parts.task(Part::new("third"), async move |life: Life| {
        life.ready();
        life.stopping().await;
        drained.note("third is told");
        tokio::task::yield_now().await;
        drained.note("third ends");
        Ok(())
    });
    parts.ready(third).await;
    assert_eq!(diary.read(), [""; 0]);
    shutdown.trigger();
    parts.run().await.unwrap();
    assert_eq!(
        diary.read(),
        [
            "third is told",
            "third ends",
            "second is told",
            "second ends",
            "first is told",
            "first ends"
        ]
    );
}

#[tokio::test]
async fn a_part_begins_when_those_before_it_are_ready() {
    let (mut parts, shutdown) = parts();
    let diary = Diary::default();
    let (open, opened): (Sender<()>, Receiver<()>) = channel();
    let log = diary.clone();
    let storage = parts.thread(Part::new("storage"), move |life| {
        opened.recv()?;
        log.note("storage is ready");
        until_told(life);
        Ok(())
    });
    let storage = storage.unwrap();
    let log = diary.clone();
    let thread = parts.thread(Part::new("thread").after(storage), move |life| {
        log.note("thread begins");
        until_told(life);
        Ok(())
    });
    let thread = thread.unwrap();
    let log = diary.clone();
    let task = parts.task(
        Part::new("task").after(storage).after(thread),
        async move |life: Life| {
            log.note("task begins");
            life.ready();
            life.stopping().await;
            Ok(())
        },
    );
    open.send(()).unwrap();
    parts.ready(task).await;
    assert_eq!(diary.read(), ["storage is ready", "thread begins", "task begins"]);
    shutdown.trigger();
    parts.run().await.unwrap();
}

#[tokio::test]
async fn a_part_that_is_stopped_before_its_turn_never_begins() {
    let (mut parts, shutdown) = parts();
    let slow = parts.thread(Part::new("slow"), |life| {
        life.wait();
        Ok(())
    });
    let slow = slow.unwrap();
    parts
        .thread(Part::new("thread").after(slow), |_| panic!("it must not begin"))
        .unwrap();
    parts.task(Part::new("task").after(slow), async |_| {
        panic!("it must not begin")
    });
    shutdown.trigger();
    parts.run().await.unwrap();
}

#[tokio::test]
async fn the_process_is_ready_when_all_its_parts_are() {
    assert_eq!(Readiness::default().waits_for(), None, "nobody is waited for");
    let (mut parts, shutdown) = parts();
    let readiness = parts.readiness();
    assert_eq!(readiness.waits_for(), None);
    let start = |parts: &mut Parts, name| {
        let (go, gone): (Sender<()>, Receiver<()>) = channel();
        let started = parts.thread(Part::new(name), move |life| {
            gone.recv()?;
            until_told(life);
            Ok(())
        });
        (go, started.unwrap())
    };
    let (first_goes, first) = start(&mut parts, "first");
    let (second_goes, second) = start(&mut parts, "second");
    assert_eq!(readiness.waits_for(), Some("first"));
    second_goes.send(()).unwrap();
    parts.ready(second).await;
    assert_eq!(readiness.waits_for(), Some("first"));
    first_goes.send(()).unwrap();
    parts.ready(first).await;
    parts.all_ready().await;
    assert_eq!(readiness.waits_for(), None);
    shutdown.trigger();
    parts.run().await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_a_part_that_has_ended_before_it_was_ready() {
    let (mut parts, _shutdown) = parts();
    let failed = parts.thread(Part::new("storage"), |_| Err("the disk is gone".into()));
    let failed = failed.unwrap();
    parts.task(Part::new("expiry").after(failed), async |_| Ok(()));
    parts.ready(failed).await;
    parts.all_ready().await;
    assert_eq!(parts.readiness().waits_for(), Some("storage"));
    parts.run().await.unwrap_err();
}

#[tokio::test]
async fn a_pause_does_not_delay_the_end() {
    let (mut parts, shutdown) = parts();
    let turns = Arc::new(AtomicU32::new(0));
    let taken = Arc::clone(&turns);
    let sweeper = parts.thread(Part::new("sweeper"), move |life| {
        while life.turn(HOUR) {
            taken.fetch_add(1, Ordering::Relaxed);
            life.ready();
        }
        Ok(())
    });
    parts.ready(sweeper.unwrap()).await;
    shutdown.trigger();
    parts.run().await.unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 1, "the first turn is at once");
}

#[tokio::test]
async fn a_test_decides_when_a_part_has_its_turns() {
    let shutdown = Shutdown::default();
    let mut parts = Parts::by_hand(shutdown.clone());
    let turns = Arc::new(AtomicU32::new(0));
    let taken = Arc::clone(&turns);
    let sweeper = parts.thread(Part::new("sweeper"), move |life| {
        life.ready();
        while life.turn(Duration::ZERO) {
            taken.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let sweeper = sweeper.unwrap();
    for expected in 1..=3 {
        parts.turn(sweeper);
        assert_eq!(turns.load(Ordering::Relaxed), expected);
    }
    shutdown.trigger();
    parts.run().await.unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_turn_in_which_a_part_dies_is_over_as_well() {
    let mut parts = Parts::by_hand(Shutdown::default());
    let sweeper = parts.thread(Part::new("sweeper"), |life| {
        life.turn(HOUR);
        Err("no more of this".into())
    });
    parts.turn(sweeper.unwrap());
    assert_eq!(parts.run().await.unwrap_err().to_string(), "no more of this");
}

/// Nobody triggers the end but the death of a part; the part that was there before it ends well.
#[track_caller]
fn check_death(start: impl FnOnce(&mut Parts), expected: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let (mut parts, shutdown) = parts();
        let diary = Diary::default();
        let log = diary.clone();
        let storage = parts.thread(Part::new("storage"), move |life| {
            until_told(life);
            log.note("closed");
            Ok(())
        });
        parts.ready(storage.unwrap()).await;
        start(&mut parts);
        let error = parts.run().await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(shutdown.is_triggered());
        assert_eq!(diary.read(), ["closed"]);
    });
}

#[test]
fn a_thread_that_panics_ends_the_process() {
    let start = |parts: &mut Parts| {
        let part = parts.thread(Part::new("expiry"), |life| {
            life.ready();
            panic!("on purpose")
        });
        part.unwrap();
    };
    check_death(start, "the part `expiry` has panicked");
}

#[test]
fn a_task_that_panics_ends_the_process() {
    let start = |parts: &mut Parts| {
        parts.task(Part::new("statsd"), async |_| panic!("on purpose"));
    };
    check_death(start, "the part `statsd` has panicked");
}

#[test]
fn a_part_that_fails_ends_the_process_with_its_own_words() {
    let start = |parts: &mut Parts| {
        parts
            .thread(Part::new("a"), |_| Err("the disk is gone".into()))
            .unwrap();
    };
    check_death(start, "the disk is gone");
    let start = |parts: &mut Parts| {
        parts.task(Part::new("b"), async |_| Err("the socket is gone".into()));
    };
    check_death(start, "the socket is gone");
}

#[test]
fn a_part_that_ends_by_itself_ends_the_process() {
    let start = |parts: &mut Parts| {
        parts.thread(Part::new("observer"), |_| Ok(())).unwrap();
    };
    check_death(start, "the part `observer` has ended, and nobody has told it to");
}

#[tokio::test]
async fn a_part_that_cannot_end_well_is_a_failure_and_the_others_end_all_the_same() {
    let (mut parts, shutdown) = parts();
    let diary = Diary::default();
    let log = diary.clone();
    let first = parts.thread(Part::new("first"), move |life| {
        until_told(life);
        log.note("first ends");
        Err("this is only the second failure".into())
    });
    parts.ready(first.unwrap()).await;
    let second = parts.thread(Part::new("second"), |life| {
        until_told(life);
        Err("cannot close the ledger".into())
    });
    parts.ready(second.unwrap()).await;
    shutdown.trigger();
    let error = parts.run().await.unwrap_err();
    assert_eq!(
        (error.part(), error.to_string().as_str()),
        ("second", "cannot close the ledger")
    );
    assert_eq!(diary.read(), ["first ends"]);
}

/// Time is the runtime's, which goes on to the next limit when nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_part_that_does_not_end_in_time_is_left_behind() {
    let (mut parts, shutdown) = parts();
    let (_hold, held): (Sender<()>, Receiver<()>) = channel();
    let thread = parts.thread(Part::new("thread").ends_within(HOUR), move |life| {
        life.ready();
        // Until the test is over.
        let _over = held.recv();
        Ok(())
    });
    parts.ready(thread.unwrap()).await;
    let began = Instant::now();
    shutdown.trigger();
    let error = parts.run().await.unwrap_err();
    assert_eq!(error.to_string(), "the part `thread` has not ended within 3600s");
    assert_eq!(began.elapsed().as_secs(), HOUR.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_end_in_time_is_cut_off() {
    let (mut parts, shutdown) = parts();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let task = parts.task(Part::new("sender").ends_within(HOUR), async move |life: Life| {
        life.ready();
        pending::<()>().await;
        drop(held);
        Ok(())
    });
    parts.ready(task).await;
    shutdown.trigger();
    let error = parts.run().await.unwrap_err();
    assert_eq!(error.to_string(), "the part `sender` has not ended within 3600s");
    while Arc::strong_count(&alive) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_causes_of_an_error_are_kept() {
    #[derive(Debug)]
    struct Caused(io::Error);

    impl fmt::Display for Caused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("open the folder")
        }
    }

    impl Error for Caused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let (mut parts, _shutdown) = parts();
    let failure = Caused(io::Error::other("no such device"));
    parts.task(Part::new("storage"), async move |_| Err(failure.into()));
    let error = parts.run().await.unwrap_err();
    let cause = error.source().map(ToString::to_string);
    assert_eq!(
        (error.to_string().as_str(), cause.as_deref()),
        ("open the folder", Some("no such device"))
    );
}
