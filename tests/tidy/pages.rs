//! Rules on pages: a relative link leads to a file of the project, and its fragment to a heading of that file.

use std::collections::BTreeMap;

use super::tree::{File, Tree};

/// The links of a page that lead nowhere.
pub(crate) fn dead_links(tree: &Tree, page: &File) -> Vec<String> {
    links(&page.text)
        .into_iter()
        .filter(|link| !is_elsewhere(link))
        .filter(|link| !resolves(tree, page, link))
        .map(|link| format!("dead link {link}"))
        .collect()
}

/// Tests that a page names as `path.rs::name` and that are not there.
pub(crate) fn unknown_tests(tree: &Tree, page: &File) -> Vec<String> {
    let named = page.text.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(".rs::"));
    let unknown = named.filter(|(path, name)| {
        let file = tree.files.iter().find(|file| file.path.strip_suffix(".rs") == Some(*path));
        !file.is_some_and(|file| file.text.contains(&format!("fn {name}(")))
    });
    unknown.map(|(path, name)| format!("no test {path}.rs::{name}")).collect()
}

/// Whether a link leaves the project.
fn is_elsewhere(link: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

fn resolves(tree: &Tree, page: &File, link: &str) -> bool {
    let (target, fragment) =
        link.split_once('#').map_or((link, None), |(target, fragment)| (target, Some(fragment)));
    let Some(path) = resolve(&page.path, target) else { return false };
    let folder = format!("{path}/");
    let Some(file) = tree.files.iter().find(|file| file.path == path) else {
        // A folder may be linked to, but has no headings.
        return fragment.is_none()
            && tree.files.iter().any(|file| path.is_empty() || file.path.starts_with(&folder));
    };
    fragment.is_none_or(|fragment| {
        !file.path.ends_with(".md") || headings(&file.text).iter().any(|it| it == fragment)
    })
}

/// The path from the root that `target` means on the page at `from`; `None` where it leaves the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(from.to_string());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The page's prose: fenced blocks and code spans left out.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every other part between backticks is code; a link's text may be code, its target is not.
            let outside =
                line.split('`').enumerate().map(|(place, part)| if place % 2 == 0 { part } else { "" });
            out.extend(outside);
            out.push('\n');
        }
    }
    out
}

/// The targets of inline links and of reference definitions.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let mut found = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let target = prose[at + 2..].split([')', ' ', '\n']).next().unwrap_or_default();
        found.push(target.trim_matches(['<', '>']).to_string());
    }
    for line in prose.lines().filter(|line| line.starts_with('[')) {
        if let Some((_, target)) = line.split_once("]: ") {
            found.push(target.split_whitespace().next().unwrap_or_default().to_string());
        }
    }
    found
}

/// The fragments of a page's headings, as forges make them.
fn headings(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let Some(title) = line.strip_prefix('#').filter(|_| !fenced) else { continue };
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let slug: String = title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = seen.entry(slug.clone()).or_default();
        found.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    found
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let page = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    let tree = Tree { files: vec![page("a/b.rs", "fn it_holds() {}")] };
    let unknown = |text: &str| unknown_tests(&tree, &page("x.md", text)).len();
    assert_eq!(unknown("see `a/b.rs::it_holds` and `a/b.rs`, `a::b`"), 0);
    assert_eq!(unknown("see `a/b.rs::it_hold` and `b.rs::it_holds`"), 2);
}

#[test]
fn a_dead_link_is_found() {
    let page = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    let tree = Tree { files: vec![page("a/b.md", "# One, two\n## Three\n## Three\n"), page("c.rs", "")] };
    let dead = |text: &str| dead_links(&tree, &page("a/x.md", text)).len();
    for good in ["b.md", "./b.md#one-two", "b.md#three-1", "../c.rs", "..", "https://example.org", "../a"] {
        assert_eq!(dead(&format!("[it]({good}) `[no](no)`\n```\n[no](no)\n```\n")), 0, "{good}");
    }
    for bad in ["d.md", "b.md#four", "../../c.rs", "/c.rs", "#none", "../c"] {
        assert_eq!(dead(&format!("see [`it`]({bad})")), 1, "{bad}");
        assert_eq!(dead(&format!("[it]: {bad}")), 1, "{bad}");
    }
}
