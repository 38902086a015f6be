//! Lists: as many entries as were asked for, over as many pages as they take.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    client::{Client, Request},
    exit::Exit,
    output::{Cell, Output},
};

/// Entries of one answer, at most, and where nobody says how many are wanted.
const LARGEST_PAGE: u32 = 100;
const DEFAULT: u32 = 20;

/// How much of a list to print.
#[derive(Debug, Clone, Args)]
pub(crate) struct PagingArgs {
    /// At most so many [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Where the list before this one ended
    #[arg(long, conflicts_with = "all")]
    cursor: Option<String>,
    /// All there are, page by page; --limit is then the size of a page
    #[arg(long)]
    all: bool,
}

/// Prints a list of what `request` asks for.
pub(super) async fn print<const N: usize>(
    client: &Client,
    output: Output,
    request: impl Fn() -> Request,
    paging: &PagingArgs,
    columns: [&str; N],
    row: fn(&Value) -> [Cell; N],
) -> anyhow::Result<Exit> {
    let page = async |limit: u32, cursor: Option<&String>| {
        client.send(request().query("limit", Some(limit.min(LARGEST_PAGE))).query("cursor", cursor)).await
    };
    let limit = paging.limit.unwrap_or(if paging.all { LARGEST_PAGE } else { DEFAULT });
    let mut cursor = paging.cursor.clone();
    let mut begun = false;
    loop {
        // A page may be short and not the last: the API looks at so much for one, and no more.
        let mut entries = Vec::new();
        while entries.len() < limit as usize {
            let wanted = u32::try_from(limit as usize - entries.len()).unwrap_or(u32::MAX);
            let mut answer = page(wanted, cursor.as_ref()).await?;
            cursor = answer["next_cursor"].as_str().map(str::to_owned);
            if let Value::Array(found) = answer["data"].take() {
                entries.extend(found);
            }
            if cursor.is_none() {
                break;
            }
        }
        if output.is_json() && !paging.all {
            output.json(&json!({"data": entries, "next_cursor": cursor}))?;
            return Ok(Exit::Ok);
        }
        if output.is_json() {
            entries.iter().try_for_each(|entry| output.line(&entry.to_string()))?;
        } else {
            let rows: Vec<_> = entries.iter().map(row).collect();
            output.table(Some(columns).filter(|_| !begun && !rows.is_empty()), &rows)?;
            if !begun && rows.is_empty() {
                eprintln!("Nothing matches.");
            }
        }
        begun = true;
        match &cursor {
            Some(_) if paging.all => {}
            Some(cursor) => {
                eprintln!("There are more: --all shows them, --cursor {cursor} goes on from here.");
                return Ok(Exit::Ok);
            }
            None => return Ok(Exit::Ok),
        }
    }
}

/// Prints a list that the API gives whole.
pub(super) async fn whole<const N: usize>(
    client: &Client,
    output: Output,
    request: Request,
    columns: [&str; N],
    row: fn(&Value) -> [Cell; N],
) -> anyhow::Result<Exit> {
    let answer = client.send(request).await?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<_> = answer["data"].as_array().into_iter().flatten().map(row).collect();
    output.table(Some(columns).filter(|_| !rows.is_empty()), &rows)?;
    if rows.is_empty() {
        eprintln!("There are none.");
    }
    Ok(Exit::Ok)
}
