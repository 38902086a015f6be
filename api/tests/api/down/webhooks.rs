//! Nobody is told of anything.

use std::time::Duration;

use async_trait::async_trait;
use golden_jobs::{
    EndpointId, MessageId,
    audit::Actor,
    store::{
        Page,
        callbacks::{CallbackRotated, CallbackSecrets, Callbacks},
        deliveries::{Deliveries, Delivery, DeliveryAttempt, DeliveryFilter, DeliveryPage, NewAttempt, NewDelivery},
        endpoints::{Endpoint, EndpointChange, EndpointSettings, Endpoints, Rotated, Target},
    },
};

use super::{Down, Result, down};

#[async_trait]
impl Callbacks for Down {
    async fn callback_secrets(&self, _: &str) -> Result<CallbackSecrets> {
        down()
    }

    async fn rotate_callback_secret(&self, _: &str, _: [u8; 32], _: Duration, _: &Actor) -> Result<CallbackRotated> {
        down()
    }

    async fn revoke_old_callback_secret(&self, _: &str, _: &Actor) -> Result<CallbackSecrets> {
        down()
    }
}

#[async_trait]
impl Endpoints for Down {
    async fn add_endpoint(&self, _: &str, _: &EndpointSettings, _: [u8; 32], _: &Actor) -> Result<Option<Endpoint>> {
        down()
    }

    async fn endpoint(&self, _: &str, _: EndpointId) -> Result<Option<Endpoint>> {
        down()
    }

    async fn endpoints(&self, _: &str) -> Result<Vec<Endpoint>> {
        down()
    }

    async fn change_endpoint(&self, _: &str, _: EndpointId, _: &EndpointChange, _: &Actor) -> Result<Option<Endpoint>> {
        down()
    }

    async fn remove_endpoint(&self, _: &str, _: EndpointId, _: &Actor) -> Result<bool> {
        down()
    }

    async fn rotate_secret(&self, _: &str, _: EndpointId, _: [u8; 32], _: Duration, _: &Actor) -> Result<Rotated> {
        down()
    }

    async fn revoke_old_secret(&self, _: &str, _: EndpointId, _: &Actor) -> Result<Option<Endpoint>> {
        down()
    }

    async fn target(&self, _: &str, _: EndpointId) -> Result<Option<Target>> {
        down()
    }
}

#[async_trait]
impl Deliveries for Down {
    async fn add_deliveries(&self, _: Vec<NewDelivery>) -> Result<()> {
        down()
    }

    async fn record_attempt(&self, _: &NewAttempt) -> Result<()> {
        down()
    }

    async fn delivery(&self, _: &str, _: MessageId) -> Result<Option<Delivery>> {
        down()
    }

    async fn deliveries(&self, _: &DeliveryFilter, _: Page<MessageId>) -> Result<DeliveryPage> {
        down()
    }

    async fn delivery_attempts(&self, _: MessageId) -> Result<Vec<DeliveryAttempt>> {
        down()
    }

    async fn redeliver(&self, _: &str, _: &[MessageId], _: &Actor) -> Result<Vec<MessageId>> {
        down()
    }
}
