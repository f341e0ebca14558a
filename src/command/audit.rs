//! `audit`: what would be lost now.

use time::OffsetDateTime;

use super::{Failure, Outcome, connect};
use crate::audit::{Facts, Finding, Rules, Severity, find_backups, judge, observe};
use crate::backup::Progress as _;
use crate::cli::Audit;
use crate::exit::Exit;
use crate::jetstream::Connection;
use crate::model::NameFilter;
use crate::report::{AuditView, audit_json, audit_text};
use crate::ui::{self, TransferProgress};

pub(super) async fn run(options: Audit) -> Outcome {
    let output = &options.output;
    if output.json {
        ui::speak_json();
    }
    let system = connect::system_settings(&options.connect, &options.system)?;
    let connection = connect::open(&options.connect).await?;
    let asked = NameFilter::from(&options.names);
    // One that can't be had leaves the rest of the audit as it is, and is told.
    let system = match system {
        Some(settings) => Some(Connection::open(&settings).await),
        None => None,
    };
    let progress = TransferProgress::new(ui::can_draw(output.no_progress));
    progress.phase("asking", None);
    let seen = observe(
        &connection,
        system.as_ref().and_then(|system| system.as_ref().ok()),
        &asked,
    )
    .await;
    progress.clear();
    let mut facts = seen?;
    if let Some(Err(error)) = system {
        facts.not_told(format!("the servers' own counts: {error}"));
    }
    if facts.streams.is_empty() && asked.is_choosy() {
        let names = connection.stream_names().await.unwrap_or_default();
        let hint = asked.meant(&names);
        let reason = format!("none of the account's streams has a name that is asked for{hint}");
        return Err(Failure::new(Exit::Usage, reason));
    }
    look_for_backups(&options, &mut facts)?;
    let rules = Rules {
        now: OffsetDateTime::now_utc(),
        max_age: options.max_age,
    };
    let findings = judge(&facts, &rules);
    let view = AuditView {
        facts: &facts,
        findings: &findings,
        rules: &rules,
    };
    let text = if output.json {
        serde_json::to_string_pretty(&audit_json(&view))?
    } else {
        audit_text(&view)
    };
    ui::print(&text)?;
    Ok(exit_code(&findings, &facts, &options.fail_on))
}

fn look_for_backups(options: &Audit, facts: &mut Facts) -> Result<(), Failure> {
    if options.backups.is_empty() {
        facts.not_asked("backups were not looked for (--backups)");
    } else {
        facts.backups = Some(find_backups(&options.backups)?);
    }
    Ok(())
}

/// What was found comes before what could not be asked, and neither is a success.
fn exit_code(findings: &[Finding], facts: &Facts, fail_on: &str) -> Exit {
    let least = Severity::named(fail_on);
    let is_bad = |finding: &Finding| least.is_some_and(|least| finding.severity >= least);
    if findings.iter().any(is_bad) {
        Exit::Broken
    } else if facts.unchecked.iter().any(|one| one.silent) {
        Exit::Inconclusive
    } else {
        Exit::Done
    }
}
