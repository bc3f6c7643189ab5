//! S8: no operation waits without saying for what and until when.

use windlass_proto::v1::*;

use crate::support::agent::Rule;
use crate::support::furniture::server;
use crate::support::{World, ask};

#[tokio::test]
async fn s8_an_open_operation_has_deadlines_and_says_what_it_waits_for() {
    let (world, hosts) = World::with_hosts().await;
    let admin = world.admin();
    hosts.storage.script.set("reserve_volume", Rule::Hold);
    let made = ask(&admin, server("web")).await;
    let saga = made.metadata.as_ref().expect("a saga");
    let started = saga.create_time.expect("set");
    assert!(saga.deadline.is_some_and(|deadline| deadline.seconds > started.seconds), "{saga:?}");
    assert!(!saga.overdue && saga.pivot.is_some());
    let waits: Vec<_> = saga.waits.iter().filter(|wait| wait.step == Some(0)).collect();
    assert_eq!(waits.len(), 1, "{:?}", saga.waits);
    assert_eq!(waits[0].what(), saga::wait::For::Outcome);
    assert!(waits[0].until.is_some_and(|until| until.seconds > started.seconds));
    assert!(waits[0].host.starts_with("hosts/") && !waits[0].message.is_empty());
    let running: Vec<_> = saga.steps.iter().filter(|step| step.state() == step::State::Running).collect();
    assert!(!running.is_empty());
    for step in running {
        assert!(step.deadline.is_some() && step.start_time.is_some() && step.attempt == 1, "{step:?}");
        assert!(step.dispatch_position == saga.start_position && !step.overdue, "{step:?}");
    }
    for step in &saga.steps {
        assert!(!step.forward.is_empty() && !step.undo.is_empty(), "{step:?}");
    }
    let list = |filter: &str| {
        let (admin, filter) = (world.admin(), filter.to_owned());
        async move {
            let parent = "projects/blue".into();
            let request = ListOperationsRequest { parent, filter, ..Default::default() };
            admin.call(request).await.expect("listed").operations.len()
        }
    };
    assert_eq!(list("overdue=true").await, 0);
    assert_eq!(list("state=RUNNING AND overdue=false").await, 1);
}
