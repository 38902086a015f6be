//! The same done to several things that the command line names.

use std::io;

use serde_json::Value;

use crate::{
    client::{Client, Request},
    exit::{Exit, describe},
};

/// Sends the request of each, and shows its answer. One that is refused does not keep the others from it.
pub(super) async fn each(
    names: &[String],
    request: impl Fn(&str) -> Request,
    client: &Client,
    show: impl Fn(&str, &Value) -> io::Result<()>,
) -> anyhow::Result<Exit> {
    let mut worst = Exit::Ok;
    for name in names {
        match client.send(request(name)).await {
            // What was deleted has nothing to show.
            Ok(Value::Null) => {}
            Ok(answer) => show(name, &answer)?,
            Err(error) => {
                let error = anyhow::Error::new(error);
                eprintln!("error: {name}: {}", describe(&error));
                worst = Exit::of(&error);
            }
        }
    }
    Ok(worst)
}
