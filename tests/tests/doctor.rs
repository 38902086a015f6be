//! `golden doctor` where every part is there.

use serde_json::Value;

use crate::support::Golden;

#[tokio::test(flavor = "multi_thread")]
async fn every_part_that_is_there_is_found_well() {
    let golden = Golden::api_only().await;
    let (status, printed) = golden.cli(&["doctor", "--json"]);
    let found: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let check =
        |name: &str| checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {found}"));
    for (name, words) in [
        ("database", "PostgreSQL 1"),
        ("pooling", "straight to PostgreSQL"),
        ("clock", "differ by 0.0"),
        ("tokens", "verified by JWT_SECRET"),
        ("sandbox python", "a program ran in gVisor (runsc)"),
        ("sandbox javascript", "a program ran in gVisor (runsc)"),
        ("sandbox bash", "a program ran in gVisor (runsc)"),
        ("address", "a golden answers"),
        ("server", "takes the token"),
    ] {
        let check = check(name);
        assert_eq!(check["status"], "ok", "{check}");
        assert!(check["found"].as_str().unwrap().contains(words), "{check}");
    }
    assert_eq!(status, Some(0), "{found}");

    // The harness ran the same recipe.
    let (status, printed) = golden.cli(&["sandbox", "build-images", "bash", "--json"]);
    assert_eq!(status, Some(0), "{printed}");
    let built: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    let image = &built["images"][0];
    assert_eq!((&image["name"], &image["built"]), (&"bash".into(), &false.into()), "{built}");
    assert!(image["id"].as_str().unwrap().starts_with("sha256:"), "{built}");
}
