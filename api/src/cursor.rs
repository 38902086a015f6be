//! Lists: their pages, and the cursor between them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use golden_jobs::store::Page;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::problem::Problem;

/// Entries on a page, where the request does not say.
const DEFAULT_LIMIT: u32 = 20;
const LARGEST_LIMIT: u32 = 100;

/// One page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(crate) struct List<T> {
    data: Vec<T>,
    /// Where the next page begins; null on the last one. A page may be short or empty and not the last: so
    /// much is looked at for one, and no more.
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A list that has only one page.
    pub(crate) fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }

    /// What the store gave for `page`, of which the one beyond the limit says only that there is more.
    pub(crate) fn of<R: Into<T>, Id>(rows: Vec<R>, page: Page<Id>, id: impl Fn(&R) -> Uuid) -> Self {
        Self::as_far_as(None, rows, page, id)
    }

    /// The same where looking may have ended before the page was full: the next one goes on there.
    pub(crate) fn as_far_as<R: Into<T>, Id>(
        looked_to: Option<Uuid>,
        mut rows: Vec<R>,
        page: Page<Id>,
        id: impl Fn(&R) -> Uuid,
    ) -> Self {
        let shown = usize::try_from(page.limit).unwrap_or(usize::MAX).saturating_sub(1);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let last = if more { rows.last().map(id) } else { looked_to };
        Self { data: rows.into_iter().map(Into::into).collect(), next_cursor: last.map(encode) }
    }

    /// What the store gave of a list whose entries have numbers of their own: `limit` of them, and
    /// the one beyond that says that there is more.
    pub(crate) fn numbered(mut data: Vec<T>, limit: u32, number: impl Fn(&T) -> u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(|last| number(last).to_string());
        Self { data, next_cursor }
    }
}

/// The page that a request asks for, and one entry more: see [`List::of`].
pub(crate) fn page<Id>(limit: Option<u32>, cursor: Option<&str>, id: fn(Uuid) -> Id) -> Result<Page<Id>, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Problem::malformed(format!("`limit` is 1 to {LARGEST_LIMIT}")));
    }
    Ok(Page { before: cursor.map(decode).transpose()?.map(id), limit: limit + 1 })
}

/// Opaque to clients, so that lists of another order may put something else in it.
pub(crate) fn encode(last: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(last.as_bytes())
}

pub(crate) fn decode(cursor: &str) -> Result<Uuid, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| Uuid::from_slice(&bytes).ok())
        .ok_or_else(|| Problem::malformed("`cursor` is not one that a list gave: take `next_cursor` as it is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let id = Uuid::now_v7();
        assert_eq!(decode(&encode(id)).unwrap(), id);
        for bad in ["", "x", "!!!!", "AAAA", &id.to_string()] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        let list = |limit| {
            let page = page(Some(limit), None, |id| id).unwrap();
            List::<Uuid>::of(ids.clone(), page, |id| *id)
        };
        assert_eq!((list(2).data.len(), list(2).next_cursor), (2, Some(encode(ids[1]))));
        assert_eq!((list(3).data.len(), list(3).next_cursor), (3, None));
        assert!(page(Some(0), None, |id| id).is_err() && page(Some(101), None, |id| id).is_err());
    }
}
