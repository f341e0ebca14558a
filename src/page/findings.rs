//! What judges found, with what each kind means.

use maud::{Markup, html};

use super::words::{means, name};
use crate::judge::Finding;
use crate::model::Verdict;

/// A finding's text may name every message.
const LONGEST_TEXT: usize = 1200;

/// Every finding, worst first.
pub(super) fn section(findings: &[Finding]) -> Markup {
    html! {
        section id="findings" {
            h2 { "Findings" }
            @if findings.is_empty() {
                p { "None: everything that was promised was seen." }
            } @else {
                ul .findings {
                    @for finding in findings { (one(finding)) }
                }
            }
        }
    }
}

fn one(finding: &Finding) -> Markup {
    let is_broken = finding.verdict == Verdict::Broken;
    let text: String = finding.text.chars().take(LONGEST_TEXT).collect();
    html! {
        li class=(if is_broken { "broken" } else { "inconclusive" }) {
            p .kind {
                b { (name(finding.kind)) }
                " " span .quiet { (finding.verdict) }
            }
            p .said { (text) }
            p .quiet { (means(finding.kind)) }
        }
    }
}
