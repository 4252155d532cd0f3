//! What a bucket that answers otherwise than we like is to a caller.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, Result as Loaded, SharedCredentialsProvider};
use cdp_ports::FaultKind;
use tokio::runtime::{Builder, Handle};

use super::{BucketTable, S3Bucket};
use crate::kernel::Threads;
use crate::place::Place;
use crate::{DeltaError, DeltaLake};

fn keys() -> Credentials {
    Credentials::new("key", "secret", None, None, "test")
}

fn bucket(endpoint: &str, credentials: SharedCredentialsProvider) -> S3Bucket {
    S3Bucket {
        name: "lakes".to_owned(),
        prefix: "of/tests".to_owned(),
        region: "eu-central-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        credentials,
    }
}

fn table(endpoint: &str, credentials: SharedCredentialsProvider) -> BucketTable {
    let threads = Arc::new(Threads::start().expect("a thread"));
    bucket(endpoint, credentials).bucket().and_then(|bucket| bucket.table("events", threads)).expect("a bucket")
}

/// A server that gives each request one answer. Answers its endpoint.
fn server(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.expect("a connection"));
            let (mut line, mut body) = (String::new(), 0);
            while connection.read_line(&mut line).expect("a request") > 2 {
                if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    body = bytes.trim().parse().expect("a number");
                }
                line.clear();
            }
            std::io::copy(&mut connection.by_ref().take(body), &mut std::io::sink()).expect("a body");
            let _ = connection.get_mut().write_all(answer.as_bytes());
        }
    });
    endpoint
}

fn answering(status: &str) -> String {
    server(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

/// All that a table asks of its place.
fn ask(table: &BucketTable) -> [Result<(), DeltaError>; 4] {
    let publish = || table.begin("date=2026-01-31/a.parquet")?.publish().map(drop);
    let read = || table.read("date=2026-01-31/a.parquet").map(drop);
    let list = || table.list("").map(drop);
    let remove = || table.remove(&["date=2026-01-31/a.parquet".to_owned()]).map(drop);
    std::thread::scope(|scope| {
        let (publish, read) = (scope.spawn(publish), scope.spawn(read));
        let (list, remove) = (scope.spawn(list), scope.spawn(remove));
        [publish, read, list, remove].map(|asking| asking.join().expect("no panic"))
    })
}

fn check(endpoint: &str, credentials: SharedCredentialsProvider, kind: FaultKind, words: &str) {
    for outcome in ask(&table(endpoint, credentials.clone())) {
        let error = outcome.expect_err("it was refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = DeltaLake::open_bucket(bucket(endpoint, credentials).bucket().expect("a bucket")).err();
    let error = error.expect("it was refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

fn check_answer(status: &str, kind: FaultKind, words: &str) {
    check(&answering(status), SharedCredentialsProvider::new(keys()), kind, words);
}

#[test]
fn what_a_role_may_not_do_is_broken_and_says_what_it_needs() {
    check_answer("403 Forbidden", FaultKind::Broken, "allow it s3:GetObject below");
    check_answer("401 Unauthorized", FaultKind::Broken, "aws sso login");
}

#[test]
fn a_bucket_that_is_not_there_is_missing() {
    check_answer("404 Not Found", FaultKind::Missing, "");
}

#[test]
fn a_wrong_request_is_refused() {
    check_answer("400 Bad Request", FaultKind::Refused, "400");
    check_answer("301 Moved Permanently", FaultKind::Refused, "region");
}

#[test]
fn what_passes_is_busy() {
    // Each is tried again for some seconds.
    std::thread::scope(|scope| {
        for status in ["503 Slow Down", "500 Internal Server Error", "429 Too Many Requests"] {
            scope.spawn(|| check_answer(status, FaultKind::Busy, &status[..3]));
        }
    });
}

#[test]
fn a_bucket_that_cannot_be_reached_is_busy() {
    // A port that is given out to nobody who asks for any: another test's server could have it.
    check("http://127.0.0.1:1", SharedCredentialsProvider::new(keys()), FaultKind::Busy, "");
}

#[test]
fn a_bucket_without_a_name_is_refused() {
    for (name, is_sound) in [("lakes", true), ("la.kes", true), ("", false), ("la/kes", false)] {
        let bucket = S3Bucket { name: name.to_owned(), ..bucket("http://s3", SharedCredentialsProvider::new(keys())) };
        assert_eq!(bucket.bucket().is_ok(), is_sound, "{name}");
    }
}

/// Credentials from `load`, and how often they were asked for.
struct Provider<L> {
    load: L,
    asked: Arc<AtomicU64>,
}

impl<L> std::fmt::Debug for Provider<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("credentials of a test")
    }
}

impl<F: Future<Output = Loaded> + Send + 'static, L: Fn() -> F + Send + Sync> ProvideCredentials for Provider<L> {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Provided::new((self.load)())
    }
}

#[test]
fn without_credentials_one_is_told_how_to_get_some() {
    let load = || std::future::ready(Err(CredentialsError::not_loaded("nobody knows any")));
    let asked = Arc::default();
    let none = SharedCredentialsProvider::new(Provider { load, asked });
    check(&answering("200 OK"), none, FaultKind::Broken, "aws configure");
}

#[test]
fn credentials_are_asked_for_once_and_again_before_they_end() {
    for (lasting_secs, expected) in [(None, 1), (Some(3600), 1), (Some(30), 5)] {
        let asked = Arc::new(AtomicU64::new(0));
        let load = move || {
            let end = lasting_secs.map(|secs| SystemTime::now() + Duration::from_secs(secs));
            std::future::ready(Ok(Credentials::new("key", "secret", None, end, "test")))
        };
        let provider = SharedCredentialsProvider::new(Provider { load, asked: Arc::clone(&asked) });
        let table = table(&answering("404 Not Found"), provider);
        for _ in 0..5 {
            table.read("a").expect_err("there is none");
        }
        assert_eq!(asked.load(Ordering::Relaxed), expected, "{lasting_secs:?}");
    }
}

/// As connections do that the caller's runtime drives, and that credentials come by.
#[test]
fn the_callers_only_worker_is_free_for_what_a_call_waits_for() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let endpoint = answering("404 Not Found");
    let call = async move {
        let callers = Handle::current();
        let load = move || {
            let task = callers.spawn(async { keys() });
            async move { task.await.map_err(CredentialsError::provider_error) }
        };
        let provider = SharedCredentialsProvider::new(Provider { load, asked: Arc::default() });
        DeltaLake::open_existing_bucket(bucket(&endpoint, provider).bucket().expect("a bucket")).map(drop)
    };
    let outcome = runtime.block_on(async { tokio::spawn(call).await.expect("no panic") });
    assert_eq!(outcome.expect_err("there is none").kind(), FaultKind::Missing);
}
