//! The APIs against their recorded surfaces in `proto/golden/`. A breaking change is refused, an addition
//! asks to be recorded: `WINDLASS_GOLDEN=update cargo test -p windlass-proto --test golden`.

#[path = "golden/surface.rs"]
mod surface;

#[path = "golden/planted.rs"]
mod planted;

use std::path::Path;

use surface::{Surface, breaking};

fn updating() -> bool {
    std::env::var("WINDLASS_GOLDEN").is_ok_and(|value| value == "update")
}

/// Compares the package with its file; records additions when asked to.
fn check(package: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{package}.txt"));
    let now = Surface::of(windlass_proto::pool(), package);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let recorded = Surface::parse(&text).expect("each line of the file is one of a surface");
    let broken = breaking(&recorded, &now);
    assert!(broken.is_empty(), "{package} breaks its clients:\n{}", broken.join("\n"));
    if now == recorded {
        return;
    }
    assert!(
        updating(),
        "{package} has changed; record it with WINDLASS_GOLDEN=update:\n{}",
        now.added_to(&recorded)
    );
    std::fs::write(&path, now.to_string()).expect("the checkout can be written");
}

#[test]
fn the_public_api_only_grows() {
    check("windlass.v1");
}

#[test]
fn the_agent_api_only_grows() {
    check("windlass.agent.v1");
}
