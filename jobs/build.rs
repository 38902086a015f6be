//! Migrations are embedded; cargo has to be told that a new one is a change.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
