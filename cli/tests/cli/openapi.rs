//! `/docs` and `golden openapi`, against each other and against the server they are about.

use std::process::Command;

use crate::support::{Dev, Dir, run};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn the_document_is_printed_without_a_server() {
    let ran = run(&mut Dir::new().golden(&["openapi"]));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, std::fs::read_to_string(KEPT).unwrap());
}

#[test]
fn every_line_of_the_page_works_when_it_is_pasted() {
    let dev = Dev::start();
    let page = run(Command::new("curl").args(["-sS", &format!("{}/docs", dev.server())])).out;
    let lines: Vec<String> = page.split("<pre class=\"paste\"><code>").skip(1).map(shown).collect();
    assert!(lines[0].starts_with(&format!("export GOLDEN_SERVER={} GOLDEN_TOKEN=", dev.server())), "{}", lines[0]);
    assert!(lines.len() > 20, "{lines:?}");
    for line in &lines[1..] {
        let pasted = format!("{line} -o /dev/null -w '%{{http_code}}' --max-time 5");
        let mut shell = Command::new("sh");
        shell.args(["-euc", &pasted]).env("GOLDEN_SERVER", dev.server()).env("GOLDEN_TOKEN", dev.token());
        let ran = run(&mut shell);
        // An id that is shown may be nobody's, nothing may be there yet to do it to, and the machine may have no sandbox.
        let fine = ran.out.starts_with('2') || ["404", "409", "503"].contains(&ran.out.as_str());
        // So may one that is in a body, which then does not fit.
        let fine = fine || ran.out == "422" && line.contains("\"round_of\"");
        assert!(fine, "{line}\n{} {}", ran.out, ran.err);
    }
}

/// The text of an element that begins here, as a browser copies it.
fn shown(html: &str) -> String {
    let text = html.split("</code>").next().unwrap_or_default();
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    plain.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
