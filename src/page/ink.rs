//! What plots are drawn with: inks that take their colours from the style sheet, so that one drawing is
//! right on light and dark pages, and a canvas that becomes an SVG in the page.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::{
    Color as _, DrawingArea, IntoDrawingArea as _, RGBColor, SVGBackend, ShapeStyle, TextStyle,
};
use plotters::style::IntoFont as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The size of text, as plotters counts it: about 13 pixels on a page as wide as the plot.
const TEXT_SIZE: i32 = 32;
/// How wide a character is drawn, on the average.
const CHARACTER_WIDTH: usize = 15;

/// The colours of nodes, and of whatever else has to be told apart.
const SERIES: u8 = 7;

/// Why drawing failed: never, since it is into memory.
pub(super) type Drawn = Result<(), plotters::drawing::DrawingAreaErrorKind<std::io::Error>>;

/// Where plots are drawn.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What something is drawn with: its meaning, not its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Quiet,
    Grid,
    Good,
    /// Good, and of no more interest.
    GoodPale,
    Bad,
    Unsure,
    /// Hatched in the colour of what is bad.
    Refused,
    /// Dotted in the colour of what is not known.
    Unknown,
    /// Hatched: nobody leads, or nobody answers.
    Absent,
    /// The page behind the plots.
    Surface,
    /// Text in a bar.
    OnBar,
    /// One of several.
    Series(u8),
}

impl Ink {
    const NAMED: [Self; 12] = [
        Self::Text,
        Self::Quiet,
        Self::Grid,
        Self::Good,
        Self::GoodPale,
        Self::Bad,
        Self::Unsure,
        Self::Refused,
        Self::Unknown,
        Self::Absent,
        Self::Surface,
        Self::OnBar,
    ];

    /// One of several, which repeat after some.
    pub(super) fn series(number: usize) -> Self {
        let number = number % usize::from(SERIES);
        Self::Series(u8::try_from(number).unwrap_or_default())
    }

    fn all() -> impl Iterator<Item = Self> {
        Self::NAMED.into_iter().chain((0..SERIES).map(Self::Series))
    }

    /// What it is until the style sheet's colour takes its place.
    fn code(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Quiet => 2,
            Self::Grid => 3,
            Self::Good => 4,
            Self::Bad => 5,
            Self::Unsure => 6,
            Self::Refused => 7,
            Self::Unknown => 8,
            Self::Absent => 9,
            Self::Surface => 10,
            Self::OnBar => 11,
            Self::GoodPale => 12,
            Self::Series(number) => 0x10 + number,
        }
    }

    fn color(self) -> RGBColor {
        RGBColor(1, 2, self.code())
    }

    fn css(self) -> String {
        match self {
            Self::Text => String::from("var(--text)"),
            Self::Quiet => String::from("var(--quiet)"),
            Self::Grid => String::from("var(--grid)"),
            Self::Good => String::from("var(--good)"),
            Self::GoodPale => String::from("var(--good-pale)"),
            Self::Bad => String::from("var(--bad)"),
            Self::Unsure => String::from("var(--unsure)"),
            Self::Refused => String::from("url(#refused)"),
            Self::Unknown => String::from("url(#unknown)"),
            Self::Absent => String::from("url(#absent)"),
            Self::Surface => String::from("var(--surface)"),
            Self::OnBar => String::from("var(--on-bar)"),
            Self::Series(number) => format!("var(--series-{number})"),
        }
    }

    /// Fills an area.
    pub(super) fn fill(self) -> ShapeStyle {
        self.color().filled()
    }

    /// Fills an area so that what is behind it shows.
    pub(super) fn shade(self, share: f64) -> ShapeStyle {
        self.color().mix(share).filled()
    }

    /// Draws a line.
    pub(super) fn line(self, width: u32) -> ShapeStyle {
        self.color().stroke_width(width)
    }

    /// Writes text beginning, centred or ending at its place.
    pub(super) fn text(self, at: HPos) -> TextStyle<'static> {
        TextStyle {
            font: ("sans-serif", TEXT_SIZE).into_font(),
            color: self.color().to_backend_color(),
            pos: Pos::new(at, VPos::Center),
        }
    }
}

/// About how wide a text is drawn.
pub(super) fn width_of(text: &str) -> i32 {
    let width = text.chars().count().saturating_mul(CHARACTER_WIDTH);
    i32::try_from(width).unwrap_or(i32::MAX)
}

/// Draws a plot that scales with the page. The label tells what it shows to whoever can't see it.
pub(super) fn svg(
    (width, height): (u32, u32),
    label: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Markup {
    let mut drawn = String::new();
    let outcome = {
        let canvas = SVGBackend::with_string(&mut drawn, (width, height)).into_drawing_area();
        draw(&canvas).and_then(|()| canvas.present())
    };
    if let Err(error) = outcome {
        return html! { p .quiet { "This plot could not be drawn: " (error) } };
    }
    // Its own tag has a size in pixels; the page's has one that scales.
    let inner = drawn.split_once('>').map_or("", |(_, rest)| rest);
    let mut inner = inner.trim_end().trim_end_matches("</svg>").to_owned();
    for ink in Ink::all() {
        let code = format!("\"#0102{:02X}\"", ink.code());
        inner = inner.replace(&code, &format!("\"{}\"", ink.css()));
    }
    // The font is the page's.
    inner = inner.replace(" font-family=\"sans-serif\"", "");
    inner = inner.replace(" opacity=\"1\"", "");
    html! {
        svg .plot role="img" aria-label=(label) viewBox=(format!("0 0 {width} {height}")) {
            (PreEscaped(inner))
        }
    }
}

/// The hatchings, once for all plots of a page.
pub(super) fn patterns() -> Markup {
    html! {
        svg .patterns aria-hidden="true" width="0" height="0" {
            defs {
                pattern id="refused" width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="10" height="10" fill="var(--bad-pale)" {}
                    rect width="5" height="10" fill="var(--bad)" {}
                }
                pattern id="unknown" width="10" height="10" patternUnits="userSpaceOnUse" {
                    rect width="10" height="10" fill="var(--unsure-pale)" {}
                    circle cx="5" cy="5" r="3" fill="var(--unsure)" {}
                }
                pattern id="absent" width="12" height="12" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)" {
                    rect width="12" height="12" fill="var(--surface)" {}
                    rect width="3" height="12" fill="var(--bad)" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::{Rectangle, Text};

    #[test]
    fn a_drawing_takes_its_colours_from_the_page_and_text_stays_text() {
        let drawn = svg((100, 50), "a \"plot\"", |canvas| {
            canvas.draw(&Rectangle::new([(0, 0), (5, 5)], Ink::Refused.fill()))?;
            let text = "</svg><script>x</script>\"#010201\"";
            canvas.draw(&Text::new(text, (5, 5), Ink::series(9).text(HPos::Left)))
        });
        let drawn = drawn.into_string();
        assert!(drawn.contains(r#"viewBox="0 0 100 50""#), "{drawn}");
        assert!(drawn.contains(r#"fill="url(#refused)""#), "{drawn}");
        assert!(drawn.contains(r#"fill="var(--series-2)""#), "{drawn}");
        assert!(drawn.contains("&lt;/svg&gt;&lt;script&gt;"), "{drawn}");
        assert!(drawn.contains("&quot;#010201&quot;"), "{drawn}");
        assert_eq!(drawn.matches("<svg").count(), 1);
        assert_eq!(drawn.matches("</svg>").count(), 1);
    }
}
