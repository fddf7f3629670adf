use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::store::{InstanceId, ManualClock, SqliteOptions, SqliteStore, Store, UserId};
use crate::vault::{Key, LocalKms, Vault};

struct Desk {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    log: AccessLog,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap());
    let kms = Arc::new(LocalKms::new(Key::from_bytes(&[7; 32]), Vec::new()));
    let vault = Arc::new(Vault::new(Arc::clone(&store), kms));
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let instance = InstanceId::new("pod-1");
    let log = AccessLog::new(folder.path(), instance, Arc::clone(&store), Arc::clone(&vault), clock);
    Desk { folder, store, vault, log }
}

impl Desk {
    /// Five accesses; the third is to another person's data.
    async fn five() -> Self {
        let desk = desk();
        for n in 1..=5 {
            let access = Access { role: Role::Privacy, action: "export", user: String::new(), of: format!("sess_{n}") };
            let user = UserId::new(if n == 3 { "bea" } else { "phone:+15551234567" });
            desk.log.note_of(access, &user).await.unwrap();
        }
        desk
    }

    fn file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.folder.path().join(FOLDER)).unwrap();
        files.next().unwrap().unwrap().path()
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect()
    }

    fn put(&self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.file(), text).unwrap();
    }

    /// The lines that an audit names.
    async fn named(&self) -> Vec<u64> {
        let found = audit(self.folder.path(), &self.vault, self.store.as_ref(), false).await.unwrap();
        found.findings.iter().map(|finding| finding.line).collect()
    }
}

#[tokio::test]
async fn an_untouched_log_is_whole_and_names_nobody() {
    let desk = Desk::five().await;
    let found = audit(desk.folder.path(), &desk.vault, desk.store.as_ref(), false).await.unwrap();
    assert_eq!(found, Findings { logs: 1, lines: 5, ..Findings::default() });
    let text = fs::read_to_string(desk.file()).unwrap();
    // Hashes may hold "555" and "bea" by themselves.
    assert!(!text.contains("+1") && !text.contains("\"bea\"") && text.contains("sess_3"));
    let hers = desk.vault.pseudonym(&UserId::new("bea")).await.unwrap().to_string();
    let lines = lines_about(desk.folder.path(), &hers).unwrap();
    assert!(matches!(lines.as_slice(), [line] if line.contains("sess_3")));
}

#[tokio::test]
async fn a_line_that_was_removed_is_named() {
    for removed in 0..5 {
        let desk = Desk::five().await;
        let mut lines = desk.lines();
        lines.remove(removed);
        desk.put(&lines);
        // The line behind it does not follow; behind the last there is none, and the log is cut off.
        let named = if removed == 4 { 4 } else { removed as u64 + 1 };
        assert_eq!(desk.named().await, [named], "line {}", removed + 1);
    }
}

#[tokio::test]
async fn a_line_that_was_changed_is_named() {
    let desk = Desk::five().await;
    let lines = desk.lines();
    for (at, line) in lines.iter().enumerate() {
        for (old, new) in
            [("privacy", "auditor"), ("export", "import"), ("sess_", "sess-"), ("\"prev\":\"", "\"prev\":\"0")]
        {
            let mut changed = lines.clone();
            changed[at] = line.replace(old, new);
            assert_ne!(changed[at], *line);
            desk.put(&changed);
            assert_eq!(desk.named().await.first(), Some(&(at as u64 + 1)), "{old} in line {}", at + 1);
        }
        let mut flipped = line.clone().into_bytes();
        for byte in 0..flipped.len() {
            flipped[byte] ^= 1;
            let mut changed = lines.clone();
            changed[at] = String::from_utf8_lossy(&flipped).into_owned();
            if byte % 17 == 0 && !changed[at].contains('\n') {
                desk.put(&changed);
                assert!(desk.named().await.contains(&(at as u64 + 1)), "byte {byte} of line {}", at + 1);
            }
            flipped[byte] ^= 1;
        }
    }
    desk.put(&lines);
    assert_eq!(desk.named().await, [] as [u64; 0]);
}

#[tokio::test]
async fn lines_that_changed_places_or_came_twice_are_named() {
    let desk = Desk::five().await;
    let mut lines = desk.lines();
    lines.swap(1, 2);
    desk.put(&lines);
    assert_eq!(desk.named().await, [2, 3, 4]);
    let mut lines = Desk::lines(&desk);
    lines.swap(1, 2);
    lines.insert(3, lines[1].clone());
    desk.put(&lines);
    assert_eq!(desk.named().await, [4, 5]);
}

#[tokio::test]
async fn a_log_that_was_cut_off_or_is_gone_is_named() {
    let desk = Desk::five().await;
    let lines = desk.lines();
    desk.put(&lines[..2]);
    assert_eq!(desk.named().await, [2]);
    fs::write(desk.file(), format!("{}\n{}", lines[0], &lines[1][..40])).unwrap();
    assert_eq!(desk.named().await, [2, 2], "half a line is none");
    desk.put(&[]);
    assert_eq!(desk.named().await, [0]);
    fs::remove_file(desk.file()).unwrap();
    assert_eq!(desk.named().await, [0], "also when all of it is gone");
    let shared = audit(desk.folder.path(), &desk.vault, desk.store.as_ref(), true).await.unwrap();
    assert_eq!((shared.findings.len(), shared.elsewhere), (1, Vec::new()), "also where others have logs of their own");
}

#[tokio::test]
async fn a_log_whose_instance_is_gone_with_its_disk_is_lost_and_one_on_a_disk_that_is_used_is_not() {
    let desk = Desk::five().await;
    let there = tempfile::tempdir().unwrap();
    let audited = async || audit(there.path(), &desk.vault, desk.store.as_ref(), true).await.unwrap();
    let found = audited().await;
    assert_eq!((found.findings.len(), found.elsewhere.len()), (1, 0));
    assert!(found.findings[0].what.contains("is lost with") && found.findings[0].what.contains("5 lines"), "{found:?}");
    let log = found.findings[0].log.clone();
    let seal =
        Seal::for_break(there.path(), &desk.vault, desk.store.as_ref(), true, (&log, "the pod was evicted")).await;
    assert!(seal.unwrap().is_some(), "once it is known why, it can be sealed");
    // Another process on the same disk begins its log when it starts: the first one's is there to be audited.
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1).unwrap()));
    let (store, vault) = (Arc::clone(&desk.store), Arc::clone(&desk.vault));
    let next = AccessLog::new(desk.folder.path(), InstanceId::new("pod-2"), store, vault, clock);
    next.begin_now().await.unwrap();
    next.begin_now().await.unwrap();
    desk.store.heartbeat(InstanceId::new("pod-2"), Duration::from_secs(60)).await.unwrap();
    let found = audited().await;
    assert_eq!((found.findings.len(), found.elsewhere.len()), (0, 2), "{found:?}");
}

#[tokio::test]
async fn of_an_instance_that_had_nothing_to_write_down_nothing_is_lost() {
    let desk = desk();
    desk.log.begin_now().await.unwrap();
    let there = tempfile::tempdir().unwrap();
    let found = audit(there.path(), &desk.vault, desk.store.as_ref(), true).await.unwrap();
    assert_eq!((found.findings.len(), found.elsewhere.len()), (0, 0), "{found:?}");
    let here = audit(desk.folder.path(), &desk.vault, desk.store.as_ref(), true).await.unwrap();
    assert_eq!((here.findings.len(), here.logs), (0, 1), "{here:?}");
}

#[tokio::test]
async fn a_log_on_another_instances_disk_is_not_missing_on_this_one() {
    let desk = Desk::five().await;
    let (here, there) = (desk.folder.path(), tempfile::tempdir().unwrap());
    desk.store.heartbeat(InstanceId::new("pod-1"), Duration::from_secs(60)).await.unwrap();
    let found = audit(there.path(), &desk.vault, desk.store.as_ref(), true).await.unwrap();
    let elsewhere: Vec<(u64, &str)> = found.elsewhere.iter().map(|log| (log.lines, log.place.as_str())).collect();
    assert_eq!((elsewhere, found.findings.len()), (vec![(5, place(here).as_str())], 0));
    let alone = audit(there.path(), &desk.vault, desk.store.as_ref(), false).await.unwrap();
    assert_eq!(alone.findings.len(), 1, "where nobody else is, it is");
}

#[tokio::test]
async fn a_known_break_is_sealed_by_a_line_of_the_log_and_a_change_after_it_is_found() {
    let desk = Desk::five().await;
    let broken = desk.file();
    let name = broken.file_stem().unwrap().to_string_lossy().into_owned();
    let lines = desk.lines();
    let audited = async || audit(desk.folder.path(), &desk.vault, desk.store.as_ref(), false).await.unwrap();
    let seal = async |log: &str, reason: &str| {
        let (folder, store) = (desk.folder.path(), desk.store.as_ref());
        Seal::for_break(folder, &desk.vault, store, false, (log, reason)).await.unwrap()
    };
    assert_eq!(seal(&name, "nothing is wrong").await, None);
    // The process was killed in the middle of its last line.
    fs::write(&broken, format!("{}\n{}", lines[..4].join("\n"), &lines[4][..30])).unwrap();
    assert_eq!(audited().await.findings.len(), 2);
    assert_eq!(seal("another", "a log that nobody knows").await, None);
    let of = seal(&name, "power cut; ask +1 555 765 4321").await.unwrap().to_of();
    assert!(of.ends_with("power cut; ask [phone]"), "{of}");
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1).unwrap()));
    let (store, vault) = (Arc::clone(&desk.store), Arc::clone(&desk.vault));
    let next = AccessLog::new(desk.folder.path(), InstanceId::new("pod-2"), store, vault, clock);
    next.note(&Access { role: Role::Auditor, action: SEAL, user: String::new(), of }).await.unwrap();
    let found = audited().await;
    assert_eq!((found.findings, found.sealed.len(), found.sealed[0].findings.len()), (Vec::new(), 1, 2));
    assert_eq!((found.sealed[0].role, found.sealed[0].reason.as_str()), (Role::Auditor, "power cut; ask [phone]"));
    assert_eq!(seal(&name, "twice").await, None);
    // Whatever is changed after that is a break of its own.
    fs::write(&broken, format!("{}\n", lines[..3].join("\n"))).unwrap();
    let found = audited().await;
    assert!(!found.findings.is_empty() && found.sealed.is_empty());
    fs::remove_file(&broken).unwrap();
    assert_eq!(audited().await.findings.len(), 1);
    let of = seal(&name, "the disk was lost").await.unwrap().to_of();
    next.note(&Access { role: Role::Command, action: SEAL, user: String::new(), of }).await.unwrap();
    assert_eq!(audited().await.findings, []);
}

#[tokio::test]
async fn nobody_without_the_key_can_write_a_line_and_a_line_of_another_log_is_none() {
    let desk = Desk::five().await;
    let lines = desk.lines();
    let stranger = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[1; 32]);
    let name = desk.file().file_stem().unwrap().to_string_lossy().into_owned();
    let access = Access { role: Role::Operator, action: "read_words", user: String::new(), of: String::new() };
    let last = line::hash(lines.last().unwrap());
    let forged = Line::new(&stranger, &name, (6, last), &access, Timestamp::UNIX_EPOCH).unwrap();
    let mut forgery = lines.clone();
    forgery.push(serde_json::to_string(&forged).unwrap());
    desk.put(&forgery);
    assert_eq!(desk.named().await, [6]);
    desk.put(&lines);
    fs::copy(desk.file(), desk.file().with_file_name("other.jsonl")).unwrap();
    let found = audit(desk.folder.path(), &desk.vault, desk.store.as_ref(), false).await.unwrap();
    assert!(found.findings.iter().all(|finding| finding.log == "other") && found.findings.len() == 6);
}

#[tokio::test]
async fn another_process_has_another_log_and_a_disk_that_refuses_stops_the_access() {
    let desk = Desk::five().await;
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1).unwrap()));
    let (store, vault) = (Arc::clone(&desk.store), Arc::clone(&desk.vault));
    let next = AccessLog::new(desk.folder.path(), InstanceId::new("pod-2"), store, vault, clock);
    let access = Access { role: Role::Command, action: "audit", user: String::new(), of: String::new() };
    next.note(&access).await.unwrap();
    let found = audit(desk.folder.path(), &desk.vault, desk.store.as_ref(), false).await.unwrap();
    assert_eq!((found.logs, found.lines, found.findings.len()), (2, 6, 0));
    let nowhere = PathBuf::from("/proc/nowhere");
    let (store, vault) = (Arc::clone(&desk.store), Arc::clone(&desk.vault));
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let refused = AccessLog::new(&nowhere, InstanceId::new("pod-3"), store, vault, clock);
    assert!(matches!(refused.note(&access).await, Err(AccessLogError::Io { .. })));
}
