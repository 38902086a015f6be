//! Builds the supervisor, static, for the system that golden itself is built for, so that the
//! crate can embed it.
//!
//! It is a nested build, since cargo cannot build one member with other flags than the rest.
//! Its target folder is its own, so that it waits for no lock that the outer build holds, and
//! it is built again only when its sources change.

use std::{env, ffi::OsString, fs, io, path::PathBuf, process::Command};

const SOURCES: [&str; 4] = ["supervisor/Cargo.toml", "supervisor/src", "protocol/Cargo.toml", "protocol/src"];
/// What cargo tells a build script of the outer build, and the inner one must not take for itself.
const OUTER: [&str; 6] =
    ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "DEBUG"];

fn main() -> io::Result<()> {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-changed=build.rs");

    let built = PathBuf::from(given("OUT_DIR")?).join("golden-supervisor");
    if given("CARGO_CFG_TARGET_OS")? != "linux" {
        // Such a golden finds no runsc either: it says so where a sandbox is asked for.
        return fs::write(built, []);
    }
    let (target, folder) = (given("TARGET")?, PathBuf::from(given("OUT_DIR")?).join("supervisor"));
    let mut cargo = Command::new(given("CARGO")?);
    for name in OUTER {
        cargo.env_remove(name);
    }
    let status = cargo
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .args(["build", "--quiet", "--locked", "--package", "golden-supervisor", "--profile", "supervisor"])
        .arg("--target")
        .arg(&target)
        .arg("--target-dir")
        .arg(&folder)
        .status()?;
    if !status.success() {
        return Err(io::Error::other("the supervisor of sandboxes does not build"));
    }
    fs::copy(folder.join(target).join("supervisor/golden-supervisor"), built).map(drop)
}

fn given(name: &str) -> io::Result<OsString> {
    env::var_os(name).ok_or_else(|| io::Error::other(format!("cargo gives no {name}")))
}
