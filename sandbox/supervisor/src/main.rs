//! The first process of every sandbox: runs one program and tells how it ended.
//!
//! It is what golden starts in a container, in whatever image: static, so that it needs
//! nothing of it. It says that it is there, waits for what to run on its standard input, and
//! speaks in frames on its standard output (see `golden-sandbox-protocol`). As the first
//! process it takes in orphans; when the program ends, everything that it started does.
//!
//! The program becomes of a second process of this same binary, made while nothing is
//! asked yet: [`launch`] waits for what to become. So the fork is done when the request comes,
//! the limits are set where they hold for the program alone, and no line here is unsafe.

#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod leave;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(launch::ARGUMENT) => launch::launch(),
        _ => supervise::supervise(),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
