//! R6: every answer names its position; a read waits, bounded, for the position that its caller has seen.

use windlass_client::Code;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;

use crate::support::furniture::network;
use crate::support::{World, ask, refused, why};

fn list(min_position: u64) -> ListNetworksRequest {
    ListNetworksRequest { parent: "projects/blue".into(), min_position, ..Default::default() }
}

#[tokio::test]
async fn r6_a_client_reads_its_own_last_write() {
    let world = World::furnished().await;
    let admin = world.admin();
    for number in 0..20 {
        let made = ask(&admin, network(&format!("n{number}"))).await;
        let page = admin.call(list(made.position)).await.expect("listed");
        assert!(page.position >= made.position);
        assert!(page.networks.iter().any(|it| it.display_name == format!("n{number}")));
        assert!(page.networks.iter().all(|it| it.position == page.position));
        let name = format!("projects/blue/networks/n{number}");
        let gone = ask(&admin, DeleteNetworkRequest { name, ..Default::default() }).await;
        assert_eq!(admin.call(list(gone.position)).await.expect("listed").networks.len(), 1);
    }
}

#[tokio::test]
async fn r6_a_read_waits_for_a_position_that_is_to_come() {
    let world = World::furnished().await;
    let (admin, position) = (world.admin(), world.position().await);
    let reader = world.admin();
    let waiting = tokio::spawn(async move { reader.call(list(position + 2)).await });
    let mut made = position;
    while made < position + 2 {
        assert!(!waiting.is_finished(), "it does not answer before");
        made = ask(&admin, network(&format!("n{made}"))).await.position;
    }
    let page = waiting.await.expect("no panic").expect("it came");
    assert!(page.position >= position + 2 && page.networks.len() >= 2);
}

#[tokio::test]
async fn r6_the_wait_is_bounded_and_those_who_wait_are_in_nobodys_way() {
    let world = World::furnished().await;
    let admin = world.admin();
    // More than the leader's machine takes at a time.
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let client = world.admin();
            tokio::spawn(async move { client.call(list(u64::MAX)).await })
        })
        .collect();
    ask(&admin, network("n1")).await;
    admin.call(list(0)).await.expect("nobody is in its way");
    for waiting in waiting {
        let error = waiting.await.expect("no panic").expect_err("it never comes");
        assert_eq!((error.reason, error.code), (Some(PositionNotReached), Code::Unavailable));
        assert!(error.retry_after.is_some());
    }
}

#[tokio::test]
async fn r6_nobody_waits_who_may_not_read() {
    let world = World::furnished().await;
    let nobody = world.client(Some("wlt_none"));
    assert_eq!(why(&refused(&nobody, list(u64::MAX)).await).0, Unauthenticated);
    let ann = world.principal("ann", &[]).await;
    assert_eq!(why(&refused(&ann, list(u64::MAX)).await).0, PermissionDenied);
}

#[tokio::test]
async fn r6_the_cell_tells_who_leads_and_where_the_journal_stands() {
    let world = World::furnished().await;
    let cell = world.admin().call(GetCellRequest::default()).await.expect("told");
    assert_eq!((cell.display_name.as_str(), cell.journal.as_str()), ("test", "memory"));
    assert_eq!(cell.position, world.position().await);
    let commits = world.history.commits().await;
    let last = windlass_sagas::record::StoredCommit::of(commits.last().expect("some")).expect("small");
    assert_eq!(cell.hash, last.hash().to_string());
    let leader = cell.leader.expect("it leads");
    assert_eq!(
        (leader.elected, leader.address.as_str(), leader.build.as_str()),
        (2, "127.0.0.1:7700", "test")
    );
    assert!(cell.create_time.is_some() && cell.position_time.is_some());
}

#[tokio::test]
async fn the_past_of_what_is_in_no_history_is_refused_by_its_own_reason() {
    let world = World::furnished().await;
    let read_at = Some(ReadAt { point: Some(read_at::Point::Position(3)) });
    let error = refused(&world.admin(), GetRecoveryRequest { read_at, ..Default::default() }).await;
    assert_eq!((why(&error), error.code), ((ReadAtUnsupported, "read_at"), Code::Unimplemented));
}
