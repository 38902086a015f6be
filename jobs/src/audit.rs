//! Who changed what: one chain of entries for each tenant, in which nothing can be changed, left out or put in
//! without its being seen.
//!
//! | module | holds |
//! |---|---|
//! | [`actor`] | who acts |
//! | [`acts`] | everything that is recorded, and what is recorded of it |
//! | [`chain`] | the entries and how each is bound to the one before |
//! | [`head`], [`signing`] | what chains were at a time, signed |
//! | [`check`] | finds the first entry of a chain that is not as it was written |
//!
//! The store writes an entry in the transaction of the change that it records
//! ([`store::Audit`](crate::store::Audit)); what is refused or changes nothing leaves none. What is about the
//! installation, such as a breaker, is in a chain of its own, the one without a tenant.

pub mod actor;
pub mod acts;
pub mod chain;
pub mod check;
pub mod head;
pub mod signing;

pub use actor::{Actor, Standing};
pub use acts::{Act, Action};
pub use chain::{Entry, Hash, Head};
pub use head::{SignedHead, SigningKey};
