//! The cache on disk, without anybody to fetch from.

use super::*;

const KEEP: u64 = u64::MAX / 2;

fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

fn keep(cache: &Arc<Cache>, bytes: &[u8], keep_bytes: u64) -> PathBuf {
    let mut incoming = Arc::clone(cache).begin(bytes.len() as u64, keep_bytes).unwrap();
    incoming.write(bytes).unwrap();
    incoming.finish(sha256(bytes)).unwrap()
}

/// Lets a kept blob look as if it was used so long ago, by a process before.
fn age(cache: &Cache, bytes: &[u8], by: Duration) {
    let file = File::open(cache.place(sha256(bytes))).unwrap();
    file.set_modified(now() - by).unwrap();
    cache.known().clear();
}

fn left(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory.join(INCOMING)).unwrap().map(|file| file.unwrap().path()).collect()
}

#[test]
fn a_blob_is_handed_out_again_also_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(directory.path()).unwrap());
    assert_eq!(cache.find(sha256(b"one")).unwrap(), None);
    let path = keep(&cache, b"one", KEEP);
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(cache.find(sha256(b"one")).unwrap(), Some((path.clone(), 3)));
    drop(cache);
    let cache = Cache::open(directory.path()).unwrap();
    assert_eq!(cache.find(sha256(b"one")).unwrap(), Some((path, 3)));
    assert!(left(directory.path()).is_empty());
}

#[test]
fn a_blob_that_was_changed_on_disk_is_removed_and_not_handed_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(directory.path()).unwrap());
    let path = keep(&cache, b"one", KEEP);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    age(&cache, b"one", Duration::from_secs(60));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"two").unwrap();
    assert_eq!(cache.find(sha256(b"one")).unwrap(), None);
    assert!(!path.exists());
}

#[test]
fn what_is_wrong_short_long_or_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(directory.path()).unwrap());
    let begin = |size_bytes| Arc::clone(&cache).begin(size_bytes, KEEP).unwrap();
    let mut wrong = begin(3);
    wrong.write(b"one").unwrap();
    let refused = wrong.finish(sha256(b"two")).unwrap_err();
    assert!(matches!(refused, FetchError::Wrong(_)), "{refused}");
    let mut short = begin(4);
    short.write(b"one").unwrap();
    assert!(matches!(short.finish(sha256(b"one")), Err(FetchError::Wrong(_))));
    let mut long = begin(2);
    assert!(matches!(long.write(b"one"), Err(FetchError::Wrong(_))));
    drop(long);
    let mut given_up = begin(3);
    given_up.write(b"on").unwrap();
    assert_eq!(left(directory.path()).len(), 1);
    drop(given_up);
    assert!(left(directory.path()).is_empty());
    assert_eq!(cache.files().unwrap().len(), 0);
}

#[test]
fn what_a_crash_left_on_its_way_is_removed_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(directory.path()).unwrap());
    let path = keep(&cache, b"one", KEEP);
    let incoming = Arc::clone(&cache).begin(3, KEEP).unwrap();
    fs::write(directory.path().join(INCOMING).join("9"), b"left").unwrap();
    drop((incoming, cache));
    assert_eq!(left(directory.path()).len(), 1);
    drop(Cache::open(directory.path()).unwrap());
    assert!(left(directory.path()).is_empty() && path.exists());
}

#[test]
fn the_least_recently_used_goes_first_and_nothing_that_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(directory.path()).unwrap());
    for bytes in [b"one", b"two", b"now"] {
        keep(&cache, bytes, KEEP);
    }
    age(&cache, b"two", BLOB_KEPT_FOR * 3);
    age(&cache, b"one", BLOB_KEPT_FOR * 2);
    let here = |bytes: &[u8]| cache.place(sha256(bytes)).exists();
    assert_eq!(cache.prune(6).unwrap(), 6);
    assert!(here(b"one") && !here(b"two") && here(b"now"));
    // Fetched again: it counts as used.
    assert!(cache.find(sha256(b"one")).unwrap().is_some());
    assert_eq!(cache.prune(0).unwrap(), 6);
    assert!(here(b"one") && here(b"now"));
    age(&cache, b"one", BLOB_KEPT_FOR * 2);
    age(&cache, b"now", BLOB_KEPT_FOR - Duration::from_secs(60));
    // Room for the next one is made before it is written.
    keep(&cache, b"new", 6);
    assert!(!here(b"one") && here(b"now") && here(b"new"));
}

#[test]
fn a_disk_without_room_is_an_error_of_its_own_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(directory.path()).unwrap());
    let refused = Arc::clone(&cache).begin(1 << 62, KEEP).unwrap_err();
    assert!(matches!(refused, FetchError::DiskFull(_)), "{refused}");
    assert!(left(directory.path()).is_empty());
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert!(matches!(FetchError::of_disk(&full), FetchError::DiskFull(_)));
}
