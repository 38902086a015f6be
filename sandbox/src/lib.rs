//! Runs untrusted programs, each in a gVisor container of its own, through Docker.
//!
//! This crate knows containers and nothing of jobs: it implements
//! [`Executor`](golden_jobs::sandbox::Executor) and is the only one that holds Docker's
//! socket, which is root on the host. There is no other runtime than gVisor's `runsc`;
//! without it there is no executor, and [`Missing`] says how to get one.
//!
//! | module | holds |
//! |---|---|
//! | `executor` | [`GvisorExecutor`]: its options, how it starts and stops |
//! | `missing` | what there may be too little of, and how to get it |
//! | `images` | the images that programs run in, by name |
//! | `recipes` | builds images from Debian packages |
//! | `profile` | what every container may do: the whole policy, on one screen |
//! | `supervisor` | the first process of every sandbox, and how it gets into images |
//! | `errand` | a program's way through a sandbox, to the container's removal |
//! | `warm` | sandboxes that wait for programs; `shelf`: how many of a kind there should be |
//! | `ground` | what all sandboxes of a worker have in common |
//! | `boot` | a sandbox, up to the moment it waits for a program |
//! | `run` | one program from there to its end, and why it ended |
//! | `leftovers` | removes the containers of workers that died |
//! | `housekeeping` | sees to that, and to what else changes beside the runs |
//! | `docker`, `container` | the calls to Docker, each with its deadline, and nothing else |

mod boot;
mod container;
mod docker;
mod errand;
mod executor;
mod ground;
mod housekeeping;
mod images;
mod leftovers;
mod missing;
mod profile;
mod recipes;
mod run;
mod shelf;
mod supervisor;
mod warm;

pub use executor::{GvisorExecutor, SandboxOptions};
pub use images::Image;
pub use missing::Missing;
pub use recipes::{BuildError, BuiltImage, ImageBuilder};
pub use warm::KeepWarm;
