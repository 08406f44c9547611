use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;
use crate::tools::voice::VoiceFlags;

const QUIET: VoiceFlags = VoiceFlags {
    quiet: true,
    verbose: false,
};

fn voice() -> Voice {
    Voice::new("test", QUIET)
}

fn gateway() -> Address {
    "http://gateway:9091/prefix".parse().unwrap()
}

fn request(path: &str, body: &[u8]) -> Request {
    let mut request = Request::new(Method::Post, path);
    request.headers.push(("Content-Type", "text/plain".to_owned()));
    request.body = body.to_vec();
    request.compress = true;
    request
}

fn paths(spool: &Spool) -> Vec<String> {
    let entries = spool.entries(&gateway(), voice()).unwrap();
    entries.into_iter().map(|entry| entry.request.path).collect()
}

#[test]
fn what_is_kept_comes_back_in_order_and_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().join("made/for/it"));
    // A label whose name and value look like the route.
    let first = request("/metrics/job/a/metrics/job", b"m 1\n\nm 2\n");
    spool.append(&gateway(), &first, voice()).unwrap();
    spool
        .append(&gateway(), &request("/metrics/job/b", b""), voice())
        .unwrap();
    let entries = spool.entries(&gateway(), voice()).unwrap();
    assert_eq!(entries[0].request, first);
    assert_eq!(paths(&spool), ["/metrics/job/a/metrics/job", "/metrics/job/b"]);
    entries[0].remove().unwrap();
    assert_eq!(paths(&spool), ["/metrics/job/b"]);
}

#[test]
fn every_header_that_a_push_can_have_comes_back() {
    let push = wharf_client::Push {
        expect: None,
        key: wharf_model::GroupingKey::new([("job", "a")]).unwrap(),
        how: wharf_client::How::Aggregate,
        text: b"m 1\n".to_vec(),
        ttl: Some(std::time::Duration::from_secs(1)),
        counters: wharf_client::Counters::Run,
    };
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().to_owned());
    let request = push.request();
    spool.append(&gateway(), &request, voice()).unwrap();
    assert_eq!(spool.entries(&gateway(), voice()).unwrap()[0].request, request);
}

#[test]
fn only_the_owner_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().join("spool"));
    spool
        .append(&gateway(), &request("/metrics/job/a", b"m 1\n"), voice())
        .unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&spool.0), 0o700);
    assert_eq!(mode(&spool.0.join("00000000000000000001.push")), 0o600);
}

#[test]
fn the_requests_of_another_gateway_stay() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().to_owned());
    let other = "http://other".parse().unwrap();
    spool
        .append(&other, &request("/metrics/job/a", b"m 1\n"), voice())
        .unwrap();
    assert!(paths(&spool).is_empty());
    assert_eq!(spool.entries(&other, voice()).unwrap().len(), 1);
}

#[test]
fn what_is_no_whole_request_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().to_owned());
    let whole = encode(&gateway(), &request("/metrics/job/a", b"m 1\n"));
    let cases: [&[u8]; 6] = [
        b"",
        b"\n\n",
        b"GET /metrics\nGateway: http://gateway:9091/prefix\nContent-Length: 0\n\n",
        b"POST /metrics/job/a\nContent-Length: 0\n\n",
        b"POST /metrics/job/a\nGateway: http://u:p@h\nContent-Length: 0\n\n",
        &whole[..whole.len() - 1],
    ];
    for (number, bytes) in cases.iter().enumerate() {
        fs::write(folder.path().join(format!("{number:020}.push")), bytes).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert!(paths(&spool).is_empty());
    let refused = spool
        .list()
        .unwrap()
        .iter()
        .filter(|file| file.is_refused)
        .count();
    assert_eq!(refused, cases.len());
    assert!(folder.path().join("notes.txt").exists());
}

#[test]
fn a_number_is_not_used_again_while_something_was_set_aside_under_it() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().to_owned());
    spool
        .append(&gateway(), &request("/metrics/job/a", b""), voice())
        .unwrap();
    spool.entries(&gateway(), voice()).unwrap()[0]
        .set_aside()
        .unwrap();
    spool
        .append(&gateway(), &request("/metrics/job/b", b""), voice())
        .unwrap();
    let names: Vec<_> = spool.list().unwrap().iter().map(|file| file.number).collect();
    assert_eq!(names, [1, 2]);
}

#[test]
fn the_oldest_makes_room_and_refused_ones_before_it() {
    let file = |number, is_refused, bytes| Found {
        number,
        is_refused,
        bytes,
        path: PathBuf::from(format!("/nowhere/{number}")),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut found = vec![
        file(1, false, MAX_BYTES / 2),
        file(2, true, 10),
        file(3, false, MAX_BYTES / 4),
    ];
    for file in &mut found {
        file.path = folder.path().join(file.number.to_string());
        fs::write(&file.path, "").unwrap();
    }
    make_room(&mut found, MAX_BYTES / 4, voice()).unwrap();
    assert!(!folder.path().join("2").exists());
    assert!(folder.path().join("1").exists());
    found.retain(|file| file.number != 2);
    make_room(&mut found, MAX_BYTES / 2, voice()).unwrap();
    assert!(!folder.path().join("1").exists());
    assert!(folder.path().join("3").exists());
}

#[test]
fn a_request_larger_than_the_folder_may_be_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().to_owned());
    let large = request("/metrics/job/a", &vec![b'x'; 64 << 20]);
    let error = spool.append(&gateway(), &large, voice()).unwrap_err().to_string();
    assert!(
        error.contains("expected a request of at most 67108864 bytes"),
        "{error}"
    );
}

#[test]
fn the_folder_is_locked_for_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::new(folder.path().to_owned());
    let lock = spool.lock().unwrap();
    assert!(lock.is_some());
    assert!(spool.lock().unwrap().is_none());
    drop(lock);
    assert!(spool.lock().unwrap().is_some());
}

proptest! {
    #[test]
    fn every_request_is_read_back_as_it_was(
        path in "/metrics/job/[a-z%/@=~.-]{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..200),
        is_put in any::<bool>(),
    ) {
        let mut kept = request(&path, &body);
        kept.method = if is_put { Method::Put } else { Method::Post };
        let read = decode(&encode(&gateway(), &kept));
        prop_assert_eq!(read, Some((gateway(), kept)));
    }

    #[test]
    fn no_file_can_harm_who_reads_it(text in "(PUT|POST|DELETE|GET)? ?(/x)?\n?((Gateway|Content-Length|Wharf-TTL|X): ?[0-9a-z:/]{0,20}\n){0,4}\n?\n?.{0,9}") {
        // Either a request or nothing.
        let _read = decode(text.as_bytes());
    }
}
