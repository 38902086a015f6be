//! Lists: their pages, and the cursor between them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use golden_jobs::store::Page;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use uuid::Uuid;

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

    /// What the store gave of a list whose entries have numbers or names of their own: `limit` of them, and
    /// the one beyond that says that there is more.
    pub(crate) fn numbered<N: ToString>(mut data: Vec<T>, limit: u32, number: impl Fn(&T) -> N) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = data.len() > limit;
        data.truncate(limit);
        let next_cursor = data.last().filter(|_| more).map(|last| number(last).to_string());
        Self { data, next_cursor }
    }

    /// The same of a list that goes down, where looking may have ended before the page was full: the next one goes
    /// on there.
    pub(crate) fn counted_down(looked_to: Option<u64>, data: Vec<T>, limit: u32, number: impl Fn(&T) -> u64) -> Self {
        let list = Self::numbered(data, limit, number);
        Self { next_cursor: list.next_cursor.or(looked_to.map(|number| number.to_string())), ..list }
    }
}

/// Entries on a page, 20 where absent.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Limit(#[schemars(range(min = 1, max = LARGEST_LIMIT))] u32);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = u32::deserialize(deserializer)?;
        match (1..=LARGEST_LIMIT).contains(&limit) {
            true => Ok(Self(limit)),
            false => Err(D::Error::custom(format_args!("`limit` is 1 to {LARGEST_LIMIT}"))),
        }
    }
}

impl Limit {
    /// How many entries a page has.
    pub(crate) fn entries(asked: Option<Self>) -> u32 {
        asked.map_or(DEFAULT_LIMIT, |limit| limit.0)
    }
}

/// The `next_cursor` of the page before.
// Opaque to clients, so that lists of another order may put something else in it.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Cursor(#[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9_-]{21}[AQgw]$"))] Uuid);

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("`cursor` is not one that a list gave: take `next_cursor` as it is"))
    }
}

impl Cursor {
    /// The id of the last entry of the page before.
    pub(crate) fn after<Id>(self, id: fn(Uuid) -> Id) -> Id {
        id(self.0)
    }
}

/// The page that a request asks for, and one entry more: see [`List::of`].
pub(crate) fn page<Id>(limit: Option<Limit>, cursor: Option<Cursor>, id: fn(Uuid) -> Id) -> Page<Id> {
    Page { before: cursor.map(|cursor| cursor.after(id)), limit: Limit::entries(limit) + 1 }
}

pub(crate) fn encode(last: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(last.as_bytes())
}

pub(crate) fn decode(cursor: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    Uuid::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back() {
        let id = Uuid::now_v7();
        assert_eq!(decode(&encode(id)).unwrap(), id);
        for bad in ["", "x", "!!!!", "AAAA", &id.to_string()] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        let list = |limit| {
            let page = page(Some(Limit(limit)), None, |id| id);
            List::<Uuid>::of(ids.clone(), page, |id| *id)
        };
        assert_eq!((list(2).data.len(), list(2).next_cursor), (2, Some(encode(ids[1]))));
        assert_eq!((list(3).data.len(), list(3).next_cursor), (3, None));
    }
}
