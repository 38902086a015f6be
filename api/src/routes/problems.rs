//! `/docs/problems`: what the `type` of a problem resolves to.

use std::fmt::Write;

use crate::{
    problem::{Code, Problem},
    query::Id,
};

pub(super) mod doc;

pub(super) async fn list() -> String {
    Code::ALL.iter().fold(String::from("Problems\n\n"), |mut page, code| {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{} {} - {}", code.status().as_u16(), code.as_str(), code.title());
        page
    })
}

pub(super) async fn show(Id(name): Id<String>) -> Result<String, Problem> {
    let code = Code::ALL.iter().find(|code| code.as_str() == name);
    let code = code.ok_or_else(|| Problem::not_found("problem"))?;
    Ok(format!("{}\n\nstatus: {}\ncode: {}\n\n{}\n", code.title(), code.status(), code.as_str(), code.remedy()))
}
