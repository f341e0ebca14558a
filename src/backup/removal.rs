//! Deleting a stream for good. The reply is no proof: it may time out although the stream is
//! gone, and come although a follower still has it.

use std::time::Duration;

use lifeboat_harness::wait::{Probe, until};

use super::error::{BackupError, Result};
use crate::jetstream::Connection;

/// Deletes a stream and waits until the server says that it does not exist.
///
/// # Errors
/// [`BackupError::NotGone`] with the last answer seen.
pub async fn remove_stream(connection: &Connection, stream: &str, within: Duration) -> Result<()> {
    until(within, || async {
        // Asked again each time: without a meta leader a request is lost, not refused.
        let deleted = connection.delete_stream(stream).await;
        match connection.stream_info(stream).await {
            Err(error) if error.is_stream_not_found() => {}
            Ok(_) => return Probe::Pending(format!("it exists (delete: {deleted:?})")),
            Err(error) => return Probe::Pending(error.to_string()),
        }
        // A restore that was given up may leave a name without a stream, which is taken all
        // the same.
        match connection.stream_names().await {
            Ok(names) if names.iter().any(|name| name == stream) => {
                Probe::Pending(format!("its name is taken (delete: {deleted:?})"))
            }
            Ok(_) => Probe::Ready(()),
            Err(error) => Probe::Pending(error.to_string()),
        }
    })
    .await
    .map_err(|timed_out| BackupError::NotGone {
        stream: stream.to_owned(),
        waited: timed_out.waited,
        last_seen: timed_out.last_seen,
    })
}
