//! What refuses to start, and says why: a bad configuration with its line, a directory that is in use or holds nothing.

use super::support::*;

async fn refused(arguments: &[&str], code: i32, said: &[&str]) {
    let output = windlass(arguments).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for part in said {
        assert!(text.contains(part), "{arguments:?} does not say {part:?}: {text}");
    }
}

#[tokio::test]
async fn an_orchestrator_refuses_a_bad_configuration_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orchestrator.toml");
    std::fs::write(&file, "state = \"/x\"\nlisten = \"nowhere\"\n").unwrap();
    let file = file.to_str().unwrap();
    refused(&["orchestrator", "--config", file], 2, &["line 2", "listen"]).await;
    refused(&["orchestrator", "--config", "/no/such/file"], 2, &["/no/such/file"]).await;
    refused(&["orchestrator", "--listen", "127.0.0.1:0"], 2, &["--state"]).await;
    let empty = directory.path().to_str().unwrap();
    refused(&["orchestrator", "--state", empty, "--listen", "127.0.0.1:0"], 1, &["windlass init"]).await;
}

#[tokio::test]
async fn an_agent_refuses_a_bad_configuration_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("agent.toml");
    std::fs::write(&file, "[sim]\nvcpus = 4\nram_mib = 0\n").unwrap();
    let (state, file) = (directory.path().to_str().unwrap(), file.to_str().unwrap());
    refused(
        &["agent", "run", "--driver", "sim", "--state", state, "--config", file],
        2,
        &["line 3", "ram_mib"],
    )
    .await;
    refused(&["agent", "run", "--driver", "sim", "--state", state], 3, &["windlass agent join"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_in_use_is_refused_with_its_holder() {
    let cell = Cell::plain().await;
    let (home, host) = (cell.home.path().to_str().unwrap().to_owned(), cell.host("h1"));
    refused(&["orchestrator", "--state", &home, "--listen", "127.0.0.1:0"], 1, &["in use", "process"]).await;
    refused(&["agent", "run", "--driver", "sim", "--state", host.to_str().unwrap()], 4, &["in use"]).await;
}
