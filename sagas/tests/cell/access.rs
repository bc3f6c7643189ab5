//! Credentials: found by the hash of their secret, for as long as they and their principal are there.

use windlass_sagas::cell::Reason;
use windlass_sagas::ids::*;
use windlass_sagas::record::*;

use crate::support::World;

fn token(principal: &str, name: &str, secret: u8) -> CreateCredential {
    let (principal, name) = (principal.into(), name.into());
    CreateCredential { principal, name, secret_sha256: Hash([secret; 32]), expires: None }
}

#[test]
fn a_credential_is_found_by_its_secrets_hash_until_it_or_its_principal_ends() {
    let mut world = World::ready(1);
    let found =
        |world: &World, secret| world.cell.credential_of(&Hash([secret; 32])).map(|it| it.name.clone());
    assert_eq!(found(&world, 7), Some("bootstrap".into()));
    assert_eq!(found(&world, 20), None);
    for name in ["ann", "ben"] {
        world.ask(CreatePrincipal { name: name.into() }).expect("a principal");
    }
    world.ask(token("ann", "laptop", 20)).expect("a token");
    world.ask(token("ben", "laptop", 21)).expect("another principal's may have the same name");
    assert_eq!(found(&world, 20), Some("laptop".into()));
    let credential = world.cell.credential_of(&Hash([20; 32])).expect("there").id;
    world.ask(RevokeCredential { credential }).expect("revoked");
    assert_eq!(found(&world, 20), None);
    world.ask(DeletePrincipal { principal: "ben".into() }).expect("deleted");
    assert_eq!(found(&world, 21), None);
    assert_eq!(found(&world, 7), Some("bootstrap".into()));
}

#[test]
fn a_tokens_name_is_its_principals_own_and_a_secret_is_one_tokens() {
    let mut world = World::ready(1);
    world.ask(CreatePrincipal { name: "ann".into() }).expect("a principal");
    world.ask(token("ann", "laptop", 20)).expect("a token");
    assert_eq!(world.refused(token("ann", "laptop", 21)), Reason::NameTaken);
    assert_eq!(world.refused(token("admin", "other", 20)), Reason::NameTaken);
}
