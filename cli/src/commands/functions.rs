//! `golden functions`: programs to be called as jobs.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};
use golden_jobs::functions::{Call, FunctionName, Version, files::Files};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    ClientArgs,
    jobs::read_json,
    list::{self, PagingArgs},
};
use crate::{
    client::{Client, Request},
    config::Settings,
    exit::{Exit, Usage},
    output::{Cell, Output},
};

pub(super) mod folder;

/// Register programs, and call them as jobs
#[derive(Debug, Args)]
pub(crate) struct FunctionsArgs {
    #[command(flatten)]
    pub(super) client: ClientArgs,
    #[command(subcommand)]
    command: FunctionsCommand,
}

#[derive(Debug, Subcommand)]
enum FunctionsCommand {
    Create(CreateArgs),
    /// List functions, newest first
    #[command(after_help = "Example:\n  golden functions list")]
    List {
        #[command(flatten)]
        paging: PagingArgs,
    },
    /// Show a function with its versions, or one version with its program
    #[command(after_help = "Examples:\n  golden functions show area\n  golden functions show area@2")]
    Show {
        #[arg(value_name = "FUNCTION", help = WHICH)]
        function: Named,
    },
    /// Say which version of a function is live
    ///
    /// Jobs that were accepted before run the version they were accepted for.
    #[command(verbatim_doc_comment, after_help = "Example:\n  golden functions use area@2")]
    Use {
        /// Its name and the version, as area@2
        #[arg(value_name = "FUNCTION@VERSION")]
        function: Named,
    },
    /// Delete a function, or one version that is not live
    ///
    /// Refused while jobs of it are open. The numbers of its versions are not used again.
    #[command(
        verbatim_doc_comment,
        after_help = "Examples:\n  golden functions delete area@1\n  golden functions delete area"
    )]
    Delete {
        #[arg(value_name = "FUNCTION", help = WHICH)]
        function: Named,
    },
}

const WHICH: &str = "Its name, or a version of it as area@2";

/// Register a function, or a new version of one
///
/// A call's payload comes on standard input as JSON; the last line of JSON that the program prints
/// is the output, or else the result.json that it leaves.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  golden functions create area area.py --schema schema.json
  golden functions create resize ./resize --entry main.py --limits '{\"wall_ms\": 20000}'
Then:
  golden jobs submit fn.area '{\"w\": 6, \"h\": 7}' --wait 10s"
)]
struct CreateArgs {
    /// What to call it: jobs are of the kind fn.NAME
    name: FunctionName,
    /// The program: a file, or a folder with all its files but hidden ones
    program: PathBuf,
    /// The language of the program [default: by the name of the file that is run]
    #[arg(long)]
    language: Option<String>,
    /// The image that it runs in, by its name in the server's settings, instead of its language's own
    #[arg(long, value_name = "NAME", conflicts_with = "language")]
    image: Option<String>,
    /// The file of the folder that is run [default: the only one, or main.* or index.*]
    #[arg(long, value_name = "FILE")]
    entry: Option<String>,
    /// A file with the JSON Schema (2020-12) of the payload
    #[arg(long, value_name = "FILE")]
    schema: Option<String>,
    /// What a call may use, as sandbox.run takes it
    #[arg(long, value_name = "JSON")]
    limits: Option<String>,
    /// Leave live what is
    #[arg(long)]
    not_live: bool,
}

/// A function, or a version of one.
#[derive(Debug, Clone)]
struct Named(Call);

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let call = Call::of(text).or_else(|| Call::of(&format!("fn.{text}")));
        call.map(Self).ok_or("expected a function's name as area, or a version of it as area@2")
    }
}

impl Named {
    /// The path of the function, or of the version.
    fn path(&self) -> Vec<String> {
        let mut path = vec!["functions".to_owned(), self.0.name.to_string()];
        path.extend(self.0.version.iter().flat_map(|version| ["versions".to_owned(), version.to_string()]));
        path
    }
}

/// The body of `POST /v1/functions`.
#[derive(Serialize)]
struct Definition<'a> {
    name: &'a FunctionName,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    files: Files,
    entry: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Box<RawValue>>,
    live: bool,
}

pub(crate) async fn run(args: FunctionsArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (client, output) = args.client.connect(settings)?;
    match args.command {
        FunctionsCommand::Create(args) => create(args, &client, output).await,
        FunctionsCommand::List { paging } => {
            let columns = ["NAME", "LIVE", "NEWEST", "UPDATED"];
            list::print(&client, output, || Request::get(&["functions"]), &paging, columns, row).await
        }
        FunctionsCommand::Show { function } => {
            let shown = client.send(Request::get(&segments(&function.path()))).await?;
            match function.0.version {
                _ if output.is_json() => output.json(&shown)?,
                None => show(&shown, output)?,
                Some(_) => show_version(&shown, output)?,
            }
            Ok(Exit::Ok)
        }
        FunctionsCommand::Use { function } => {
            let Call { name, version: Some(version) } = function.0 else {
                return Err(Usage("say which version, as area@2".to_owned()).into());
            };
            make_live(&name, version, &client, output).await
        }
        FunctionsCommand::Delete { function } => {
            client.send(Request::delete(&segments(&function.path()))).await?;
            Ok(Exit::Ok)
        }
    }
}

fn segments(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

async fn create(args: CreateArgs, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let files = folder::read(&args.program)?;
    let entry = folder::entry(&files, args.entry)?;
    let language = match (&args.image, &args.language) {
        (Some(_), _) => None,
        (None, Some(language)) => Some(language.as_str()),
        (None, None) => Some(folder::language(&entry)?),
    };
    let definition = Definition {
        name: &args.name,
        language,
        image: args.image.as_deref(),
        files,
        entry: &entry,
        schema: args.schema.map(|file| read_json("schema", &format!("@{file}"))).transpose()?,
        limits: args.limits.map(|limits| read_json("limits", &limits)).transpose()?,
        live: !args.not_live,
    };
    let made = client.send(Request::post(&["functions"]).body(&definition)?).await?;
    if output.is_json() {
        output.json(&made)?;
    } else {
        let live = if made["live"] == true { "live" } else { "not live" };
        output.table(None, &[[Cell::of(&made, "/kind"), Cell::plain(live)]])?;
    }
    Ok(Exit::Ok)
}

async fn make_live(name: &FunctionName, version: Version, client: &Client, output: Output) -> anyhow::Result<Exit> {
    let request = Request::patch(&["functions", name.as_str()]).body(&json!({ "live": version }))?;
    let changed = client.send(request).await?;
    if output.is_json() {
        output.json(&changed)?;
    } else {
        output.table(None, &[row(&changed)])?;
    }
    Ok(Exit::Ok)
}

fn row(function: &Value) -> [Cell; 4] {
    ["/name", "/live", "/newest", "/updated_at"].map(|pointer| Cell::of(function, pointer))
}

fn show(function: &Value, output: Output) -> std::io::Result<()> {
    output.facts(&[
        ("name", Cell::of(function, "/name")),
        ("kind", Cell::of(function, "/kind")),
        ("live", Cell::of(function, "/live")),
        ("created", Cell::of(function, "/created_at")),
        ("updated", Cell::of(function, "/updated_at")),
    ])?;
    let versions = function["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = versions
        .iter()
        .map(|version| {
            let live = if version["live"] == true { "live" } else { "" };
            let of = |pointer| Cell::of(version, pointer);
            [of("/version"), Cell::plain(live), of("/language"), of("/size"), of("/created_by"), of("/created_at")]
        })
        .collect();
    output.table(Some(["VERSION", "LIVE", "LANGUAGE", "BYTES", "BY", "CREATED"]), &rows)
}

fn show_version(version: &Value, output: Output) -> std::io::Result<()> {
    let files = version["definition"]["files"].as_object();
    let names: Vec<_> = files.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    output.facts(&[
        ("kind", Cell::of(version, "/kind")),
        ("live", Cell::of(version, "/live")),
        ("language", Cell::of(version, "/language")),
        ("files", Cell::plain(&names.join(" "))),
        ("entry", Cell::of(version, "/definition/entry")),
        ("schema", Cell::of(version, "/definition/schema")),
        ("limits", Cell::of(version, "/definition/limits")),
        ("bytes", Cell::of(version, "/size")),
        ("digest", Cell::of(version, "/digest")),
        ("by", Cell::of(version, "/created_by")),
        ("created", Cell::of(version, "/created_at")),
    ])
}
