use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::store::{Channel, InstanceId, SessionDoc, SqliteOptions, SqliteStore};

/// A vault on a store of its own.
struct Case {
    _folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap());
        Self { _folder: folder, store }
    }

    fn vault(&self, present: &Key, old: &[&Key]) -> Vault {
        let kms = LocalKms::new(present.clone(), old.iter().copied().cloned().collect());
        Vault::new(Arc::clone(&self.store), Arc::new(kms))
    }
}

fn ana() -> UserId {
    UserId::new("phone:+15551234567")
}

fn user_key() -> UserKey {
    UserKey::new(Pseudonym::from_bytes([7; 16]), Key::random().unwrap())
}

/// A file of these pieces, ended.
fn sealed(key: &UserKey, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut sealer, mut file) = Sealer::new(key, "test").unwrap();
    for piece in pieces {
        sealer.seal(piece, &mut file).unwrap();
    }
    sealer.finish(&mut file).unwrap();
    file
}

/// Where the header ends.
fn header_bytes(file: &[u8]) -> usize {
    let mut rest = file;
    Header::read(&mut rest).unwrap();
    file.len() - rest.len()
}

#[tokio::test]
async fn a_session_of_somebody_who_was_erased_gets_no_key_any_more() {
    let case = Case::new();
    let vault = case.vault(&Key::random().unwrap(), &[]);
    let session = async |id: &str| {
        let doc = SessionDoc {
            session_id: SessionId::new(id),
            user_id: ana(),
            channel: Channel::Phone,
            conversation_history: Vec::new(),
            current_agent: "TaskAgent".to_owned(),
            created_at: jiff::Timestamp::now(),
            last_activity: jiff::Timestamp::now(),
            context: serde_json::Map::new(),
        };
        case.store.create_session(doc, [7; 32], InstanceId::new("one")).await.unwrap();
        SessionId::new(id)
    };
    let old = session("old").await;
    let before = vault.key_for(&ana(), &old).await.unwrap();
    case.store.end_session(old.clone(), None).await.unwrap();
    assert_eq!(vault.key_for(&ana(), &old).await.unwrap().id(), before.id(), "what is over may still be written down");
    assert!(vault.destroy_user_key(&ana()).await.unwrap());
    assert_eq!(vault.key_for(&ana(), &old).await.unwrap_err(), VaultError::Erased);
    case.store.erase_user(ana()).await.unwrap();
    assert_eq!(vault.key_for(&ana(), &old).await.unwrap_err(), VaultError::Erased);
    let next = session("new").await;
    assert_ne!(vault.key_for(&ana(), &next).await.unwrap().id(), before.id(), "who calls again has another key");
    assert_eq!(vault.key_for(&ana(), &old).await.unwrap_err(), VaultError::Erased, "which is not the old session's");
}

#[tokio::test]
async fn whoever_waits_for_what_is_being_sealed_waits_for_all_of_one_person() {
    let case = Case::new();
    let vault = case.vault(&Key::random().unwrap(), &[]);
    let hers = ana();
    vault.sealed(&hers).await;
    let (one, two, other) = (vault.sealing(&hers), vault.sealing(&hers), vault.sealing(&UserId::new("bea")));
    let mut sealed = std::pin::pin!(vault.sealed(&hers));
    assert!(futures_util::poll!(sealed.as_mut()).is_pending());
    drop(one);
    assert!(futures_util::poll!(sealed.as_mut()).is_pending());
    drop(two);
    sealed.await;
    drop(other);
}

#[tokio::test]
async fn a_user_has_one_key_which_comes_back_and_is_destroyed() {
    let case = Case::new();
    let master = Key::random().unwrap();
    let vault = case.vault(&master, &[]);
    assert!(vault.find_user_key(&ana()).await.unwrap().is_none());
    let key = vault.user_key(&ana()).await.unwrap();
    let file = sealed(&key, &[b"hello"]);
    let later = case.vault(&master, &[]);
    let same = later.find_user_key(&ana()).await.unwrap().unwrap();
    assert_eq!((open(&file, &same).unwrap().text, same.owner()), (b"hello".to_vec(), key.owner()));
    let named = Header::read(&mut file.as_slice()).unwrap().owner;
    assert_eq!(later.key_of(named).await.unwrap().unwrap().id(), key.id());
    assert!(later.destroy_user_key(&ana()).await.unwrap() && !later.destroy_user_key(&ana()).await.unwrap());
    assert!(vault.find_user_key(&ana()).await.unwrap().is_none());
    let another = vault.user_key(&ana()).await.unwrap();
    assert_eq!(another.owner(), key.owner(), "the pseudonym stays");
    assert!(matches!(open(&file, &another), Err(SealError::WrongKey { .. })));
}

#[tokio::test]
async fn two_who_make_a_key_at_once_have_the_same() {
    let case = Case::new();
    let master = Key::random().unwrap();
    let (one, two) = (case.vault(&master, &[]), case.vault(&master, &[]));
    let ana = ana();
    let (a, b) = tokio::join!(one.user_key(&ana), two.user_key(&ana));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.id(), a.owner()), (b.id(), b.owner()));
}

#[tokio::test]
async fn nothing_in_the_store_names_the_user_and_keys_are_bound_to_their_names() {
    let case = Case::new();
    let vault = case.vault(&Key::random().unwrap(), &[]);
    let key = vault.user_key(&ana()).await.unwrap();
    vault.user_key(&UserId::new("cleo")).await.unwrap();
    let keys = case.store.keys(None).await.unwrap().keys;
    let names: Vec<String> = keys.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| !name.contains("15551234567")), "{names:?}");
    let own = key.owner().to_string();
    assert_eq!(own.parse::<Pseudonym>(), Ok(key.owner()));
    assert!("x".repeat(32).parse::<Pseudonym>().is_err());
    let other = names.iter().find(|name| **name != own && *name != PSEUDONYMS).unwrap();
    let theirs = case.store.key(other.clone()).await.unwrap().unwrap();
    let mine = case.store.key(own.clone()).await.unwrap().unwrap();
    assert!(case.store.replace_key(own.clone(), mine, theirs).await.unwrap());
    assert_eq!(vault.user_key(&ana()).await.unwrap_err(), VaultError::Damaged(own));
}

#[tokio::test]
async fn a_new_master_key_rewraps_all_and_changes_no_pseudonym() {
    let case = Case::new();
    let (old, new) = (Key::random().unwrap(), Key::random().unwrap());
    let key = case.vault(&old, &[]).user_key(&ana()).await.unwrap();
    let alone = case.vault(&new, &[]);
    assert_eq!(alone.user_key(&ana()).await.unwrap_err(), VaultError::UnknownMaster(old.id()));
    assert_eq!(alone.rotate().await.unwrap(), Rotated { unreadable: 2, ..Rotated::default() });
    let both = case.vault(&new, &[&old]);
    assert_eq!(both.user_key(&ana()).await.unwrap().id(), key.id());
    assert_eq!(both.rotate().await.unwrap(), Rotated { rewrapped: 2, ..Rotated::default() });
    assert_eq!(both.rotate().await.unwrap(), Rotated { unchanged: 2, ..Rotated::default() });
    let same = case.vault(&new, &[]).user_key(&ana()).await.unwrap();
    assert_eq!((same.id(), same.owner()), (key.id(), key.owner()));
    assert!(case.vault(&old, &[]).user_key(&ana()).await.is_err(), "the old one opens nothing any more");
}

/// A key service that is away at times.
struct Remote {
    inner: LocalKms,
    is_away: AtomicBool,
}

impl Remote {
    fn answer(&self) -> Result<(), VaultError> {
        let is_away = self.is_away.load(Ordering::Relaxed);
        if is_away { Err(VaultError::Kms("is away".to_owned())) } else { Ok(()) }
    }
}

impl Kms for Remote {
    fn wrap<'a>(&'a self, name: &'a str, key: &'a Key) -> KmsFuture<'a, String> {
        Box::pin(async move {
            self.answer()?;
            self.inner.wrap(name, key).await
        })
    }

    fn unwrap<'a>(&'a self, name: &'a str, wrapped: &'a str) -> KmsFuture<'a, Key> {
        Box::pin(async move {
            self.answer()?;
            self.inner.unwrap(name, wrapped).await
        })
    }

    fn is_current(&self, wrapped: &str) -> bool {
        self.inner.is_current(wrapped)
    }
}

#[tokio::test]
async fn a_key_service_that_is_away_gives_no_key_and_is_asked_again() {
    let case = Case::new();
    let inner = LocalKms::new(Key::random().unwrap(), Vec::new());
    let kms = Arc::new(Remote { inner, is_away: AtomicBool::new(true) });
    let vault = Vault::new(Arc::clone(&case.store), Arc::clone(&kms) as Arc<dyn Kms>);
    assert_eq!(vault.user_key(&ana()).await.unwrap_err(), VaultError::Kms("is away".to_owned()));
    assert!(case.store.keys(None).await.unwrap().keys.is_empty());
    kms.is_away.store(false, Ordering::Relaxed);
    vault.user_key(&ana()).await.unwrap();
}

#[tokio::test]
async fn a_master_key_is_made_once_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let case = Case::new();
    let folder = tempfile::tempdir().unwrap();
    let config = crate::config::Config { data_dir: folder.path().to_owned(), ..crate::config::Config::default() };
    let vault = |config| Vault::new(Arc::clone(&case.store), load_master(config).unwrap().unwrap());
    let path = folder.path().join(MASTER_KEY_FILE);
    let first = vault(&config);
    assert!(!path.exists(), "it is made when it is needed");
    let key = first.user_key(&ana()).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(vault(&config).user_key(&ana()).await.unwrap().id(), key.id());
    std::fs::write(&path, "no key").unwrap();
    let error = vault(&config).user_key(&ana()).await.unwrap_err().to_string();
    assert!(error.contains(MASTER_KEY_FILE) && error.contains("base64"), "{error}");
    let mut shared = config;
    shared.secrets.redis_url = Some(crate::config::Secret::new("redis://localhost"));
    assert!(load_master(&shared).unwrap().is_none(), "several instances need one that all of them have");
}

#[test]
fn the_other_key_and_a_later_version_are_said() {
    let (key, other) = (user_key(), user_key());
    let mut file = sealed(&key, &[b"hello"]);
    let error = open(&file, &other).unwrap_err().to_string();
    assert!(error.contains(&key.id().to_string()) && error.contains(&other.id().to_string()), "{error}");
    assert!(matches!(open(b"RIFF....WAVE", &key), Err(SealError::NotSealed)));
    assert!(matches!(open(b"", &key), Err(SealError::NotSealed)));
    file[8] = 2;
    assert!(matches!(open(&file, &key), Err(SealError::Version(2))));
}

#[test]
fn chunks_cannot_be_swapped_left_out_or_added() {
    let key = user_key();
    let file = sealed(&key, &[b"one.", b"two.", b"six."]);
    let at = header_bytes(&file);
    let (header, chunks) = file.split_at(at);
    let chunks: Vec<&[u8]> = chunks.chunks(4 + 4 + 16).collect();
    let build = |order: &[usize]| [header, &order.iter().map(|n| chunks[*n]).collect::<Vec<_>>().concat()].concat();
    assert_eq!(open(&build(&[0, 1, 2, 3]), &key).unwrap().text, b"one.two.six.");
    assert!(matches!(open(&build(&[1, 0, 2, 3]), &key), Err(SealError::Damaged { chunk: 0 })));
    assert!(matches!(open(&build(&[0, 2, 3]), &key), Err(SealError::Damaged { chunk: 1 })));
    assert!(matches!(open(&build(&[0, 1, 1, 2, 3]), &key), Err(SealError::Damaged { chunk: 2 })));
    assert!(matches!(open(&build(&[0, 1, 2]), &key), Err(SealError::Truncated { chunk: 3 })));
    assert!(matches!(open(&build(&[0, 1, 2, 3, 3]), &key), Err(SealError::Trailing)));
    let another = sealed(&key, &[b"one.", b"two.", b"six."]);
    let grafted = [header, &another[at..]].concat();
    assert!(matches!(open(&grafted, &key), Err(SealError::Damaged { chunk: 0 })), "each file has a key of its own");
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8), long in 0..3_usize) {
        let key = user_key();
        let mut pieces = pieces;
        pieces.push(vec![9; long * MAX_CHUNK_BYTES + 5]);
        let file = sealed(&key, &pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let opened = open(&file, &key).unwrap();
        prop_assert_eq!((opened.text, opened.label.as_str(), opened.end), (pieces.concat(), "test", End::Whole));
    }

    #[test]
    fn a_flipped_bit_is_an_error_and_never_garbage(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = user_key();
        let mut file = sealed(&key, &[b"my card is", b"four two four two", b"thanks"]);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        prop_assert!(open(&file, &key).is_err());
    }

    #[test]
    fn a_file_that_breaks_off_is_ended_with_what_it_had(cut in any::<prop::sample::Index>()) {
        let key = user_key();
        let pieces: [&[u8]; 3] = [b"one", b"two", b"six"];
        let file = sealed(&key, &pieces);
        let at = header_bytes(&file);
        let cut = at + cut.index(file.len() - at);
        let mut torn = file[..cut].to_vec();
        prop_assert!(matches!(open(&torn, &key), Err(SealError::Truncated { .. })), "{cut}");
        let mut rest = torn.as_slice();
        let header = Header::read(&mut rest).unwrap();
        let mut opener = Opener::new(rest, &header, &key).unwrap();
        while let Ok(Some(_)) = opener.next_chunk() {}
        let end = opener.recovered_end().unwrap();
        torn.truncate(usize::try_from(opener.whole_bytes()).unwrap());
        torn.extend_from_slice(&end);
        let opened = open(&torn, &key).unwrap();
        prop_assert_eq!(opened.end, End::Recovered);
        prop_assert_eq!(opened.text, pieces[..(cut - at) / 23].concat());
    }

    #[test]
    fn any_bytes_are_opened_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open(&bytes, &user_key()).is_err());
    }
}
