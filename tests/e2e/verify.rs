//! What was taken out of the journal at the broker, behind the orchestrators' backs, is found: beside them, through them, and
//! by an orchestrator itself in the background.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::support::*;

/// The frame that is taken out.
const FRAME: u64 = 3;

/// Deletes one message of the cell's stream, in the broker's own protocol.
async fn delete_frame(broker: &Broker, frame: u64) {
    let stream = TcpStream::connect(broker.address()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let (subject, order) = ("$JS.API.STREAM.MSG.DELETE.WINDLASS_test", format!("{{\"seq\":{frame}}}"));
    let text = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{order}\r\n",
        order.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut line = String::new();
    while !line.contains("\"success\":true") {
        line.clear();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "the broker hangs up");
        assert!(!line.contains("\"error\""), "{line}");
    }
}

/// A command that finds something; its document.
fn finds(output: &std::process::Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_taken_out_at_the_broker_is_named_beside_it_through_it_and_in_the_background() {
    let broker = Broker::start(1);
    let every = ["--verify-every".to_owned(), "10".to_owned()];
    let cell = Cell::over(vec![storage("s1")], vec![[broker.arguments(), every.into()].concat()]).await;
    let place = format!("nats://{}/test", broker.address());
    let output = windlass(&["history", "verify", "--journal", &place]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    delete_frame(&broker, FRAME).await;
    let beside = finds(&windlass(&["history", "verify", "--journal", &place, "-o", "json"]).await);
    assert_eq!(
        (&beside["whole"], &beside["findings"][0]["frame"]),
        (&Value::from(false), &Value::from(FRAME))
    );
    let through = finds(&cell.windlass(&["history", "verify", "-o", "json"]).await);
    let what = through["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains(&format!("frame {FRAME}: ")), "{what}");

    let doctor = ["doctor", "--invariant", "8", "-o", "json"];
    for _ in 0..300 {
        let output = cell.windlass(&doctor).await;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let check = &told["checks"][0];
        if check["result"] == "FAILED" {
            assert_eq!(finds(&output), told);
            let finding = check["findings"][0].to_string();
            assert!(finding.contains(&format!("frame {FRAME}")), "{check}");
            return;
        }
        // It has not looked since: where starting took long, its first look was before the frame was taken out.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the orchestrator never looks:\n{}", cell.said());
}
