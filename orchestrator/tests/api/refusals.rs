//! R3, R4, O4: names are resolved once; what can't be admitted is refused by a stable reason and changes nothing.

use windlass_client::{Client, ClientError, Code, Unary};
use windlass_journal::memory::Health;
use windlass_proto::v1::ErrorReason::*;
use windlass_proto::v1::*;

use crate::support::furniture::*;
use crate::support::stage::{completed, key_pair};
use crate::support::{World, ask, refused, request_id, why};

/// The refusal of a change, after seeing that it left no trace and says what would help.
async fn checked<M: Unary>(world: &World, client: &Client, request: M, reason: ErrorReason) -> ClientError {
    let (last, position) = (world.last(), world.position().await);
    let error = refused(client, request).await;
    assert_eq!(error.reason, Some(reason), "{error:?}");
    assert_eq!(error.code, reason.code());
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error:?}");
    assert_eq!(world.last(), last, "a refusal is not in the journal");
    assert_eq!(world.position().await, position);
    if let Some(rests_on) = error.position() {
        assert_eq!(rests_on, position, "{error:?}");
    }
    error
}

#[tokio::test]
async fn r4_refusals_name_the_field_or_the_resource_at_fault() {
    let world = World::furnished().await;
    let admin = world.admin();
    let error = checked(&world, &admin, network("net"), NameTaken).await;
    assert_eq!(why(&error).1, "network.display_name");
    assert!(error.position().is_some());
    let name = "projects/blue/networks/net".to_owned();
    let network = admin.call(GetNetworkRequest { name: name.clone(), ..Default::default() }).await;
    let error =
        checked(&world, &admin, DeleteNetworkRequest { name, ..Default::default() }, ResourceInUse).await;
    assert_eq!(error.metadata.get("resource"), Some(&network.expect("there").name));
    let name = "projects/blue/networks/none".to_owned();
    let error = checked(&world, &admin, DeleteNetworkRequest { name, ..Default::default() }, NotFound).await;
    assert_eq!(why(&error).1, "name");
    let mut wanted = port("p");
    let fixed_ip = FixedIp { ip_address: "10.0.0.1".into(), ..Default::default() };
    wanted.port.as_mut().expect("set").fixed_ips = vec![fixed_ip];
    let error = checked(&world, &admin, wanted, AddressUnavailable).await;
    assert_eq!(why(&error).1, "port.fixed_ips", "the gateway's own address");
}

#[tokio::test]
async fn r4_a_quota_says_by_how_much_it_would_be_passed() {
    let world = World::furnished().await;
    let admin = world.admin();
    let limits = Amounts {
        servers: Some(1),
        vcpus: Some(1),
        ram_mib: Some(1),
        volumes: Some(1),
        gib: Some(1),
        networks: Some(1),
        ports: Some(0),
    };
    let name = "projects/blue/quota".into();
    ask(&admin, SetQuotaRequest { name, limits: Some(limits), ..Default::default() }).await;
    let error = checked(&world, &admin, network("n2"), QuotaExceeded).await;
    let said = |key: &str| error.metadata.get(key).map(String::as_str);
    assert_eq!((said("limit"), said("used"), said("asked")), (Some("1"), Some("1"), Some("1")));
    assert_eq!(said("row"), Some("networks"));
    assert!(said("resource").is_some_and(|name| name.starts_with("projects/")));
    checked(&world, &admin, port("p1"), QuotaExceeded).await;
}

#[tokio::test]
async fn r4_a_failed_placement_names_each_filter_and_how_many_hosts_it_removed() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let error = checked(
        &world,
        &admin,
        {
            let mut wanted = server("web");
            let zone = "elsewhere".into();
            let hints = server::PlacementHints { zone, ..Default::default() };
            wanted.server.as_mut().expect("set").placement = Some(hints);
            wanted
        },
        NoHostFits,
    )
    .await;
    assert_eq!(error.code, Code::ResourceExhausted);
    let filters = |error: &ClientError| {
        let all =
            error.metadata.iter().filter_map(|(key, value)| Some((key.strip_prefix("filter.")?, value)));
        all.map(|(name, count)| (name.to_owned(), count.parse::<u32>().expect("a count"))).collect::<Vec<_>>()
    };
    let counts = filters(&error);
    let count = |name: &str| counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count);
    assert_eq!((count("role"), count("zone")), (Some(1), Some(1)), "{counts:?}");
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u32>(), 2, "every host is accounted for");
    assert!(counts.len() > 8, "{counts:?}");

    ask(&admin, flavor("huge", 1 << 20)).await;
    let mut wanted = server("web");
    wanted.server.as_mut().expect("set").flavor = "flavors/huge".into();
    let error = checked(&world, &admin, wanted, NoHostFits).await;
    assert!(filters(&error).contains(&("vcpus_and_ram".to_owned(), 1)), "{error:?}");
    ask(&admin, DrainHostRequest { name: "hosts/h0".into(), ..Default::default() }).await;
    let error = checked(&world, &admin, server("web"), NoHostFits).await;
    assert!(filters(&error).contains(&("enabled".to_owned(), 1)), "{error:?}");
}

#[tokio::test]
async fn r3_names_are_resolved_once_and_answers_carry_ids() {
    let (world, _hosts) = World::with_hosts().await;
    let admin = world.admin();
    let made = ask(&admin, volume("v")).await;
    let subject = made.metadata.as_ref().expect("a saga").subject.clone();
    completed(&admin, &made).await;
    let delete = DeleteVolumeRequest {
        name: "projects/blue/volumes/v".into(),
        request_id: request_id(0, 3),
        ..Default::default()
    };
    let deleted = ask(&admin, delete.clone()).await;
    completed(&admin, &deleted).await;
    let other = ask(&admin, volume("v")).await;
    completed(&admin, &other).await;
    // The name means another volume now; the repeat is still about the first.
    let again = ask(&admin, delete).await;
    assert_eq!(
        (again.name.clone(), again.metadata.as_ref().expect("a saga").subject.clone()),
        (deleted.name, subject)
    );
    let name = other.metadata.expect("a saga").subject;
    let kept = admin.call(GetVolumeRequest { name, ..Default::default() }).await.expect("untouched");
    assert_eq!(kept.state(), volume::State::Available);
    let key = ask(&admin, key_pair("k")).await.metadata.expect("a saga").subject;
    assert!(key.rsplit('/').next().is_some_and(|id| id.len() == 36), "{key}");
}

#[tokio::test]
async fn o4_a_journal_without_quorum_is_unavailable_and_the_change_is_made_once_when_it_is_back() {
    let world = World::furnished().await;
    let admin = world.admin();
    let request = CreateNetworkRequest { request_id: request_id(0, 9), ..network("n1") };
    world.journal.with(|broker| broker.set_health(Health::Leaderless));
    let error = refused(&admin, request.clone()).await;
    assert_eq!((error.reason, error.code), (Some(JournalUnavailable), Code::Unavailable), "{error:?}");
    assert!(error.retry_after.is_some() && error.hint().is_some());
    world.journal.with(|broker| broker.set_health(Health::Serving));
    let mut made = None;
    for _ in 0..crate::support::LOOKS_MAX {
        match admin.call(request.clone()).await {
            Ok(operation) => {
                made = Some(operation);
                break;
            }
            Err(error) => assert_eq!(error.code, Code::Unavailable, "{error:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(made.expect("it is back").done);
    let parent = "projects/blue".into();
    let networks = admin.call(ListNetworksRequest { parent, ..Default::default() }).await;
    assert_eq!(networks.expect("listed").networks.len(), 2);
}
