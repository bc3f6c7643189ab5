//! `windlass up`: started again, it goes on where it was, however long ago that is.

use std::path::Path;
use std::time::Duration;

use super::ended::let_certificate_end;
use super::support::*;

/// How long an orderly end may take.
const END_TIME_MAX: Duration = Duration::from_secs(60);

/// Starts it, and waits until its hosts are up; they may have to count as silent first.
async fn up(state: &Path) -> Child {
    let arguments = ["up", "--listen", "127.0.0.1:0", "--hosts", "1", "--state", state.to_str().unwrap()];
    let log = state.join("log");
    let mut child = Child::start(Path::new(PROGRAM), &arguments, &log);
    loop {
        let line = child.line_within(Duration::from_secs(120)).await;
        if line.starts_with("cell up: ") {
            return child;
        }
        let waits = line.contains("joins again once it counts as DOWN");
        assert!(waits, "{line}: {}", std::fs::read_to_string(&log).unwrap());
    }
}

async fn asks(state: &Path, arguments: &[&str]) -> String {
    let context = state.join("context.toml");
    let output = windlass(&[arguments, &["--context", context.to_str().unwrap()]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_cell_whose_hosts_were_off_for_longer_than_their_certificates_hold_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let first = up(state).await;
    let create = ["server", "create", "web", "--flavor", "small", "--image", "debian", "--network", "net"];
    asks(state, &create).await;
    assert!(first.end(END_TIME_MAX).await.success());
    for host in ["h1", "s1"] {
        let_certificate_end(&state.join("hosts").join(host));
    }
    let second = up(state).await;
    assert!(asks(state, &["server", "list"]).await.contains("ACTIVE"));
    asks(state, &["server", "delete", "web"]).await;
    // It ends with 0 where nothing is amiss and nothing left over.
    asks(state, &["doctor"]).await;
    assert!(second.end(END_TIME_MAX).await.success());
}
