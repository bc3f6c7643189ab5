//! What `--validate-only` shows: the steps with their undo, the chosen hosts and why, the quota, what would change.

use windlass_client::v1;

use crate::app::App;
use crate::columns::amounts;
use crate::names::{Names, is_name};
use crate::output::{lower, say};

/// Prints it.
pub(crate) async fn show(app: &App, preview: &v1::Preview) -> anyhow::Result<()> {
    let hosts = preview.steps.iter().map(|step| step.host.as_str());
    let placed = preview.placements.iter().flat_map(|it| {
        let weighed = it.candidates.iter().map(|candidate| candidate.host.as_str());
        weighed.chain([it.host.as_str(), it.what.as_str()])
    });
    let project = preview.quota.iter().map(|quota| quota.project.as_str());
    let touched = preview.changes.iter().flat_map(|change| change.detail.split([' ', ',']));
    let touched = touched.filter(|word| is_name(word));
    say(text(preview, &Names::of(&app.client, hosts.chain(placed).chain(project).chain(touched)).await))
}

fn text(preview: &v1::Preview, names: &Names) -> String {
    let steps = match preview.steps.len() {
        0 => "no step on any host".to_string(),
        1 => "1 step".to_string(),
        count => format!("{count} steps"),
    };
    let mut lines = vec![format!("{} would be accepted, with {steps}; nothing was recorded", preview.kind)];
    for step in &preview.steps {
        let pivot = if step.pivot { "  (the pivot: behind it there is no way back)" } else { "" };
        lines.push(format!("  + {:<15} {:<12} {}{pivot}", step.kind, names.show(&step.host), step.forward));
        let undo = if step.undo == "none" { "nothing to undo" } else { &step.undo };
        lines.push(format!("  - {:<15} {:<12} {undo}", "", ""));
    }
    for placement in &preview.placements {
        let (what, host) = (names.show(&placement.what), names.show(&placement.host));
        lines.push(format!("placement of {what}: {host}, of {} hosts", placement.hosts));
        for filter in placement.filters.iter().filter(|filter| filter.removed > 0) {
            lines.push(format!("  {} removed {}", filter.name, filter.removed));
        }
        for candidate in &placement.candidates {
            lines.push(format!("  {} weighs {}", names.show(&candidate.host), candidate.weight));
        }
    }
    if let Some(quota) = &preview.quota {
        lines.push(format!("quota of {}:", names.show(&quota.project)));
        lines.push(format!("  before  {}", amounts(quota.before.as_ref())));
        lines.push(format!("  after   {}", amounts(quota.after.as_ref())));
        lines.push(format!("  limits  {}", amounts(quota.limits.as_ref())));
    }
    for change in &preview.changes {
        let detail = if change.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", names.within(&change.detail))
        };
        let (action, name) = (lower(change.action().as_str_name()), names.show(&change.resource));
        lines.push(format!("would {action} {} {name}{detail}", change.kind));
    }
    lines.join("\n")
}
