//! What an account may have, held against what a restore would add to it.

use serde_json::Value;

use super::plan::{Action, RestorePlan};
use crate::jetstream::AccountTotals;

impl RestorePlan {
    /// What the account may not have any more.
    pub(super) fn beyond(&self, totals: &AccountTotals) -> Vec<String> {
        let mut beyond = Vec::new();
        let limits = totals.limits;
        let limited = |limit: i64| u64::try_from(limit).ok();
        if matches!(self.action, Action::Create)
            && let Some(most) = limited(limits.max_streams)
            && totals.streams >= most
        {
            beyond.push(format!(
                "the account has {most} streams and may have no more"
            ));
        }
        let (used, most, what) = if self.text("storage") == Some("memory") {
            (totals.memory, limits.max_memory, "memory")
        } else {
            (totals.storage, limits.max_storage, "storage")
        };
        let reserved = self.config.get("max_bytes").and_then(Value::as_u64);
        let needed = self.bytes.max(reserved.unwrap_or(0));
        let needed = needed.saturating_mul(self.replicas());
        if let Some(most) = limited(most)
            && most > 0
            && used.saturating_add(needed) > most
        {
            beyond.push(format!(
                "it needs {needed} bytes of {what} on all its replicas; the account uses {used} of {most}"
            ));
        }
        if limits.max_bytes_required && reserved.is_none_or(|bytes| bytes == 0) {
            beyond.push(String::from(
                "the account's streams must say how large they may become (--set max_bytes=…)",
            ));
        }
        let own = self.config.get("max_consumers").and_then(Value::as_i64);
        for most in [own.unwrap_or(-1), limits.max_consumers] {
            if let Some(most) = limited(most)
                && most > 0
                && self.consumers.len() as u64 > most
            {
                let count = self.consumers.len();
                beyond.push(format!("it has {count} consumers, and may have {most}"));
            }
        }
        beyond
    }
}
