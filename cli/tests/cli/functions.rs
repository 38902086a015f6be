//! `golden functions` against a running server, and what it says before it asks one.

use std::fs;

use serde_json::Value;

use crate::support::{Dev, Dir, run};

#[test]
fn a_function_is_registered_from_a_file_shown_switched_and_deleted() {
    let dev = Dev::start();
    fs::write(dev.dir.path("area.py"), "print(1)").unwrap();
    fs::write(dev.dir.path("schema.json"), r#"{"type": "object"}"#).unwrap();
    let create = |more: &[&str]| dev.run(&[&["functions", "create", "area", "area.py"], more].concat());
    let limits = ["--schema", "schema.json", "--limits", r#"{"wall_ms": 2000}"#];
    assert_eq!(create(&limits).out, "fn.area@1\tlive\n");
    assert_eq!(create(&limits).out, "fn.area@1\tlive\n", "the same is the same version");
    assert_eq!(create(&["--not-live"]).out, "fn.area@2\tnot live\n");

    let listed = dev.run(&["functions", "list"]).out;
    assert!(listed.starts_with("area\t1\t2\t"), "{listed}");
    let shown = dev.run(&["functions", "show", "area"]).out;
    assert!(shown.contains("1\tlive\tpython\t8\t") && shown.contains("2\t\tpython\t8\t"), "{shown}");
    let version: Value = serde_json::from_str(&dev.run(&["functions", "show", "area@1", "--json"]).out).unwrap();
    assert_eq!(version["definition"]["files"]["area.py"], "print(1)");
    assert_eq!(version["definition"]["limits"]["wall_ms"], 2000);
    assert!(dev.run(&["functions", "show", "fn.area@1"]).out.contains("area.py"));
    assert!(dev.run(&["kinds", "fn.area"]).out.contains("fn.area@1"));

    assert!(dev.run(&["functions", "use", "area@2"]).out.starts_with("area\t2\t2\t"));
    assert_eq!(dev.run(&["functions", "use", "area@7"]).code, 4);
    assert_eq!(dev.run(&["functions", "delete", "area@2"]).code, 4, "it is live");
    assert_eq!(dev.run(&["functions", "delete", "area@1"]).code, 0);
    assert_eq!(dev.run(&["functions", "delete", "area"]).code, 0);
    assert_eq!(dev.run(&["functions", "show", "area"]).code, 4);
}

#[test]
fn what_cannot_be_a_function_is_said_before_a_server_is_asked() {
    let dir = Dir::new();
    for (path, text) in [("p/a.py", "1"), ("p/b.py", "2"), ("p/.git/c", "3"), ("area.rs", ""), ("bad.json", "{")] {
        fs::create_dir_all(dir.path(path).parent().unwrap()).unwrap();
        fs::write(dir.path(path), text).unwrap();
    }
    fs::write(dir.path("large.py"), vec![b'x'; 600 * 1024]).unwrap();
    for (args, said) in [
        (&["create", "area", "none.py"][..], "none.py cannot be sent"),
        (&["create", "area", "p"], "--entry"),
        (&["create", "area", "area.rs"], "--language"),
        (&["create", "area", "large.py"], "512 KiB"),
        (&["create", "Area", "p/a.py"], "lower-case"),
        (&["create", "area", "p/a.py", "--schema", "bad.json"], "the schema is not JSON"),
        (&["use", "area"], "area@2"),
        (&["show", "a b"], "area@2"),
    ] {
        let ran = run(&mut dir.golden(&[&["functions"], args].concat()));
        assert!(ran.code == 2 && ran.err.contains(said), "{args:?}: {} {}", ran.code, ran.err);
    }
}
