//! What every page has: one file with its style and its scripts inside, and how to make it again.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::ink;
use super::words::{class, sign};
use crate::model::Verdict;

/// The style of every page, light and dark, for screens of every width and for paper.
const STYLE: &str = include_str!("page.css");

/// A page's parts.
pub(super) struct Parts<'a> {
    pub(super) title: &'a str,
    /// The page in a line, for whoever lists pages.
    pub(super) summary: &'a str,
    /// The same as in the title, as it is shown, with what is around it.
    pub(super) head: Markup,
    pub(super) body: Markup,
    /// What runs in the reader's browser; the page is complete without it.
    pub(super) script: Option<&'static str>,
    /// The evidence that it was made of.
    pub(super) made_of: &'a Path,
}

/// The whole document.
pub(super) fn document(parts: &Parts<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Whatever evidence says, nothing is loaded.
                meta http-equiv="Content-Security-Policy" content=(policy(parts.script));
                meta name="description" content=(parts.summary);
                title { (parts.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (ink::patterns())
                header { (parts.head) }
                main { (parts.body) }
                footer {
                    p {
                        "Made by Lifeboat " (env!("CARGO_PKG_VERSION")) " from stored evidence alone. "
                        "Make it again: "
                        code { (command(&["report", &parts.made_of.display().to_string()])) }
                    }
                }
                @if let Some(script) = parts.script {
                    script { (PreEscaped(script)) }
                }
            }
        }
    }
}

/// Nothing is loaded, and no script runs but the page's own.
fn policy(script: Option<&str>) -> String {
    let script = script.map_or_else(String::new, |script| {
        let digest = STANDARD.encode(Sha256::digest(script));
        format!(" script-src 'sha256-{digest}';")
    });
    format!(
        "default-src 'none'; style-src 'unsafe-inline';{script} img-src data:; base-uri 'none'; form-action 'none'"
    )
}

/// A call of the program as a shell takes it.
pub(super) fn command(arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| {
        // A path with a zero byte is no path.
        shlex::try_quote(argument).map_or_else(|_| String::from("?"), Into::into)
    });
    let words: Vec<String> = std::iter::once(String::from("lifeboat"))
        .chain(quoted)
        .collect();
    words.join(" ")
}

/// A verdict, in colour and in a word.
pub(super) fn badge(verdict: Verdict) -> Markup {
    html! {
        span class=(format!("badge {}", class(verdict))) {
            span aria-hidden="true" { (sign(verdict)) } " " (verdict)
        }
    }
}

/// A figure with its name; a bad one stands out.
pub(super) fn figure(name: &str, value: &str, is_bad: bool) -> Markup {
    html! {
        div .figure .bad[is_bad] {
            dt { (name) }
            dd { (value) }
        }
    }
}

/// Something that was said of this page's subject, and its value.
pub(super) fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
