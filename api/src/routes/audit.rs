//! `/v1/audit`: who changed what.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream};
use golden_jobs::{
    audit::{Action, Entry, Hash, Head, SignedHead},
    store::{
        SharedStore, StoreError,
        audit::{AuditFilter, AuditPage, ChainName},
    },
    text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    app::App,
    auth::Grant,
    clock::Time,
    cursor::{Limit, List},
    guard::Caller,
    live::wire::NDJSON,
    problem::{Code, Problem},
    query::{Params, Text},
};
use resource::EntryResource;

pub(super) mod doc;
mod resource;

/// Entries that are read at once for an export: it holds no more of them in memory.
const CHUNK: u32 = 500;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only entries of this action.
    action: Option<Action>,
    /// Only what this actor did: the whole of an entry's `actor`, for example `user:alice`.
    #[schemars(example = &"user:alice")]
    actor: Option<Text>,
    /// Only at this time or later.
    since: Option<Time>,
    /// Only before this time.
    until: Option<Time>,
    /// Another tenant's chain: for admins.
    tenant: Option<Text>,
    /// The chain of the installation, with what concerns all tenants: for admins.
    #[serde(default)]
    installation: bool,
    limit: Option<Limit>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<List<EntryResource>>, Problem> {
    let chain = chain(&app, &caller, filter.tenant, filter.installation).await?;
    let limit = Limit::entries(filter.limit);
    let filter_by = AuditFilter {
        chain,
        action: filter.action,
        actor: filter.actor.map(|Text(actor)| actor),
        since: filter.since.map(|Time(since)| since),
        until: filter.until.map(|Time(until)| until),
    };
    let page = AuditPage { before: filter.cursor, limit: limit + 1 };
    let found = app.store.audit_log(&filter_by, page).await?;
    let entries = found.entries.into_iter().map(EntryResource::from).collect();
    Ok(Json(List::counted_down(found.looked_to, entries, limit, EntryResource::seq)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Another tenant's chain: for admins.
    tenant: Option<Text>,
    /// The chain of the installation, with what concerns all tenants: for admins.
    #[serde(default)]
    installation: bool,
}

/// Where a chain ends.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example())]
pub(super) struct HeadResource {
    /// Whose chain it is; null is the installation's.
    tenant: Option<String>,
    /// The number of its last entry; 0 where there is none.
    seq: u64,
    /// That entry's hash; zeros where there is none.
    hash: Hash,
    /// The head that was signed last; null where none was.
    signed: Option<SignedHead>,
}

fn example() -> HeadResource {
    HeadResource { tenant: Some("acme".to_owned()), seq: 17, hash: Hash([0x1f; 32]), signed: None }
}

pub(super) async fn head(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Whose { tenant, installation }): Params<Whose>,
) -> Result<Json<HeadResource>, Problem> {
    let chain = chain(&app, &caller, tenant, installation).await?;
    let Head { seq, hash } = app.store.audit_head(&chain).await?;
    let signed = app.store.last_signed_head(&chain).await?;
    Ok(Json(HeadResource { tenant: chain.tenant_id, seq, hash, signed }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stretch {
    /// The number of the first entry, 1 where absent.
    #[schemars(range(min = 1))]
    from: Option<u64>,
    /// Another tenant's chain: for admins.
    tenant: Option<Text>,
    /// The chain of the installation, with what concerns all tenants: for admins.
    #[serde(default)]
    installation: bool,
}

/// A whole chain as it is when the request comes, entry by entry, and a last line that says so.
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(Stretch { from, tenant, installation }): Params<Stretch>,
) -> Result<Response, Problem> {
    let Some(after) = from.unwrap_or(1).checked_sub(1) else {
        return Err(Problem::malformed("`from` is the number of an entry, 1 or more"));
    };
    let chain = chain(&app, &caller, tenant, installation).await?;
    let head = app.store.audit_head(&chain).await?;
    let mut exported = Exported {
        store: Arc::clone(&app.store),
        chain,
        head,
        after,
        read: VecDeque::new(),
        signed: VecDeque::new(),
        over: false,
    };
    // The first entries are read before there is an answer, so that a store that is away is a problem and not an
    // answer that breaks off.
    exported.fill().await?;
    let media = (header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(([media], Body::from_stream(exported.lines())).into_response())
}

/// An export on its way.
struct Exported {
    store: SharedStore,
    chain: ChainName,
    /// As it was in the beginning: what comes later is not part of it.
    head: Head,
    after: u64,
    read: VecDeque<Entry>,
    /// Of the entries that were read.
    signed: VecDeque<SignedHead>,
    over: bool,
}

impl Exported {
    async fn fill(&mut self) -> Result<(), StoreError> {
        let left = u32::try_from(self.head.seq.saturating_sub(self.after)).unwrap_or(u32::MAX);
        if left > 0 {
            self.read = self.store.audit_chain(&self.chain, self.after, left.min(CHUNK)).await?.into();
            self.signed = self.store.signed_heads(&self.chain, self.after.saturating_add(1), CHUNK).await?.into();
        }
        Ok(())
    }

    /// Breaks off where the store is away, so that nobody takes the part for the whole.
    fn lines(self) -> impl Stream<Item = Result<String, StoreError>> + Send {
        stream::try_unfold(self, |mut export| async move {
            if export.read.is_empty() {
                export.fill().await?;
            }
            if export.over {
                return Ok(None);
            }
            if export.read.is_empty() {
                export.over = true;
                return Ok(Some((last_line(&export.chain, export.head), export)));
            }
            let mut lines = String::new();
            for entry in export.read.drain(..) {
                export.after = entry.seq;
                // An entry is numbers, texts and JSON.
                lines.push_str(&serde_json::to_string(&entry).unwrap_or_default());
                lines.push('\n');
                while let Some(head) = export.signed.pop_front_if(|head| head.seq <= entry.seq) {
                    lines.push_str(&format!("{}\n", json!({ "head": head })));
                }
            }
            Ok(Some((lines, export)))
        })
    }
}

/// Whose chain it is, since one without entries says it nowhere else.
fn last_line(chain: &ChainName, Head { seq, hash }: Head) -> String {
    format!("{}\n", json!({"end": {"seq": seq, "hash": hash, "tenant": chain.tenant_id}}))
}

/// The chain that a request names, if the caller may read it: another tenant's is answered as one that is not there.
async fn chain(app: &App, caller: &Grant, tenant: Option<Text>, installation: bool) -> Result<ChainName, Problem> {
    let Some(Text(named)) = tenant else {
        return match installation {
            false => Ok(ChainName::of(&caller.tenant)),
            true if caller.runs_all() => Ok(ChainName::INSTALLATION),
            true => Err(Problem::new(Code::Forbidden, "the installation's audit log is for admins")),
        };
    };
    if installation {
        return Err(Problem::malformed("`tenant` and `installation` name two chains: give one of them"));
    }
    // What looks the same is the same name.
    let named = text::name(&named).unwrap_or(named);
    let chain = ChainName::of(&named);
    if named == caller.tenant {
        return Ok(chain);
    }
    // A chain outlives its tenant.
    let is_there =
        async || Ok(app.store.tenant(&named).await?.is_some() || app.store.audit_head(&chain).await? != Head::EMPTY);
    if caller.runs_all() && is_there().await.map_err(|error: StoreError| Problem::from(error))? {
        return Ok(chain);
    }
    Err(Problem::not_found("tenant"))
}
