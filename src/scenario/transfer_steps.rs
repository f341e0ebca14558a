//! From a step about a running backup or restore as written to what can be carried out.

use std::time::Duration;

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::resolve::Resolver;
use super::transfer_step::TransferStep;
use super::written_step as written;

type Result<T> = std::result::Result<T, Diagnostic>;

impl Resolver<'_> {
    pub(super) fn begin_backup(&mut self, begin: &written::BeginBackup) -> Result<TransferStep> {
        let (name, stream) = self.new_backup(&begin.name, &begin.stream)?;
        self.running.insert(name.clone(), begin.name.span());
        Ok(TransferStep::BeginBackup {
            stream,
            name,
            slow: begin.slow,
        })
    }

    pub(super) fn end_backup(&mut self, end: &written::EndTransfer) -> Result<TransferStep> {
        let (name, within) = self.ended(end)?;
        Ok(TransferStep::EndBackup {
            name,
            within,
            fails: end.fails,
        })
    }

    pub(super) fn begin_restore(&mut self, begin: &written::BeginRestore) -> Result<TransferStep> {
        let name = begin.backup.get_ref();
        if self.running.contains_key(name) {
            let message = format!("`{name}` is still being taken or restored: end that first");
            return Err(self.pointer.value(&begin.backup, message));
        }
        let backup = self.known_backup(&begin.backup)?;
        self.leaves_all(&self.backups[&backup], &begin.config)?;
        let changes = self.restore_changes(begin.replicas.as_ref(), &begin.config, None)?;
        self.running.insert(backup.clone(), begin.backup.span());
        Ok(TransferStep::BeginRestore {
            backup,
            changes,
            slow: begin.slow,
        })
    }

    pub(super) fn end_restore(&mut self, end: &written::EndTransfer) -> Result<TransferStep> {
        let (backup, within) = self.ended(end)?;
        Ok(TransferStep::EndRestore {
            backup,
            within,
            fails: end.fails,
        })
    }

    pub(super) fn abandon(&mut self, abandon: &written::Abandon) -> Result<TransferStep> {
        let backup = self.known_backup(&abandon.backup)?;
        self.no_longer_running(&backup, &abandon.backup)?;
        Ok(TransferStep::Abandon { backup })
    }

    fn ended(&mut self, end: &written::EndTransfer) -> Result<(String, Duration)> {
        let name = self.known_backup(&end.backup)?;
        self.no_longer_running(&name, &end.backup)?;
        Ok((name, self.pointer.within(end.within.as_ref())?))
    }

    fn no_longer_running(&mut self, name: &str, written: &Spanned<String>) -> Result<()> {
        if self.running.remove(name).is_some() {
            return Ok(());
        }
        let message = format!("no earlier step began a backup `{name}`, or a restore of it");
        Err(self.pointer.value(written, message))
    }
}
