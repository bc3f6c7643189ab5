//! What the nouns have in common: get, list and delete by name, and the resource names that they build.

use clap::Args;
use windlass_client::{List, Unary};

use crate::app::App;
use crate::output::{self, Row};

/// One resource by name or id.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its name or id.
    pub(crate) name: String,
}

/// A list.
#[derive(Args, Debug)]
pub(crate) struct Listed {
    /// Only what fits, as `state=ACTIVE AND host="h1"`.
    #[arg(long, default_value = "")]
    pub(crate) filter: String,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: usize,
}

/// Prints one.
pub(crate) async fn get<M: Unary>(app: &App, request: M) -> anyhow::Result<u8>
where
    M::Answer: Row,
{
    output::one(app.format, &app.client.call(request).await?)?;
    Ok(crate::exit::OK)
}

/// Prints all, over all pages.
pub(crate) async fn list<M: List>(app: &App, request: M, limit: usize) -> anyhow::Result<u8>
where
    M::Item: Row,
{
    let mut pages = app.client.list(request);
    output::many(app.format, &pages.take(limit).await?)?;
    Ok(crate::exit::OK)
}

/// Makes a change and waits for it.
pub(crate) async fn change<M: Unary<Answer = windlass_client::v1::Operation>>(
    app: &App,
    request: M,
) -> anyhow::Result<u8> {
    let operation = app.client.call(request).await?;
    crate::wait::finish(app, operation).await
}
