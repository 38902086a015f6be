//! `golden openapi`: the API as a document.

use clap::Args;
use golden_jobs::Registry;

use crate::{exit::Exit, output::Output};

/// Print the OpenAPI 3.1 document of the API, with this binary's kinds; needs no server
///
/// A running server has the same document at /openapi.json, and pages made of it at /docs.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  golden openapi > openapi.json")]
pub(crate) struct OpenapiArgs {}

pub(crate) fn run(registry: &Registry) -> anyhow::Result<Exit> {
    Output::new(false, true).line(&format!("{:#}", golden_api::openapi(registry)))?;
    Ok(Exit::Ok)
}
