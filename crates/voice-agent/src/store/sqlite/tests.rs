use super::*;
use crate::store::conformance::{Harness, suite};
use crate::store::{Channel, ManualClock};

struct Sqlite {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Arc<SqliteStore>,
}

impl Sqlite {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_795_000_000).unwrap()));
        let store = open(folder.path(), &clock);
        Self { folder, clock, store }
    }
}

fn open(folder: &Path, clock: &Arc<ManualClock>) -> Arc<SqliteStore> {
    let options = SqliteOptions { clock: Arc::clone(clock) as Arc<dyn Clock>, ..SqliteOptions::default() };
    Arc::new(SqliteStore::open(folder, options).unwrap())
}

impl Harness for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// What a killed process leaves are its files as they are: nothing flushed, nothing closed.
    fn crash(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        self.store = open(folder.path(), &self.clock);
        self.folder = folder;
    }
}

suite!(Sqlite::new());

fn options() -> SqliteOptions {
    SqliteOptions::default()
}

fn doc(words: usize) -> SessionDoc {
    let now = Timestamp::from_second(1_795_000_000).unwrap();
    let mut context = serde_json::Map::new();
    context.insert("snapshot".to_owned(), Value::String("x".repeat(words)));
    SessionDoc {
        session_id: SessionId::new("s1"),
        user_id: UserId::new("ana"),
        channel: Channel::Browser,
        conversation_history: Vec::new(),
        current_agent: "TaskAgent".to_owned(),
        created_at: now,
        last_activity: now,
        context,
    }
}

fn refusal(folder: &Path) -> StoreError {
    SqliteStore::open(folder, options()).err().unwrap()
}

#[test]
fn a_second_server_is_kept_out_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(folder.path(), options()).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::Locked(_)), "{error:?}");
    assert!(error.to_string().contains("stop it, or give this one another DATA_DIR"), "{error}");
    drop(first);
    SqliteStore::open(folder.path(), options()).unwrap();
}

#[test]
fn nobody_else_may_read_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join(FILE_NAME), "").unwrap();
    std::fs::set_permissions(data.join(FILE_NAME), Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&data, options()).unwrap();
    let files: Vec<_> = std::fs::read_dir(&data).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 4, "database, log, shared memory and lock: {files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
    drop(store);
    let made = folder.path().join("made");
    SqliteStore::open(&made, options()).unwrap();
    assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    std::fs::write(&path, "this is no database, ".repeat(1000)).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()) && text.contains("restore it from a backup"), "{text}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is no database"), "it is left as it was");
}

#[tokio::test]
async fn a_log_that_somebody_reads_is_not_said_to_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { deadline: Duration::from_secs(20), ..SqliteOptions::default() };
    let store = SqliteStore::open(folder.path(), options).unwrap();
    store.put_key("a".to_owned(), "secret".to_owned()).await.unwrap();
    let reader = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM keys;").unwrap();
    store.delete_key("a".to_owned()).await.unwrap();
    assert_eq!(store.scrub().await, Ok(Scrubbed::Pending));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(store.scrub().await, Ok(Scrubbed::Clean));
}

#[tokio::test]
async fn damage_inside_the_file_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), options()).unwrap();
    store.create_session(doc(200_000), [7; 32], InstanceId::new("i")).await.unwrap();
    drop(store);
    let path = folder.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    let page = 4096;
    for byte in &mut bytes[page..4 * page] {
        *byte = 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

#[test]
fn a_newer_or_foreign_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(folder.path(), options()).unwrap());
    let path = folder.path().join(FILE_NAME);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(&error, StoreError::Incompatible(why) if why.contains("version 99")), "{error:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = refusal(folder.path());
    assert!(matches!(&error, StoreError::Incompatible(why) if why.contains("another program")), "{error:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refusal(&file.join("data"));
    assert!(error.to_string().contains("DATA_DIR names the folder"), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_said_and_space_makes_it_well_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), options()).unwrap();
    let fence = store.create_session(doc(10), [7; 32], InstanceId::new("i")).await.unwrap();
    let limit = |pages: i64| {
        store.worker.call(move |conn| {
            let now: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            conn.pragma_update_and_check(None, "max_page_count", now + pages, |_| Ok(()))?;
            Ok(())
        })
    };
    limit(2).await.unwrap();
    let turn =
        |n: u32, size: usize| Commit { doc: doc(size), fence, turn: voice_core::ids::TurnId(n), tools: Vec::new() };
    let full = store.commit(turn(1, 100_000)).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    let kept = store.load_session(SessionId::new("s1")).await.unwrap().unwrap();
    assert_eq!(kept.doc, doc(10), "what was there is still there");
    limit(1000).await.unwrap();
    assert_eq!(store.commit(turn(1, 100_000)).await, Ok(CommitOutcome::Committed { tasks_rev: None }));
    assert_eq!(store.health().await.trouble, None);
}

#[tokio::test]
async fn a_database_that_was_removed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), options()).unwrap();
    assert_eq!(store.health().await.trouble, None);
    std::fs::remove_dir_all(folder.path()).unwrap();
    let trouble = store.health().await.trouble.unwrap();
    assert!(trouble.contains("was removed"), "{trouble}");
}

/// Holds the store's thread until it is let go.
async fn hold(store: &Arc<SqliteStore>) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (started, begun) = tokio::sync::oneshot::channel();
    let holder = Arc::clone(store);
    tokio::spawn(async move {
        let blocked = holder.worker.call(move |_| {
            started.send(()).unwrap();
            Ok(held.recv().is_ok())
        });
        blocked.await
    });
    begun.await.unwrap();
    release
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_empties_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path(), SqliteOptions { queue_limit: 2, ..options() }).unwrap());
    let release = hold(&store).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let store = Arc::clone(&store);
        waiting.push(tokio::spawn(async move { store.load_session(SessionId::new("s1")).await }));
    }
    while store.worker.queued() < 2 {
        tokio::task::yield_now().await;
    }
    let refused = store.load_session(SessionId::new("s1")).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("queue is full")), "{refused:?}");
    assert_eq!(store.worker.queued(), 2, "the refused one does not count");
    release.send(()).unwrap();
    for call in waiting {
        assert_eq!(call.await.unwrap(), Ok(None));
    }
    assert_eq!(store.health().await, StoreHealth { kind: "sqlite", trouble: None, queued: 0 });
}

#[tokio::test]
async fn tasks_are_read_while_the_disk_is_busy_with_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path(), options()).unwrap());
    let release = hold(&store).await;
    assert_eq!(store.tasks(UserId::new("ana")).await, Ok(UserTasks::default()));
    release.send(()).unwrap();
}

#[tokio::test]
async fn a_slow_disk_is_waited_for_only_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let deadline = Duration::from_millis(20);
    let store = Arc::new(SqliteStore::open(folder.path(), SqliteOptions { deadline, ..options() }).unwrap());
    let release = hold(&store).await;
    let changes = vec![TaskChange::Created(crate::tasks::Task {
        id: crate::tasks::TaskId::parse("t_1").unwrap(),
        title: "Late".to_owned(),
        status: crate::tasks::TaskStatus::Open,
        due: None,
        priority: crate::tasks::Priority::Normal,
        created_at: Timestamp::UNIX_EPOCH,
        completed_at: None,
    })];
    let late = store.change_tasks(UserId::new("ana"), Some(0), changes, UndoEffect::None).await;
    assert_eq!(late, Err(StoreError::Timeout(20)));
    let mut events = store.task_events();
    release.send(()).unwrap();
    assert_eq!(events.changed(&UserId::new("ana")).await, Some(1), "it happened all the same, and is told");
}

#[tokio::test]
async fn a_panic_ends_one_request_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), options()).unwrap();
    let panicked: Result<(), StoreError> = store
        .write(|tx, _| {
            tx.execute("INSERT INTO users VALUES ('ana', 7)", [])?;
            panic!("a bug");
        })
        .await;
    assert!(matches!(panicked, Err(StoreError::Unavailable(_))), "{panicked:?}");
    assert_eq!(store.tasks(UserId::new("ana")).await, Ok(UserTasks::default()), "rolled back");
    assert_eq!(store.health().await.trouble, None);
}

#[tokio::test]
async fn a_document_that_is_not_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), options()).unwrap();
    store.create_session(doc(1), [7; 32], InstanceId::new("i")).await.unwrap();
    let sql = "UPDATE sessions SET doc = json_set(doc, '$.surprise', 1)";
    store.write(move |tx, _| Ok(tx.execute(sql, [])?)).await.unwrap();
    let found = store.load_session(SessionId::new("s1")).await;
    assert!(matches!(&found, Err(StoreError::Corrupt(why)) if why.contains("surprise")), "{found:?}");
}

/// The folder that [`victim`] writes to.
const VICTIM_DIR: &str = "VOICE_AGENT_TEST_VICTIM_DIR";

/// Adds task after task and says so, until it is killed; does nothing unless [`a_killed_process_loses_nothing`]
/// starts it.
#[tokio::test]
async fn victim() {
    use std::io::Write as _;

    let Ok(folder) = std::env::var(VICTIM_DIR) else { return };
    let store = SqliteStore::open(Path::new(&folder), options()).unwrap();
    for n in 1_u64.. {
        let task = crate::tasks::Task {
            id: crate::tasks::TaskId::parse(&format!("t_{n}")).unwrap(),
            title: format!("Task {n}"),
            status: crate::tasks::TaskStatus::Open,
            due: None,
            priority: crate::tasks::Priority::Normal,
            created_at: Timestamp::from_second(i64::try_from(n).unwrap()).unwrap(),
            completed_at: None,
        };
        let changes = vec![TaskChange::Created(task)];
        store.change_tasks(UserId::new("ana"), Some(n - 1), changes, UndoEffect::None).await.unwrap();
        writeln!(std::io::stdout(), "\nkept {n}").unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing() {
    use std::io::{BufRead as _, BufReader};

    for enough in [1, 7, 23] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::tests::victim", "--nocapture"])
            .env(VICTIM_DIR, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || said.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("kept ")?.parse().ok());
        let mut kept: u64 = 0;
        while kept < enough {
            kept = next().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died, and was not read yet, counts as well.
        while let Some(later) = next() {
            kept = later;
        }
        let store = SqliteStore::open(folder.path(), options()).unwrap();
        let found = store.tasks(UserId::new("ana")).await.unwrap().list;
        assert!((kept..=kept + 1).contains(&found.rev), "said {kept}, found {}", found.rev);
        assert_eq!(found.tasks.len() as u64, found.rev);
    }
}
