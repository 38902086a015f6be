//! Golden with Redis: the processes of the API count together, and each by itself while Redis is away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Golden, PATIENCE, Process, TestStore, free_port};

#[path = "../../workers/redis/tests/redis/server.rs"]
#[expect(dead_code, reason = "tests of Redis alone do more to it")]
mod server;

use server::Server;

const QUOTA: usize = 40;

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("it never came that {what}"));
}

/// Another process of the API, as clients see it.
struct Other {
    url: String,
    client: reqwest::Client,
    _process: Process,
}

impl Other {
    async fn beside(golden: &Golden) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut process = golden.process("api", &["--listen", &address]);
        process.says("the API listens").await;
        Self {
            url: format!("http://{address}"),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _process: process,
        }
    }

    async fn status(&self, path: &str, token: &str) -> u16 {
        let answer = self.client.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.unwrap();
        answer.status().as_u16()
    }

    async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.url)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["status"] == "ready"
    }
}

/// How many of so many requests to each of the two are let through there. All are answered, one way or the other.
async fn let_through(golden: &Golden, other: &Other, tenant: &str, requests: [usize; 2]) -> [usize; 2] {
    let token = golden.mint("developer", tenant);
    let bearer = format!("Bearer {token}");
    let here = async {
        let mut admitted = 0;
        for _ in 0..requests[0] {
            let (status, _) = golden.call_with("GET", "/v1/kinds", None, &[("authorization", &bearer)]).await;
            assert!([200, 429].contains(&status), "{status}");
            admitted += usize::from(status == 200);
        }
        admitted
    };
    let there = async {
        let mut admitted = 0;
        for _ in 0..requests[1] {
            let status = other.status("/v1/kinds", &token).await;
            assert!([200, 429].contains(&status), "{status}");
            admitted += usize::from(status == 200);
        }
        admitted
    };
    tokio::join!(here, there).into()
}

async fn metric(golden: &Golden, name: &str) -> f64 {
    let (_, text) = golden.call("GET", "/metrics", None).await;
    let line = text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

/// What `/readyz` says: the status, and whether Redis is ready.
async fn ready(golden: &Golden) -> (u16, Value, Value) {
    let (code, body) = golden.call("GET", "/readyz", None).await;
    let redis = body["parts"].as_array().unwrap().iter().find(|part| part["name"] == "redis").unwrap();
    (code, body["status"].clone(), redis["ready"].clone())
}

async fn breaker(golden: &Golden) -> Value {
    let (_, list) = golden.call("GET", "/v1/breakers", None).await;
    list["data"].as_array().unwrap().iter().find(|breaker| breaker["name"] == "redis").unwrap()["state"].clone()
}

#[tokio::test]
async fn processes_of_the_api_limit_together_and_each_by_itself_without_redis() {
    let mut redis = Server::start();
    let url = redis.url();
    let limits = format!("developer={QUOTA},admin=100000,anonymous=100000");
    let settings = [("REDIS_URL", url.as_str()), ("GOLDEN_RATE_LIMITS", &limits), ("GOLDEN_BREAKER_OPEN", "1m")];
    let golden = Golden::start(TestStore::postgres().await, "api", &settings).await;
    let other = Other::beside(&golden).await;
    until("Redis is there", async || ready(&golden).await == (200, json!("ready"), json!(true))).await;
    until("for the other, too", async || other.is_ready().await).await;

    let both = let_through(&golden, &other, "one", [QUOTA, QUOTA]).await;
    assert_eq!(both[0] + both[1], QUOTA, "{both:?}");
    assert_eq!(let_through(&golden, &other, "two", [QUOTA, 0]).await, [QUOTA, 0]);
    assert_eq!(let_through(&golden, &other, "two", [3, 3]).await, [0, 0], "they know of each other");
    assert_eq!(metric(&golden, "golden_rate_limits_local_total").await, 0.0);

    // Wiped: who used up the limit with one process is refused by that one still, and begins anew with the other.
    redis.wipe();
    assert_eq!(let_through(&golden, &other, "two", [3, QUOTA + 3]).await, [0, QUOTA]);
    assert_eq!(metric(&golden, "golden_rate_limits_local_total").await, 0.0);

    redis.kill();
    let alone = let_through(&golden, &other, "three", [QUOTA + 5; 2]).await;
    assert_eq!(alone, [QUOTA; 2], "each lets its own quota through");
    assert!(metric(&golden, "golden_rate_limits_local_total").await >= 40.0);
    assert_eq!(metric(&golden, "circuit_breaker_state{name=\"redis\"}").await, 2.0);
    assert_eq!(breaker(&golden).await, "open");
    until("it is said", async || ready(&golden).await == (200, json!("degraded"), json!(false))).await;

    // Long before a minute is over.
    redis.start_again();
    until("Redis is asked again", async || breaker(&golden).await == "closed").await;
    until("the other asks it, too", async || other.is_ready().await).await;
    let both = let_through(&golden, &other, "four", [QUOTA, QUOTA]).await;
    assert_eq!(both[0] + both[1], QUOTA, "{both:?}");
}
