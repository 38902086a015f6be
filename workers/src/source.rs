//! Where a pool gets its jobs from: apalis `Backend`s. A pool does not know which it has.

pub(crate) mod store;
