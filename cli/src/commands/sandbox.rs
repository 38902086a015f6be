//! `golden sandbox`: what sandboxed programs run in.

use clap::{Args, Subcommand};
use golden_sandbox::{Image, ImageBuilder};
use serde_json::{Value, json};

use crate::{
    config::Settings,
    exit::Exit,
    output::{Cell, Output},
};

/// Build the images that sandboxed programs run in
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    BuildImages(BuildImagesArgs),
}

/// Build the images for python, javascript and bash from Debian packages
///
/// Needs apt and dpkg, as Debian and its kin have them, and a Docker that answers (DOCKER_HOST); no image
/// registry, and root only where apt has no package lists yet. The same packages make the same image, with
/// the same id. One that is there already is left alone while its packages are the newest that apt knows of.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  golden sandbox build-images\n  golden sandbox build-images javascript bash --json"
)]
pub(crate) struct BuildImagesArgs {
    /// Which ones [default: all]
    #[arg(value_name = "NAME", value_parser = Image::WITH_RECIPE)]
    names: Vec<String>,
    /// Print them as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: SandboxCommand, settings: &Settings) -> anyhow::Result<Exit> {
    let SandboxCommand::BuildImages(BuildImagesArgs { names, json }) = command;
    let output = Output::new(json, settings.no_color);
    let builder = ImageBuilder::connect(settings.docker_host.clone()).await?;
    let mut images = Vec::new();
    for image in Image::defaults() {
        if !names.is_empty() && !names.contains(&image.name) {
            continue;
        }
        if output.is_terminal() {
            eprintln!("{} …", image.reference);
        }
        let built = builder.build(&image).await?;
        images.push(json!({
            "name": image.name,
            "image": image.reference,
            "id": built.id,
            "built": built.anew,
        }));
    }
    if output.is_json() {
        output.json(&json!({ "images": images }))?;
    } else {
        let rows: Vec<_> = images.iter().map(row).collect();
        output.table(Some(["NAME", "IMAGE", "ID", "BUILT"]), &rows)?;
    }
    Ok(Exit::Ok)
}

fn row(image: &Value) -> [Cell; 4] {
    let built = if image["built"] == true { "now" } else { "before, of the same" };
    [Cell::of(image, "/name"), Cell::of(image, "/image"), Cell::of(image, "/id"), Cell::plain(built)]
}
