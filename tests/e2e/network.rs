//! Processes that reach each other over bad wires: late, slow, half-open, cut. What was acknowledged is kept, what is
//! sent again is done once, a watch misses and repeats nothing, and who is slow is in nobody's way.

use windlass_client::{Client, ClientError, v1};

use super::support::*;

const VOLUMES: usize = 12;

/// Calls again what found nobody, with the same request id, bounded.
async fn insists<M: windlass_client::Unary + Clone>(client: &Client, request: M) -> M::Answer {
    let mut last = None;
    for _ in 0..200 {
        match client.call(request.clone()).await {
            Ok(answer) => return answer,
            Err(error) if error.is_unavailable() => last = Some(error),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("nobody answers: {last:?}")
}

/// A volume asked for under an id of the test's own.
fn asked(name: &str) -> v1::CreateVolumeRequest {
    v1::CreateVolumeRequest { request_id: Client::new_request_id(), ..volume(name) }
}

/// Position and number in the commit of every event of the project, from behind `after` to `last`, as a watch tells them.
async fn watched(client: &Client, after: u64, last: u64) -> Vec<(u64, u32)> {
    let mut watch = client.watch(PROJECT, Some(after));
    let mut events = Vec::new();
    let mut errors = 0;
    loop {
        match watch.next().await {
            Ok(answer) => {
                let answer = answer.expect("a project's watch does not end");
                let told = answer.changes.iter().flat_map(|change| &change.events);
                events.extend(told.map(|event| (event.position, event.ordinal)));
                if answer.position >= last {
                    return events;
                }
            }
            Err(error) => {
                errors += 1;
                assert!(error.is_unavailable() && errors < 200, "{error:?}");
            }
        }
    }
}

async fn storm_over_agents(seed: u64) {
    let mut cell =
        Cell::wired(vec![storage("s1"), hypervisor("h1"), hypervisor("h2")], vec![Vec::new()]).await;
    let wire = cell.nodes[0].wire.take().unwrap();
    let storm = tokio::spawn(async move {
        wire.storm(seed, 24).await;
        wire
    });
    let mut made = Vec::new();
    while !storm.is_finished() {
        let round = made.len();
        let mut asked = Vec::new();
        for (number, host) in ["h1", "h2"].into_iter().enumerate() {
            let name = format!("web-{round}-{number}");
            asked.push(cell.client.call(server(&name, host, &[])).await.unwrap());
            made.push(name);
        }
        for operation in asked {
            // The one that waits too long for its host is fully undone.
            cell.ends(operation).await;
        }
    }
    cell.nodes[0].wire = Some(storm.await.unwrap());
    cell.is_well().await;
    for name in made {
        match cell.client.call(delete_server(&name)).await {
            Ok(operation) => drop(cell.completes(operation).await),
            Err(error) => assert_eq!(error.reason_name, "NOT_FOUND", "{error:?}"),
        }
    }
    cell.is_well().await;
    cell.nothing_repeated().await;
    cell.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a3_a_bad_network_to_the_agents_repeats_nothing_and_leaves_nothing() {
    for seed in [5, 77] {
        storm_over_agents(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_r2_clients_on_a_bad_network_are_answered_once_and_their_watch_is_whole() {
    let mut cell = Cell::with(vec![storage("s1")]).await;
    let wire = Wire::to(cell.nodes[0].address.clone()).await;
    let bad = cell.client_at(&wire.address);
    let begin = cell.client.call(v1::GetCellRequest::default()).await.unwrap().position;
    let watching = bad.clone();
    let (last, lasts) = tokio::sync::oneshot::channel();
    let storm = tokio::spawn(async move {
        wire.storm(31, 30).await;
        wire
    });
    let asking = async {
        let mut position = 0;
        for number in 0..VOLUMES {
            let operation = insists(&bad, asked(&format!("v-{number}"))).await;
            position = cell.completes(operation).await.position;
        }
        last.send(position).unwrap();
        position
    };
    let told = async {
        // The watch is open all the while: it is told the last position only when it has come so far.
        let mut watch = watching.watch(PROJECT, Some(begin));
        let first = loop {
            match watch.next().await {
                Ok(answer) => break answer.expect("it does not end").position,
                Err(error) => assert!(error.is_unavailable(), "{error:?}"),
            }
        };
        assert!(first > begin);
        watched(&watching, begin, lasts.await.unwrap()).await
    };
    let (position, told) = tokio::join!(asking, told);
    drop(storm.await.unwrap());
    assert_eq!(told, watched(&cell.client, begin, position).await, "nothing missed, nothing twice");
    let volumes = cell.client.list(v1::ListVolumesRequest { parent: PROJECT.into(), ..Default::default() });
    assert_eq!({ volumes }.take(100).await.unwrap().len(), VOLUMES);
    cell.nothing_repeated().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_reply_that_is_lost_is_given_again_to_who_asks_again() {
    let cell = Cell::with(vec![storage("s1")]).await;
    let wire = Wire::to(cell.nodes[0].address.clone()).await;
    let bad = cell.client_at(&wire.address);
    // A connection that works, then answers no more.
    bad.call(v1::GetCellRequest::default()).await.unwrap();
    wire.set(Weather::HoldsDown);
    let request = asked("once");
    let unanswered = tokio::spawn({
        let request = request.clone();
        async move { bad.call(request).await }
    });
    let get = v1::GetVolumeRequest { name: format!("{PROJECT}/volumes/once"), ..Default::default() };
    until("the volume is made", async || cell.client.call(get.clone()).await.is_ok()).await;
    let made = cell.client.call(get.clone()).await.unwrap();
    assert!(wire.held_bytes() > 0 && !unanswered.is_finished(), "the reply was to be held");
    unanswered.abort();
    wire.set(Weather::Cut);
    let again = cell.completes(cell.client.call(request).await.unwrap()).await;
    let twice = cell.client.call(get).await.unwrap();
    assert_eq!((twice.uid, twice.create_time), (made.uid, made.create_time));
    let list = v1::ListOperationsRequest { parent: PROJECT.into(), ..Default::default() };
    let operations = cell.client.list(list).take(1000).await.unwrap();
    let creates =
        operations.iter().filter(|it| it.metadata.as_ref().is_some_and(|saga| saga.kind == "volume.create"));
    assert_eq!(creates.map(|it| &it.name).collect::<Vec<_>>(), [&again.name]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o2_o4_a_leader_whose_broker_falls_silent_acknowledges_nothing_and_is_followed() {
    let broker = Broker::start(1);
    let wire = Wire::to(broker.address()).await;
    let mut through = broker.arguments();
    through[1] = format!("nats://{}", wire.address);
    let mut cell = Cell::over(vec![storage("s1"), hypervisor("h1")], vec![through, broker.arguments()]).await;
    cell.let_the_first_lead().await;
    cell.completes(cell.client.call(server("before", "h1", &[])).await.unwrap()).await;
    let under_way = cell.client.call(server("under-way", "h1", &[])).await.unwrap();
    wire.set(Weather::Silent);
    // Who knows only the old leader is not told that anything was done, and is told to ask elsewhere.
    let old = cell.client_of(0);
    let request_id = Client::new_request_id();
    let stale = v1::CreateServerRequest { request_id, ..server("stale", "h1", &[]) };
    let unanswered = tokio::spawn({
        let stale = stale.clone();
        async move { old.call(stale).await }
    });
    // Everybody else goes on: reads, what is under way, what is new.
    let read = cell.client.call(get_server("before")).await.unwrap();
    assert!(read.create_time.is_some());
    cell.completes(under_way).await;
    cell.completes(cell.client.call(server("meanwhile", "h1", &[])).await.unwrap()).await;
    assert!(cell.nodes[1].leads().await);
    let refused = unanswered.await.unwrap().unwrap_err();
    assert!(
        refused.is_unavailable() || refused.code == windlass_client::Code::DeadlineExceeded,
        "{refused:?}"
    );
    wire.set(Weather::Clear);
    let made = cell.completes(cell.client.call(stale.clone()).await.unwrap()).await;
    assert_eq!(cell.client.call(stale).await.unwrap().name, made.name);
    cell.ends_well(["before", "under-way", "meanwhile", "stale"].map(str::to_owned)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_a_watch_that_does_not_read_is_in_nobodys_way_and_then_told_everything() {
    let cell = Cell::with(vec![storage("s1")]).await;
    let wire = Wire::to(cell.nodes[0].address.clone()).await;
    let slow = cell.client_at(&wire.address);
    let begin = cell.client.call(v1::GetCellRequest::default()).await.unwrap().position;
    let mut watch = slow.watch(PROJECT, Some(begin));
    let opened: Result<_, ClientError> = async {
        cell.completes(cell.client.call(volume("first")).await?).await;
        watch.next().await
    }
    .await;
    assert!(opened.unwrap().is_some());
    wire.set(Weather::HoldsDown);
    let mut last = 0;
    for round in 0..10 {
        let mut asked = Vec::new();
        for number in 0..10 {
            asked.push(cell.client.call(volume(&format!("v-{round}-{number}"))).await.unwrap());
        }
        for operation in asked {
            last = cell.completes(operation).await.position;
        }
    }
    let told = tokio::spawn(async move { watched(&slow, begin, last).await });
    wire.set(Weather::Slow);
    assert_eq!(told.await.unwrap(), watched(&cell.client, begin, last).await);
}
