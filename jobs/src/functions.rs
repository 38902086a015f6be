//! Functions: programs that tenants register, and call as the kind `fn.NAME`.
//!
//! A function has versions. Each is immutable and has a number that is never given out again, so
//! a job's kind, `fn.NAME@3`, says for ever which program it means. Which version `fn.NAME` means
//! is settled when a job comes in: what is queued does not change with it.
//!
//! | module | holds |
//! |---|---|
//! | [`call`] | names, and how a kind names a version |
//! | [`definition`] | what is registered, and its rules |
//! | [`files`] | the files of a program |
//! | [`schema`] | the schema of a function's payload: what may be in one, and what it may cost |
//! | [`contract`] | what a version takes |
//! | [`callee`] | whatever a submission names: a kind of this build, or a version of a function |
//! | [`known`] | versions that were read before |

pub mod call;
pub mod callee;
pub mod contract;
pub mod definition;
pub mod files;
pub mod known;
pub mod schema;

pub use call::{Call, FunctionName, Version, is_of};
pub use callee::Callee;
pub use contract::Contract;
pub use definition::Definition;
pub use known::{Called, KnownFunctions};
