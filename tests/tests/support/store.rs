//! A fresh store for one test.

use std::path::{Path, PathBuf};

use sqlx::{Connection, PgConnection, Row, SqliteConnection};

/// A database of its own, gone with the test.
pub(crate) struct TestStore {
    pub(crate) url: String,
    folder: PathBuf,
    /// The PostgreSQL database to drop, and the server it is in.
    database: Option<(String, String)>,
}

impl TestStore {
    pub(crate) fn sqlite() -> Self {
        let folder = folder();
        Self { url: format!("sqlite://{}/golden.db", folder.display()), folder, database: None }
    }

    pub(crate) async fn postgres() -> Self {
        let server = std::env::var("TEST_DATABASE_URL")
            .expect("TEST_DATABASE_URL is not set: run `make test`, or `make services` and export what it prints");
        Self::postgres_on(server).await
    }

    /// A database on that server.
    pub(crate) async fn postgres_on(server: String) -> Self {
        let name = format!("golden_{}", uuid::Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), folder: folder(), database: Some((server, name)) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first column of every row of a query, as text.
    pub(crate) async fn column(&self, sql: &'static str) -> Vec<String> {
        match self.database {
            Some(_) => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            None => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        let Some((server, name)) = self.database.take() else { return };
        // Dropping is no place to wait in this test's runtime.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("golden-test-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
