//! What the nouns have in common: get, list and change, with the answer as a table or as the API's message.

use clap::Args;
use serde_json::Value;
use windlass_client::{List, Unary, v1};

use crate::app::App;
use crate::limits::PAGE_ITEMS_MAX;
use crate::names::Names;
use crate::output::{self, Format, Message, Row};
use crate::{exit, wait};

/// One resource by name or id.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its name or id.
    pub(crate) name: String,
}

/// A list.
#[derive(Args, Debug)]
pub(crate) struct Listed {
    /// Only what fits: `FIELD=VALUE` or `FIELD!=VALUE`, joined by ` AND `.
    #[arg(long, default_value = "")]
    pub(crate) filter: String,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: usize,
}

/// A thing and the reason for what is done with it.
#[derive(Args, Debug)]
pub(crate) struct Reasoned {
    /// Its name or id.
    pub(crate) name: String,
    /// Why; it is recorded.
    #[arg(long)]
    pub(crate) reason: String,
}

/// Prints one.
pub(crate) async fn get<M: Unary>(app: &App, request: M) -> anyhow::Result<u8>
where
    M::Answer: Row,
{
    show(app, &app.call(request).await?).await?;
    Ok(exit::OK)
}

/// Prints one that is there.
pub(crate) async fn show<T: Row>(app: &App, item: &T) -> anyhow::Result<()> {
    match app.format {
        Format::Json => output::json(item),
        Format::Table => output::one(item, &Names::of(&app.client, item.refers()).await),
    }
}

/// Prints what a list gives, over its pages, up to a limit.
pub(crate) async fn list<M: List>(app: &App, request: M, limit: usize) -> anyhow::Result<u8>
where
    M::Item: Row,
    M::Answer: Message,
{
    let Listing { items, json, more } = collect(app, request, limit).await?;
    match app.format {
        Format::Json => output::document(&json)?,
        Format::Table => {
            let names = Names::of(&app.client, items.iter().flat_map(Row::refers)).await;
            output::many(&items, &names)?;
        }
    }
    if more {
        output::note(format!("there are more than these {}: see --limit and --filter", items.len()));
    }
    Ok(exit::OK)
}

/// What a list gave.
pub(crate) struct Listing<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The last page's message with the items of all; null where a table is wanted.
    pub(crate) json: Value,
    /// Whether there are more.
    pub(crate) more: bool,
}

/// Reads a list over its pages.
pub(crate) async fn collect<M: List>(
    app: &App,
    mut request: M,
    limit: usize,
) -> anyhow::Result<Listing<M::Item>>
where
    M::Answer: Message,
{
    let mut all = Listing { items: Vec::new(), json: Value::Null, more: false };
    let mut last = String::new();
    loop {
        let room = limit.saturating_sub(all.items.len()).clamp(1, PAGE_ITEMS_MAX);
        request.set_page_size(u32::try_from(room).unwrap_or(u32::MAX));
        let page = app.call(request.clone()).await?;
        if app.format == Format::Json {
            all.json = joined(all.json, windlass_proto::to_json(&page, true)?);
        }
        let (items, token, _) = M::open(page);
        all.items.extend(items);
        all.more = !token.is_empty();
        if !all.more || all.items.len() >= limit {
            return Ok(all);
        }
        anyhow::ensure!(token != last, "the list gives the same page token again and again");
        last.clone_from(&token);
        request.set_page_token(token);
    }
}

/// The later page with the items of the earlier ones before its own.
fn joined(before: Value, mut page: Value) -> Value {
    let (Value::Object(before), Value::Object(fields)) = (before, &mut page) else { return page };
    for (name, earlier) in before {
        if let (Value::Array(earlier), Some(Value::Array(items))) = (earlier, fields.get_mut(&name)) {
            items.splice(0..0, earlier);
        }
    }
    page
}

/// Makes a change and waits for it.
pub(crate) async fn change<M: Unary<Answer = v1::Operation>>(app: &App, request: M) -> anyhow::Result<u8> {
    let operation = begin(app, request).await?;
    wait::finish(app, operation).await
}

/// Makes a change, and doesn't wait.
pub(crate) async fn begin<M: Unary<Answer = v1::Operation>>(
    app: &App,
    mut request: M,
) -> anyhow::Result<v1::Operation> {
    if let (Some(id), Some(wanted)) = (request.request_id(), &app.request_id) {
        id.clone_from(wanted);
    }
    Ok(app.call(request).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_join_to_one_message_of_the_last_position() {
        let first = joined(Value::Null, json!({"servers": [1, 2], "nextPageToken": "t", "position": "7"}));
        let both = joined(first, json!({"servers": [3], "nextPageToken": "", "position": "8"}));
        assert_eq!(both, json!({"servers": [1, 2, 3], "nextPageToken": "", "position": "8"}));
    }
}
