//! The frames that a lead writes fold to the same cell for everybody.

use super::*;

#[test]
fn a_follower_of_a_leaders_frames_has_its_fold() {
    let mut leader = Node::leader(1);
    let mut follower = Node::new(2);
    follower.load();
    follower.frame(1, &Node::candidate(1).1.frame);
    for (token, cursor) in (1..30).zip(2..) {
        leader.create(token, &name(token));
        let sent = leader.sent().expect("at once");
        leader.acknowledge(&sent);
        follower.frame(cursor, &sent.frame);
        assert_eq!(follower.durable(), leader.durable());
    }
    assert_eq!(leader.machine.durable_fold(), follower.machine.durable_fold());
}
