//! Reading the messages of a backup, those that are wanted.

use std::ops::ControlFlow;

use super::error::Result;
use super::filter::Filter;
use super::look::Look;
use super::verify::examine;
use crate::archive::{ArchiveError, Form, Level, Message, OnRead};

/// How a reading of messages ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadMessages {
    /// How many messages were wanted, and read.
    pub messages: u64,
    /// What the backup lacks.
    pub lacks: Vec<String>,
}

/// Reads the messages of a backup in order, and hands over those that the filter takes.
///
/// A block archive is read twice: what is deleted in it is known only at its end.
///
/// # Errors
/// At the first damage, after what came before it was handed over; and those of `take`.
pub fn read_messages(
    look: &Look,
    filter: &Filter,
    on_read: Option<&OnRead>,
    take: &mut dyn FnMut(&Message<'_>) -> std::io::Result<()>,
) -> Result<ReadMessages> {
    let archive = look.require_archive()?;
    let archive = archive.telling(on_read);
    let form = archive.form()?;
    let examined = match form {
        Form::Message => None,
        Form::Tar => Some(examine(look, Level::Content, on_read)?),
    };
    let survey = examined
        .as_ref()
        .and_then(|examined| examined.survey.as_ref());
    let live = survey.map(|survey| &survey.live);
    let (mut seen, mut is_whole) = (0, true);
    let mut messages = 0;
    archive.messages(live, &mut |message| {
        if message.sequence > *filter.sequences.end() || messages >= filter.limit {
            is_whole = false;
            return Ok(ControlFlow::Break(()));
        }
        seen += 1;
        if filter.takes(message) {
            take(message).map_err(ArchiveError::io("writing a message"))?;
            messages += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    // Damage that has no place among the messages, such as a block that is not there.
    if let Some(survey) = survey {
        survey.check()?;
    }
    let mut lacks = examined.map_or_else(Vec::new, |examined| examined.lacks());
    if let (true, Form::Message, Some(state)) = (is_whole, form, look.state())
        && seen < state.messages
    {
        lacks.push(format!(
            "the stream had {} messages, {seen} are there",
            state.messages
        ));
    }
    Ok(ReadMessages { messages, lacks })
}
