//! Puts tables in force: one transaction by `nft`, and a look at which are.

use serde_json::Value;
use windlass_sagas::record::Refusal;

use super::rules::Tables;
use crate::linux::Tool;

/// Whether these tables are in force: each holds the chain that is named from their text. So tables that somebody else
/// emptied are found, too.
pub(super) async fn in_force(tables: &Tables) -> Result<bool, Refusal> {
    let listed = Tool::new("nft").args(["-j", "list", "chains"]).succeed().await?;
    let listed: Value = serde_json::from_slice(&listed).unwrap_or_default();
    let there = |family: &str| {
        let chains = listed["nftables"].as_array().into_iter().flatten();
        chains.filter_map(|item| item.get("chain")).any(|chain| {
            chain["family"] == family
                && chain["table"] == "windlass"
                && chain["name"] == tables.marker.as_str()
        })
    };
    Ok(there("bridge") && there("ip"))
}

/// Replaces our tables by these, in one transaction; nothing outside of them is touched.
pub(super) async fn load(tables: &Tables) -> Result<(), Refusal> {
    Tool::new("nft").args(["-f", "-"]).input(tables.text.as_bytes()).succeed().await.map(drop)
}
