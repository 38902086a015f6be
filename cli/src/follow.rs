//! Streams of events that are taken up again when their connection breaks.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{
    client::{Client, ClientError, Request},
    sse::{Event, Parser},
};

/// Before a connection that broke is tried again, where the server does not say.
const RETRY: Duration = Duration::from_secs(2);
/// How long it is tried before the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(120);

/// The events of one stream, over as many connections as it takes.
pub(crate) struct Following<'a> {
    client: &'a Client,
    request: Request,
    parser: Parser,
    connection: Option<reqwest::Response>,
    events: VecDeque<Event>,
}

impl<'a> Following<'a> {
    /// Opens a stream. That it can be opened at all is found out here.
    pub(crate) async fn open(client: &'a Client, request: Request) -> Result<Self, ClientError> {
        let connection = client.stream(&request, None).await?;
        Ok(Self { client, request, parser: Parser::default(), connection, events: VecDeque::new() })
    }

    /// The next event. `None` once the server says that there is nothing more.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(connection) = &mut self.connection else { return Ok(None) };
            match connection.chunk().await {
                Ok(Some(piece)) => self.events.extend(self.parser.feed(&piece)),
                // The server stopped, the token expired, or something in between gave up.
                Ok(None) | Err(_) => self.connection = self.again().await?,
            }
        }
    }

    async fn again(&mut self) -> Result<Option<reqwest::Response>, ClientError> {
        let (since, mut told) = (Instant::now(), false);
        self.parser.begin_again();
        loop {
            match self.client.stream(&self.request, self.parser.last_id.as_deref()).await {
                Ok(connection) => {
                    if told {
                        eprintln!("The server is back.");
                    }
                    return Ok(connection);
                }
                Err(error) if since.elapsed() > PATIENCE || !error.may_pass() => return Err(error),
                Err(_) => {}
            }
            if !told {
                eprintln!("The connection broke; trying again.");
                told = true;
            }
            tokio::time::sleep(self.parser.retry.unwrap_or(RETRY)).await;
        }
    }
}
