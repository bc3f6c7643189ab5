//! Lists: pages of any size give the whole list once and in order; filters narrow it; what can't be read is refused.

use windlass_client::Client;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;

use crate::support::furniture::{network, server, volume};
use crate::support::stage::{Stage, completed};
use crate::support::{World, ask, refused, why};

async fn networks(client: &Client, page_size: u32, order_by: &str) -> Vec<String> {
    let (parent, order_by) = ("projects/blue".into(), order_by.into());
    let request = ListNetworksRequest { parent, page_size, order_by, ..Default::default() };
    let all = client.list(request).take(1_000).await.expect("listed");
    all.into_iter().map(|network| network.display_name).collect()
}

#[tokio::test]
async fn pages_of_any_size_give_the_whole_list_once_and_in_order() {
    let world = World::furnished().await;
    let admin = world.admin();
    for name in ["d", "a", "c", "e", "b"] {
        ask(&admin, network(name)).await;
    }
    for size in 0..8 {
        assert_eq!(networks(&admin, size, "").await.concat(), "netdaceb", "{size}");
        assert_eq!(networks(&admin, size, "create_time desc").await.concat(), "becadnet", "{size}");
        assert_eq!(networks(&admin, size, "display_name").await.concat(), "abcdenet", "{size}");
    }
}

#[tokio::test]
async fn what_is_made_or_deleted_between_two_pages_hides_and_repeats_nothing() {
    let world = World::furnished().await;
    let admin = world.admin();
    for number in 10..19 {
        ask(&admin, network(&format!("n{number}"))).await;
    }
    let (parent, order_by) = ("projects/blue".into(), "display_name".into());
    let mut request = ListNetworksRequest { parent, page_size: 2, order_by, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page = admin.call(request.clone()).await.expect("a page");
        names.extend(page.networks.iter().map(|it| it.display_name.clone()));
        if names.len() == 4 {
            for name in ["n10", "n13"] {
                let name = format!("projects/blue/networks/{name}");
                ask(&admin, DeleteNetworkRequest { name, ..Default::default() }).await;
            }
            ask(&admin, network("n105")).await;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(
        names,
        ["net", "n10", "n11", "n12", "n13", "n14", "n15", "n16", "n17", "n18"][1..]
            .iter()
            .map(|it| (*it).to_owned())
            .chain(["net".to_owned()])
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_token_is_for_its_own_question() {
    let world = World::furnished().await;
    let admin = world.admin();
    ask(&admin, network("n1")).await;
    let request = ListNetworksRequest { parent: "projects/blue".into(), page_size: 1, ..Default::default() };
    let page_token = admin.call(request.clone()).await.expect("a page").next_page_token;
    let page = ListNetworksRequest { page_token, page_size: 7, ..request };
    admin.call(page.clone()).await.expect("only its size may change");
    let (order_by, filter, parent) = ("display_name".into(), "display_name=x".into(), "projects/-".into());
    let others = [
        ListNetworksRequest { order_by, ..page.clone() },
        ListNetworksRequest { filter, ..page.clone() },
        ListNetworksRequest { parent, ..page.clone() },
    ];
    for other in others {
        assert_eq!(why(&refused(&admin, other).await), (PageTokenInvalid, "page_token"));
    }
    let parent = "projects/blue".into();
    let subnets = ListSubnetsRequest { parent, page_token: page.page_token, ..Default::default() };
    assert_eq!(why(&refused(&admin, subnets).await), (PageTokenInvalid, "page_token"));
}

#[tokio::test]
async fn filters_narrow_by_the_words_that_the_answers_show() {
    let stage = Stage::set().await;
    let admin = stage.world.admin();
    let volumes = |filter: &str| {
        let request =
            ListVolumesRequest { parent: "projects/-".into(), filter: filter.into(), ..Default::default() };
        let admin = admin.clone();
        async move {
            let found = admin.call(request).await.expect("listed").volumes;
            found.into_iter().map(|it| it.display_name).filter(|name| !name.is_empty()).collect::<Vec<_>>()
        }
    };
    assert_eq!(volumes("state=AVAILABLE").await, ["free"]);
    assert_eq!(volumes("state=IN_USE AND server=web").await, ["used"]);
    assert_eq!(volumes("display_name=\"free\" AND host=s0").await, ["free"]);
    assert_eq!(volumes("state=CREATING AND display_name!=wedged").await, ["slow"]);
    assert!(volumes("zone=b").await.is_empty());
    let operations = |filter: &str| {
        let (parent, filter) = ("projects/blue".into(), filter.into());
        let request = ListOperationsRequest { parent, filter, ..Default::default() };
        let admin = admin.clone();
        async move {
            let found = admin.call(request).await.expect("listed").operations;
            found.into_iter().map(|it| it.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(operations("state=RUNNING").await, vec![stage.running.clone()]);
    assert_eq!(operations("state=STUCK").await, vec![stage.stuck.clone()]);
    assert_eq!(operations("state=ABANDONED AND kind=volume.delete").await.len(), 2);
    let hosts = |filter: &str| {
        let request = ListHostsRequest { filter: filter.into(), ..Default::default() };
        let admin = admin.clone();
        async move { admin.call(request).await.expect("listed").hosts.len() }
    };
    assert_eq!((hosts("state=GONE").await, hosts("role=STORAGE AND state=UP").await), (1, 1));
}

#[tokio::test]
async fn operations_are_listed_newest_first_over_pages_and_ended_ones_too() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(ask(&admin, network(&format!("n{number}"))).await.name);
        let volume = ask(&admin, volume(&format!("v{number}"))).await;
        made.push(completed(&admin, &volume).await.name);
    }
    made.reverse();
    for page_size in [1, 3, 100] {
        let request =
            ListOperationsRequest { parent: "projects/blue".into(), page_size, ..Default::default() };
        let listed = admin.list(request).take(10).await.expect("listed");
        assert_eq!(listed.iter().map(|it| it.name.clone()).collect::<Vec<_>>(), made, "{page_size}");
        assert!(listed.iter().all(|it| matches!(it.result, Some(operation::Result::Response(_)))));
    }
    let request = ListOperationsRequest { parent: "cell".into(), ..Default::default() };
    let own = admin.call(request).await.expect("listed").operations;
    assert!(own.iter().any(|it| it.metadata.as_ref().is_some_and(|saga| saga.kind == "host.join")));
    assert!(own.iter().all(|it| it.metadata.as_ref().is_some_and(|saga| saga.project.is_empty())));
}

#[tokio::test]
async fn events_of_an_operation_are_told_in_order_and_over_pages() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, server("web")).await;
    completed(&admin, &made).await;
    let list = |page_size, filter: &str, order_by: &str| {
        let (parent, filter, order_by) = (made.name.clone(), filter.into(), order_by.into());
        let request = ListEventsRequest { parent, page_size, filter, order_by, ..Default::default() };
        let admin = admin.clone();
        async move { admin.list(request).take(1_000).await.expect("listed") }
    };
    let all = list(0, "", "").await;
    let places: Vec<_> = all.iter().map(|it| (it.position, it.ordinal)).collect();
    assert!(places.is_sorted() && all.len() > 10);
    assert_eq!(list(3, "", "").await, all);
    let turned = list(4, "", "position desc").await;
    assert_eq!(turned.into_iter().rev().collect::<Vec<_>>(), all);
    let booted = list(0, "kind=step.done AND step=2", "").await;
    assert_eq!((booted.len(), booted[0].direction()), (1, event::Direction::Forward));
}
