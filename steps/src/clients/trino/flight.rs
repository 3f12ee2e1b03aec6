//! A query that is under way, and its end on the server when its answer is no longer wanted.

use std::time::Duration;

use super::TrinoClient;

/// How long a cancelled query may take to end before the step stops waiting for it.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A query that the server works on. Dropped before its end, it asks the server to end it.
pub(super) struct InFlight<'a> {
    pub(super) client: &'a TrinoClient,
    pub(super) query_id: String,
    /// The address of its next page; none: it has ended.
    pub(super) next: Option<String>,
}

impl InFlight<'_> {
    /// Asks the server to end the query, and waits a little until it has.
    pub(super) async fn end(mut self) {
        let Some(next) = self.next.clone() else {
            return;
        };
        let (client, query_id) = (self.client, self.query_id.clone());
        let ended = async {
            client.delete_page(&next).await?;
            // Only now: dropped before this, the query is still to be ended.
            self.next = None;
            client.until_ended(&query_id).await
        };
        match tokio::time::timeout(END_WITHIN, ended).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%query_id, %error, "the query may still run"),
            Err(_) => {
                tracing::warn!(%query_id, "the query was asked to end but has not within {END_WITHIN:?}")
            }
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let (Some(next), Ok(runtime)) = (self.next.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (client, query_id) = (self.client.clone(), self.query_id.clone());
        runtime.spawn(async move {
            if let Err(error) = client.delete_page(&next).await {
                tracing::warn!(%query_id, %error, "the query may still run");
            }
        });
    }
}
